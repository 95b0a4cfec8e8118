# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a checkpoint with random weights: ``python -m backend.model.create --preset tiny --out
FOLDER``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from .presets import PRESETS, create_pipeline


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m backend.model.create", description=__doc__)
    parser.add_argument("--preset", choices=sorted(PRESETS), default="embedded")
    parser.add_argument("--out", required=True, metavar="FOLDER")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--prediction-type", choices=("sample", "v_prediction"), default="sample")
    arguments = parser.parse_args(argv)
    pipeline = create_pipeline(
        arguments.preset, seed=arguments.seed, prediction_type=arguments.prediction_type
    )
    pipeline.save_pretrained(arguments.out)
    count = sum(p.numel() for p in pipeline.trainable_parameters())
    print(f"{arguments.out}: {arguments.preset}, {count / 1e6:.2f} M trainable parameters, untrained")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
