"""What the judge reads in the images: which digits come, in what shares, how varied each is, and if as asked for."""

from __future__ import annotations

from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor

MISSING_SHARE: Final = 0.1
"""A digit counts as missing when its share is below this part of its share among real images."""
PAIRS_FROM: Final = 1000
"""Images of one digit, at most, among which pairs are formed for its diversity."""


def histogram(digits: Int[Tensor, "n"], *, num_classes: int) -> Int[Tensor, "classes"]:
    """How often each class occurs."""
    return torch.bincount(digits, minlength=num_classes)


def kl_divergence(counts: Int[Tensor, "classes"], real_counts: Int[Tensor, "classes"]) -> float:
    """`sum p log(p / q)` in nats, of the shares p of the images from the shares q of the real ones; 0 log 0 is 0.

    Infinite where the images hold a class that real ones don't.

    Source: Kullback & Leibler 1951, eq. 2.4; Che et al. 2017 and Metz et al. 2017 for its use on modes.
    """
    p, q = counts.double() / counts.sum(), real_counts.double() / real_counts.sum()
    return float(torch.special.xlogy(p, p).sum() - torch.special.xlogy(p, q).sum())


def missing(counts: Int[Tensor, "classes"], real_counts: Int[Tensor, "classes"]) -> list[int]:
    """The classes whose share is below `MISSING_SHARE` of their share among real images."""
    p, q = counts.double() / counts.sum(), real_counts.double() / real_counts.sum()
    return torch.nonzero((q > 0) & (p < MISSING_SHARE * q)).flatten().tolist()


def share_ratios(counts: Int[Tensor, "classes"], real_counts: Int[Tensor, "classes"]) -> list[float]:
    """Each class's share over its share among real images (0 for a class that real images lack)."""
    p, q = counts.double() / counts.sum(), real_counts.double() / real_counts.sum()
    return torch.where(q > 0, p / q.clamp(min=1e-300), 0.0).tolist()


def mean_pairwise_distance(features: Float[Tensor, "n d"], *, limit: int = PAIRS_FROM) -> float | None:
    """Mean Euclidean distance over all pairs of different rows; None for fewer than two.

    Of more than `limit` rows, `limit` evenly spaced ones are taken, so that time and memory are bounded.
    """
    n = len(features)
    if n > limit:
        features = features[torch.linspace(0, n - 1, limit).round().long()]
        n = limit
    if n < 2:
        return None
    return float(torch.pdist(features.double()).mean())


def diversity(features: Float[Tensor, "n d"], digits: Int[Tensor, "n"], *, num_classes: int) -> list[float | None]:
    """`mean_pairwise_distance` within each class; None where a class has fewer than two images."""
    return [mean_pairwise_distance(features[digits == digit]) for digit in range(num_classes)]


def relative_diversity(ours: list[float | None], real: list[float | None]) -> list[float | None]:
    """Diversity over that of real images, class by class: 1 is as varied as MNIST, 0 one image again and again."""
    return [None if a is None or not b else a / b for a, b in zip(ours, real, strict=True)]


def confusion(asked: Int[Tensor, "n"], judged: Int[Tensor, "n"], *, num_classes: int) -> Int[Tensor, "classes classes"]:
    """Counts of (digit asked for, digit judged): row, column."""
    return torch.bincount(asked * num_classes + judged, minlength=num_classes**2).view(num_classes, num_classes)


def agreement(matrix: Int[Tensor, "classes classes"]) -> tuple[float, list[float | None]]:
    """Share of images judged to be the digit asked for: of all, and of each digit (None where none was asked for)."""
    right, asked = matrix.diagonal().tolist(), matrix.sum(1).tolist()
    each = [ours / all_ if all_ > 0 else None for ours, all_ in zip(right, asked, strict=True)]
    return sum(right) / sum(asked), each


def classifier_score(logits: Float[Tensor, "n classes"]) -> float:
    """`exp(mean KL(p(y|x) || p(y)))`, between 1 and the number of classes: clear images, evenly spread over the digits.

    It compares with nothing real, and one perfect image a digit has the highest score: read it beside the others.

    Source: Salimans et al. 2016 (Inception Score), section 4, with the judge in Inception's place and one split.
    """
    log_p = logits.double().log_softmax(dim=1)
    p = log_p.exp()
    marginal = p.mean(0)
    information = (p * log_p).sum(1).mean() - torch.special.xlogy(marginal, marginal).sum()
    return float(information.exp())
