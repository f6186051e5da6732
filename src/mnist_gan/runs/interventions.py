"""Interventions: changes of the learning rates during a run, each with its image count.

The learning rates of a step depend only on the image count and on this list. A run that is stopped, killed or rolled
back repeats the same changes at the same counts. A new run with its config and interventions ends with the same
weights, bit for bit.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mnist_gan.config import Config
from mnist_gan.errors import ArtifactError, ConfigError
from mnist_gan.storage import read_regular, write_bytes
from mnist_gan.text import parse_json

MAX_BYTES: Final = 1 << 22


@dataclass(frozen=True, kw_only=True, slots=True)
class Intervention:
    """A change of the base learning rates from `cur_nimg` images on; their schedule still applies."""

    cur_nimg: int
    """Images seen before the first step with these learning rates."""
    rollbacks: int = 0
    """Number of rollbacks at that time."""
    g_lr: float
    """Learning rate of the generator; replaces `optimizer.g_lr`."""
    d_lr: float
    """Learning rate of the discriminator; replaces `optimizer.d_lr`."""

    def __post_init__(self) -> None:
        for name in ("g_lr", "d_lr"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ConfigError(f"{name} is {value}; a learning rate must be more than 0 and finite")
        if self.cur_nimg < 0 or self.rollbacks < 0:
            raise ConfigError("cur_nimg and rollbacks of an intervention must be 0 or more")


def read_interventions(path: Path) -> list[Intervention]:
    """Read the interventions of a run, oldest first; empty if there is no file.

    Raises:
        ArtifactError: the file is damaged, or cannot be read.
    """
    try:
        lines = read_regular(path, most=MAX_BYTES).splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror or error}") from error
    return [_parse(line, path, number) for number, line in enumerate(lines, start=1)]


def write_interventions(path: Path, interventions: Sequence[Intervention]) -> None:
    """Write the whole list, atomically and durably, before the first step that depends on it.

    Raises:
        StorageError: the file cannot be written.
    """
    lines = [json.dumps(dataclasses.asdict(each), allow_nan=False) + "\n" for each in interventions]
    write_bytes(path, "".join(lines).encode())


def effective_interventions(interventions: Sequence[Intervention], *, rollbacks: int) -> list[Intervention]:
    """Interventions in effect after `rollbacks` rollbacks, ordered by image count.

    A later one replaces all earlier ones at its count or ahead of it, which date from before a rollback.
    """
    effective: list[Intervention] = []
    for intervention in interventions:
        if intervention.rollbacks <= rollbacks:
            effective = [each for each in effective if each.cur_nimg < intervention.cur_nimg] + [intervention]
    return effective


def with_learning_rates(config: Config, *, g_lr: float, d_lr: float) -> Config:
    """Return the config with other learning rates.

    Raises:
        ConfigError: a learning rate is invalid.
    """
    return dataclasses.replace(config, optimizer=dataclasses.replace(config.optimizer, g_lr=g_lr, d_lr=d_lr))


def _parse(line: bytes, path: Path, number: int) -> Intervention:
    try:
        values: dict[str, Any] = dict(parse_json(line))
        whole = {name: values[name] for name in ("cur_nimg", "rollbacks")}
        if all(type(value) is int for value in whole.values()) and values.keys() == whole.keys() | {"g_lr", "d_lr"}:
            return Intervention(**whole, g_lr=float(values["g_lr"]), d_lr=float(values["d_lr"]))
    except (ValueError, KeyError, TypeError, RecursionError):  # a ConfigError is a ValueError
        pass
    raise ArtifactError(f"{path} is damaged: line {number} is not an intervention; remove that line")
