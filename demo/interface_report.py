# SPDX-License-Identifier: GPL-3.0-or-later
"""`build.py bench`, the interface's part: starts `interface_bench` in a windowed Blender, or on bpy, and prints it.

Ends with status 1 where a number is above its limit.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

BLENDER_VARIABLE = "PORTRAIT_RELIEF_BLENDER"
_SCRIPT = Path(__file__).with_name("interface_bench.py")
_PATIENCE_S = 1800
_NAMED = 3  # of those above a limit, the slowest ones
LARGE_PX = 3000
_ROWS = (
    ("tick", "timer tick while a job runs", 1.0, "ms"),
    ("tick_large", f"the same, photo of {LARGE_PX} px", 1.0, "ms"),
    ("tick_sequence", "the same, sequence", 1.0, "ms"),
    ("fixed", "plain arithmetic, for comparison", 1.0, "ms"),
    ("operator", "operator call while a job runs", 1.0, "ms"),
    ("task", "check, delight, rebuild, export: the call", 1.0, "ms"),
    ("build", "relief of 768 x 768 vertices", 1000.0, "s"),
    ("displace", "its re-displacement", 1.0, "ms"),
    ("enable", "enabling the extension, byte code there", 1.0, "ms"),
)


def find_blender(named: str | None) -> str | None:
    """The one named, of the variable, or on the path where there is a screen to show it on; None for the bpy module."""
    chosen = named or os.environ.get(BLENDER_VARIABLE)
    if chosen:
        return chosen
    has_screen = sys.platform in ("win32", "darwin") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    return shutil.which("blender") if has_screen else None


def measure(blender: str | None, folder: Path) -> dict:
    """What `interface_bench` found. Raises RuntimeError where it found nothing, with what Blender printed last."""
    from PIL import Image
    from skimage import data

    photo, large_photo, result = (folder / name for name in ("small.png", "large.png", "interface.json"))
    picture = Image.fromarray(data.astronaut())
    picture.save(photo)
    picture.resize((LARGE_PX, LARGE_PX)).save(large_photo, compress_level=1)
    words = [str(_SCRIPT), str(result), str(photo), str(large_photo)]
    if blender:
        words = [blender, "--factory-startup", "--python", words[0], "--", *words[1:]]
    else:
        words = [sys.executable, *words]
    environment = {"PORTRAIT_RELIEF_PYTHON": sys.executable, **os.environ}
    done = subprocess.run(
        words,
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_PATIENCE_S,
        check=False,
    )
    if not result.is_file():
        tail = "\n  ".join((done.stdout + done.stderr).splitlines()[-8:])
        raise RuntimeError(f"{words[0]} measured nothing (exit status {done.returncode}):\n  {tail}")
    return json.loads(result.read_text(encoding="utf-8"))


def table(found: Mapping) -> str:
    """One line a number, with its limit. All ticks and operators must stay below theirs; the best of several counts
    for what is repeated. The slowest of those above their limit are named by what was at work, before and after."""
    where = "in a window" if found["windowed"] else "without a window: the ticks were called in a loop"
    lines = [f"Interface, Blender {found['blender']}, {where}"]
    for key, label, unit, name in _ROWS:
        if key not in found:
            continue
        row = found[key]
        value, limit_ms = _value_ms(row), row["limit_ms"]
        text = f"  {label:42} {value / unit:8.2f} {name:2}  {_verdict(value, limit_ms)} {limit_ms / unit:g} {name}; "
        text += f"median {row['median_ms'] / unit:.2f} of {row['count']}"
        if "above" in row:
            text += f", 99 % below {row['p99_ms']:.1f}, {row['above']} above the limit"
        # Other programs lengthen the time by the clock, not this.
        text += f"; own computing {row.get('worst_own_ms', row.get('best_own_ms', 0.0)) / unit:.2f}"
        if "own_above" in row:
            text += f", {row['own_above']} above"
        lines.append(text)
        above = [each for each in row.get("slowest", ()) if each[0] > limit_ms]
        for wall_ms, own_ms, at_work in above[:_NAMED]:
            lines.append(f"    {wall_ms:.1f} {name}, own computing {own_ms:.1f}: {at_work}")
    return "\n".join(lines)


def _value_ms(row: Mapping) -> float:
    return row.get("worst_ms", row.get("best_ms"))


def is_over(found: Mapping) -> bool:
    """Whether any number is above its limit; of plain arithmetic the machine is to blame."""
    rows = [found[key] for key, *_ in _ROWS if key in found and key != "fixed"]
    return any(_value_ms(row) > row["limit_ms"] for row in rows)


def _verdict(value: float, limit: float) -> str:
    return "ok, limit" if value <= limit else "OVER the limit of"


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="build.py bench", description=__doc__)
    parser.add_argument("--blender", help=f"Blender's program (default: ${BLENDER_VARIABLE}, or on the path)")
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    parser.add_argument(
        "--report-only", action="store_true", help="end with status 0 also where a number is above its limit"
    )
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="portrait-relief-bench-") as folder:
        try:
            found = measure(find_blender(arguments.blender), Path(folder))
        except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
            print(error, file=sys.stderr)
            return 1
    print(json.dumps(found, indent=2) if arguments.json else table(found))
    if found["error"]:
        print(found["error"], file=sys.stderr)
        return 1
    return int(is_over(found) and not arguments.report_only)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
