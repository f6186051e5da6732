"""A distribution of points drawn by hand: strokes and dots become a mixture of Gaussians along them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, TypeAlias

import torch
from jaxtyping import Float32
from torch import Tensor

from mnist_gan.data.toys import Mixture
from mnist_gan.errors import DataError

SKETCH_STD: Final = 0.02
"""Spread of the points around a stroke, in the square of side 2 in which it is drawn."""
SKETCH_PLACES: Final = 800
"""Most places along all strokes."""
MIN_POINTS: Final = 2
"""A stroke of fewer points is a dot."""

Stroke: TypeAlias = Sequence[tuple[float, float]]
"""Points of a polyline, each coordinate in [-1, 1], y upwards; a single one is a dot."""


def sketched(strokes: Sequence[Stroke]) -> Mixture:
    """The mixture along the strokes: equal lengths have equal weight, and a dot that of the spread around it.

    Raises:
        DataError: there are no strokes, or all points of the drawing are one place.
    """
    lines = [torch.tensor(stroke, dtype=torch.float32).view(-1, 2) for stroke in strokes if len(stroke)]
    lengths = [max(_length(line), 2 * SKETCH_STD) for line in lines]
    if not lines or _extent(torch.cat(lines)) == 0.0:
        raise DataError("The drawing has no extent; draw a line, or dots at two places.")
    step = max(SKETCH_STD, sum(lengths) / SKETCH_PLACES)
    parts = [_places(line, n=max(1, round(_length(line) / step))) for line in lines]
    weights = [torch.full((len(part),), length / len(part)) for part, length in zip(parts, lengths, strict=True)]
    means, shares = torch.cat(parts), torch.cat(weights)
    return Mixture(means=means, stds=torch.full((len(means),), SKETCH_STD), weights=shares / shares.sum())


def consists_of_dots(strokes: Sequence[Stroke]) -> bool:
    """True if every stroke is a dot: the mixture then has a mode for each."""
    return all(_length(torch.tensor(stroke, dtype=torch.float32).view(-1, 2)) < SKETCH_STD for stroke in strokes)


def _places(line: Float32[Tensor, "m 2"], *, n: int) -> Float32[Tensor, "n 2"]:
    """`n` places in the middle of equal parts of a line; of a dot, its first point."""
    if n == 1 or len(line) < MIN_POINTS:
        return line[:1]
    ends = torch.cat([torch.zeros(1), line.diff(dim=0).norm(dim=1).cumsum(0)])
    at = (torch.arange(n) + 0.5) / n * ends[-1]
    right = torch.searchsorted(ends, at).clamp(1, len(line) - 1)
    share = (at - ends[right - 1]) / (ends[right] - ends[right - 1]).clamp_min(1e-9)
    return torch.lerp(line[right - 1], line[right], share[:, None])


def _length(line: Float32[Tensor, "m 2"]) -> float:
    return float(line.diff(dim=0).norm(dim=1).sum())


def _extent(points: Float32[Tensor, "m 2"]) -> float:
    span = points.amax(0) - points.amin(0)
    return math.hypot(*span.tolist())
