"""Ranks of one run: what rank 0 tells the others about it, and the part of the others."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Callable
from pathlib import Path

from mnist_gan import config as config_module
from mnist_gan.config import Config
from mnist_gan.errors import ConfigError, MnistGanError, RankError
from mnist_gan.experiment.interrupt import interrupt_after_step
from mnist_gan.experiment.recorder import Outcome
from mnist_gan.experiment.setup import Setup, set_up
from mnist_gan.plugins import NO_PLUGIN, Plugin
from mnist_gan.runs.directory import RunDirectory
from mnist_gan.text import pluralize
from mnist_gan.training import Group, follow, receive_text

logger = logging.getLogger(__name__)


def shard_for_ranks(config: Config, ranks: int) -> Config:
    """Divide each batch into as many shards as there are ranks, unless the config divides it already.

    Raises:
        ConfigError: the ranks cannot share the batch, or the shards, equally.
    """
    settings = config.training
    if ranks > 1 and settings.budget is not None:
        raise ConfigError(
            f"training.budget {settings.budget} is measured by one process; give {ranks} ranks the length in images, "
            "with --training.total-nimg"
        )
    shards = settings.shards or 1
    if ranks == 1 or shards % ranks == 0:
        return config
    if shards > 1:
        raise ConfigError(_refusal(shards, ranks))
    if settings.batch_size % ranks or settings.batch_size < 2 * ranks:
        raise ConfigError(
            f"a batch of {settings.batch_size} images cannot be divided equally over {ranks} ranks; set "
            f"--training.batch-size {max(2, settings.batch_size // ranks) * ranks}, or another --nproc-per-node"
        )
    logger.info(f"training.shards is {ranks}: one part of each batch for each rank")
    return dataclasses.replace(config, training=dataclasses.replace(settings, shards=ranks))


def check_shards(config: Config, ranks: int, *, run: Path) -> None:
    """Check that a run can continue on so many ranks.

    Raises:
        ConfigError: its shards cannot be shared equally.
    """
    shards = config.training.shards or 1
    if shards % ranks:
        raise ConfigError(f"{run}: {_refusal(shards, ranks)}")


def describe_run(setup: Setup, directory: RunDirectory, *, whole_steps: bool) -> str:
    """The message of rank 0 to the others, when the state is ready."""
    return json.dumps(
        {
            "root": str(directory.root),
            "config": config_module.to_toml(setup.config),
            "sha256": setup.dataset.digests,
            "whole_steps": whole_steps,
            "plugin": _plugin_digest(setup),
        }
    )


def follow_run(group: Group, *, stop: Callable[[], bool], plugin: Plugin = NO_PLUGIN) -> Outcome:
    """Compute the shards of this rank until rank 0 ends the training. Writes nothing.

    The first signal to stop is left to rank 0, which needs this rank to finish its step.

    Raises:
        RankError: another rank was lost, or this one cannot take part; the message names it.
    """
    text = receive_text(group)
    if text is None:  # rank 0 says why
        return Outcome(directory=RunDirectory(Path()), finished=False, cur_nimg=0)
    message = json.loads(text)
    try:
        config = config_module.from_toml(message["config"], source="rank 0")
        with set_up(config, whole_steps=message["whole_steps"], plugin=plugin) as setup:
            _check_data(setup, message["sha256"])
            _check_plugin(setup, message["plugin"])
            with interrupt_after_step(stop) as poll:
                finished = follow(
                    setup.config, setup.state, setup.stream(), group=group, on_step=poll, plugin=setup.plugin
                )
            return Outcome(
                directory=RunDirectory(Path(message["root"])), finished=finished, cur_nimg=setup.state.cur_nimg
            )
    except RankError:
        raise
    except MnistGanError as error:
        raise RankError(f"rank {group.rank} cannot take part: {error}") from error


def _check_data(setup: Setup, sha256: dict[str, str]) -> None:
    if setup.dataset.digests != sha256:
        raise RankError(
            f"the images here ({setup.dataset.source}) are not those of rank 0 (their sha256 digests differ); give "
            "every machine the same data"
        )


def _check_plugin(setup: Setup, sha256: str | None) -> None:
    if _plugin_digest(setup) != sha256:
        raise RankError("the plug-in here is not that of rank 0 (their sha256 digests differ); name the same file")


def _plugin_digest(setup: Setup) -> str | None:
    record = setup.plugin.record_for(setup.config)
    return None if record is None else record.sha256


def _refusal(shards: int, ranks: int) -> str:
    allowed = [str(n) for n in range(1, shards + 1) if shards % n == 0]
    return (
        f"each batch has {pluralize(shards, 'shard')}, which {ranks} ranks cannot share equally; start "
        f"{' or '.join(allowed)} with torchrun --nproc-per-node"
        if shards > 1
        else f"the run has one shard, which {ranks} ranks cannot share; resume it without torchrun"
    )
