"""Strength and over-fitting of a discriminator, from its scores of training, held-out and generated images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from mnist_gan.evaluation.statistics import area_under_curve

BINS: Final = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Histogram:
    """Counts of scores of several sets in common bins of equal width."""

    edges: tuple[float, ...]
    counts: dict[str, tuple[int, ...]]
    """One count per bin, by set; the outermost bins include the scores beyond the edges (0.1 % of all on each side)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DiscriminatorFigures:
    """Separation of real from generated images by a discriminator, and its over-fitting to the training images."""

    training_accuracy: float | None
    """Share of training images scored as real; None for losses without a fixed boundary."""
    held_out_accuracy: float | None
    """Share of held-out real images scored as real; below `training_accuracy` when over-fitting."""
    generated_accuracy: float | None
    """Share of generated images scored as generated."""
    confusion: tuple[tuple[int, int], tuple[int, int]] | None
    """Rows: held-out, generated; columns: scored as real, scored as generated."""
    real_above_generated: float
    """Probability that a held-out image scores above a generated one; 0.5 if indistinguishable."""
    training_above_held_out: float
    """Probability that a training image scores above a held-out one; 0.5 without over-fitting. Needs no boundary."""
    histogram: Histogram


def discriminator_figures(
    *,
    training: Float[Tensor, "n"],
    held_out: Float[Tensor, "m"],
    generated: Float[Tensor, "k"],
    boundary: float | None,
) -> DiscriminatorFigures:
    """Compute the figures from the logits of three sets of images.

    Args:
        training: logits of images that the discriminator was trained on.
        held_out: logits of real images that it was not trained on.
        generated: logits of generated images.
        boundary: logit above which an image counts as real; None for losses that only compare scores.

    Raises:
        ValueError: a set is empty, or a score is not finite.
    """
    sets = {"training": training.double(), "held-out": held_out.double(), "generated": generated.double()}
    for name, scores in sets.items():
        if len(scores) == 0 or not bool(scores.isfinite().all()):
            raise ValueError(f"the {name} scores are empty or not finite")
    confusion = None
    if boundary is not None:
        real, fake = ((int((s > boundary).sum()), int((s <= boundary).sum())) for s in (held_out, generated))
        confusion = (real, fake)
    return DiscriminatorFigures(
        training_accuracy=None if boundary is None else _share_above(training, boundary),
        held_out_accuracy=None if boundary is None else _share_above(held_out, boundary),
        generated_accuracy=None if boundary is None else 1 - _share_above(generated, boundary),
        confusion=confusion,
        real_above_generated=area_under_curve(held_out, generated),
        training_above_held_out=area_under_curve(training, held_out),
        histogram=score_histogram(sets),
    )


def score_histogram(sets: dict[str, Tensor], *, bins: int = BINS) -> Histogram:
    """Count the scores of every set per bin, over the range that holds the middle 99.8 % of all scores."""
    scores = torch.cat(list(sets.values())).double().sort().values
    low, high = float(scores[int(0.001 * (len(scores) - 1))]), float(scores[int(0.999 * (len(scores) - 1))])
    if high <= low:
        low, high = low - 0.5, high + 0.5
    edges = torch.linspace(low, high, bins + 1, dtype=torch.float64)
    counts = {}
    for name, values in sets.items():
        positions = (torch.bucketize(values.double(), edges, right=True) - 1).clamp(0, bins - 1)
        counts[name] = tuple(torch.bincount(positions, minlength=bins).tolist())
    return Histogram(edges=tuple(edges.tolist()), counts=counts)


def _share_above(scores: Tensor, boundary: float) -> float:
    return float((scores > boundary).double().mean())
