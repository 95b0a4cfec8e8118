# SPDX-License-Identifier: GPL-3.0-or-later
"""In which numbers the networks compute: names for people, types for torch, and which pairs with a device work."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import lru_cache

import torch
from torch.nn import functional as F

from backend.errors import InputError

PRECISIONS: Mapping[str, torch.dtype | None] = {
    "auto": None,
    "float32": None,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
"""Name -> type for autocast; None is float32. "auto" is float32 on every device: depth is worth more than speed."""


def resolve_precision(name: str, device: torch.device) -> torch.dtype | None:
    """The autocast type of a name in `PRECISIONS`, None for float32.

    Raises InputError (code "unsupported_precision") for an unknown name, and where the device cannot use the type.
    """
    if name not in PRECISIONS:
        raise _unsupported(f"There is no precision “{name}”.", f"Use one of {', '.join(PRECISIONS)}.")
    dtype = PRECISIONS[name]
    if dtype is None:
        return None
    if device.type == "cpu" and dtype is torch.float16:
        # torch computes it there, but tens of times slower than float32.
        raise _unsupported(
            "Processors have no float16 arithmetic worth using.",
            "Choose float32 or bfloat16, or a graphics card as device.",
        )
    try:
        _try_out(dtype, device)
    except (RuntimeError, TypeError) as error:  # an operation that the device lacks, or a type
        raise _unsupported(
            f"The device “{device}” cannot compute in {name}.", "Choose another precision, such as float32."
        ) from error
    return dtype


@lru_cache
def fast_dtype(device: torch.device) -> torch.dtype | None:
    """The autocast type for training: bfloat16 where the device is faster with it, else None, float32.

    Processors without instructions for it compute a convolution in bfloat16 five to ten times as slowly as in float32;
    no public function of torch tells them apart, so both are timed (some ten milliseconds).
    """
    if device.type != "cpu":
        return torch.bfloat16
    image, kernel = torch.ones(1, 64, 32, 32), torch.ones(64, 64, 3, 3)

    def seconds(dtype: torch.dtype) -> float:
        x, weight = image.to(dtype), kernel.to(dtype)
        times = []
        for _ in range(4):  # the first one sets up
            begun = time.perf_counter()
            F.conv2d(x, weight, padding=1)
            times.append(time.perf_counter() - begun)
        return min(times)

    with torch.no_grad():
        return torch.bfloat16 if seconds(torch.bfloat16) < seconds(torch.float32) else None


def precision_name(dtype: torch.dtype | None) -> str:
    """What is really used: "float32", "bfloat16" or "float16"."""
    return str(dtype or torch.float32).removeprefix("torch.")


def _try_out(dtype: torch.dtype, device: torch.device) -> None:
    """One of each operation that a network spends its time in, on next to nothing."""
    with torch.no_grad(), torch.autocast(device.type, dtype=dtype):
        image = torch.ones(1, 8, 4, 4, device=device)
        grid = F.conv2d(image, torch.ones(8, 8, 1, 1, device=device))
        tokens = F.linear(grid.flatten(2), torch.ones(16, 16, device=device))
        seen = F.scaled_dot_product_attention(tokens, tokens, tokens)
        float(F.group_norm(seen.float(), 2).sum())


def _unsupported(message: str, hint: str) -> InputError:
    return InputError(message, hint, code="unsupported_precision")


def resolve_device(name: str) -> torch.device:
    """The device of this name, "auto" being CUDA, else MPS, else CPU; InputError if there is none."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"There is no device “{name}” here.", "Use auto or cpu.", code="unknown_device"
        ) from error
    return device
