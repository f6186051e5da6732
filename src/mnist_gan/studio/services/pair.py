"""Two runs that differ in one setting: what is trained, on equal terms, and what differs."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mnist_gan import config as config_module
from mnist_gan.config import Config
from mnist_gan.errors import ConfigError
from mnist_gan.plugins import NO_PLUGIN, Plugin
from mnist_gan.quota import usable_cores
from mnist_gan.runs.comparison import differences, flatten, of_training
from mnist_gan.studio.params import check_fields
from mnist_gan.studio.services import form
from mnist_gan.studio.services.library import Library
from mnist_gan.text import pluralize

MAX_STEM: Final = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """One of the two runs."""

    config: Config
    base: str | None = None
    """Id of the run that it is made from; None for a recipe."""
    is_new: bool = True
    """False for a run without changes, which is not trained again."""


def read_side(body: Any, *, library: Library, plugin: Plugin = NO_PLUGIN) -> Side:
    """Read a side of a pair: a recipe or a run, with changes.

    Raises:
        ConfigError: it is neither, or its changes cannot be made.
        NotFoundError: there is no such run.
    """
    if not isinstance(body, dict):
        raise ConfigError("Each side must be an object with a preset or a run.")
    check_fields(body, "preset", "run", "changes")
    changes, run_id = body.get("changes", {}), body.get("run")
    if run_id is None:
        return Side(config=form.chosen_config(body.get("preset"), changes, plugin=plugin))
    if "preset" in body or not isinstance(run_id, str):
        raise ConfigError("A side has a preset or the name of a run, and not both.")
    config = form.changed_config(library.config(library.find(run_id)), changes, plugin=plugin)
    return Side(config=config, base=run_id, is_new=bool(changes))


def matched(first: Side, second: Side) -> tuple[Side, Side]:
    """Give both sides equal terms: two new runs train at the same time, each with half of the processor cores.

    The number of threads is a part of a run, so a side that is made from one keeps its own.

    Raises:
        ConfigError: the sides are equal, have another origin, or a length that is only measured when they start.
    """
    if first.base != second.base:
        raise ConfigError("Take both sides from recipes, or both from one run.")
    timed = next((side.config for side in (first, second) if side.config.training.budget is not None), None)
    if timed is not None:
        raise ConfigError(f"{timed.preset} measures its length when it starts; set the length of both (Length).")
    if not second.is_new or not settings_that_differ(first.config, second.config):
        raise ConfigError("Both runs would be the same; change a setting of the second.")
    threads = max(1, usable_cores() // 2)
    one, other = (_with_threads(side, threads) for side in (first, second))
    return one, other


def settings_that_differ(first: Config, second: Config) -> dict[str, tuple[Any, ...]]:
    """Settings that affect the training and differ, with both values."""
    flat = [flatten(config_module.to_dict(config)) for config in (first, second)]
    return of_training(differences(flat), configs=flat)


def describe_difference(changed: Mapping[str, tuple[Any, ...]]) -> str:
    """One sentence on the settings that differ between two runs."""
    if not changed:
        return "No setting that affects the training differs."
    parts = [f"{title(name)}: {show(name, a)} and {show(name, b)}" for name, (a, b) in changed.items()]
    count = "One difference" if len(parts) == 1 else pluralize(len(parts), "difference")
    return f"{count}. {'; '.join(parts)}."


def title(name: str) -> str:
    """Title of a setting, by its dotted name."""
    setting = config_module.all_settings().get(name)
    return name if setting is None or not setting.title else setting.title


def show(name: str, value: Any) -> str:
    """A value of a setting, in words."""
    setting = config_module.all_settings().get(name)
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list | tuple):
        return ", ".join(show(name, each) for each in value)
    if isinstance(value, int):
        return f"{value:,}" if name != "training.seed" else str(value)
    if isinstance(value, float):
        return f"{value:g}"
    return (setting.labels if setting is not None else {}).get(str(value), str(value))


def stem_of(first: Config, second: Config) -> str:
    """First part of the name of the second run: its preset, and what differs."""
    changed = settings_that_differ(first, second)
    (name, (_, value)), *more = changed.items()
    said = f"{len(changed)}-differences" if more else f"{name.rpartition('.')[2]}-{show(name, value)}"
    return re.sub(r"[^A-Za-z0-9._-]+", "-", f"{form.run_stem(second)}-{said}")[:MAX_STEM].rstrip("-.")


def _with_threads(side: Side, threads: int) -> Side:
    settings = side.config.training
    if settings.threads is not None:
        return side
    training = dataclasses.replace(settings, threads=threads)
    return dataclasses.replace(side, config=dataclasses.replace(side.config, training=training))
