# SPDX-License-Identifier: GPL-3.0-or-later
"""What a camera and a file format do to a picture, on whole batches on the training device.

A chain in the order of a real camera: light, lens, sensor, development, compression. Reference and target of a
sample go through the same camera and get their own noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

SHADED_SHARE, BLURRED_SHARE, NOISY_SHARE = 0.6, 0.35, 0.4
BLACK_AND_WHITE_SHARE, JPEG_SHARE = 0.12, 0.3
LARGEST_BLUR_SHARE = (
    0.01  # of the picture's side, standard deviation; about what a photo out of focus has left
)
LARGEST_NOISE = 0.05
JPEG_QUALITY = (25.0, 95.0)
BLOCK = 8  # side of JPEG's blocks in px

LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601, as JFIF has it
# ITU-T T.81 (the JPEG standard), tables K.1 and K.2: quantisation of luminance and chrominance at quality 50.
_LUMINANCE_STEPS = (
    (16, 11, 10, 16, 24, 40, 51, 61), (12, 12, 14, 19, 26, 58, 60, 55), (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62), (18, 22, 37, 56, 68, 109, 103, 77), (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101), (72, 92, 95, 98, 112, 100, 103, 99),
)  # fmt: skip
_CHROMINANCE_STEPS = (
    (17, 18, 24, 47, 99, 99, 99, 99), (18, 21, 26, 66, 99, 99, 99, 99), (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99), *((99,) * 8,) * 4,
)  # fmt: skip
_TO_YCBCR = (LUMINANCE, (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
_FROM_YCBCR = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))


@dataclass
class Camera:
    """One camera a sample; every field has a row a sample [B, ...].

    Attributes:
        shade: slope of the light over the picture, right and down [B, 2, 1, 1], natural log a half picture.
        gain, gamma: exposure with white balance [B, 3, 1, 1], and the tone curve [B, 1, 1, 1].
        saturation: 0 is black and white, 1 leaves the colours [B, 1, 1, 1].
        blur_px: standard deviation of the lens blur [B].
        noise: standard deviation of the sensor noise [B, 1, 1, 1].
        quality: of the JPEG file, 1..100 [B]; NaN is not compressed.
    """

    shade: Tensor
    gain: Tensor
    gamma: Tensor
    saturation: Tensor
    blur_px: Tensor
    noise: Tensor
    quality: Tensor

    @property
    def clean(self) -> Tensor:
        """Bool [B]: neither noisy nor compressed."""
        return (self.noise.flatten() == 0) & torch.isnan(self.quality)


def random_cameras(count: int, side_px: int, generator: torch.Generator, device: torch.device) -> Camera:
    """Draw `count` cameras for pictures of `side_px`; the shares and limits are the constants of this module."""

    def rand(*size: int) -> Tensor:
        return torch.rand(*size, generator=generator, device=device)

    def normal(sigma: float, *size: int) -> Tensor:
        return torch.randn(*size, generator=generator, device=device) * sigma

    one = (count, 1, 1, 1)
    colour = 0.5 + 0.8 * rand(*one)
    low, high = JPEG_QUALITY
    return Camera(
        shade=normal(0.25, count, 2, 1, 1) * (rand(*one) < SHADED_SHARE),
        gain=torch.exp(normal(0.16, *one) + normal(0.07, count, 3, 1, 1)),
        gamma=torch.exp(normal(0.2, *one)),
        saturation=torch.where(rand(*one) < BLACK_AND_WHITE_SHARE, 0.0, colour),
        blur_px=(rand(count) < BLURRED_SHARE) * rand(count) * LARGEST_BLUR_SHARE * side_px,
        noise=(rand(*one) < NOISY_SHARE) * rand(*one) * LARGEST_NOISE,
        quality=torch.where(rand(count) < JPEG_SHARE, low + (high - low) * rand(count), torch.nan),
    )


def photometric(
    pictures: list[Tensor], generator: torch.Generator, camera: Camera | None = None
) -> list[Tensor]:
    """The same random camera for all pictures of a sample, with noise of its own on each.

    Args:
        pictures: each [B, 3, R, R] in 0..1 (reference and target of the same samples).
        camera: drawn if it is not given.
    """
    count, device = len(pictures[0]), pictures[0].device
    camera = camera or random_cameras(count, pictures[0].shape[-1], generator, device)
    offset = torch.randint(0, BLOCK, (2,), generator=generator, device=device).tolist()
    return [photograph(picture, camera, generator, (offset[0], offset[1])) for picture in pictures]


def photograph(
    picture: Tensor, camera: Camera, generator: torch.Generator, jpeg_offset_px: tuple[int, int] = (0, 0)
) -> Tensor:
    """`picture` [B, 3, R, R] in 0..1 as `camera` takes it; see `jpeg` for the offset."""
    axis = torch.linspace(-1, 1, picture.shape[-1], device=picture.device)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    shade = torch.exp((camera.shade[:, :1] * x + camera.shade[:, 1:] * y).clamp(-0.7, 0.7))
    changed = gaussian_blur((picture * shade * camera.gain).clamp(1e-4, 1), camera.blur_px)
    changed = saturate(changed**camera.gamma, camera.saturation)
    noise = torch.randn(changed.shape, generator=generator, device=changed.device)
    changed = (changed + camera.noise * noise).clamp(0, 1)
    rows = torch.nonzero(torch.isfinite(camera.quality)).flatten()
    if len(rows):
        changed[rows] = jpeg(changed[rows], camera.quality[rows], jpeg_offset_px)
    return changed


def saturate(picture: Tensor, saturation: Tensor) -> Tensor:
    """Colours of [B, 3, H, W] drawn towards (0: black and white) or away from (above 1) their luminance."""
    weights = torch.tensor(LUMINANCE, device=picture.device).view(1, 3, 1, 1)
    grey = (picture * weights).sum(1, keepdim=True)
    return grey + (picture - grey) * saturation


def gaussian_blur(picture: Tensor, sigma_px: Tensor) -> Tensor:
    """Gaussian blur of [B, 3, H, W] with a standard deviation a sample [B]; borders are repeated, 0 changes nothing."""
    rows = torch.nonzero(sigma_px > 0.05).flatten()
    if not len(rows):
        return picture
    sigma, part = sigma_px[rows], picture[rows]
    reach = max(1, math.ceil(3 * float(sigma.max())))
    distance = torch.arange(-reach, reach + 1, device=picture.device)
    kernel = torch.exp(-0.5 * (distance / sigma[:, None]) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(3, 0)  # one filter a sample and channel
    count, channels, height, width = part.shape
    flat = F.pad(part, (reach,) * 4, mode="replicate").view(
        1, count * channels, *(s + 2 * reach for s in (height, width))
    )
    flat = F.conv2d(flat, kernel[:, None, :, None], groups=count * channels)
    flat = F.conv2d(flat, kernel[:, None, None, :], groups=count * channels)
    result = picture.clone()
    result[rows] = flat.view(count, channels, height, width)
    return result


def jpeg(picture: Tensor, quality: Tensor, offset_px: tuple[int, int] = (0, 0)) -> Tensor:
    """What baseline JPEG leaves of [B, 3, H, W] in 0..1 at `quality` [B] (1..100, libjpeg's scale).

    The lossy steps alone: YCbCr, chrominance at half size (4:2:0), 8x8 DCT, quantisation. The entropy coding loses
    nothing and is left out, and samples are not rounded to 8 bit in between.

    Args:
        offset_px: where the block grid starts, down and right; crops of photos do not begin at a block.
    """
    height, width = picture.shape[-2:]
    top, left = (-offset_px[0] % (2 * BLOCK), -offset_px[1] % (2 * BLOCK))
    bottom, right = (-(height + top) % (2 * BLOCK), -(width + left) % (2 * BLOCK))
    # The luminance row sums to one and the others to zero: the shift by 128 leaves all three around zero.
    matrix = torch.tensor(_TO_YCBCR, device=picture.device)
    planes = torch.einsum("ij,bjhw->bihw", matrix, picture * 255 - 128)
    planes = F.pad(planes, (left, right, top, bottom), mode="replicate")
    light = _quantise(planes[:, :1], quality, _LUMINANCE_STEPS)
    colour = _quantise(F.avg_pool2d(planes[:, 1:], 2), quality, _CHROMINANCE_STEPS)
    colour = F.interpolate(colour, scale_factor=2, mode="bilinear", align_corners=False)
    planes = torch.cat([light, colour], 1)[..., top : top + height, left : left + width]
    back = torch.tensor(_FROM_YCBCR, device=picture.device)
    return ((torch.einsum("ij,bjhw->bihw", back, planes) + 128) / 255).clamp(0, 1)


def dct_matrix(device: torch.device | str | None = None) -> Tensor:
    """Orthonormal DCT-II [8, 8]: frequencies down, samples across."""
    k = torch.arange(BLOCK, device=device, dtype=torch.float32)
    matrix = torch.cos(torch.pi / BLOCK * (k + 0.5)[None] * k[:, None]) * math.sqrt(2 / BLOCK)
    matrix[0] /= math.sqrt(2)
    return matrix


def _quantise(planes: Tensor, quality: Tensor, steps: tuple[tuple[int, ...], ...]) -> Tensor:
    """Round the DCT coefficients of [B, C, H, W] (multiples of 8 px, values -128..127) to multiples of their steps."""
    # libjpeg: the percentage that the tables are scaled by; 50 leaves them, steps stay whole and in 1..255.
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality).view(-1, 1, 1, 1, 1, 1)
    table = torch.tensor(steps, device=planes.device, dtype=torch.float32)
    step = ((table * scale + 50) / 100).floor().clamp(1, 255)  # [B, 1, 1, 1, 8, 8]
    blocks = planes.unfold(2, BLOCK, BLOCK).unfold(3, BLOCK, BLOCK)  # [B, C, H/8, W/8, 8, 8]
    matrix = dct_matrix(planes.device)
    blocks = matrix.T @ ((matrix @ blocks @ matrix.T / step).round() * step) @ matrix
    return blocks.permute(0, 1, 2, 4, 3, 5).reshape(planes.shape)
