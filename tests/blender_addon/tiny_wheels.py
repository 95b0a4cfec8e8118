# SPDX-License-Identifier: GPL-3.0-or-later
"""Real wheels of a few hundred bytes: a stand-in for the backend's, and the packages that it needs."""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from pathlib import Path

_DOCTOR = """
import importlib.util, json, os, sys
import tiny_dependency
checks = [{"name": "memory", "ok": False, "value": "little"}, {"name": "packages", "ok": BROKEN, "value": "VALUE"}]
follows = importlib.util.find_spec("tiny_follower") and os.path.isfile(os.environ.get("PORTRAIT_RELIEF_LANDMARKER", ""))
checks.append({"name": "driving", "ok": True, "value": "faces", "details": {"available": bool(follows)}})
print("a warning that is no JSON", file=sys.stderr)
print(json.dumps({"version": "VERSION", "protocol": 1, "ok": False, "checks": checks}, indent=2))
sys.exit(7)
"""


def write_wheel(folder: Path, name: str, version: str, files: dict[str, str], needs: str = "") -> Path:
    """A wheel with `files`, whose RECORD is right."""
    information = f"{name}-{version}.dist-info"
    requires = f"Requires-Dist: {needs}\n" if needs else ""
    content = {
        **files,
        f"{information}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}",
        f"{information}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = []
    for path, text in content.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(text.encode())}")
    content[f"{information}/RECORD"] = "\n".join([*lines, f"{information}/RECORD,,"]) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in content.items():
            archive.writestr(path, text)
    return wheel


def write_bundle(package_folder: Path, version: str = "0.1.0", *, working: bool = True) -> Path:
    """What the extension's zip carries, in tiny. Returns the folder with the packages that it needs."""
    folder = package_folder / "backend_wheel"
    for old in folder.glob("*.whl"):
        old.unlink()
    main = _DOCTOR.replace("BROKEN", str(working)).replace("VALUE", "torch").replace("VERSION", version)
    files = {"backend/__init__.py": "", "backend/__main__.py": main, "backend/data.json": json.dumps(version)}
    write_wheel(folder, "portrait_relief", version, files, needs="tiny-dependency>=1")
    (folder / "requirements.lock").write_text("# exact versions\ntiny-dependency==1.0\n", encoding="utf-8")
    (folder / "requirements-driving.lock").write_text("tiny-follower==1.0\n", encoding="utf-8")
    links = package_folder / "links"
    write_wheel(links, "tiny_dependency", "1.0", {"tiny_dependency.py": "VALUE = 1\n"})
    # As MediaPipe does, it asks for a package that is not wanted.
    write_wheel(links, "tiny_follower", "1.0", {"tiny_follower.py": ""}, needs="not-wanted-at-all>=1")
    return links
