# SPDX-License-Identifier: GPL-3.0-or-later
"""Round trips of every modality and both codecs."""

from __future__ import annotations

import math

import pytest
import torch
from diffusers import AutoencoderKL

from backend.model.codecs import AutoencoderKLCodec, LatentLayout, PixelUnshuffleCodec
from backend.model.modalities import MODALITIES, crop_side_mm, encode_depth, encode_extent


def natural_image(name: str) -> torch.Tensor:
    image = torch.rand(2, MODALITIES[name].channels, 8, 8)
    if name == "depth":
        return image * 200 - 100
    if name == "extent":
        return image * 300 + 200
    if name == "motion":
        return torch.cat([image[:, :2] * 0.4 - 0.2, image[:, 2:]], dim=1)
    if name == "shading":
        return image + 0.4
    return image


@pytest.mark.parametrize("name", list(MODALITIES))
def test_encode_and_decode_are_inverse(name: str) -> None:
    modality, image = MODALITIES[name], natural_image(name)
    torch.testing.assert_close(modality.decode(modality.encode(image)), image, atol=1e-3, rtol=1e-5)


def test_encoded_units() -> None:
    depth = torch.tensor([[[[150.0, math.nan]]]])
    assert encode_depth(depth).tolist() == [[[[1.5, 0.0]]]]
    assert encode_extent(torch.tensor(340.0)) == 0
    motion = MODALITIES["motion"].encode(torch.tensor([0.05, -0.1, 1.0]).view(1, 3, 1, 1))
    torch.testing.assert_close(motion.flatten(), torch.tensor([0.5, -1.0, 1.0]))
    assert MODALITIES["motion"].decode(torch.zeros(1, 3, 1, 1)).flatten().tolist() == [0, 0, 0.5]
    shading = MODALITIES["shading"]
    assert shading.decode(torch.zeros(1)).item() == 1
    assert shading.encode(torch.tensor([math.exp(0.25)])).item() == pytest.approx(1)
    assert shading.limit(torch.tensor([0.1, 9.0])).tolist() == pytest.approx([1 / 3, 3])


def test_crop_side_is_read_where_the_head_is() -> None:
    extent = torch.full((1, 1, 4, 4), 900.0)
    coverage = torch.zeros(1, 1, 4, 4)
    extent[..., :2, :], coverage[..., :2, :] = 300.0, 1.0
    assert crop_side_mm(extent, coverage).item() == pytest.approx(300, rel=1e-3)


def test_pixel_unshuffle_loses_nothing() -> None:
    codec = PixelUnshuffleCodec(4)
    image = torch.randn(2, 3, 16, 16)
    latent = codec.encode(image)
    assert latent.shape == (2, codec.latent_channels(3), 4, 4)
    assert torch.equal(codec.decode(latent, 3), image)


def test_autoencoder_codec_applies_the_scaling_factor(tiny_vae: AutoencoderKL) -> None:
    codec = AutoencoderKLCodec(tiny_vae)
    image = torch.rand(1, 3, 16, 16) * 2 - 1
    with torch.no_grad():
        expected = tiny_vae.encode(image, return_dict=False)[0].mode() * tiny_vae.config["scaling_factor"]
        assert torch.equal(codec.encode(image), expected)
        assert codec.decode(expected, 3).shape == image.shape
    assert expected.shape == (1, codec.latent_channels(3), 16 // codec.downscale, 16 // codec.downscale)


def test_autoencoder_codec_repeats_one_channel_and_averages_three(tiny_vae: AutoencoderKL) -> None:
    codec = AutoencoderKLCodec(tiny_vae)
    grey = torch.rand(1, 1, 16, 16)
    with torch.no_grad():
        latent = codec.encode(grey)
        assert torch.equal(latent, codec.encode(grey.repeat(1, 3, 1, 1)))
        mean = codec.decode(latent, 3).mean(dim=1, keepdim=True)
        torch.testing.assert_close(codec.decode(latent, 1), mean)
    with pytest.raises(ValueError, match="1 or 3 channels"):
        codec.encode(torch.zeros(1, 2, 16, 16))


def test_layout_packs_and_unpacks_all_modalities() -> None:
    layout = LatentLayout(PixelUnshuffleCodec(4), MODALITIES)
    images = {name: natural_image(name) for name in MODALITIES}
    latent = layout.encode(images)
    assert latent.shape == (2, 160, 2, 2) and layout.channels == 160
    for name, image in layout.decode(latent).items():
        torch.testing.assert_close(image, images[name], atol=1e-3, rtol=1e-5)


def test_absent_modalities_are_zero_latents() -> None:
    layout = LatentLayout(PixelUnshuffleCodec(4), MODALITIES)
    latent = layout.encode({"depth": torch.ones(1, 1, 8, 8)})
    assert latent[:, layout.slices["depth"]].min() > 0
    assert latent[:, layout.slices["rgb"]].abs().max() == 0
    with pytest.raises(ValueError, match="none of"):
        layout.encode({})


def test_given_groups_are_not_wanted() -> None:
    layout = LatentLayout(PixelUnshuffleCodec(4), MODALITIES)
    mask = layout.wanted_mask(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    wanted = {
        name: mask[:, channels].flatten(1).unique(dim=1).flatten().tolist()
        for name, channels in layout.slices.items()
    }
    assert wanted["rgb"] == [0, 1]
    assert wanted["depth"] == wanted["coverage"] == [1, 0]
    assert wanted["extent"] == wanted["motion"] == [1, 1]
