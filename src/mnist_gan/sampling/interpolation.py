"""Interpolation between latents; pure functions of z.

A standard normal z in many dimensions has a length close to sqrt(z_dim). A straight line between two of them passes
through short vectors that the generator was not trained on; spherical interpolation keeps the length.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from mnist_gan.errors import ConfigError


def slerp(z0: Float[Tensor, "n z_dim"], z1: Float[Tensor, "n z_dim"], t: float) -> Float[Tensor, "n z_dim"]:
    """Spherical interpolation from z0 (t = 0) to z1 (t = 1), row by row.

    The direction turns at constant speed along the great circle (Shoemake 1985, "Animating rotation with quaternion
    curves"; White 2016, "Sampling generative networks", arXiv:1609.04468), and the length is interpolated linearly. For
    vectors of equal length this is Shoemake's formula. It uses the part of z1 perpendicular to z0 instead of a quotient
    of sines, which avoids small divisors:

    - parallel vectors and zero vectors are interpolated linearly;
    - opposite vectors have no unique great circle; the path turns towards the axis of the smallest component of z0.

    At t = 0 and t = 1 the result is bit-equal to z0 and z1.
    """
    if t in {0, 1}:
        return (z1 if t else z0).clone()
    start, end = z0.double(), z1.double()
    start_length, end_length = start.norm(dim=1, keepdim=True), end.norm(dim=1, keepdim=True)
    u0, u1 = _normalized(start, start_length), _normalized(end, end_length)
    u0, u1 = torch.where(start_length > 0, u0, u1), torch.where(end_length > 0, u1, u0)
    along = (u0 * u1).sum(dim=1, keepdim=True)
    across = u1 - along * u0
    angle = torch.atan2(across.norm(dim=1, keepdim=True), along)
    tangent = _normalized(across, across.norm(dim=1, keepdim=True))
    nearly_opposite = (along < 0) & (across.norm(dim=1, keepdim=True) < 1e-9)
    tangent = torch.where(nearly_opposite, _any_perpendicular(u0), tangent)
    direction = torch.cos(t * angle) * u0 + torch.sin(t * angle) * tangent
    length = (1 - t) * start_length + t * end_length
    point: Tensor = length * direction
    return point.to(z0.dtype)


def lerp(start: Float[Tensor, "n d"], end: Float[Tensor, "n d"], t: float) -> Float[Tensor, "n d"]:
    """Linear interpolation from `start` (t = 0) to `end` (t = 1), for label embeddings; use `slerp` for z."""
    return torch.lerp(start, end, t)


def path_through(
    stations: Float[Tensor, "k d"],
    *,
    steps: int,
    closed: bool = False,
    between: Callable[[Tensor, Tensor, float], Tensor] = slerp,
) -> Float[Tensor, "m d"]:
    """Interpolate a path through several points, with `steps` equal steps from each to the next.

    Args:
        stations: points on the path, at least two.
        steps: steps between two stations; 1 returns the stations alone.
        closed: return from the last station to the first, which is not repeated, so that an animation loops.
        between: `slerp` for latents, `lerp` for label embeddings.

    Returns:
        (K - 1) * steps + 1 points, or K * steps if closed.

    Raises:
        ConfigError: fewer than two stations, or less than one step.
    """
    if len(stations) < 2 or steps < 1:
        raise ConfigError(
            f"a path needs at least 2 stations and 1 step between them, not {len(stations)} and {steps}; "
            "give another seed or digit, or more steps"
        )
    starts, ends = (stations, stations.roll(-1, 0)) if closed else (stations[:-1], stations[1:])
    legs = torch.stack([between(starts, ends, step / steps) for step in range(steps)], dim=1)  # [legs, steps, z_dim]
    path = legs.flatten(0, 1)  # [legs * steps, z_dim]
    return path if closed else torch.cat([path, stations[-1:]])


def _normalized(vectors: Float[Tensor, "n z_dim"], lengths: Float[Tensor, "n 1"]) -> Float[Tensor, "n z_dim"]:
    """Unit vectors; a zero vector stays zero."""
    return vectors / torch.where(lengths > 0, lengths, 1)


def _any_perpendicular(u: Float[Tensor, "n z_dim"]) -> Float[Tensor, "n z_dim"]:
    """A unit vector perpendicular to each row: the axis of its smallest component, made orthogonal; 0 in 1-D."""
    axis = torch.nn.functional.one_hot(u.abs().argmin(dim=1), u.shape[1]).to(u.dtype)
    across = axis - (axis * u).sum(dim=1, keepdim=True) * u
    return _normalized(across, across.norm(dim=1, keepdim=True))
