"""The averaged generator at several moments of its training: what the same z gave on the way.

A checkpoint holds a whole state for resuming, and only the newest are kept. A moment is the generator alone, in 16 bits
(what an image of 256 greys cannot tell from 32), a few of which cost less than one checkpoint.
"""

from __future__ import annotations

import copy
import json
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

FORMAT_VERSION: Final = 1
FACTS_NAME: Final = "moment.json"
MAX_FACTS_BYTES: Final = 4 << 10
MAX_HEADER_BYTES: Final = 1 << 20
_LARGEST_HALF: Final = torch.finfo(torch.float16).max


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """A generator kept on the way."""

    path: Path
    cur_nimg: int
    """Images seen by then."""
    epoch: float
    """Passes over the training images by then."""


def epochs_to_keep(*, last_epoch: int, count: int) -> frozenset[int]:
    """Which of the epochs 0 to `last_epoch` are kept: at most `count`, evenly spaced, with the first and the last."""
    if count < 2:
        return frozenset([last_epoch] * count)
    return frozenset(thin(range(last_epoch + 1), count=count))


def save_moment(directory: Path, G: Generator, *, cur_nimg: int, epoch: float) -> Path:
    """Write `directory/nimg-<images seen>`, replacing one of that name; the same generator gives the same bytes.

    Tensors that do not fit into float16 keep their 32 bits.

    Raises:
        StorageError: the operating system refused.
    """
    facts = {"format_version": FORMAT_VERSION, "cur_nimg": cur_nimg, "epoch": epoch}
    tensors = {name: _halved(tensor) for name, tensor in G.state_dict().items()}
    target = directory / f"nimg-{cur_nimg:010d}"
    storage.write_committed_directory(
        target,
        {GENERATOR_NAME: safetensors.torch.save(tensors), FACTS_NAME: (json.dumps(facts, indent=2) + "\n").encode()},
    )
    return target


def list_moments(directory: Path) -> list[Moment]:
    """The moments in a run's folder, in their order; one that is damaged or half removed is passed over."""
    moments = []
    for path in sorted(directory.glob("nimg-*")):
        try:
            moments.append(_read_facts(path))
        except ArtifactError:
            continue
    return moments


def load_moment(moment: Moment, like: Generator) -> Generator:
    """The generator of a moment, in float32 and evaluation mode, on the CPU.

    Args:
        moment: from `list_moments`.
        like: a generator of the same run; it is not changed.

    Raises:
        ArtifactError: it is damaged, or of another network.
    """
    G = copy.deepcopy(like).cpu()
    most = sum(tensor.numel() * tensor.element_size() for tensor in G.state_dict().values()) + MAX_HEADER_BYTES
    content = storage.read_committed_directory(moment.path, most={GENERATOR_NAME: most})[GENERATOR_NAME]
    try:
        tensors = safetensors.torch.load(content)
        if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
            raise ArtifactError(f"{moment.path} holds numbers that are not finite; {storage.USE_ANOTHER}")
        G.load_state_dict(tensors)  # converted to the type that each has there
    except (KeyError, ValueError, TypeError, RuntimeError, safetensors.SafetensorError) as error:
        raise ArtifactError(f"{moment.path} does not fit this run's generator: {error}") from error
    return G.eval().requires_grad_(False)


def _halved(tensor: Tensor) -> Tensor:
    plain = tensor.detach().cpu().contiguous()
    if plain.dtype != torch.float32 or float(plain.abs().max()) > _LARGEST_HALF:
        return plain
    return plain.half()


def _read_facts(path: Path) -> Moment:
    content = storage.read_committed_directory(path, most={FACTS_NAME: MAX_FACTS_BYTES})[FACTS_NAME]
    try:
        facts: dict[str, Any] = dict(json.loads(content))
        version, cur_nimg, epoch = facts["format_version"], facts["cur_nimg"], float(facts["epoch"])
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise ArtifactError(f"{path / FACTS_NAME} is damaged; {storage.USE_ANOTHER}") from error
    if version != FORMAT_VERSION or type(cur_nimg) is not int or cur_nimg < 0:
        raise ArtifactError(f"{path} is no snapshot that this release can read")
    return Moment(path=path, cur_nimg=cur_nimg, epoch=epoch)
