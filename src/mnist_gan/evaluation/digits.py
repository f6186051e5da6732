"""Figures of the digits that a judge reads: their shares, their diversity, and agreement with the labels asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor

from mnist_gan.evaluation.mnistnet import JudgeOutput

MISSING_SHARE: Final = 0.1
"""A class is missing when its share is below this part of its share among real images."""
MAX_DIVERSITY_IMAGES: Final = 1000
"""Images of one class whose pairwise distances make its diversity; a larger class is thinned out evenly."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DigitTable:
    """Figures for each class, as read by the judge."""

    counts: tuple[int, ...]
    shares: tuple[float, ...]
    real_shares: tuple[float, ...]
    """Shares among the training images, read by the same judge."""
    kl: float
    """KL divergence of the shares from the real ones, in nats."""
    missing: tuple[int, ...]
    """Classes with less than a tenth of their share."""
    diversity: tuple[float | None, ...]
    """Relative to real images of the class; None with fewer than two images."""
    distance: tuple[float | None, ...] | None = None
    """Extrapolated Frechet distance of the images of each class to the training images of that class, in percent of the
    variance of all; None for a single set."""
    agreement: tuple[float | None, ...] | None = None
    """Share of images read as the label asked for, by label; None without labels."""
    overall_agreement: float | None = None
    """Share of all images read as the label asked for."""
    confusion: tuple[tuple[int, ...], ...] | None = None
    """Rows: label asked for; columns: class read. None for more than ten classes."""

    def values(self) -> dict[str, float | None]:
        """Summarize the table as single figures, by name."""
        pairs = zip(self.shares, self.real_shares, strict=True)
        ratios = [share / real for share, real in pairs if real > 0]
        values: dict[str, float | None] = {
            "digits_kl": self.kl,
            "missing_digits": float(len(self.missing)),
            "smallest_share": min(ratios),
            "largest_share": max(ratios),
            "diversity": _mean(self.diversity),
            "smallest_diversity": _smallest(self.diversity),
        }
        if self.agreement is not None:
            values |= {"agreement": self.overall_agreement, "smallest_agreement": _smallest(self.agreement)}
        return values


def digit_table(
    judged: JudgeOutput,
    *,
    labels: Int[Tensor, "n"] | None,
    real_counts: Int[Tensor, "classes"],
    real_diversity: list[float | None],
) -> DigitTable:
    """Compare the classes read in images with those read in real images.

    Args:
        judged: output of the judge for the images.
        labels: labels asked for; None for unconditional images.
        real_counts: training images that the judge reads as each class.
        real_diversity: `diversity` of the training images.
    """
    num_classes = len(real_counts)
    counts = torch.bincount(judged.classes, minlength=num_classes)
    spread = diversity(judged.features, judged.classes, num_classes=num_classes)
    matrix = None if labels is None else confusion(labels, judged.classes, num_classes=num_classes)
    overall, by_label = (None, None) if matrix is None else agreement(matrix)
    return DigitTable(
        counts=tuple(counts.tolist()),
        shares=tuple((counts.double() / counts.sum()).tolist()),
        real_shares=tuple((real_counts.double() / real_counts.sum()).tolist()),
        kl=kl_divergence(counts, real_counts),
        missing=tuple(missing(counts, real_counts)),
        diversity=tuple(relative_diversity(spread, real_diversity)),
        agreement=None if by_label is None else tuple(by_label),
        overall_agreement=overall,
        confusion=None if matrix is None or num_classes > 10 else tuple(tuple(row) for row in matrix.tolist()),
    )


def kl_divergence(counts: Num[Tensor, "classes"], real_counts: Num[Tensor, "classes"]) -> float:
    """`sum p log(p / q)` in nats, for the shares p of the images and q of real images; 0 log 0 is 0.

    Infinite if the images contain a class that real images lack.

    Source: Kullback & Leibler 1951, eq. 2.4; Che et al. 2017 and Metz et al. 2017 for its use on modes.
    """
    p, q = counts.double() / counts.sum(), real_counts.double() / real_counts.sum()
    return float(torch.special.xlogy(p, p).sum() - torch.special.xlogy(p, q).sum())


def missing(counts: Int[Tensor, "classes"], real_counts: Int[Tensor, "classes"]) -> list[int]:
    """List the classes whose share is below `MISSING_SHARE` of their share among real images."""
    p, q = counts.double() / counts.sum(), real_counts.double() / real_counts.sum()
    return torch.nonzero((q > 0) & (p < MISSING_SHARE * q)).flatten().tolist()


def mean_pairwise_distance(features: Float[Tensor, "n d"], *, limit: int = MAX_DIVERSITY_IMAGES) -> float | None:
    """Mean Euclidean distance over all pairs of different rows; None for fewer than two rows.

    Of more than `limit` rows, `limit` evenly spaced ones are used, which bounds time and memory.
    """
    n = len(features)
    if n > limit:
        features = features[torch.linspace(0, n - 1, limit).round().long()]
    if n < 2:
        return None
    return float(torch.pdist(features.double()).mean())


def diversity(features: Float[Tensor, "n d"], classes: Int[Tensor, "n"], *, num_classes: int) -> list[float | None]:
    """`mean_pairwise_distance` within each class; None for a class with fewer than two images."""
    return [mean_pairwise_distance(features[classes == k]) for k in range(num_classes)]


def relative_diversity(diversity: list[float | None], real_diversity: list[float | None]) -> list[float | None]:
    """Diversity over that of real images, class by class: 1 is as varied as MNIST, 0 the same image every time."""
    return [None if a is None or not b else a / b for a, b in zip(diversity, real_diversity, strict=True)]


def confusion(labels: Int[Tensor, "n"], classes: Int[Tensor, "n"], *, num_classes: int) -> Int[Tensor, "k k"]:
    """Count the pairs (label asked for, class read): row, column."""
    return torch.bincount(labels * num_classes + classes, minlength=num_classes**2).view(num_classes, num_classes)


def agreement(matrix: Int[Tensor, "k k"]) -> tuple[float, list[float | None]]:
    """Share of images read as the label asked for: of all images, and by label (None for a label not asked for)."""
    right, total = matrix.diagonal().tolist(), matrix.sum(1).tolist()
    by_label = [hits / n if n > 0 else None for hits, n in zip(right, total, strict=True)]
    return sum(right) / sum(total), by_label


def classifier_score(logits: Float[Tensor, "n classes"]) -> float:
    """`exp(mean KL(p(y|x) || p(y)))`, from 1 to the number of classes: confident predictions, evenly spread.

    It compares with no real image, and one perfect image per digit has the highest score.

    Source: Salimans et al. 2016 (Inception Score), section 4, with the judge in place of Inception and one split.
    """
    log_p = logits.double().log_softmax(dim=1)
    p = log_p.exp()
    marginal = p.mean(0)
    information = (p * log_p).sum(1).mean() - torch.special.xlogy(marginal, marginal).sum()
    return float(information.exp())


def _mean(values: tuple[float | None, ...]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _smallest(values: tuple[float | None, ...]) -> float | None:
    return min((value for value in values if value is not None), default=None)
