# SPDX-License-Identifier: GPL-3.0-or-later
"""The outline of a real head before a window, with the embedded weights."""

from __future__ import annotations

import numpy as np
import pytest

from backend.editor import PortraitEditor
from backend.portrait import Portrait

from .conftest import ASSETS

PHOTO = ASSETS / "photos" / "official_portrait_a.jpg"
# Pixels of the photo: panes left and right of short hair, and left of the face; face and hair.
BEHIND = [np.s_[73:160, 310:336], np.s_[73:149, 647:678], np.s_[171:237, 310:336]]
ON_HEAD = [np.s_[130:300, 430:560], np.s_[50:80, 460:540]]


@pytest.fixture(scope="module")
def editor() -> PortraitEditor:
    return PortraitEditor(device="cpu")


@pytest.fixture(scope="module")
def portrait(editor: PortraitEditor) -> Portrait:
    if not PHOTO.is_file():
        pytest.skip(
            "no photos: set PORTRAIT_RELIEF_ASSETS to a folder that holds photos/official_portrait_a.jpg"
        )
    return editor.open(PHOTO)


def test_a_window_beside_short_hair_is_no_hair(editor: PortraitEditor, portrait: Portrait) -> None:
    result = editor.depth(portrait)
    for place in BEHIND:
        assert result.coverage[place].mean() < 0.05
        assert np.isfinite(result.depth_mm[place]).mean() < 0.05
    for place in ON_HEAD:
        assert result.coverage[place].min() > 0.95
    assert result.report["seconds"]["outline"] > 0


def test_an_edit_has_the_outline_of_its_photo(editor: PortraitEditor, portrait: Portrait) -> None:
    edited = editor.generate(portrait, {"jawOpen": 0.8})
    assert 0.01 < (edited.rgb != portrait.photo.rgb).any(axis=-1).mean() < 0.5
    for place in BEHIND:
        assert edited.coverage[place].mean() < 0.05
        assert np.array_equal(edited.rgb[place], portrait.photo.rgb[place])
    for place in ON_HEAD:
        assert edited.coverage[place].min() > 0.9
