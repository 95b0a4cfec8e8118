# SPDX-License-Identifier: GPL-3.0-or-later
"""The head's coverage corrected by the colours of the picture.

A network that has seen few photographs takes a dark window beside short hair for longer hair, and sometimes leaves hair
out. GrabCut (Rother, Kolmogorov and Blake, SIGGRAPH 2004) draws the outline anew between what is certain. Alone it cuts
away hair of the background's colours; so what it takes away is given back where those colours are as well the head's.
"""

from __future__ import annotations

import cv2
import numpy as np

from backend.imaging.matte import clean_coverage, smoothstep

SURE_HEAD, SURE_BACKGROUND = 0.1, 0.02  # so far inside and outside the outline, in sides
_ROUNDS = 3
_COLOURS, _SAMPLES = 5, 3000  # Gaussians a side, pixels they are fitted to
_COLOUR_NOISE = 2.0  # of 255: one colour alone has no covariance
_COLOUR_SPREAD = 16.0  # added to the variances: pixels of the same thing differ by so much
_EVIDENCE = 8.0  # logarithms of likelihood ratios are cut here
_NEAR_SIDES = 0.08  # colours are compared with those this near to what is taken away
_CONVINCING, _CONVINCING_IF_PLAIN = 0.25, 3.0  # less evidence than this takes nothing away
_PLAIN = 12.0  # Lab: behind a plain wall the model hardly errs, and hair of the wall's colour has no outline
_EVIDENCE_SIDES = 0.02  # window that evidence is averaged over
_FEW = 20  # pixels that are not worth a second look
_SOFT_PX = 1.4
# Heights of the head above its lower edge, which lies where a collar is wont to be, in the middle of skin or not.
_NECK = (0.15, 0.3)


def follow_picture(coverage: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    """Coverage whose outline follows the picture.

    Args:
        coverage: float [R, R] 0..1 as predicted.
        rgb: float [R, R, 3] 0..1, the crop that it was read from.

    Returns:
        float32 [R, R] 0..1 with edges of the same softness everywhere; as it was at the neck's lower edge, and where no
        head is seen, where it fills the crop, or has no inside.
    """
    side = coverage.shape[0]
    cleaned = clean_coverage(np.asarray(coverage, np.float32))
    head = cleaned > 0.5
    padded = cv2.copyMakeBorder(head.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    certain = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1] > SURE_HEAD * side
    beyond = cv2.distanceTransform(1 - head.astype(np.uint8), cv2.DIST_L2, 5) > SURE_BACKGROUND * side
    if (certain & head).sum() <= _FEW or beyond.sum() <= _FEW:
        return np.asarray(coverage, np.float32)
    lab = cv2.cvtColor((np.clip(rgb, 0, 1) * 255).astype(np.uint8), cv2.COLOR_RGB2LAB)
    labels = np.where(head, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[certain], labels[beyond] = cv2.GC_FGD, cv2.GC_BGD
    cv2.setRNGSeed(0)  # the same photo gives the same outline
    cut = _grab_cut(lab, labels, _ROUNDS)
    taken = head & ~cut
    if taken.sum() > _FEW:
        near = cv2.distanceTransform(1 - taken.astype(np.uint8), cv2.DIST_L2, 5) < _NEAR_SIDES * side
        wall, kept = _those_near(beyond, near), _those_near(cut & head, near)
        plain = float(np.linalg.norm(lab[wall].std(axis=0))) < _PLAIN
        evidence = np.zeros((side, side), np.float32)
        evidence[taken] = _background_evidence(lab[taken], lab[kept], lab[wall])
        sigma = _EVIDENCE_SIDES * side
        share = np.maximum(cv2.GaussianBlur(taken.astype(np.float32), (0, 0), sigma), 1e-3)
        mean = cv2.GaussianBlur(evidence, (0, 0), sigma) / share
        back = taken & (mean < (_CONVINCING_IF_PLAIN if plain else _CONVINCING))
        labels[taken] = cv2.GC_PR_BGD
        labels[back] = cv2.GC_FGD
        cut = _grab_cut(lab, labels, 1)
    followed = cv2.GaussianBlur(clean_coverage(cut.astype(np.float32)), (0, 0), _SOFT_PX)
    rows = np.flatnonzero(head.any(axis=1))
    above_edge = (rows[-1] - np.arange(side)) / (rows[-1] - rows[0] + 1)
    sure = smoothstep(above_edge, *_NECK)[:, None]
    return clean_coverage((sure * followed + (1 - sure) * cleaned).astype(np.float32))


def _grab_cut(lab: np.ndarray, labels: np.ndarray, rounds: int) -> np.ndarray:
    """Where the head is, bool [R, R]; `labels` stay as they are."""
    found, behind, before = labels.copy(), np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(lab, found, (0, 0, 0, 0), behind, before, rounds, cv2.GC_INIT_WITH_MASK)
    return (found == cv2.GC_FGD) | (found == cv2.GC_PR_FGD)


def _those_near(examples: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Those of the examples that are near, or all where too few are."""
    return examples & near if (examples & near).sum() > _FEW else examples


def _background_evidence(colours: np.ndarray, head: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Logarithm [N] of how much likelier colours [N, 3] are among the background's [L, 3] than the head's [M, 3]."""
    likelier = _log_likelihood(colours, background) - _log_likelihood(colours, head)
    return likelier.clip(-_EVIDENCE, _EVIDENCE)


def _log_likelihood(pixels: np.ndarray, examples: np.ndarray) -> np.ndarray:
    """Of pixels [N, 3] under a mixture of Gaussians fitted to examples [M, 3]."""
    pixels, examples = pixels.astype(np.float64), examples.astype(np.float64)
    generator = np.random.default_rng(0)
    if len(examples) > _SAMPLES:
        examples = examples[generator.choice(len(examples), _SAMPLES, replace=False)]
    mixture = cv2.ml.EM.create()
    mixture.setClustersNumber(min(_COLOURS, len(examples)))
    mixture.setTermCriteria((cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 15, 0.1))
    mixture.trainEM(examples + generator.normal(0, _COLOUR_NOISE, examples.shape))
    logs = []
    for weight, mean, spread in zip(
        mixture.getWeights()[0], mixture.getMeans(), mixture.getCovs(), strict=True
    ):
        spread = spread + _COLOUR_SPREAD * np.eye(3)
        away = pixels - mean
        squared = (away @ np.linalg.inv(spread) * away).sum(1)
        logs.append(np.log(weight + 1e-9) - 0.5 * (squared + np.linalg.slogdet(spread)[1]))
    return np.logaddexp.reduce(logs, axis=0)
