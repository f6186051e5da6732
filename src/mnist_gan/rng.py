"""Random numbers derived from (seed, stream, position), never from hidden state.

The stream names a purpose, such as "shuffle". The position is an epoch, a step or the index of an image. So a resumed
training needs no saved generator state, and image i of a seed does not depend on the batch that it is drawn in.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor


def derive_seed(seed: int, stream: str, position: int = 0) -> int:
    """A 63-bit seed from the first 8 bytes of sha256("seed/stream/position")."""
    digest = hashlib.sha256(f"{seed}/{stream}/{position}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def generator(seed: int, stream: str, position: int = 0, *, device: torch.device | str = "cpu") -> torch.Generator:
    """A `torch.Generator` with the seed of `derive_seed`."""
    return torch.Generator(device).manual_seed(derive_seed(seed, stream, position))


@contextlib.contextmanager
def seeded(seed: int, stream: str, position: int = 0, *, device: torch.device | str = "cpu") -> Iterator[None]:
    """Seed torch's own generators for the block, for code that draws from them; their state is restored afterwards.

    The layers of a plug-in's networks do so: for their initial weights, and for dropout.
    """
    kind = torch.device(device).type
    devices = [torch.cuda.current_device()] if kind == "cuda" else []
    with torch.random.fork_rng(devices=devices, device_type=kind if kind == "cuda" else "cuda"):
        torch.manual_seed(derive_seed(seed, stream, position))
        yield


def latents(seed: int, positions: range | list[int], z_dim: int) -> Float[Tensor, "n z_dim"]:
    """Standard normal latents (N, z_dim) on the CPU; row i depends on (seed, positions[i]) only."""
    z = torch.empty(len(positions), z_dim)
    for row, position in zip(z, positions, strict=True):
        row.normal_(generator=generator(seed, "z", position))
    return z
