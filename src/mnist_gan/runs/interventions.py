"""Learning rates that were changed while a run trained, each at its image count, so that the run can be repeated.

Which rates a step takes depends on the clock and on this list alone, not on when somebody turned a knob. So a run that
is stopped, killed or taken back goes through the same changes at the same counts again, and a new run that is given its
config and its interventions ends with the same weights, bit for bit.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mnist_gan.config import Config
from mnist_gan.errors import ArtifactError, ConfigError
from mnist_gan.storage import write_bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Intervention:
    """From `cur_nimg` images on, other learning rates than the config's; their schedule goes on over them."""

    cur_nimg: int
    """Images seen when the first step with these rates begins."""
    rollbacks: int = 0
    """How often the training had been taken back by then."""
    g_lr: float
    """The generator's learning rate, in the place of `optimizer.g_lr`."""
    d_lr: float
    """The discriminator's, in the place of `optimizer.d_lr`."""

    def __post_init__(self) -> None:
        for name in ("g_lr", "d_lr"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ConfigError(f"{name} is {value}; a learning rate must be more than 0")
        if self.cur_nimg < 0 or self.rollbacks < 0:
            raise ConfigError("an intervention's cur_nimg and rollbacks are whole numbers of 0 or more")


def read_interventions(path: Path) -> list[Intervention]:
    """The interventions of a run, in the order in which they were made; none where there is no file.

    Raises:
        ArtifactError: the file is damaged, or cannot be read.
    """
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror or error}") from error
    return [_parse(line, path, number) for number, line in enumerate(lines, start=1)]


def write_interventions(path: Path, interventions: Sequence[Intervention]) -> None:
    """Write the whole list, atomically and durably: it is on disk before the first step that depends on it.

    Raises:
        StorageError: the operating system refused.
    """
    lines = [json.dumps(dataclasses.asdict(each), allow_nan=False) + "\n" for each in interventions]
    write_bytes(path, "".join(lines).encode())


def effective_interventions(interventions: Sequence[Intervention], *, rollbacks: int) -> list[Intervention]:
    """Those that a training which was taken back `rollbacks` times goes by, in order of their image counts.

    A later decision takes the place of whatever lies at its count or ahead of it: of what was decided there before the
    training went back to a checkpoint.
    """
    standing: list[Intervention] = []
    for intervention in interventions:
        if intervention.rollbacks <= rollbacks:
            standing = [each for each in standing if each.cur_nimg < intervention.cur_nimg] + [intervention]
    return standing


def with_learning_rates(config: Config, *, g_lr: float, d_lr: float) -> Config:
    """The config with other learning rates.

    Raises:
        ConfigError: one of them is no learning rate.
    """
    return dataclasses.replace(config, optimizer=dataclasses.replace(config.optimizer, g_lr=g_lr, d_lr=d_lr))


def _parse(line: bytes, path: Path, number: int) -> Intervention:
    try:
        values: dict[str, Any] = dict(json.loads(line))
        whole = {name: values[name] for name in ("cur_nimg", "rollbacks")}
        if all(type(value) is int for value in whole.values()) and values.keys() == whole.keys() | {"g_lr", "d_lr"}:
            return Intervention(**whole, g_lr=float(values["g_lr"]), d_lr=float(values["d_lr"]))
    except (ValueError, KeyError, TypeError, RecursionError):  # a ConfigError is a ValueError
        pass
    raise ArtifactError(f"{path} is damaged: line {number} is not an intervention; remove that line")
