"""What a discriminator thinks of training, held-out and generated images: its strength, and its over-fitting."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mnist_gan.evaluation.statistics import area_under_curve

BINS = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Histogram:
    """Counts of scores in bins of equal width, the same for every set compared."""

    edges: tuple[float, ...]
    counts: dict[str, tuple[int, ...]]
    """Set -> one count per bin; scores outside the edges (the outermost 0.1 % of all) count in the outermost bins."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DiscriminatorFigures:
    """How well real and generated images are told apart, and whether training images are known by heart."""

    training_accuracy: float | None
    """Share of training images scored as real; None where the loss has no fixed boundary."""
    held_out_accuracy: float | None
    """Share of held-out real images scored as real: below training accuracy where the discriminator over-fits."""
    generated_accuracy: float | None
    """Share of generated images scored as generated."""
    confusion: tuple[tuple[int, int], tuple[int, int]] | None
    """Held-out and generated images (rows: real, generated) by what they were scored as (columns: real, generated)."""
    real_above_generated: float
    """The chance that a held-out image scores above a generated one: 0.5 where they can't be told apart."""
    training_above_held_out: float
    """The chance that a training image scores above a held-out one: 0.5 without over-fitting. Needs no boundary."""
    histogram: Histogram


def discriminator_figures(
    *,
    training: Float[Tensor, "n"],
    held_out: Float[Tensor, "m"],
    generated: Float[Tensor, "k"],
    boundary: float | None,
) -> DiscriminatorFigures:
    """Figures from the logits of three sets of images.

    Args:
        training: scores of images that the discriminator was trained on.
        held_out: scores of real images that it never saw.
        generated: scores of generated images.
        boundary: the score above which an image counts as real; None for losses that only compare scores.

    Raises:
        ValueError: a set is empty, or a score is not finite.
    """
    sets = {"training": training.double(), "held-out": held_out.double(), "generated": generated.double()}
    for name, scores in sets.items():
        if len(scores) == 0 or not bool(scores.isfinite().all()):
            raise ValueError(f"the {name} scores are empty or not finite")
    counts = None
    if boundary is not None:
        rows = [(int((scores > boundary).sum()), int((scores <= boundary).sum())) for scores in (held_out, generated)]
        counts = (rows[0], rows[1])
    return DiscriminatorFigures(
        training_accuracy=None if boundary is None else _share_above(training, boundary),
        held_out_accuracy=None if boundary is None else _share_above(held_out, boundary),
        generated_accuracy=None if boundary is None else 1 - _share_above(generated, boundary),
        confusion=counts,
        real_above_generated=area_under_curve(held_out, generated),
        training_above_held_out=area_under_curve(training, held_out),
        histogram=score_histogram(sets),
    )


def score_histogram(sets: dict[str, Tensor], *, bins: int = BINS) -> Histogram:
    """Counts per bin for every set, over the range that holds the middle 99.8 % of all scores."""
    scores = torch.cat(list(sets.values())).double().sort().values
    low, high = float(scores[int(0.001 * (len(scores) - 1))]), float(scores[int(0.999 * (len(scores) - 1))])
    if high <= low:
        low, high = low - 0.5, high + 0.5
    edges = torch.linspace(low, high, bins + 1, dtype=torch.float64)
    counts = {
        name: torch.bincount(
            (torch.bucketize(values.double(), edges, right=True) - 1).clamp(0, bins - 1), minlength=bins
        )
        for name, values in sets.items()
    }
    return Histogram(
        edges=tuple(edges.tolist()), counts={name: tuple(count.tolist()) for name, count in counts.items()}
    )


def _share_above(scores: Tensor, boundary: float) -> float:
    return float((scores > boundary).double().mean())
