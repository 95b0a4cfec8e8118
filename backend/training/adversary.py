# SPDX-License-Identifier: GPL-3.0-or-later
"""An adversary for what an edit uncovers: teeth, tongue and closed lids, of which the photo shows nothing.

Many pictures are right there, and a squared error is met by their blurred mean. A small discriminator looks at
windows round mouth and eyes. Only what the reference does not show differs between a true window and its false twin:
the rest of both is the true picture, so that it judges drawn content and nothing else, and nothing else learns from
it. As twins they are compared with each other, and both sides' gradients are penalised (Huang et al., The GAN is
dead; long live the GAN!, NeurIPS 2024): a hinge of each by itself with spectral normalisation ranked 76 to 88 % of
held-out twins rightly, by margins of .03 that give no gradient to speak of; compared ones 92 %.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backend.model.losses import JointLoss

WINDOW_SHARE = 5 / 16
"""Side of a window in shares of the picture: 106 mm of the standard framing hold both eyes, or an open mouth."""

LEAST_HIDDEN = 0.01
"""Windows with less drawn content, in shares of their area, are left out."""

PENALTY = 0.01
"""Of the squared gradient of a window's logits, a cell that is judged."""

_DOWNSCALE = 8
_EPS = 1e-8


class WindowDiscriminator(nn.Module):
    """Logits, larger for true windows, on a grid of an eighth of the window's side.

    After the patch discriminator of Isola et al. (Image-to-Image Translation with Conditional Adversarial Networks,
    CVPR 2017), without its normalisation.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 7  # picture, reference, what is hidden
        for factor in (1, 2, 4):
            layers += [nn.Conv2d(channels, width * factor, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
            channels = width * factor
        layers.append(nn.Conv2d(channels, 1, 3, padding=1))
        self.layers = nn.Sequential(*layers)

    def forward(self, picture: Tensor, reference: Tensor, hidden: Tensor) -> Tensor:
        """picture and reference [N, 3, w, w] in 0..1, hidden [N, 1, w, w] -> [N, 1, w / 8, w / 8]."""
        return self.layers(torch.cat([picture * 2 - 1, reference * 2 - 1, hidden], dim=1))


def window_corners(regions: Tensor, side: int) -> Tensor:
    """Upper left corners (row, column) of windows [B, K, 2] round the middles of the regions [B, K, H, W], inside the
    picture; of empty ones in its middle."""
    height, width = regions.shape[-2:]
    corners = []
    for axis, length in ((-1, height), (-2, width)):
        shown = (regions > 0.5).any(dim=axis)
        place = torch.arange(length, device=regions.device)
        first = torch.where(shown, place, length).amin(-1)
        last = torch.where(shown, place, -1).amax(-1)
        middle = torch.where(last >= 0, (first + last + 1) // 2, length // 2)
        corners.append((middle - side // 2).clamp(0, length - side))
    return torch.stack(corners, -1)


class Adversary:
    """The discriminator, its optimiser, and what it adds to the gradient of the drawn pixels.

    Args:
        share: size of the adversarial gradient in what is drawn, in shares of the other losses' gradient there.
        warmup_steps: so many batches only teach the discriminator.
    """

    def __init__(
        self,
        share: float,
        device: torch.device,
        seed: int = 0,
        learning_rate: float = 4e-4,
        warmup_steps: int = 100,
    ) -> None:
        self.share, self.warmup_steps, self.steps = share, warmup_steps, 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.discriminator = WindowDiscriminator().to(device)
        self.optimiser = torch.optim.Adam(
            self.discriminator.parameters(), lr=learning_rate, betas=(0.5, 0.99)
        )

    def state(self) -> dict:
        """For checkpoints."""
        return {
            "discriminator": self.discriminator.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "steps": self.steps,
        }

    def restore(self, state: Mapping) -> None:
        """Go on where `state` was taken."""
        self.discriminator.load_state_dict(state["discriminator"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.steps = state["steps"]

    def join(self, loss: JointLoss, drawn: Tensor, batch: Mapping[str, Tensor]) -> JointLoss:
        """Teaches the discriminator by a batch and returns the loss with the adversarial term.

        Args:
            loss: of the batch, with a graph that leads to `drawn`.
            drawn: [B, 3, H, W] in 0..1, the network's own pixels.
            batch: of `BatchSampler.joint`. Only pictures without noise and compression ("clean" [B]) are looked at:
                drawn pixels have none, and that would be all that the discriminator learns.
        """
        windows = self._windows(drawn, batch)
        return loss if windows is None else self.judge(loss, drawn, *windows)

    def judge(
        self,
        loss: JointLoss,
        drawn: Tensor,
        picture: Tensor,
        truth: Tensor,
        reference: Tensor,
        hidden: Tensor,
    ) -> JointLoss:
        """The same for windows [N, ., S, S], S a multiple of 8: false and true pictures, references and masks of what
        the reference does not show, of which `picture` has a graph that leads to `drawn`."""
        judged = F.max_pool2d((hidden > 0.5).float(), _DOWNSCALE)

        def mean(values: Tensor) -> Tensor:
            return (values * judged).sum() / judged.sum().clamp_min(1)

        self.discriminator.requires_grad_(True)
        twins = [image.detach().requires_grad_(True) for image in (truth, picture)]
        true, false = (self.discriminator(image, reference, hidden) for image in twins)
        slopes = torch.autograd.grad(
            [(true * judged).sum(), (false * judged).sum()], twins, create_graph=True
        )
        cells = judged.sum(dim=(1, 2, 3)).clamp_min(1)
        steepness = sum((slope**2).sum(dim=(1, 2, 3)) / cells for slope in slopes)
        told_apart = mean(F.softplus(false - true)) + PENALTY / 2 * torch.mean(torch.as_tensor(steepness))
        self.optimiser.zero_grad(set_to_none=True)
        told_apart.backward()
        self.optimiser.step()
        self.steps += 1
        self.discriminator.requires_grad_(False)
        with torch.no_grad():
            true = self.discriminator(truth, reference, hidden)
        false = self.discriminator(picture, reference, hidden)
        adversarial = mean(F.softplus(true - false))
        terms = loss.terms | {
            "adversary": adversarial.detach(),
            # Share of judged places in which the true twin looks truer: .5 for perfect drawings.
            "adversary_found": mean((true > false).float()).detach(),
        }
        if self.steps <= self.warmup_steps:
            return JointLoss(loss.total, terms)
        usual, added = (
            torch.autograd.grad(value, drawn, retain_graph=True)[0] for value in (loss.total, adversarial)
        )
        touched = added != 0
        size = (usual * touched).norm() / added.norm().clamp_min(_EPS)
        return JointLoss(loss.total + self.share * size * adversarial, terms)

    def _windows(
        self, drawn: Tensor, batch: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor] | None:
        """False and true pictures, references and hidden masks of the windows in which enough is drawn."""
        side = round(WINDOW_SHARE * drawn.shape[-1]) // _DOWNSCALE * _DOWNSCALE
        hidden = (1 - batch["visible"]) * batch["coverage"]
        false = drawn * hidden + batch["rgb"] * (1 - hidden)
        stacked = torch.cat([false, batch["rgb"], batch["reference_rgb"], hidden], dim=1)
        corners = window_corners(batch["regions"], side).tolist()
        found = [
            stacked[row, :, top : top + side, left : left + side]
            for row, regions in enumerate(corners)
            if bool(batch["clean"][row])
            for top, left in regions
        ]
        found = [window for window in found if float(window[9].detach().mean()) >= LEAST_HIDDEN]
        if not found:
            return None
        picture, truth, reference, mask = torch.stack(found).split([3, 3, 3, 1], dim=1)
        return picture, truth.detach(), reference.detach(), mask.detach()
