"""Environment of a process that torchrun started."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mnist_gan.errors import ConfigError

VARIABLES: Final = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True, kw_only=True, slots=True)
class Launch:
    """The place of this process among the ranks of one training."""

    rank: int
    """From 0 to `size` - 1. Rank 0 writes the run; the others only compute."""
    size: int
    """Number of ranks, at least 2."""
    local_rank: int
    """Place among the ranks of this machine."""
    address: str
    """Host and port at which the ranks meet."""


def read_launch(environment: Mapping[str, str] = os.environ) -> Launch | None:
    """Read the variables that torchrun sets; None for a process that runs alone.

    Raises:
        ConfigError: variables of torchrun are missing or are not numbers.
    """
    size = environment.get("WORLD_SIZE", "1")
    if size in {"", "1"}:
        return None
    missing = [name for name in VARIABLES if not environment.get(name)]
    if missing:
        raise ConfigError(
            f"WORLD_SIZE is {size}, but {', '.join(missing)} is not set; start the ranks with `torchrun "
            "--nproc-per-node 2 -m mnist_gan train`, or unset WORLD_SIZE to train in one process"
        )
    try:
        rank, number, local = (int(environment.get(name, "0")) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    except ValueError as error:
        raise ConfigError(
            f"RANK, WORLD_SIZE and LOCAL_RANK must be numbers ({error}); start the ranks with torchrun"
        ) from error
    address = f"{environment['MASTER_ADDR']}:{environment['MASTER_PORT']}"
    return Launch(rank=rank, size=number, local_rank=local, address=address)


def is_follower() -> bool:
    """True for every rank but 0: it prints nothing but its own failure."""
    try:
        launch = read_launch()
    except ConfigError:
        return False
    return launch is not None and launch.rank > 0
