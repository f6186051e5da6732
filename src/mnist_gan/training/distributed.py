"""Collective operations of the ranks of one training: gradients are gathered explicitly, without a DDP wrapper.

DDP averages gradients inside `backward`, which penalties that differentiate a gradient break. Gathering all shards'
gradients and summing them in their order also gives every rank the same bits, whatever the number of ranks.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Final, ParamSpec, TypeVar

import torch
import torch.distributed as dist
from jaxtyping import Shaped
from torch import Tensor

from mnist_gan.errors import ConfigError, RankError
from mnist_gan.launcher import Launch

TIMEOUT: Final = timedelta(minutes=5)
"""Longest wait for the other ranks. A killed process is noticed at once, a machine that vanished after this time."""

P = ParamSpec("P")
T = TypeVar("T")


def _names_lost_ranks(operation: Callable[P, T]) -> Callable[P, T]:
    """Raise a `RankError` where torch reports a failed connection."""

    @functools.wraps(operation)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return operation(*args, **kwargs)
        except RuntimeError as error:
            raise RankError(
                "another rank of the training was lost; the run keeps its last checkpoint: resume it with as many ranks"
            ) from error

    return wrapped


class Group:
    """The ranks of one training, and the place of this process among them; alone by default."""

    def __init__(self, *, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size

    def part(self, shards: int) -> range:
        """Shards of this rank; `shards` is a multiple of the number of ranks."""
        each = shards // self.size
        return range(self.rank * each, (self.rank + 1) * each)

    @_names_lost_ranks
    def all_gather(self, rows: Shaped[Tensor, "own n"]) -> Shaped[Tensor, "all n"]:
        """The rows of all ranks, in order.

        Raises:
            RankError: a rank was lost.
        """
        if self.size == 1:
            return rows
        gathered = rows.new_empty(self.size * rows.shape[0], rows.shape[1])
        dist.all_gather(list(gathered.chunk(self.size)), rows)
        return gathered

    @_names_lost_ranks
    def broadcast(self, tensor: Tensor) -> Tensor:
        """Fill `tensor` with that of rank 0, in place, and return it.

        Raises:
            RankError: a rank was lost.
        """
        if self.size > 1:
            dist.broadcast(tensor, src=0)
        return tensor


ALONE: Final = Group()
"""The group of a training in one process."""


@contextlib.contextmanager
def joined(launch: Launch | None) -> Iterator[Group]:
    """Connect the ranks that `launch` describes, for the block; None: this process alone.

    On a machine with CUDA devices, every rank takes the device of its place on the machine.

    Raises:
        ConfigError: PyTorch was built without `torch.distributed`.
        RankError: the ranks did not find one another in time.
    """
    if launch is None:
        yield ALONE
        return
    if not dist.is_available():
        raise ConfigError("this build of PyTorch has no torch.distributed; start the training without torchrun")
    # Functions of this module have the current group as a default argument. If they were imported after its creation,
    # as PyTorch's optimizers do, they would keep it, and its threads would outlive the interpreter and abort it.
    importlib.import_module("torch.distributed.nn.functional")
    with_cuda = torch.cuda.is_available()
    if with_cuda:
        torch.cuda.set_device(launch.local_rank)
    try:
        dist.init_process_group("cpu:gloo,cuda:nccl" if with_cuda else "gloo", timeout=TIMEOUT)
    except RuntimeError as error:
        raise RankError(
            f"rank {launch.rank} found no rank 0 at {launch.address}; start all ranks with one torchrun, or with the "
            "same --rdzv-endpoint"
        ) from error
    try:
        yield Group(rank=launch.rank, size=launch.size)
    finally:
        with contextlib.suppress(RuntimeError):
            dist.destroy_process_group()
