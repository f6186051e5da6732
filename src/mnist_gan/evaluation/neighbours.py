"""Nearest neighbours in feature space: precision, recall, density and coverage, and the nearest rows of a set.

Precision and density measure whether generated images look real, recall and coverage whether all real images are
reached. All four compare sets of equal size and depend on it: compare figures of the same protocol only. Pairwise
distances are computed in chunks of bounded memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor

NEIGHBOURS: Final = 5
CHUNK_BYTES: Final = 64 << 20
"""Size of one chunk of a distance matrix."""
NEAREST_ROWS: Final = 4096


def distance_chunks(
    x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], *, chunk_bytes: int | None = None
) -> Iterator[tuple[slice, Float[Tensor, "k m"]]]:
    """Yield squared Euclidean distances of all rows of x to all rows of y, for some rows of x at a time.

    Computed as `|x|^2 + |y|^2 - 2 x.y`, a matrix product, in the precision of the inputs. Both sides are first centred
    at the mean of y, which keeps the cancellation small.
    """
    origin = y.mean(0)
    x, y = x - origin, y - origin
    y_norms = y.square().sum(1)
    limit = CHUNK_BYTES if chunk_bytes is None else chunk_bytes
    rows = max(1, limit // (y.element_size() * max(1, len(y))))
    for start in range(0, len(x), rows):
        part = x[start : start + rows]
        squared = torch.addmm(y_norms, part, y.T, alpha=-2).add_(part.square().sum(1, keepdim=True))
        yield slice(start, start + len(part)), squared.clamp_(min=0)


def neighbour_radii(features: Float[Tensor, "n d"], *, k: int = NEIGHBOURS) -> Float[Tensor, "n"]:
    """Squared distance of each row to its k-th nearest other row.

    Raises:
        ValueError: there are k rows or fewer.
    """
    features = features.double()
    if len(features) <= k:
        raise ValueError(f"{k} neighbours need at least {k + 1} samples, not {len(features)}")
    radii = torch.empty(len(features), dtype=torch.float64)
    for rows, squared in distance_chunks(features, features):
        squared[torch.arange(len(squared)), torch.arange(rows.start, rows.stop)] = 0  # exact distance to itself
        radii[rows] = squared.kthvalue(k + 1, dim=1).values
    return radii


@dataclass(frozen=True, kw_only=True, slots=True)
class NeighbourFigures:
    """Overlap of the neighbourhoods of two sets; all figures but density lie in [0, 1]."""

    precision: float
    """Share of generated images within the neighbourhood of a real image."""
    recall: float
    """Share of real images within the neighbourhood of a generated image."""
    density: float
    """Mean number of real neighbourhoods that contain a generated image, over k; 1 for equal densities."""
    coverage: float
    """Share of real images whose neighbourhood contains a generated image."""


def neighbour_figures(
    real: Float[Tensor, "n d"],
    fake: Float[Tensor, "m d"],
    *,
    k: int = NEIGHBOURS,
    real_radii: Float[Tensor, "n"] | None = None,
) -> NeighbourFigures:
    """Compute all four figures in one pass over the distances, in float64.

    Source: Kynkaanniemi et al. 2019, eq. 1 and 2 (precision, recall); Naeem et al. 2020, eq. 2 and 3 (density,
    coverage).

    Raises:
        ValueError: a side has k rows or fewer.
    """
    real, fake = real.double(), fake.double()
    real_radii = neighbour_radii(real, k=k) if real_radii is None else real_radii
    fake_radii = neighbour_radii(fake, k=k)
    inside = torch.zeros(len(fake), dtype=torch.int64)  # real neighbourhoods that contain each generated image
    recalled = covered = 0
    for rows, squared in distance_chunks(real, fake):
        within = squared < real_radii[rows, None]
        inside += within.sum(0)
        covered += int(within.any(1).sum())
        recalled += int((squared < fake_radii).any(1).sum())
    return NeighbourFigures(
        precision=float((inside > 0).double().mean()),
        recall=recalled / len(real),
        density=float(inside.double().mean()) / k,
        coverage=covered / len(real),
    )


def nearest(x: Num[Tensor, "n d"], y: Num[Tensor, "m d"]) -> tuple[Float[Tensor, "n"], Int[Tensor, "n"]]:
    """Distance of each row of x to its nearest row of y, and the index of that row.

    uint8 rows are converted to float32 in chunks. The index comes from a matrix product; the distance is computed from
    the difference, so that it is exactly 0 for a copy.
    """
    best = torch.full((len(x),), torch.inf)
    indices = torch.zeros(len(x), dtype=torch.int64)
    for start in range(0, len(y), NEAREST_ROWS):
        part = y[start : start + NEAREST_ROWS].float()
        norms = part.square().sum(1)
        for first in range(0, len(x), NEAREST_ROWS):
            rows = slice(first, first + NEAREST_ROWS)
            relative = torch.addmm(norms, x[rows].float(), part.T, alpha=-2)  # squared distance minus |x|^2
            value, index = relative.min(dim=1)
            closer = value < best[rows]
            best[rows] = torch.where(closer, value, best[rows])
            indices[rows] = torch.where(closer, index + start, indices[rows])
    distances = [
        (x[first : first + NEAREST_ROWS].double() - y[indices[first : first + NEAREST_ROWS]].double()).norm(dim=1)
        for first in range(0, len(x), NEAREST_ROWS)
    ]
    return torch.cat(distances), indices


def k_nearest(x: Num[Tensor, "d"], y: Num[Tensor, "m d"], *, k: int) -> tuple[Float[Tensor, "k"], Int[Tensor, "k"]]:
    """Distances of one row to its `k` nearest rows of y (fewer if y is smaller) and their indices, nearest first.

    uint8 rows are converted to float32 in chunks; distances are computed from the differences.
    """
    wanted = x.float()
    pieces = (y[start : start + NEAREST_ROWS].float() for start in range(0, len(y), NEAREST_ROWS))
    relative = torch.cat([torch.mv(piece, wanted).mul_(-2).add_(piece.square().sum(1)) for piece in pieces])
    chosen = relative.topk(min(k, len(y)), largest=False).indices
    distances = (y[chosen].double() - x.double()).norm(dim=1)
    order = distances.argsort(stable=True)
    return distances[order].float(), chosen[order]
