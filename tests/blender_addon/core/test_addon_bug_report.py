# SPDX-License-Identifier: GPL-3.0-or-later
"""A bug report says what is needed and nothing that is private. No bpy."""

from __future__ import annotations

from pathlib import Path

from blender_addon.core import bug_report


def test_a_report_holds_versions_device_problems_and_the_end_of_the_log():
    text = bug_report.compose(
        blender="4.3.2",
        addon="0.1.0",
        backend_state="READY",
        capabilities={"version": "0.1.0", "device": {"type": "cpu"}, "expression_names": ["jawOpen"] * 51},
        problems={"Job": "No face was found.", "Install": ""},
        check="2026-11-28 12:00\nok    packages     torch 2.13.0\nFAIL  memory       /home/anna is full",
        log="\n".join(f"line {number}" for number in range(200)) + "\n/home/anna/x.py and /home/annabel/y.py",
        home=Path("/home/anna"),
    )
    lines = text.splitlines()
    assert lines[0].startswith("Portrait Relief 0.1.0, Blender 4.3.2, ")
    assert '"device": {"type": "cpu"}' in text and "jawOpen" not in text
    assert "Job: No face was found." in lines and not any(line.startswith("Install") for line in lines)
    begin = lines.index("Check of the installation:")
    assert lines[begin + 1 : begin + 4][1:] == [
        "ok    packages     torch 2.13.0",
        "FAIL  memory       ~ is full",
    ]
    assert lines[-1] == "~/x.py and /home/annabel/y.py"
    assert "line 199" in text and "line 141" in text and "line 140" not in text


def test_without_a_backend_it_says_so():
    text = bug_report.compose(
        blender="4.2", addon="0.1", backend_state="STOPPED", capabilities={}, problems={}, log=""
    )
    assert "Check of the installation:\n(not made)\n" in text
    assert "Backend: STOPPED" in text and text.endswith("(none)\n")
