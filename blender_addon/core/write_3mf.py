# SPDX-License-Identifier: GPL-3.0-or-later
"""A .3mf file: 3MF core specification 1.3 with the materials extension's texture or colour per vertex."""

from __future__ import annotations

import io

import numpy as np

_CORE = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
_MATERIALS = "http://schemas.microsoft.com/3dmanufacturing/material/2015/02"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_TEXTURE_PART = "/3D/Textures/picture.png"
_CONTENT_TYPES = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="model" ContentType="application/vnd.ms-package.3dmanufacturing-3dmodel+xml"/>'
    '<Default Extension="png" ContentType="application/vnd.ms-package.3dmanufacturing-3dmodeltexture"/>'
    "</Types>"
)
_OLDEST = (1980, 1, 1, 0, 0, 0)  # the same content gives the same file


def write_3mf(
    points_mm: np.ndarray,
    triangles: np.ndarray,
    *,
    name: str,
    application: str,
    corner_uv: np.ndarray | None = None,
    texture_png: bytes = b"",
    colours: np.ndarray | None = None,
) -> bytes:
    """A file's content, in millimetres.

    Args:
        points_mm: float [V, 3]; triangles: int [T, 3].
        corner_uv: float [T, 3, 2] with `texture_png`: a picture that is put into the file; v points upwards.
        colours: uint8 [V, 3], sRGB: a colour a vertex instead of a picture.

    Raises ValueError where both are given.
    """
    if corner_uv is not None and colours is not None:
        raise ValueError("A triangle takes its colour from a picture or from its vertices, not from both.")
    resources, indices, files = "", None, {}
    if corner_uv is not None:
        unique, indices = _unique_rows(np.round(corner_uv.reshape(-1, 2), 5) + 0.0)
        coordinates = "".join(f'<m:tex2coord u="{u:.5f}" v="{v:.5f}"/>' for u, v in unique.tolist())
        resources = (
            f'<m:texture2d id="2" path="{_TEXTURE_PART}" contenttype="image/png" '
            'tilestyleu="clamp" tilestylev="clamp"/>'
            f'<m:texture2dgroup id="3" texid="2">{coordinates}</m:texture2dgroup>'
        )
        files[_TEXTURE_PART.lstrip("/")] = texture_png
        files["3D/_rels/3dmodel.model.rels"] = _relation(
            _TEXTURE_PART, "http://schemas.microsoft.com/3dmanufacturing/2013/01/3dtexture"
        )
    elif colours is not None:
        unique, of_vertex = _unique_rows(colours)
        listed = "".join(f'<m:color color="#{r:02X}{g:02X}{b:02X}FF"/>' for r, g, b in unique.tolist())
        resources = f'<m:colorgroup id="3">{listed}</m:colorgroup>'
        indices = of_vertex[triangles.ravel()]
    vertices = "".join(f'<vertex x="{x:.5f}" y="{y:.5f}" z="{z:.5f}"/>' for x, y, z in points_mm.tolist())
    if indices is None:
        faces = "".join(f'<triangle v1="{a}" v2="{b}" v3="{c}"/>' for a, b, c in triangles.tolist())
    else:
        rows = np.concatenate([triangles, indices.reshape(-1, 3)], 1).tolist()
        faces = "".join(
            f'<triangle v1="{a}" v2="{b}" v3="{c}" pid="3" p1="{p}" p2="{q}" p3="{r}"/>'
            for a, b, c, p, q, r in rows
        )
    default = "" if indices is None else ' pid="3" pindex="0"'
    model = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<model unit="millimeter" xml:lang="en-US" xmlns="{_CORE}" xmlns:m="{_MATERIALS}">'
        f'<metadata name="Application">{_text(application)}</metadata>'
        f'<resources>{resources}<object id="1" type="model" name="{_text(name)}"{default}>'
        f"<mesh><vertices>{vertices}</vertices><triangles>{faces}</triangles></mesh></object></resources>"
        '<build><item objectid="1"/></build></model>'
    )
    parts = {
        "[Content_Types].xml": _CONTENT_TYPES,
        "_rels/.rels": _relation(
            "/3D/3dmodel.model", "http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"
        ),
        "3D/3dmodel.model": model,
        **files,
    }
    import zipfile  # imported when it is needed: enabling the add-on is quick

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, content in parts.items():
            entry = zipfile.ZipInfo(path, _OLDEST)
            entry.compress_type = zipfile.ZIP_STORED if path.endswith(".png") else zipfile.ZIP_DEFLATED
            archive.writestr(entry, content, compresslevel=4)
    return buffer.getvalue()


def _unique_rows(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    unique, inverse = np.unique(rows, axis=0, return_inverse=True)
    return unique, inverse.reshape(-1)


def _text(words: str) -> str:
    """For text and for values in double quotes."""
    from xml.sax.saxutils import escape  # as late as zipfile

    return escape(words, {'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})


def _relation(target: str, kind: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<Relationships xmlns="{_RELATIONS}"><Relationship Id="rel0" Target="{target}" Type="{kind}"/>'
        "</Relationships>"
    )
