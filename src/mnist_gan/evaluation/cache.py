"""Cache of real-data statistics, keyed by a digest of their inputs.

Each entry is a directory committed by its manifest; an incomplete or damaged entry is computed again. A cache that
cannot be written costs time and never changes a result.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import safetensors.torch
import torch
from jaxtyping import Shaped
from torch import Tensor

from mnist_gan.errors import ArtifactError, StorageError
from mnist_gan.paths import cache_folder
from mnist_gan.storage import read_committed_directory, write_committed_directory

FILE_NAME: Final = "tensors.safetensors"


def default_folder() -> Path:
    """`evaluation` in the user's cache directory for mnist-gan."""
    return cache_folder() / "evaluation"


@dataclass(frozen=True)
class TensorCache:
    """Named sets of tensors under one key; without a folder nothing is cached."""

    folder: Path | None
    key: str
    """Digest of everything that the tensors depend on."""

    def get(self, name: str, compute: Callable[[], Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """Return the tensors cached as `name`, or compute and cache them."""
        if self.folder is None:
            return dict(compute())
        entry = self.folder / self.key / name
        with contextlib.suppress(ArtifactError, OSError, KeyError, ValueError):
            return safetensors.torch.load(read_committed_directory(entry)[FILE_NAME])
        tensors = {key: tensor.contiguous() for key, tensor in compute().items()}
        with contextlib.suppress(StorageError, OSError):
            write_committed_directory(entry, {FILE_NAME: safetensors.torch.save(tensors)})
        return tensors


def digest_of(*parts: str | Shaped[Tensor, "..."]) -> str:
    """Hash texts and tensors (content, shape and dtype), in order: sha256 in hex."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            total.update(f"text {len(part.encode())}\n".encode() + part.encode())
        else:
            total.update(f"tensor {part.dtype} {tuple(part.shape)}\n".encode())
            total.update(part.contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()
