"""The composition root: consumes the ticks of a training and decides when to log, sample, save and stop."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from mnist_gan import config as config_module
from mnist_gan import rng, sampling, storage, training
from mnist_gan.artifacts.checkpoints import check_finite, list_checkpoints, restore_newest, save_checkpoint
from mnist_gan.artifacts.environment import describe_environment, exactness_warnings
from mnist_gan.artifacts.gan import GAN, snapshot_of
from mnist_gan.artifacts.pictures import save_grid
from mnist_gan.artifacts.run_directory import RunDirectory, create_run
from mnist_gan.config import Config
from mnist_gan.data import Dataset, ImageStream, load_dataset
from mnist_gan.errors import ArtifactError, ConfigError, DataError
from mnist_gan.loggers import MetricsFile
from mnist_gan.models import Generator, ImageShape
from mnist_gan.objectives import Calibration, build_objective, fit_calibration
from mnist_gan.training import Tick, TrainState

GRID_COLUMNS = 10
GRID_ROWS = 8
REESTIMATION_NIMG = 2000
CALIBRATION_NIMG = 1000


def _nothing(_: Any) -> None:
    pass


@dataclass(frozen=True, kw_only=True, slots=True)
class Observer:
    """Whoever watches a run. Both callables are called in the training's own thread and must return soon."""

    say: Callable[[str], None] = _nothing
    """Takes one sentence for people."""
    tick: Callable[[Tick], None] = _nothing
    """Takes every tick, after its files are written."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How a run ended."""

    directory: RunDirectory
    finished: bool
    """False: it was stopped, and can be resumed."""
    cur_nimg: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """What a dry run measured and predicts."""

    config: Config
    img_per_sec: float
    seconds: float
    """Predicted length of the whole training, without evaluation and saving."""
    generator_parameters: int
    discriminator_parameters: int


@dataclass(kw_only=True)
class _Setup:
    """A resolved config with what it resolves to."""

    config: Config
    dataset: Dataset
    device: torch.device
    shape: ImageShape
    state: TrainState = field(init=False)

    def __post_init__(self) -> None:
        objective = build_objective(self.config.objective)
        names = training.statistic_names(self.config, objective)
        self.state = training.create_state(self.config, self.shape, device=self.device, statistics=len(names))

    def ticks(self, *, stop: Callable[[], bool]) -> Iterator[Tick]:
        """The training itself, from wherever the state stands."""
        settings = self.config.training
        stream = ImageStream(
            self.dataset.images,
            self.dataset.labels,
            batch_size=settings.batch_size,
            seed=settings.seed,
            device=self.device,
            real_range=self.config.data.real_range,
        )
        return training.train(
            self.config,
            self.state,
            stream,
            epoch_nimg=len(self.dataset.images),
            tick_nimg=_resolved(self.config.run.tick_nimg),
            total_nimg=_resolved(settings.total_nimg),
            stop=stop,
        )


def train(config: Config, *, stop: Callable[[], bool] = lambda: False) -> Iterator[Tick]:
    """Yield the ticks of a training in memory, which writes nothing.

    Meant for `for tick in train(presets.quick()): ...`: `tick.state` holds the live networks, `tick.stats` the means
    since the tick before.

    Raises:
        DataError: the images cannot be had.
        DivergenceError: a loss or score was not finite.
    """
    yield from _set_up(config, say=_nothing).ticks(stop=stop)


def run(
    config: Config,
    *,
    name: str | None = None,
    runs_dir: Path | str = "runs",
    stop: Callable[[], bool] = lambda: False,
    observer: Observer | None = None,
) -> Outcome:
    """Train and write a run directory, `runs_dir/name`.

    Args:
        config: the recipe; what it leaves open is resolved before step 0 and stored in the run.
        name: of the run; None makes one of the preset's name and the time. A run never overwrites another.
        runs_dir: where runs are kept.
        stop: polled before every step; when it says so, a checkpoint is written and the run ends, resumable.
        observer: is told what happens.

    Raises:
        ConfigError, DataError, StorageError: the run could not begin or go on; what was saved before stands.
        DivergenceError: a loss, score or weight was not finite; the last good checkpoint stands.
    """
    observer = observer or Observer()
    setup = _set_up(config, say=observer.say)
    directory = create_run(Path(runs_dir), name=name, preset=setup.config.preset)
    observer.say(f"learning {setup.dataset.source}; the run is {directory.root}")
    with directory.locked():
        environment = describe_environment(setup.dataset, device=setup.device)
        storage.write_json(directory.environment, environment)
        storage.write_text(directory.config, config_module.to_toml(setup.config))
        return _Recording(setup, directory, observer).follow(stop)


def resume(root: Path | str, *, stop: Callable[[], bool] = lambda: False, observer: Observer | None = None) -> Outcome:
    """Continue a run from its newest checkpoint that verifies, as if it had never stopped.

    Raises:
        ArtifactError: there is no such run, or no checkpoint verifies.
        DataError: the data are not those that the run began with.
        RunBusyError: another process trains it.
    """
    observer = observer or Observer()
    directory = RunDirectory(Path(root))
    config = directory.read_config()
    with directory.locked():
        storage.remove_temporary(directory.root)
        storage.remove_temporary(directory.checkpoints)
        setup = _set_up(config, say=observer.say)
        _check_environment(directory, setup, say=observer.say)
        if list_checkpoints(directory.checkpoints):
            checkpoint, failures = restore_newest(directory.checkpoints, setup.state)
            for failure in failures:
                observer.say(f"passed over: {failure}")
            observer.say(f"resumed from {checkpoint} ({setup.state.cur_nimg:,} images seen)")
        return _Recording(setup, directory, observer).follow(stop)


def dry_run(config: Config, *, seconds: float = 5.0, say: Callable[[str], None] = _nothing) -> Estimate:
    """Train for about `seconds` in memory and predict how long the whole would take. Writes nothing."""
    setup = _set_up(config, say=say)
    settings = dataclasses.replace(setup.config.run, tick_nimg=setup.config.training.batch_size)
    setup.config = dataclasses.replace(setup.config, run=settings)
    interval = max(1, setup.config.objective.penalty_interval)
    deadline, counted, spent = time.perf_counter() + seconds, 0, 0.0
    for tick in setup.ticks(stop=lambda: False):
        if tick.stats and tick.step > interval:  # the first steps pay for warming up
            counted, spent = counted + tick.nimg, spent + tick.seconds
        if counted and time.perf_counter() > deadline:
            break
    speed = counted / spent if spent else 0.0
    return Estimate(
        config=setup.config,
        img_per_sec=speed,
        seconds=_resolved(setup.config.training.total_nimg) / speed if speed else float("inf"),
        generator_parameters=sum(p.numel() for p in setup.state.G.parameters()),
        discriminator_parameters=sum(p.numel() for p in setup.state.D.parameters()),
    )


def resolve(config: Config, dataset: Dataset) -> Config:
    """Settle everything that depends on the data or the machine, so that nothing later does.

    A resolved config resolves to itself.
    """
    settings, data, recording = config.training, config.data, config.run
    epoch_nimg = len(dataset.images)
    total_nimg = _resolved(settings.total_nimg) if settings.epochs is None else round(settings.epochs * epoch_nimg)
    device = _resolve_device(settings.device)
    precision = _resolve_precision(config, device) if settings.precision == "auto" else settings.precision
    return dataclasses.replace(
        config,
        data=dataclasses.replace(data, name=_data_name(dataset), dir=data.dir and str(Path(data.dir).absolute())),
        training=dataclasses.replace(
            settings,
            total_nimg=max(1, total_nimg),
            epochs=None,
            device=device,
            precision=precision,
            threads=settings.threads or torch.get_num_threads(),
        ),
        run=dataclasses.replace(
            recording,
            tick_nimg=recording.tick_nimg or (epoch_nimg // 10 if epoch_nimg >= 20_000 else epoch_nimg),
            checkpoint_nimg=recording.checkpoint_nimg or max(epoch_nimg, total_nimg // 50),
        ),
    )


class _Recording:
    """Writes a run's files as its ticks come."""

    def __init__(self, setup: _Setup, directory: RunDirectory, observer: Observer) -> None:
        self.config, self.dataset, self.state = setup.config, setup.dataset, setup.state
        self.setup, self.directory, self.observer = setup, directory, observer
        self.metrics = MetricsFile(directory.metrics)
        self.metrics.truncate_after(self.state.cur_nimg)
        self.started_at_nimg = self.state.cur_nimg

    def follow(self, stop: Callable[[], bool]) -> Outcome:
        """Train to the end, or until stopped."""
        try:
            for tick in self.setup.ticks(stop=stop):
                self.record(tick)
                self.observer.tick(tick)
        finally:
            self.metrics.close()
        finished = self.state.cur_nimg >= _resolved(self.config.training.total_nimg)
        return Outcome(directory=self.directory, finished=finished, cur_nimg=self.state.cur_nimg)

    def record(self, tick: Tick) -> None:
        """Row, sample grid, model and checkpoint, as each is due; the checkpoint last, when all before it is on disk.

        A run that is killed in between goes on from the checkpoint before, and writes the same files again.
        """
        if tick.stats:
            self.metrics.append(_row(tick))
        final = tick.reason in {"stopped", "finished"}
        save = tick.reason == "start" or final or tick.crossed(_resolved(self.config.run.checkpoint_nimg))
        look = tick.reason in {"start", "finished"} or (bool(tick.stats) and tick.crossed(len(self.dataset.images)))
        if not (save or look):
            return
        check_finite(tick.state)
        G = averaged_generator(tick.state, self.config)
        if look:
            self.write_samples(G, tick)
        if save and tick.reason != "start":
            self.write_model(G, tick)
        if save:
            self.write_checkpoint(tick)

    def write_samples(self, G: Generator, tick: Tick) -> None:
        """The grid of the fixed z, under the number of the epoch that ends here."""
        n = GRID_ROWS * GRID_COLUMNS
        classes = G.shape.num_classes
        columns = min(classes, GRID_COLUMNS) or GRID_COLUMNS
        labels = sampling.cycle_labels(range(columns), n=n) if classes else None
        z = sampling.draw_latents(G, n=n, seed=self.config.training.seed)
        epoch = -(-tick.cur_nimg // len(self.dataset.images)) if tick.reason == "finished" else int(tick.epoch)
        save_grid(self.directory.sample(epoch), sampling.render(G, z, labels), columns=columns)

    def write_checkpoint(self, tick: Tick) -> None:
        """The whole state, after all rows up to here are durable."""
        self.metrics.sync()
        save_checkpoint(self.directory.checkpoints, tick.state, keep=self.config.run.checkpoints)

    def write_model(self, G: Generator, tick: Tick) -> None:
        """The networks for use."""
        facts = {"data": self.dataset.name, "cur_nimg": tick.cur_nimg, "step": tick.step}
        make_snapshot(G, tick.state, self.config, self.dataset, facts=facts).save(self.directory.model)


def averaged_generator(state: TrainState, config: Config) -> Generator:
    """A copy of the generator's average, its BatchNorm statistics re-estimated on its own weights over a fixed z."""
    G = copy.deepcopy(state.G_ema)
    device = state.sums.device
    z = rng.latents(config.training.seed, range(REESTIMATION_NIMG), G.z_dim).to(device)
    training.reestimate_batch_norm(G, z=z, labels=_all_classes(G.shape, n=len(z), device=device))
    return G


def make_snapshot(G: Generator, state: TrainState, config: Config, dataset: Dataset, *, facts: dict[str, Any]) -> GAN:
    """The networks as a `GAN`, with a calibration fitted on held-out real and on generated images."""
    neutral = Calibration(scale=1.0, bias=0.0)
    gan = snapshot_of(G_ema=G, D=state.D, config=config, calibration=neutral, facts=facts)
    real_images = dataset.held_out_images[:CALIBRATION_NIMG]
    labels = dataset.held_out_labels[:CALIBRATION_NIMG] if gan.conditional else None
    z = rng.latents(rng.derive_seed(config.training.seed, "calibration"), range(len(real_images)), G.z_dim)
    fake_images = sampling.render(gan.G, z, labels)
    real_logits = gan.logits(real_images, labels=labels)
    fake_logits = gan.logits(fake_images, labels=labels)
    return dataclasses.replace(gan, calibration=fit_calibration(real_logits, fake_logits))


def _set_up(config: Config, *, say: Callable[[str], None]) -> _Setup:
    dataset = load_dataset(config.data, say=say)
    resolved = resolve(config, dataset)
    device = torch.device(resolved.training.device)
    torch.set_num_threads(_resolved(resolved.training.threads))
    _make_deterministic(device)
    classes = dataset.num_classes if resolved.training.conditional else 0
    shape = ImageShape(channels=dataset.img_channels, resolution=dataset.img_resolution, num_classes=classes)
    return _Setup(config=resolved, dataset=dataset, device=device, shape=shape)


def _make_deterministic(device: torch.device) -> None:
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True)
    # every tensor here is written before it is read; filling new memory first would cost a tenth of a step
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def _check_environment(directory: RunDirectory, setup: _Setup, *, say: Callable[[str], None]) -> None:
    """Refuse other data than the run began with; warn of what lets the last bits differ."""
    try:
        recorded = dict(json.loads(directory.environment.read_bytes()))
        digests = recorded["data"]["sha256"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ArtifactError(f"{directory.environment} is missing or damaged; the run cannot be resumed") from error
    if digests != setup.dataset.digests:
        raise DataError(
            f"the images ({setup.dataset.source}) are not those that {directory.root} began with "
            "(their sha256 differ); bring the same data back, or start a new run"
        )
    for warning in exactness_warnings(recorded, describe_environment(setup.dataset, device=setup.device)):
        say(warning)


def _row(tick: Tick) -> dict[str, float | int]:
    speed = tick.nimg / tick.seconds if tick.seconds else 0.0
    clock = {"cur_nimg": tick.cur_nimg, "step": tick.step, "epoch": tick.epoch}
    return clock | tick.stats | {"Timing/img_per_sec": speed, "Timing/train_sec": tick.seconds}


def _all_classes(shape: ImageShape, *, n: int, device: torch.device) -> Int64[Tensor, "n"] | None:
    return sampling.cycle_labels(range(shape.num_classes), n=n).to(device) if shape.num_classes else None


def _data_name(dataset: Dataset) -> config_module.DataName:
    match dataset.name:
        case "mnist" | "digits" | "stacked-mnist":
            return dataset.name
        case _:
            return "idx"


def _resolve_device(device: config_module.Device) -> config_module.Device:
    """The device itself for `auto`; a named one must be there.

    Raises:
        ConfigError: this machine or this build of torch does not have it.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return "cuda" if available["cuda"] else "mps" if available["mps"] else "cpu"
    if not available[device]:
        raise ConfigError(
            f"training.device is {device}, which torch {torch.__version__} does not find here; take cpu or auto"
        )
    return device


def _resolve_precision(config: Config, device: config_module.Device) -> config_module.Precision:
    """The number format: from what the device computes natively, not from a timing, so that it is the same again."""
    return "float32"


def _resolved(value: int | None) -> int:
    """A field that `resolve` has settled."""
    if value is None:
        raise ConfigError("the config is not resolved; pass it through experiment.resolve")
    return value
