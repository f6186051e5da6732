"""Paths from one latent to another. Pure functions of z.

A standard normal z of many dimensions has a length close to sqrt(z_dim); the straight line between two of them cuts
through short vectors that the generator never saw. The way along the sphere keeps to the lengths it knows.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor


def slerp(z0: Float[Tensor, "n z_dim"], z1: Float[Tensor, "n z_dim"], t: float) -> Float[Tensor, "n z_dim"]:
    """The point at `t` of the way from z0 (t = 0) to z1 (t = 1) along the sphere, row by row.

    The direction turns at constant speed along the great circle (Shoemake 1985, "Animating rotation with quaternion
    curves"; White 2016, "Sampling generative networks", arXiv:1609.04468), and the length goes linearly from |z0| to
    |z1|. For vectors of one length that is Shoemake's formula; written with the part of z1 that is perpendicular to z0
    instead of a quotient of sines, it divides by nearly nothing nowhere:

    - parallel vectors and a zero vector are joined by the straight line;
    - opposite vectors have no shortest way; the one taken turns towards the axis that z0 has least of.

    At t = 0 and t = 1 the result is z0 and z1 bit for bit.
    """
    if t in {0, 1}:
        return (z1 if t else z0).clone()
    start, end = z0.double(), z1.double()
    start_length, end_length = start.norm(dim=1, keepdim=True), end.norm(dim=1, keepdim=True)
    u0, u1 = _directions(start, start_length), _directions(end, end_length)
    u0, u1 = torch.where(start_length > 0, u0, u1), torch.where(end_length > 0, u1, u0)
    along = (u0 * u1).sum(dim=1, keepdim=True)
    across = u1 - along * u0
    angle = torch.atan2(across.norm(dim=1, keepdim=True), along)
    tangent = _directions(across, across.norm(dim=1, keepdim=True))
    nearly_opposite = (along < 0) & (across.norm(dim=1, keepdim=True) < 1e-9)
    tangent = torch.where(nearly_opposite, _any_perpendicular(u0), tangent)
    direction = torch.cos(t * angle) * u0 + torch.sin(t * angle) * tangent
    length = (1 - t) * start_length + t * end_length
    point: Tensor = length * direction
    return point.to(z0.dtype)


def lerp(start: Float[Tensor, "n d"], end: Float[Tensor, "n d"], t: float) -> Float[Tensor, "n d"]:
    """The point at `t` of the straight way from `start` (t = 0) to `end` (t = 1): for embedded labels, not for z."""
    return torch.lerp(start, end, t)


def path_through(
    stations: Float[Tensor, "k d"],
    *,
    steps: int,
    closed: bool = False,
    between: Callable[[Tensor, Tensor, float], Tensor] = slerp,
) -> Float[Tensor, "m d"]:
    """A path through several points: `steps` equal steps from each to the next, the points included.

    Args:
        stations: points to pass through, at least two.
        steps: steps between two stations; 1 gives the stations alone.
        closed: whether the path goes on from the last station back to the first (which is not repeated at the end), so
            that an animation of it runs without a jump.
        between: `slerp` for latents, `lerp` for embedded labels.

    Returns:
        (K - 1) * steps + 1 points, or K * steps when closed.

    Raises:
        ValueError: fewer than two stations, or less than one step.
    """
    if len(stations) < 2 or steps < 1:
        raise ValueError(f"a path needs two stations and one step between them, not {len(stations)} and {steps}")
    starts, ends = (stations, stations.roll(-1, 0)) if closed else (stations[:-1], stations[1:])
    legs = torch.stack([between(starts, ends, step / steps) for step in range(steps)], dim=1)  # [legs, steps, z_dim]
    path = legs.flatten(0, 1)  # [legs * steps, z_dim]
    return path if closed else torch.cat([path, stations[-1:]])


def _directions(vectors: Float[Tensor, "n z_dim"], lengths: Float[Tensor, "n 1"]) -> Float[Tensor, "n z_dim"]:
    """Unit vectors; a zero vector stays zero."""
    return vectors / torch.where(lengths > 0, lengths, 1)


def _any_perpendicular(u: Float[Tensor, "n z_dim"]) -> Float[Tensor, "n z_dim"]:
    """A unit vector perpendicular to each: the axis it has least of, less its shadow. In one dimension, zero."""
    axis = torch.nn.functional.one_hot(u.abs().argmin(dim=1), u.shape[1]).to(u.dtype)
    across = axis - (axis * u).sum(dim=1, keepdim=True) * u
    return _directions(across, across.norm(dim=1, keepdim=True))
