# SPDX-License-Identifier: GPL-3.0-or-later
"""`build.py bench` on the interface: measured on the real extension and backend, and told with its limits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from demo import interface_report


def test_the_table_tells_what_is_over_its_limit():
    row = {"count": 500, "median_ms": 0.2, "p99_ms": 5.0, "worst_ms": 9.1, "worst_own_ms": 4.0, "above": 1}
    best = {"count": 7, "median_ms": 450.0, "best_ms": 400.0, "best_own_ms": 390.0, "limit_ms": 500.0}
    row["own_above"] = 0
    row["slowest"] = [(9.1, 4.0, "RUNNING, check in_worker:54"), (7.9, 3.0, "QUEUED")]
    told = interface_report.table(
        {"windowed": False, "blender": "4.5.0", "error": "", "tick": row | {"limit_ms": 8.0}, "build": best}
    )
    first, tick, slowest, build = told.splitlines()
    assert "without a window" in first and "4.5.0" in first
    assert "9.10 ms" in tick and "OVER the limit of 8 ms" in tick and "1 above the limit" in tick
    assert tick.endswith("own computing 4.00, 0 above")
    assert "9.1 ms, own computing 4.0: RUNNING, check in_worker:54" in slowest and "QUEUED" not in told
    assert "0.40 s" in build and "ok, limit 0.5 s" in build


@pytest.mark.parametrize(
    ("name", "worst_ms", "words", "status"),
    [
        ("tick_large", 7.9, [], 0),
        ("tick_large", 9.1, [], 1),
        ("tick_large", 9.1, ["--report-only"], 0),
        ("fixed", 9.1, [], 0),
    ],
)
def test_a_number_above_its_limit_is_an_exit_status(
    monkeypatch: pytest.MonkeyPatch, name: str, worst_ms: float, words: list[str], status: int
):
    row = {"count": 5, "median_ms": 0.2, "p99_ms": 5.0, "worst_ms": worst_ms, "above": 0, "limit_ms": 8.0}
    found = {"windowed": True, "blender": "4.5.0", "error": "", name: row}
    monkeypatch.setattr(interface_report, "measure", lambda *_: found)
    assert interface_report.main(words) == status


def test_the_named_blender_goes_before_the_variable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(interface_report.BLENDER_VARIABLE, "/opt/one")
    assert interface_report.find_blender("/opt/other") == "/opt/other"
    assert interface_report.find_blender(None) == "/opt/one"
    monkeypatch.delenv(interface_report.BLENDER_VARIABLE)
    monkeypatch.setenv("PATH", "/nowhere")
    assert interface_report.find_blender(None) is None


def test_a_blender_that_does_not_run_is_an_error_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    broken = tmp_path / "blender"
    broken.write_text("#!/bin/sh\necho no display\nexit 3\n")
    broken.chmod(0o755)
    assert interface_report.main(["--blender", str(broken)]) == 1
    assert "exit status 3" in (told := capsys.readouterr().err) and "no display" in told


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_on_bpy_every_number_is_measured(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("PORTRAIT_RELIEF_CHECKPOINT", str(tiny_checkpoint))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv(interface_report.BLENDER_VARIABLE, raising=False)
    monkeypatch.delenv("DISPLAY", raising=False)
    assert interface_report.main(["--json", "--report-only"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert not found["windowed"] and not found["error"]
    assert found["tick"]["count"] >= 500 and found["operator"]["count"] >= 5
    assert found["fixed"]["count"] > 100 and found["fixed"]["median_ms"] > 0
    assert found["tick_large"]["count"] > 10 and found["tick_sequence"]["count"] > 10
    assert (
        found["task"]["count"] >= 8
    )  # check, delight, rebuild and export beside the large photo and the sequence
    # Of the thread's own computing, with room for other versions: the clock tells of the machine's load too.
    for name in ("tick", "tick_large", "tick_sequence"):
        assert 0 < found[name]["worst_own_ms"] < 60, found[name]
    assert found["operator"]["worst_own_ms"] < 200
    assert (
        found["build"]["best_ms"] > 1
        and found["displace"]["best_ms"] > 0.1
        and found["enable"]["best_ms"] > 1
    )
