# SPDX-License-Identifier: GPL-3.0-or-later
"""The photometric chain against hand-computed cases, and JPEG against Pillow's."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.data import astronaut

from backend.training.photometric import (
    BLACK_AND_WHITE_SHARE,
    BLURRED_SHARE,
    JPEG_SHARE,
    NOISY_SHARE,
    Camera,
    dct_matrix,
    gaussian_blur,
    jpeg,
    photograph,
    random_cameras,
    saturate,
)


def plain(count: int = 1) -> Camera:
    """A camera that changes nothing."""
    one = torch.ones(count, 1, 1, 1)
    return Camera(
        torch.zeros(count, 2, 1, 1),
        one,
        one,
        one,
        torch.zeros(count),
        0 * one,
        torch.full((count,), torch.nan),
    )


def test_a_plain_camera_leaves_the_picture() -> None:
    picture = torch.rand(2, 3, 24, 24, generator=torch.Generator().manual_seed(0)).clamp_min(1e-3)
    seen = photograph(picture, plain(2), torch.Generator())
    assert torch.allclose(seen, picture, atol=1e-6)


def test_black_and_white_is_the_luminance_in_all_channels() -> None:
    red = torch.zeros(1, 3, 2, 2)
    red[:, 0] = 1.0
    assert torch.allclose(saturate(red, torch.zeros(1, 1, 1, 1)), torch.full_like(red, 0.299))
    assert torch.allclose(saturate(red, torch.ones(1, 1, 1, 1)), red)


def test_blur_spreads_a_point_as_the_gaussian_and_keeps_its_light() -> None:
    point = torch.zeros(2, 3, 21, 21)
    point[:, :, 10, 10] = 1.0
    blurred = gaussian_blur(point, torch.tensor([1.2, 0.0]))
    assert torch.equal(blurred[1], point[1])
    weights = [math.exp(-0.5 * (d / 1.2) ** 2) for d in range(-4, 5)]
    assert float(blurred[0, 0, 10, 10]) == pytest.approx((weights[4] / sum(weights)) ** 2, rel=1e-5)
    assert float(blurred[0, 0, 10, 12]) == pytest.approx(
        weights[4] * weights[6] / sum(weights) ** 2, rel=1e-5
    )
    assert blurred[0].sum((1, 2)) == pytest.approx([1.0] * 3, rel=1e-5)


def test_noise_has_the_cameras_standard_deviation() -> None:
    camera = plain(2)
    camera.noise = torch.tensor([0.0, 0.04]).view(2, 1, 1, 1)
    grey = torch.full((2, 3, 64, 64), 0.5)
    seen = photograph(grey, camera, torch.Generator().manual_seed(1))
    assert torch.allclose(seen[0], grey[0], atol=1e-6) and float(seen[1].std()) == pytest.approx(
        0.04, rel=0.03
    )


def test_the_cosine_transform_is_orthonormal_with_the_mean_first() -> None:
    matrix = dct_matrix()
    assert torch.allclose(matrix @ matrix.T, torch.eye(8), atol=1e-6)
    assert torch.allclose(matrix @ torch.ones(8), torch.tensor([math.sqrt(8)] + [0.0] * 7), atol=1e-6)


def test_jpeg_rounds_a_flat_block_to_the_step_of_its_mean() -> None:
    # Grey 140 is 12 above the middle; its DC coefficient is 8 * 12 = 96 = 6 steps of 16 at quality 50: kept exactly.
    # Grey 141: 104 = 6.5 steps, rounded to 6 (to even): 140. Quality 10 has steps of 80: 96 -> 80, 138.
    grey = torch.tensor([140.0, 141.0, 140.0]).view(3, 1, 1, 1).expand(3, 3, 16, 16) / 255
    result = jpeg(grey, torch.tensor([50.0, 50.0, 10.0])) * 255
    assert result[:, 0, 3, 3].tolist() == pytest.approx([140, 140, 138], abs=1e-3)


@pytest.mark.parametrize(("quality", "at_least_db"), [(30, 38.0), (75, 42.0)])
def test_jpeg_leaves_what_pillow_leaves(quality: int, at_least_db: float) -> None:
    face = astronaut()[16:144, 160:288]
    file = io.BytesIO()
    Image.fromarray(face).save(file, format="JPEG", quality=quality, subsampling="4:2:0")
    theirs = np.asarray(Image.open(file), np.float64)
    ours = jpeg(torch.from_numpy(face).permute(2, 0, 1)[None].float() / 255, torch.tensor([float(quality)]))
    ours = ours[0].permute(1, 2, 0).double().numpy() * 255

    def psnr(a: np.ndarray, b: np.ndarray) -> float:
        return 10 * math.log10(255**2 / ((a - b) ** 2).mean())

    loss = psnr(theirs, face.astype(float))
    assert psnr(ours, theirs) > max(at_least_db, loss + 4)
    assert psnr(ours, face.astype(float)) == pytest.approx(loss, abs=0.4)


def test_the_block_grid_moves_with_its_offset() -> None:
    # Too slow a ramp for any step but that of the mean: every block becomes flat, borders alone are left.
    ramp = torch.linspace(0.3, 0.5, 40).expand(1, 3, 40, 40).contiguous()
    steps = jpeg(ramp, torch.tensor([4.0]), (0, 3))[0, 0, 20].diff().abs() > 1e-4
    assert set(torch.nonzero(steps).flatten().tolist()) <= {2, 10, 18, 26, 34} and steps.sum() >= 2


def test_cameras_are_drawn_as_often_as_stated() -> None:
    cameras = random_cameras(4000, 128, torch.Generator().manual_seed(3), torch.device("cpu"))
    shares = {
        BLACK_AND_WHITE_SHARE: cameras.saturation == 0,
        BLURRED_SHARE: cameras.blur_px > 0,
        NOISY_SHARE: cameras.noise > 0,
        JPEG_SHARE: torch.isfinite(cameras.quality),
    }
    for share, drawn in shares.items():
        assert float(drawn.float().mean()) == pytest.approx(share, abs=0.03)
