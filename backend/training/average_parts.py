# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks of eyes and mouth out of several checkpoints, in one:

python -m backend.training.average_parts CHECKPOINT --eye RUN --mouth RUN RUN --out FOLDER

Where runs of `teach_parts` began with the same weights and differ in seed or data, the mean of what they came to is
often better than each ("Model soups", Wortsman et al., arXiv 2203.05482); a single run is taken as it is.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from backend.errors import CheckpointError
from backend.model.face_parts import KINDS
from backend.model.pipeline import JointPortraitPipeline
from backend.training.checkpoint import save_in_bfloat16


def mean_state(states: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of weights of the same names and shapes, float32.

    Raises:
        ValueError: names or shapes differ.
    """
    shapes = [{name: tensor.shape for name, tensor in state.items()} for state in states]
    if any(other != shapes[0] for other in shapes[1:]):
        raise ValueError("the networks differ in their layers")
    return {name: torch.stack([s[name].double() for s in states]).mean(0).float() for name in states[0]}


def training_time(
    kind: str, before: Mapping[str, float], taught: Sequence[Mapping[str, float]]
) -> dict[str, float]:
    """Steps and minutes of a kind: those of `before`, and what each run added to them; what runs share beyond `before`
    counts once for each."""
    names = (f"{kind}_steps", f"{kind}_minutes")
    return {
        name: round(before.get(name, 0) + sum(run.get(name, 0) - before.get(name, 0) for run in taught), 1)
        for name in names
    }


def with_averaged_parts(
    pipeline: JointPortraitPipeline, runs: Mapping[str, Sequence[JointPortraitPipeline]]
) -> JointPortraitPipeline:
    """Puts into `pipeline`, for each kind, the mean of the networks of these runs; returns it.

    Args:
        runs: by kind, "eye" or "mouth"; kinds that are not in it, or without any, stay as they are.

    Raises:
        CheckpointError: one of them has no such networks, or of other sizes.
    """
    before = dict(pipeline.settings.training)
    added: dict[str, float] = {}
    for kind, those in runs.items():
        if not those:
            continue
        found = [one.backbone.parts for one in (pipeline, *those)]
        if any(parts is None for parts in found):
            raise CheckpointError(
                "One of the checkpoints has no networks of eyes and mouth.",
                "Name folders that `teach_parts` wrote.",
            )
        own, *others = (parts.networks[kind] for parts in found if parts is not None)
        try:
            own.load_state_dict(mean_state([other.state_dict() for other in others]))
        except (ValueError, RuntimeError) as error:
            raise CheckpointError(
                f"The networks of the {kind} differ in size.",
                "Average runs that began with the same checkpoint.",
            ) from error
        added |= training_time(kind, before, [dict(one.settings.training) for one in those])
    pipeline.update_settings(training=before | added)
    return pipeline


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m backend.training.average_parts",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("checkpoint", help="what all else is taken from; the runs began with it")
    for kind in KINDS:
        parser.add_argument(
            f"--{kind}", nargs="+", default=[], metavar="RUN", help=f"whose {kind} is averaged"
        )
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER")
    args = parser.parse_args(argv)
    runs = {
        kind: [JointPortraitPipeline.from_pretrained(run) for run in getattr(args, kind)] for kind in KINDS
    }
    save_in_bfloat16(
        with_averaged_parts(JointPortraitPipeline.from_pretrained(args.checkpoint), runs), args.out
    )
    print(f"{args.out}: " + ", ".join(f"{kind} of {max(1, len(those))}" for kind, those in runs.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
