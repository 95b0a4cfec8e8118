# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the MakeHuman / MPFB base mesh, targets, regions and hair meshes (no bpy).

Source data: MPFB2 `data` folder and the MakeHuman community hair assets, CC0 1.0. Units in the files are
decimetres, Y up, the face looks along +Z and +X is the subject's left. Everything here keeps those axes.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from backend.errors import InputError

BODY_VERTICES = 13380  # the base mesh's skin; helper geometry (eyes, teeth, ...) follows it
CUT_Y_DM = 5.0  # the mesh is cut below the shoulders: nothing below is ever in the picture
HEAD_HELPERS = (
    "helper-l-eye",
    "helper-r-eye",
    "helper-upper-teeth",
    "helper-lower-teeth",
    "helper-tongue",
    "helper-l-eyelashes-1",
    "helper-l-eyelashes-2",
    "helper-r-eyelashes-1",
    "helper-r-eyelashes-2",
)


@dataclass(frozen=True)
class Target:
    """A sparse displacement of the base mesh: `index` [N] int, `delta` [N, 3] in decimetres."""

    index: np.ndarray
    delta: np.ndarray


@dataclass(frozen=True)
class HairMesh:
    """A hair mesh fitted to the base mesh: every vertex is held by three base vertices plus a scaled offset."""

    name: str
    faces: list[tuple[int, ...]]
    anchors: np.ndarray  # [N, 3] base vertex indices
    weights: np.ndarray  # [N, 3]
    offsets: np.ndarray  # [N, 3] decimetres at reference scale
    scale_pairs: tuple[
        tuple[int, int, float], ...
    ]  # per axis: two base vertices and their reference distance

    def fit(self, base: np.ndarray) -> np.ndarray:
        """Vertices [N, 3] on the given base mesh vertices [19158, 3] (MakeHuman's .mhclo rule)."""
        scale = np.array([abs(base[a, i] - base[b, i]) / d for i, (a, b, d) in enumerate(self.scale_pairs)])
        held = (base[self.anchors] * self.weights[..., None]).sum(1)
        return held + self.offsets * scale


class HeadAssets:
    """The folder that holds `mpfb/data` and `makehuman/hair` (or an MPFB `data` folder itself)."""

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        candidates = [self.folder / "mpfb" / "data", self.folder / "data", self.folder]
        for candidate in candidates:
            if (candidate / "3dobjs" / "base.obj").is_file():
                self.data = candidate
                break
        else:
            raise InputError(
                f"No MakeHuman base mesh (3dobjs/base.obj) was found below {self.folder}.",
                "Name the 'data' folder of an installed MPFB extension, or a folder that holds mpfb/data.",
                code="assets_missing",
            )

    @cached_property
    def _obj(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        vertices, faces, groups, group = [], [], [], ""
        with open(self.data / "3dobjs" / "base.obj", encoding="utf-8") as file:
            for line in file:
                if line.startswith("v "):
                    vertices.append([float(t) for t in line.split()[1:4]])
                elif line.startswith("g "):
                    group = line.split()[1]
                elif line.startswith("f "):
                    faces.append([int(t.split("/")[0]) - 1 for t in line.split()[1:]])
                    groups.append(group)
        return np.array(vertices), np.array(faces), np.array(groups)

    @property
    def vertices(self) -> np.ndarray:
        """Base mesh [19158, 3], decimetres."""
        return self._obj[0]

    @property
    def faces(self) -> np.ndarray:
        """All quads [18486, 4] as vertex indices."""
        return self._obj[1]

    @property
    def face_groups(self) -> np.ndarray:
        """Group name of every face [18486]."""
        return self._obj[2]

    @cached_property
    def groups(self) -> dict[str, np.ndarray]:
        """Vertex indices of every named group of the base mesh."""
        text = (self.data / "mesh_metadata" / "basemesh_vertex_groups.json").read_text(encoding="utf-8")
        return {
            name: np.concatenate([np.arange(a, b + 1) for a, b in ranges])
            for name, ranges in json.loads(text).items()
        }

    def region_faces(self, name: str) -> np.ndarray:
        """Face indices of a UV layer region, e.g. "lips_solid" or "scalp_solid"."""
        with gzip.open(self.data / "uv_layers" / f"{name}.json.gz", "rt", encoding="utf-8") as file:
            return np.array(sorted(int(key) for key in json.load(file)))

    @cache  # noqa: B019 - one instance a process, the targets are read many times
    def target(self, relative: str) -> Target:
        """Read targets/RELATIVE.target.gz."""
        path = self.data / "targets" / f"{relative}.target.gz"
        if not path.is_file():
            raise InputError(
                f"The target file {path} is missing.",
                "Use a complete MPFB data folder.",
                code="assets_missing",
            )
        with gzip.open(path, "rt", encoding="utf-8") as file:
            rows = [line.split() for line in file if line.strip() and not line.startswith("#")]
        return Target(
            np.array([int(row[0]) for row in rows]), np.array([[float(t) for t in row[1:4]] for row in rows])
        )

    def target_names(self, subfolder: str) -> list[str]:
        """Sorted target names in targets/SUBFOLDER, without the ending."""
        return sorted(
            p.name[: -len(".target.gz")] for p in (self.data / "targets" / subfolder).glob("*.target.gz")
        )

    @cached_property
    def hair_names(self) -> list[str]:
        """Names of the hair meshes found beside the MPFB data; may be empty."""
        return sorted(p.stem for p in self.folder.glob("makehuman/hair/*/*.mhclo"))

    @cache  # noqa: B019
    def hair(self, name: str) -> HairMesh:
        """Read one hair mesh with its fitting data."""
        folder = self.folder / "makehuman" / "hair" / name
        faces = []
        with open(folder / f"{name}.obj", encoding="utf-8") as file:
            for line in file:
                if line.startswith("f "):
                    faces.append(tuple(int(t.split("/")[0]) - 1 for t in line.split()[1:]))
        rows, scales, in_verts = [], {}, False
        with open(folder / f"{name}.mhclo", encoding="utf-8") as file:
            for line in file:
                words = line.split()
                if not words:
                    continue
                if words[0] in ("x_scale", "y_scale", "z_scale"):
                    scales[words[0][0]] = (int(words[1]), int(words[2]), float(words[3]))
                if words[0] == "verts":
                    in_verts = True
                elif in_verts:
                    # Header lines such as "material" may stand between the rows and the word "verts".
                    if words[0].lstrip("-").replace(".", "", 1).isdigit():
                        rows.append([float(w) for w in words])
                    elif rows:
                        in_verts = False
        # A row of one number is held by a single base vertex.
        full = [r if len(r) == 9 else [r[0], r[0], r[0], 1.0, 0.0, 0.0, 0.0, 0.0, 0.0] for r in rows]
        table = np.array(full)
        return HairMesh(
            name,
            faces,
            table[:, :3].astype(int),
            table[:, 3:6],
            table[:, 6:9],
            (scales["x"], scales["y"], scales["z"]),
        )
