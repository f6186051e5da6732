"""Snapshots of the averaged generator during a training, for time-lapses.

A checkpoint holds the whole state for resuming, and only the newest are kept. A snapshot holds the generator alone in
float16, which 256 grey levels cannot tell from float32. A dozen snapshots take less space than one checkpoint.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from mnist_gan import storage
from mnist_gan.artifacts.animation import thin
from mnist_gan.errors import ArtifactError
from mnist_gan.models import Generator
from mnist_gan.runs.directory import GENERATOR_NAME
from mnist_gan.torch_defaults import default_torch_state

FORMAT_VERSION: Final = 1
FACTS_NAME: Final = "snapshot.json"
MAX_FACTS_BYTES: Final = 4 << 10
MAX_HEADER_BYTES: Final = 1 << 20
_LARGEST_HALF: Final = torch.finfo(torch.float16).max


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """A generator saved during the training."""

    path: Path
    cur_nimg: int
    """Images seen."""
    epoch: float
    """Passes over the training images."""


def epochs_to_keep(epochs: Sequence[int], *, count: int) -> list[int]:
    """At most `count` of `epochs`, evenly spaced: the last, and from two on the first, too."""
    return [epochs[-1]] * count if count < 2 else thin(epochs, count=count)


@default_torch_state()
def save_snapshot(directory: Path, G: Generator, *, cur_nimg: int, epoch: float) -> Path:
    """Write or replace `directory/nimg-<images seen>`. The same generator gives the same bytes.

    Tensors beyond the range of float16 stay float32.

    Raises:
        StorageError: the snapshot cannot be written.
    """
    facts = {"format_version": FORMAT_VERSION, "cur_nimg": cur_nimg, "epoch": epoch}
    tensors = {name: _to_half(tensor) for name, tensor in G.state_dict().items()}
    target = directory / f"nimg-{cur_nimg:010d}"
    storage.write_committed_directory(
        target,
        {GENERATOR_NAME: safetensors.torch.save(tensors), FACTS_NAME: (json.dumps(facts, indent=2) + "\n").encode()},
    )
    return target


def list_snapshots(directory: Path) -> list[Snapshot]:
    """Snapshots in a run's folder, oldest first. Damaged ones are skipped."""
    snapshots = []
    for path in sorted(directory.glob("nimg-*")):
        try:
            snapshots.append(_read_facts(path))
        except ArtifactError:
            continue
    return snapshots


@default_torch_state()
def load_snapshot(snapshot: Snapshot, like: Generator) -> Generator:
    """Load a snapshot's generator in float32 and evaluation mode, on the CPU.

    Args:
        snapshot: from `list_snapshots`.
        like: a generator of the same run, for the architecture; it is not changed.

    Raises:
        ArtifactError: the snapshot is damaged, or belongs to another architecture.
    """
    G = copy.deepcopy(like).cpu()
    most = sum(tensor.numel() * tensor.element_size() for tensor in G.state_dict().values()) + MAX_HEADER_BYTES
    content = storage.read_committed_directory(snapshot.path, most={GENERATOR_NAME: most})[GENERATOR_NAME]
    try:
        tensors = safetensors.torch.load(content)
        if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
            raise ArtifactError(f"{snapshot.path} holds numbers that are not finite; {storage.USE_ANOTHER}")
        G.load_state_dict(tensors)  # casts each tensor to the parameter's dtype
    except (KeyError, ValueError, TypeError, RuntimeError, safetensors.SafetensorError) as error:
        raise ArtifactError(f"{snapshot.path} does not fit this run's generator: {error}") from error
    return G.eval().requires_grad_(False)


def _to_half(tensor: Tensor) -> Tensor:
    plain = tensor.detach().cpu().contiguous()
    if plain.dtype != torch.float32 or float(plain.abs().max()) > _LARGEST_HALF:
        return plain
    return plain.half()


def _read_facts(path: Path) -> Snapshot:
    content = storage.read_committed_directory(path, most={FACTS_NAME: MAX_FACTS_BYTES})[FACTS_NAME]
    try:
        facts: dict[str, Any] = dict(json.loads(content))
        version, cur_nimg, epoch = facts["format_version"], facts["cur_nimg"], float(facts["epoch"])
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise ArtifactError(f"{path / FACTS_NAME} is damaged; {storage.USE_ANOTHER}") from error
    if version != FORMAT_VERSION or type(cur_nimg) is not int or cur_nimg < 0:
        raise ArtifactError(f"{path} has a snapshot format that this release does not read; {storage.USE_ANOTHER}")
    return Snapshot(path=path, cur_nimg=cur_nimg, epoch=epoch)
