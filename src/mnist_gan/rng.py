"""Randomness derived from (seed, stream, position), never carried in hidden state.

Whoever needs random numbers names what they are for (the stream) and where in it they stand (the position): an epoch, a
step, an image's index. Nothing has to be saved to continue a stream, and image i of a seed does not depend on the
batch it was drawn in.
"""

from __future__ import annotations

import hashlib

import torch
from jaxtyping import Float
from torch import Tensor


def derive_seed(seed: int, stream: str, position: int = 0) -> int:
    """A 63-bit seed for one place in one stream: the first bytes of the sha256 of the three."""
    digest = hashlib.sha256(f"{seed}/{stream}/{position}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def generator(seed: int, stream: str, position: int = 0, *, device: torch.device | str = "cpu") -> torch.Generator:
    """A `torch.Generator` that stands at `position` of `stream` under `seed`."""
    return torch.Generator(device).manual_seed(derive_seed(seed, stream, position))


def latents(seed: int, positions: range | list[int], z_dim: int) -> Float[Tensor, "n z_dim"]:
    """Standard normal latents (N, z_dim) on the CPU; row i depends on (seed, positions[i]) alone."""
    z = torch.empty(len(positions), z_dim)
    for row, position in zip(z, positions, strict=True):
        row.normal_(generator=generator(seed, "z", position))
    return z
