# SPDX-License-Identifier: GPL-3.0-or-later
"""What enabling leaves for the ticks after it."""

from __future__ import annotations

import subprocess
import sys

from tests.blender_addon.inside_blender.conftest import ROOT

SCRIPT = """
import sys
import bpy
found = set(sys.modules)
import blender_addon
from blender_addon import late_imports
blender_addon.register()
late = [name for name in late_imports.MODULES if name not in found]
print("EARLY", [name for name in ("ssl", "http.client") if name in sys.modules and name not in found])
late_imports._to_import[:] = late
ticks = 0
while late_imports._next() is not None:
    ticks += 1
print("LATE", len(late) > 1, ticks == len(late), [name for name in late_imports.MODULES if name not in sys.modules])
blender_addon.unregister()
"""


def test_http_and_tls_are_imported_after_enabling_one_module_a_tick():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert "EARLY []" in done.stdout and "LATE True True []" in done.stdout, done.stdout + done.stderr
