"""Train in memory, start a run, resume one, predict the duration of one."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mnist_gan import config as config_module
from mnist_gan import storage
from mnist_gan.artifacts.checkpoints import list_checkpoints, restore_newest
from mnist_gan.artifacts.environment import describe_environment, exactness_warnings
from mnist_gan.config import Config
from mnist_gan.errors import ArtifactError, ConfigError, DataError
from mnist_gan.experiment.bench import train_for
from mnist_gan.experiment.control import announce_start
from mnist_gan.experiment.edits import check_edits, edit_threads
from mnist_gan.experiment.interrupt import interrupt_after_step
from mnist_gan.experiment.logger_set import check_loggers
from mnist_gan.experiment.ranks import check_shards, describe_run, follow_run, shard_for_ranks
from mnist_gan.experiment.recorder import Observer, Outcome, Recorder
from mnist_gan.experiment.setup import Setup, set_up
from mnist_gan.experiment.threads import warn_of_slow_threads
from mnist_gan.launcher import read_launch
from mnist_gan.paths import user_path
from mnist_gan.runs.directory import MAX_DESCRIPTION_BYTES, RunDirectory, create_run
from mnist_gan.runs.interventions import Intervention, write_interventions
from mnist_gan.runs.state import Plateau, read_plateau, write_plateau
from mnist_gan.torch_defaults import steps_within
from mnist_gan.training import Leader, Tick, joined

CONFIG_KEY: Final = "config"
"""Entry of environment.json with the config that the run began with."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """Result of a dry run."""

    config: Config
    img_per_sec: float
    seconds: float
    """Predicted duration of the training, without evaluation and saving."""
    generator_parameters: int
    discriminator_parameters: int


def train(config: Config, *, stop: Callable[[], bool] = lambda: False) -> Iterator[Tick]:
    """Train in memory and yield the ticks; nothing is written.

    `for tick in train(presets.quick()): ...`: `tick.state` holds the live networks, `tick.stats` the means since the
    last tick. Between two ticks, the caller's own settings of torch hold.

    Raises:
        DataError: the data cannot be loaded.
        DivergenceError: a loss or score was not finite.
    """
    with set_up(config) as setup:
        ticks = setup.ticks(stop=stop)
    yield from steps_within(setup.torch_settings, ticks)


def run(
    config: Config,
    *,
    name: str | None = None,
    runs_dir: Path | str = "runs",
    stop: Callable[[], bool] = lambda: False,
    observer: Observer | None = None,
    interventions: Sequence[Intervention] = (),
) -> Outcome:
    """Train and write a run directory, `runs_dir/name`.

    Args:
        config: the recipe; it is resolved before step 0 and stored in the run.
        name: name of the run; default: preset, date and time. A run is never overwritten.
        runs_dir: folder of the runs.
        stop: polled before every step; if it returns True, a checkpoint is written and the run ends, resumable.
        observer: receives progress.
        interventions: recorded learning-rate changes of another run, to be repeated.

    Raises:
        ConfigError, DataError, StorageError: the run cannot start or continue; earlier checkpoints stay intact.
        DivergenceError: a loss, score or weight was not finite; earlier checkpoints stay intact.
        RankError: another rank of torchrun was lost; earlier checkpoints stay intact.
    """
    observer = observer or Observer()
    check_loggers(config)
    with joined(read_launch()) as group:
        if group.rank > 0:
            return follow_run(group, stop=stop)
        with Leader(group) as leader, set_up(shard_for_ranks(config, group.size)) as setup:
            directory = create_run(user_path(runs_dir), name=name, preset=setup.config.preset)
            logger.info(f"training on {setup.dataset.source}; the run is {directory.root}")
            with directory.locked(), _discard_failed_start(directory):
                announce_start(directory)
                environment = describe_environment(setup.dataset, device=setup.device)
                record = {CONFIG_KEY: config_module.to_dict(setup.config)}
                storage.write_json(directory.environment, environment | record)
                if interventions:
                    write_interventions(directory.interventions, interventions)
                storage.write_text(directory.config, config_module.to_toml(setup.config))
                return _record(setup, directory, observer, stop=stop, leader=leader)


def resume(
    root: Path | str,
    *,
    stop: Callable[[], bool] = lambda: False,
    observer: Observer | None = None,
    beyond_plateau: bool = False,
    threads: int | None = None,
) -> Outcome:
    """Continue a run from its newest intact checkpoint, as if it had never stopped.

    A run that ended on a plateau is finished: nothing is trained, unless `beyond_plateau` is set. Settings that were
    edited in config.toml are logged.

    Args:
        root: folder of the run.
        stop: polled before every step; if it returns True, a checkpoint is written and the run ends, resumable.
        observer: receives progress.
        beyond_plateau: continue a run that ended on a plateau to its full length, without stopping on a plateau again.
        threads: another number of processor threads, also in config.toml; the last bits of the weights may change.

    Raises:
        ArtifactError: there is no such run, or no intact checkpoint.
        ConfigError: a setting was edited that the training so far depends on (see `experiment.edits`).
        DataError: the data differ from those that the run began with.
        RunBusyError: another process trains it.
        RankError: another rank of torchrun was lost.
    """
    observer = observer or Observer()
    with joined(read_launch()) as group:
        if group.rank > 0:
            return follow_run(group, stop=stop)
        with Leader(group) as leader:
            directory = RunDirectory(user_path(root))
            check_shards(directory.read_config(), group.size, run=directory.root)
            directory.refuse_links()
            with directory.locked():
                storage.remove_temporary(directory.root)
                storage.remove_temporary(directory.checkpoints)
                plateau = read_plateau(directory)
                if plateau is not None and not plateau.passed and not beyond_plateau:
                    return _ended_on_plateau(directory, plateau)
                if threads is not None:
                    edit_threads(directory, threads)
                return _resume(directory, observer, stop=stop, plateau=plateau, leader=leader)


def _resume(
    directory: RunDirectory, observer: Observer, *, stop: Callable[[], bool], plateau: Plateau | None, leader: Leader
) -> Outcome:
    config, recorded = directory.read_config(), _read_environment(directory)
    whole_steps = CONFIG_KEY in recorded  # older releases did not round the length, and their schedules depend on it
    if whole_steps:
        began = config_module.from_dict(recorded[CONFIG_KEY], source=str(directory.environment))
        check_edits(directory, began=began, current=config)
    announce_start(directory)
    with set_up(config, whole_steps=whole_steps) as setup:
        _check_environment(directory, setup, recorded)
        warn_of_slow_threads(setup.config.training, command=f"mnist-gan resume {shlex.quote(str(directory.root))}")
        _restore_checkpoint(directory, setup)
        if plateau is not None:
            write_plateau(directory, dataclasses.replace(plateau, passed=True))
        return _record(setup, directory, observer, stop=stop, leader=leader, whole_steps=whole_steps)


def _record(
    setup: Setup,
    directory: RunDirectory,
    observer: Observer,
    *,
    stop: Callable[[], bool],
    leader: Leader,
    whole_steps: bool = True,
) -> Outcome:
    """Train from the state on, with the other ranks if there are any, and write the run."""
    leads = leader.group.size > 1
    if leads:
        leader.send_text(describe_run(setup, directory, whole_steps=whole_steps))
    with interrupt_after_step(stop) as poll:
        outcome = Recorder(setup, directory, observer, leader=leader if leads else None).train(poll)
    leader.finished = outcome.finished
    return outcome


def dry_run(config: Config, *, seconds: float = 5.0) -> Estimate:
    """Train in memory for about `seconds` and predict the duration of the whole training. Writes nothing."""
    with set_up(config) as setup:
        speed = train_for(setup, seconds=seconds)
        return Estimate(
            config=setup.config,
            img_per_sec=speed,
            seconds=setup.total_nimg / speed,
            generator_parameters=sum(p.numel() for p in setup.state.G.parameters()),
            discriminator_parameters=sum(p.numel() for p in setup.state.D.parameters()),
        )


def _restore_checkpoint(directory: RunDirectory, setup: Setup) -> None:
    """Restore the newest intact checkpoint; a run that was killed before its first one starts again.

    Raises:
        ArtifactError: no checkpoint is intact, or all are missing.
    """
    if list_checkpoints(directory.checkpoints):
        checkpoint, failures = restore_newest(directory.checkpoints, setup.state)
        for failure in failures:
            logger.warning(f"skipped a damaged checkpoint: {failure}")
        logger.info(f"resumed from {checkpoint} ({setup.state.cur_nimg:,} images seen)")
    elif directory.has_rows():
        raise ArtifactError(
            f"{directory.checkpoints} has no checkpoint, but the run has rows of metrics; nothing is overwritten: "
            "restore the checkpoints, or start the run again under another name"
        )


def _ended_on_plateau(directory: RunDirectory, plateau: Plateau) -> Outcome:
    logger.warning(
        f"{directory.root} ended on a plateau after {plateau.cur_nimg:,} images; "
        f"`mnist-gan resume {shlex.quote(str(directory.root))} --beyond-plateau` trains it to its full length"
    )
    return Outcome(directory=directory, finished=True, cur_nimg=plateau.cur_nimg, end_reason="plateau")


@contextlib.contextmanager
def _discard_failed_start(directory: RunDirectory) -> Iterator[None]:
    """Remove the folder of a new run that fails before its first checkpoint, so that its name is free again."""
    if directory.config.exists():
        raise ConfigError(f"{directory.root} was made by another process at the same time; choose another --name")
    try:
        yield
    except Exception:
        if not list_checkpoints(directory.checkpoints):
            storage.remove_tree(directory.root)
        raise


def _read_environment(directory: RunDirectory) -> dict[str, Any]:
    try:
        recorded = dict(json.loads(storage.read_regular(directory.environment, most=MAX_DESCRIPTION_BYTES)))
        dict(recorded["data"]["sha256"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ArtifactError(
            f"{directory.environment} is missing or damaged, and the run cannot be resumed; restore the file, or start "
            "the run again under another name"
        ) from error
    return recorded


def _check_environment(directory: RunDirectory, setup: Setup, recorded: dict[str, Any]) -> None:
    """Refuse data other than the run began with; warn if the last bits may differ on this machine."""
    if recorded["data"]["sha256"] != setup.dataset.digests:
        raise DataError(
            f"the images ({setup.dataset.source}) are not those that {directory.root} began with "
            "(their sha256 digests differ); restore the same data, or start a new run"
        )
    for warning in exactness_warnings(recorded, describe_environment(setup.dataset, device=setup.device)):
        logger.warning(warning)
