"""Exact probabilities of the cells of a square: of a known distribution of points, and of a generator.

Both sides of log p/q, the logit of the best possible discriminator (Goodfellow et al. 2014, proposition 1), are known
for points of the plane. p is the integral of the density over each cell. q is the share of the meshes of z, all of
equal probability, that G maps into it: a quadrature without the noise of samples.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from mnist_gan.data.toys import Board, Mixture
from mnist_gan.models import Generator
from mnist_gan.scaling import Coordinates

CELLS: Final = 64
"""Cells along each side of the square."""
MESHES: Final = 96
"""Meshes of equal probability along each coordinate of z."""
PARTS: Final = 5
"""Parts of a mesh along each coordinate."""
EMPTY: Final = 2e-5
"""Probability below which a cell counts as empty: a few of the parts of all meshes, or a far tail."""

Density: TypeAlias = Mixture | Board
Cells: TypeAlias = Float[Tensor, "cells cells"]
"""A value for each cell: rows from low to high y, columns from low to high x."""


def square_edges(scaling: Coordinates, *, cells: int = CELLS) -> Float[Tensor, "2 edges"]:
    """Edges of the cells along x and along y, in the units of the points; the square is the range of the networks."""
    ticks = torch.linspace(-1.0, 1.0, cells + 1, dtype=torch.float64)
    return torch.tensor(scaling.centre, dtype=torch.float64)[:, None] + scaling.scale * ticks


def density_cells(density: Density, scaling: Coordinates, *, cells: int = CELLS) -> Cells:
    """Probability of each cell under a known distribution.

    Every component is a product of a distribution of x and one of y, so its integral over a cell is a product, too.
    """
    edges = square_edges(scaling, cells=cells)
    along_x, along_y = (_within(density, axis, edges[axis]) for axis in (0, 1))
    return along_y.T @ (_weights(density)[:, None] * along_x)  # [cells of y, cells of x]


@torch.no_grad()
def generated_cells(G: Generator, *, cells: int = CELLS, meshes: int = MESHES, parts: int = PARTS) -> Cells:
    """Probability of each cell under an unconditional generator of points with two latent coordinates.

    Args:
        G: the generator.
        cells: cells along each side of the square.
        meshes: meshes along each latent coordinate; G is computed at their corners.
        parts: parts of a mesh along each coordinate, between which G counts as bilinear.
    """
    corners = G(mesh_corners(meshes)).view(meshes + 1, meshes + 1, 2)
    points = _subdivide(_subdivide(corners, parts).transpose(0, 1), parts).flatten(0, 1).double()
    columns, rows = ((points + 1) / 2 * cells).long().clamp(0, cells - 1).unbind(dim=1)
    counts = torch.bincount(rows * cells + columns, minlength=cells * cells).double()
    return (counts / len(points)).view(cells, cells)


def mesh_corners(n: int = MESHES) -> Float[Tensor, "corners 2"]:
    """Corners of n x n meshes that each hold an equal part of the normal distribution of two latent coordinates.

    The outermost meshes reach to infinity; their outer corners are the middles of their probability.
    """
    shares = (torch.arange(n + 1) / n).clamp(0.5 / n, 1 - 0.5 / n)
    ticks = torch.special.ndtri(shares)
    return torch.cartesian_prod(ticks, ticks)


def _subdivide(corners: Float[Tensor, "m k 2"], parts: int) -> Float[Tensor, "n k 2"]:
    """Points in the middle of equal parts between neighbouring corners along the first axis."""
    shares = (torch.arange(parts) + 0.5) / parts
    between = torch.lerp(corners[:-1, None], corners[1:, None], shares[:, None, None])  # [m - 1, parts, k, 2]
    return between.flatten(0, 1)


def log_ratio(p: Cells, q: Cells) -> Cells:
    """The logarithm of p/q in each cell: infinite where one is empty, NaN where both are."""
    p, q = (torch.where(side < EMPTY, 0.0, side) for side in (p, q))
    return p.log() - q.log()


def _weights(density: Density) -> Float[Tensor, " k"]:
    if isinstance(density, Mixture):
        return density.weights.double()
    return torch.full((len(density.corners),), 1 / len(density.corners), dtype=torch.float64)


def _within(density: Density, axis: int, edges: Float[Tensor, " edges"]) -> Float[Tensor, "k cells"]:
    """Probability that one coordinate of each component lies between neighbouring edges."""
    if isinstance(density, Mixture):
        means, stds = density.means[:, axis, None].double(), density.stds[:, None].double()
        cumulative: Tensor = torch.special.ndtr((edges - means) / stds)
        return cumulative.diff(dim=1)
    shares = (edges - density.corners[:, axis, None].double()) / density.side
    return shares.clamp(0.0, 1.0).diff(dim=1)
