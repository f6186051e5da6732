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
from mnist_gan.data import Dataset, DataSource
from mnist_gan.errors import ArtifactError, DataError, PluginError
from mnist_gan.experiment.control import announce_start
from mnist_gan.experiment.edits import check_edits, edit_threads
from mnist_gan.experiment.interrupt import interrupt_after_step
from mnist_gan.experiment.logger_set import check_loggers
from mnist_gan.experiment.ranks import check_shards, describe_run, follow_run, shard_for_ranks
from mnist_gan.experiment.recorder import Observer, Outcome, Recorder
from mnist_gan.experiment.setup import Setup, set_up
from mnist_gan.experiment.threads import warn_of_slow_threads
from mnist_gan.launcher import read_launch
from mnist_gan.models import DiscriminatorNetwork, GeneratorNetwork
from mnist_gan.objectives import Objective, Regularizer
from mnist_gan.paths import user_path
from mnist_gan.plugins import (
    Objects,
    Plugin,
    PluginLike,
    PluginRecord,
    check_recorded,
    open_plugin,
    pass_objects,
    with_objects,
)
from mnist_gan.runs.comparison import flatten
from mnist_gan.runs.directory import MAX_DESCRIPTION_BYTES, RunDirectory, create_run, name_taken
from mnist_gan.runs.interventions import Intervention, write_interventions
from mnist_gan.runs.state import Plateau, read_plateau, write_plateau
from mnist_gan.torch_defaults import steps_within
from mnist_gan.training import Leader, Tick, joined

CONFIG_KEY: Final = "config"
"""Entry of environment.json with the config that the run began with."""
PLUGIN_KEY: Final = "plugin"
"""Entry of environment.json with the identity of the plug-in's file; absent without one."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """Result of a dry run."""

    config: Config
    img_per_sec: float
    seconds: float
    """Predicted duration of the training, with evaluations."""
    generator_parameters: int
    discriminator_parameters: int


def train(
    config: Config,
    *,
    plugin: PluginLike = None,
    generator: GeneratorNetwork | None = None,
    discriminator: DiscriminatorNetwork | None = None,
    objective: Objective | None = None,
    regularizer: Regularizer | None = None,
    dataset: DataSource | Dataset | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Tick]:
    """Train in memory and yield the ticks; nothing is written.

    `for tick in train(presets.quick()): ...`: `tick.state` holds the live networks, `tick.stats` the means since the
    last tick. Between two ticks, the caller's own settings of torch hold.

    Args:
        config: the recipe.
        plugin: a plug-in that the config names, or the path of its file.
        generator: a torch module `(z, labels) -> images`, instead of the config's; a copy is trained.
        discriminator: a torch module `(images, labels) -> logits`, instead of the config's; a copy is trained.
        objective: losses, instead of the config's.
        regularizer: a penalty on the discriminator, times `config.objective.regularizer_weight`.
        dataset: training images, instead of the config's.
        stop: polled before every step; if it returns True, the training ends.

    Raises:
        DataError: the data cannot be loaded.
        DivergenceError: a loss or score was not finite.
        PluginError: an object or a part of the plug-in does not fit its protocol.
    """
    objects = Objects(
        generator=generator,
        discriminator=discriminator,
        objective=objective,
        regularizer=regularizer,
        dataset=dataset,
    )
    config, opened = pass_objects(config, plugin, objects)
    with set_up(config, plugin=opened) as setup:
        ticks = setup.ticks(stop=stop)
    yield from steps_within(setup.torch_settings, ticks)


def run(
    config: Config,
    *,
    name: str | None = None,
    runs_dir: Path | str = "runs",
    plugin: PluginLike = None,
    generator: GeneratorNetwork | None = None,
    discriminator: DiscriminatorNetwork | None = None,
    objective: Objective | None = None,
    regularizer: Regularizer | None = None,
    dataset: DataSource | Dataset | None = None,
    stop: Callable[[], bool] = lambda: False,
    observer: Observer | None = None,
    interventions: Sequence[Intervention] = (),
) -> Outcome:
    """Train and write a run directory, `runs_dir/name`.

    Args:
        config: the recipe; it is resolved before step 0 and stored in the run.
        name: name of the run; default: preset, date and time. A run is never overwritten.
        runs_dir: folder of the runs.
        plugin: a plug-in that the config names, or the path of its file.
        generator: a torch module `(z, labels) -> images`, instead of the config's; a copy is trained.
        discriminator: a torch module `(images, labels) -> logits`, instead of the config's; a copy is trained.
        objective: losses, instead of the config's.
        regularizer: a penalty on the discriminator, times `config.objective.regularizer_weight`.
        dataset: training images, instead of the config's.
        stop: polled before every step; if it returns True, a checkpoint is written and the run ends, resumable.
        observer: receives progress.
        interventions: recorded learning-rate changes of another run, to be repeated.

    Raises:
        ConfigError, DataError, StorageError: the run cannot start or continue; earlier checkpoints stay intact.
        DivergenceError: a loss, score or weight was not finite; earlier checkpoints stay intact.
        PluginError: an object or a part of the plug-in does not fit its protocol.
        RankError: another rank of torchrun was lost; earlier checkpoints stay intact.
    """
    observer = observer or Observer()
    check_loggers(config)
    objects = Objects(
        generator=generator,
        discriminator=discriminator,
        objective=objective,
        regularizer=regularizer,
        dataset=dataset,
    )
    config, opened = pass_objects(config, plugin, objects)
    with joined(read_launch()) as group:
        if group.rank > 0:
            return follow_run(group, stop=stop, plugin=opened)
        with Leader(group) as leader, set_up(shard_for_ranks(config, group.size), plugin=opened) as setup:
            directory = create_run(user_path(runs_dir), name=name, preset=setup.config.preset)
            logger.info(f"training on {setup.dataset.source}; the run is {directory.root}")
            with directory.locked(), _discard_failed_start(directory):
                announce_start(directory)
                environment = describe_environment(setup.dataset, device=setup.device)
                record = {CONFIG_KEY: config_module.to_dict(setup.config)} | _record_plugin(directory, setup)
                storage.write_json(directory.environment, environment | record)
                if interventions:
                    write_interventions(directory.interventions, interventions)
                storage.write_text(directory.config, config_module.to_toml(setup.config))
                return _record(setup, directory, observer, stop=stop, leader=leader)


def resume(
    root: Path | str,
    *,
    plugin: PluginLike = None,
    generator: GeneratorNetwork | None = None,
    discriminator: DiscriminatorNetwork | None = None,
    objective: Objective | None = None,
    regularizer: Regularizer | None = None,
    dataset: DataSource | Dataset | None = None,
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
        plugin: the plug-in that the run began with, unchanged, or the path of its file.
        generator: as for `run`: the objects that the run began with.
        discriminator: likewise.
        objective: likewise.
        regularizer: likewise.
        dataset: likewise.
        stop: polled before every step; if it returns True, a checkpoint is written and the run ends, resumable.
        observer: receives progress.
        beyond_plateau: continue a run that ended on a plateau to its full length, without stopping on a plateau again.
        threads: another number of processor threads, also in config.toml; the last bits of the weights may change.

    Raises:
        ArtifactError: there is no such run, or no intact checkpoint.
        ConfigError: a setting was edited that the training so far depends on (see `experiment.edits`).
        DataError: the data differ from those that the run began with.
        PluginError: the plug-in or the objects are missing, or are not those that the run began with.
        RunBusyError: another process trains it.
        RankError: another rank of torchrun was lost.
    """
    observer = observer or Observer()
    objects = Objects(
        generator=generator,
        discriminator=discriminator,
        objective=objective,
        regularizer=regularizer,
        dataset=dataset,
    )
    opened = with_objects(plugin, objects)
    with joined(read_launch()) as group:
        if group.rank > 0:
            return follow_run(group, stop=stop, plugin=opened)
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
                _check_plugin(directory, opened, objects)
                return _resume(directory, observer, stop=stop, plateau=plateau, leader=leader, plugin=opened)


def _resume(
    directory: RunDirectory,
    observer: Observer,
    *,
    stop: Callable[[], bool],
    plateau: Plateau | None,
    leader: Leader,
    plugin: Plugin,
) -> Outcome:
    config, recorded = directory.read_config(), _read_environment(directory)
    whole_steps = CONFIG_KEY in recorded  # older releases did not round the length, and their schedules depend on it
    if whole_steps:
        began = config_module.from_dict(recorded[CONFIG_KEY], source=str(directory.environment))
        check_edits(directory, began=began, current=config)
    announce_start(directory)
    with set_up(config, whole_steps=whole_steps, plugin=plugin) as setup:
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


def dry_run(config: Config, *, seconds: float = 5.0, plugin: PluginLike = None) -> Estimate:
    """Train in memory for about `seconds` and predict the duration of the whole training. Writes nothing."""
    with set_up(config, plugin=open_plugin(plugin)) as setup:
        speed = setup.measure_speed(seconds=seconds)
        return Estimate(
            config=setup.config,
            img_per_sec=speed,
            seconds=setup.total_nimg / speed / setup.step_share,
            generator_parameters=sum(p.numel() for p in setup.state.G.parameters()),
            discriminator_parameters=sum(p.numel() for p in setup.state.D.parameters()),
        )


def _record_plugin(directory: RunDirectory, setup: Setup) -> dict[str, Any]:
    """Keep a copy of the plug-in's file, if the config names a part of it; return its entry for environment.json."""
    record = setup.plugin.record_for(setup.config)
    if record is None or setup.plugin.file is None:
        return {}
    storage.write_bytes(directory.plugin, setup.plugin.file.content)
    return {PLUGIN_KEY: dataclasses.asdict(record)}


def _check_plugin(directory: RunDirectory, plugin: Plugin, objects: Objects) -> None:
    """Refuse another plug-in, or other objects, than those that the run began with.

    Raises:
        ArtifactError: the record of the plug-in is damaged.
        PluginError: they are missing or differ.
    """
    config = directory.read_config()
    try:
        record = PluginRecord.read(_read_environment(directory).get(PLUGIN_KEY))
    except ValueError as error:
        raise ArtifactError(f"{directory.environment} is damaged: {error}; restore the file") from error
    check_recorded(plugin, record, owner=directory.root, copy_at=directory.plugin)
    values = flatten(config_module.to_dict(config))
    for each, (name, _) in objects.parts().items():
        if values.get(each) != name:
            raise PluginError(
                f"{directory.root} began with {each} {values.get(each)}, and {name} was passed; pass what it began with"
            )
    plugin.check(config)


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
        raise name_taken(directory.root)  # another process made it between create_run and this one's lock
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
