# SPDX-License-Identifier: GPL-3.0-or-later
"""A .glb file (glTF 2.0): one mesh with its picture inside.

Blender's own exporter shows another scene in the window while it runs, and takes the user out of sculpt mode.
"""

from __future__ import annotations

import json
import struct

import numpy as np

_FLOAT, _UNSIGNED_INT = 5126, 5125
_VERTICES, _INDICES = 34962, 34963
_CLAMP, _LINEAR, _LINEAR_MIPMAP = 33071, 9729, 9987
ROUGHNESS = 0.55


def write_glb(
    points: np.ndarray,
    triangles: np.ndarray,
    corner_uv: np.ndarray,
    smooth: np.ndarray,
    png: bytes,
    *,
    name: str,
    generator: str,
) -> bytes:
    """A file's content.

    Args:
        points: float [V, 3] in metres; y up, z towards the viewer.
        triangles: int [T, 3]; corner_uv: float [T, 3, 2], v upwards, one value a vertex among the smooth faces.
        smooth: bool [T]: shaded smooth; the others are flat.
    """
    position, normal, uv, indices = _split(points, triangles, corner_uv, smooth)
    uv = np.stack([uv[:, 0], 1 - uv[:, 1]], 1)  # glTF counts v downwards
    parts = [
        position.astype("<f4").tobytes(),
        normal.astype("<f4").tobytes(),
        uv.astype("<f4").tobytes(),
        indices.astype("<u4").tobytes(),
        png,
    ]
    views, offset = [], 0
    for number, part in enumerate(parts):
        view = {"buffer": 0, "byteOffset": offset, "byteLength": len(part)}
        if number < 4:
            view["target"] = _INDICES if number == 3 else _VERTICES
        views.append(view)
        offset += len(part) + -len(part) % 4
    low, high = (limit.astype("<f4").tolist() for limit in (position.min(0), position.max(0)))
    count = len(position)
    document = {
        "asset": {"version": "2.0", "generator": generator},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": name}],
        "meshes": [
            {
                "name": name,
                "primitives": [
                    {
                        "attributes": {"POSITION": 0, "NORMAL": 1, "TEXCOORD_0": 2},
                        "indices": 3,
                        "material": 0,
                    }
                ],
            }
        ],
        "materials": [
            {
                "name": name,
                "pbrMetallicRoughness": {
                    "baseColorTexture": {"index": 0},
                    "metallicFactor": 0.0,
                    "roughnessFactor": ROUGHNESS,
                },
            }
        ],
        "textures": [{"source": 0, "sampler": 0}],
        "samplers": [{"magFilter": _LINEAR, "minFilter": _LINEAR_MIPMAP, "wrapS": _CLAMP, "wrapT": _CLAMP}],
        "images": [{"bufferView": 4, "mimeType": "image/png", "name": name}],
        "accessors": [
            {
                "bufferView": 0,
                "componentType": _FLOAT,
                "count": count,
                "type": "VEC3",
                "min": low,
                "max": high,
            },
            {"bufferView": 1, "componentType": _FLOAT, "count": count, "type": "VEC3"},
            {"bufferView": 2, "componentType": _FLOAT, "count": count, "type": "VEC2"},
            {"bufferView": 3, "componentType": _UNSIGNED_INT, "count": len(indices), "type": "SCALAR"},
        ],
        "bufferViews": views,
        "buffers": [{"byteLength": offset}],
    }
    head = json.dumps(document, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 4)
    body = b"".join(part + b"\0" * (-len(part) % 4) for part in parts)
    size = 12 + 8 + len(head) + 8 + len(body)
    return b"".join(
        [
            struct.pack("<4sII", b"glTF", 2, size),
            struct.pack("<I4s", len(head), b"JSON"),
            head,
            struct.pack("<I4s", len(body), b"BIN\0"),
            body,
        ]
    )


def _split(
    points: np.ndarray, triangles: np.ndarray, corner_uv: np.ndarray, smooth: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """position, normal and uv a vertex of the file, and its indices: smooth faces share vertices, flat ones do not."""
    corners = points[triangles]
    face_normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    count = len(points)
    summed = np.stack(
        [
            np.bincount(triangles[smooth].ravel(), np.repeat(face_normal[smooth, axis], 3), count)
            for axis in range(3)
        ],
        1,
    )
    uv = np.zeros((count, 2))
    uv[triangles[smooth].ravel()] = corner_uv[smooth].reshape(-1, 2)
    used = np.unique(triangles[smooth])
    flat = ~smooth
    index = np.empty(triangles.shape, np.int64)
    index[smooth] = np.searchsorted(used, triangles[smooth])
    index[flat] = len(used) + np.arange(3 * int(flat.sum())).reshape(-1, 3)
    position = np.concatenate([points[used], corners[flat].reshape(-1, 3)])
    normal = np.concatenate([summed[used], np.repeat(face_normal[flat], 3, axis=0)])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-30)
    return position, normal, np.concatenate([uv[used], corner_uv[flat].reshape(-1, 2)]), index.ravel()
