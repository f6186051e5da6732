"""A grid of lines in the space of z, whose images show how a generator bends it."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def latent_lines(z_dim: int, *, lines: int, steps: int) -> Float[Tensor, "axes lines steps z_dim"]:
    """Lines along the first two coordinates of z, the others 0; along the only one, all lines are the same.

    The lines are evenly spaced in probability, so as many samples fall into each mesh.

    Args:
        z_dim: length of z.
        lines: number of lines along each coordinate.
        steps: points of each line.
    """
    at, along = (torch.special.ndtri((torch.arange(n) + 0.5) / n) for n in (lines, steps))
    axes = min(2, z_dim)
    z = torch.zeros(axes, lines, steps, z_dim)
    for moving in range(axes):
        z[moving, :, :, moving] = along
        if axes == 2:
            z[moving, :, :, 1 - moving] = at[:, None]
    return z
