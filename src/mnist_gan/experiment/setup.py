"""Setup of a training: data, device, shape and state from a config, and the values that the config leaves open."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch

from mnist_gan import config as config_module
from mnist_gan import training
from mnist_gan.config import Config, TrainingConfig
from mnist_gan.data import Dataset, ImageStream
from mnist_gan.errors import ConfigError, DataError, DivergenceError
from mnist_gan.evaluation import MONITOR_PROTOCOL
from mnist_gan.evaluation.monitoring import MIN_REAL_IMAGES
from mnist_gan.experiment.latent_scale import Spread
from mnist_gan.experiment.rehearsal import rehearse
from mnist_gan.experiment.threads import choose_threads
from mnist_gan.experiment.torch_settings import training_settings
from mnist_gan.models import Generator, ImageShape, flops_per_image
from mnist_gan.paths import user_path
from mnist_gan.plugins import NO_PLUGIN, Plugin
from mnist_gan.registry import is_plugin_name, place_of
from mnist_gan.text import parse_duration, pluralize
from mnist_gan.torch_defaults import default_torch_state, steps_within
from mnist_gan.training import Leader, Tick, TrainState

logger = logging.getLogger(__name__)

EVALUATION_SHARE = 0.05
"""Share of all floating-point operations that evaluations may take. Their share of the time is about twice that."""
POINT_FLOPS = 1e6
"""Approximate operations of the exact figures per point."""
CALIBRATION_SHARE = 0.05
"""Share of a budget in time that measures the speed, within `CALIBRATION_SECONDS`."""
CALIBRATION_SECONDS = (1.0, 5.0)
"""Shortest and longest measurement of the speed."""
ENDLESS_NIMG = 10**12
MAX_SHARDS = 4
"""Shards that a training chooses for itself; the interpreter lock and the meetings limit the gain from more."""
JUDGE_FLOPS = 12e6
"""Approximate operations of a judge per image. Only the interval between evaluations depends on it."""


@dataclass(kw_only=True)
class Setup:
    """A resolved config, its data and device, and an initial state."""

    config: Config
    dataset: Dataset
    device: torch.device
    shape: ImageShape
    plugin: Plugin = NO_PLUGIN
    state: TrainState = field(init=False)

    def __post_init__(self) -> None:
        self.state = training.create_state(self.config, self.shape, device=self.device, plugin=self.plugin)

    def torch_settings(self) -> contextlib.AbstractContextManager[None]:
        """Torch's settings for this training, inside a `with` block."""
        return training_settings(self.device, threads=resolved(self.config.training.threads))

    @property
    def epoch_nimg(self) -> int:
        """Images in one pass over the training set."""
        return len(self.dataset.images)

    @property
    def total_nimg(self) -> int:
        """Length of the training in images."""
        return resolved(self.config.training.total_nimg)

    @property
    def step_share(self) -> float:
        """Approximate share of the time of a training that steps take; evaluations take the rest."""
        return 1.0 - 2 * EVALUATION_SHARE if self.config.run.evaluate else 1.0

    def stream(self) -> ImageStream:
        """The training images, in the order of the seed."""
        settings = self.config.training
        return ImageStream(
            self.dataset.images,
            self.dataset.labels,
            batch_size=settings.batch_size,
            seed=settings.seed,
            device=self.device,
            real_range=self.config.data.real_range,
        )

    def scale_latents_(self, G: Generator) -> float | None:
        """Fit the latent scale of an averaged generator, in place, if the config says so; return the factor."""
        if self._spread is None:
            return None
        scale = self._spread.fit(G, seed=self.config.training.seed)
        G.scale_latents_(scale)
        return scale

    @functools.cached_property
    def _spread(self) -> Spread | None:
        """Spread of the training images; None if no latent scale is fitted."""
        custom = is_plugin_name(self.config.generator.family)  # its weights of z are unknown
        if custom or self.shape.is_points or not self.config.training.fit_latent_scale:
            return None
        return Spread(self.dataset, conditional=self.config.training.conditional)

    def ticks(
        self,
        *,
        stop: Callable[[], bool],
        current_config: Callable[[], Config] | None = None,
        leader: Leader | None = None,
    ) -> Iterator[Tick]:
        """Train the state from its clock on; the arguments are those of `training.train`.

        Raises:
            PluginError: the plug-in's own code failed.
            DivergenceError: a loss or score was not finite.
        """
        ticks = training.train(
            self.config,
            self.state,
            self.stream(),
            epoch_nimg=self.epoch_nimg,
            tick_nimg=resolved(self.config.run.tick_nimg),
            total_nimg=self.total_nimg,
            stop=stop,
            current_config=current_config,
            leader=leader,
            plugin=self.plugin,
        )
        return steps_within(self._located, ticks)

    def measure_speed(self, *, seconds: float) -> float:
        """Train the state for about `seconds`, in whole penalty intervals, and return the images per second.

        The first interval is warm-up and is not counted.
        """
        config, interval = self.config, self.config.objective.penalty_interval
        nimg = interval * config.training.batch_size * config.training.d_steps
        self.config = dataclasses.replace(
            config,
            run=dataclasses.replace(config.run, tick_nimg=nimg),
            training=dataclasses.replace(config.training, total_nimg=ENDLESS_NIMG),  # however short the training is
        )
        counted, spent, deadline = 0, 0.0, time.perf_counter() + seconds
        try:
            for tick in self.ticks(stop=lambda: False):
                whole = tick.step and tick.step % interval == 0
                if tick.stats and tick.step > interval:
                    counted, spent = counted + tick.nimg, spent + tick.seconds
                if whole and counted and time.perf_counter() > deadline:
                    break
        finally:
            self.config = config
        return counted / spent

    @contextlib.contextmanager
    def _located(self) -> Iterator[None]:
        """Name the place of an error in the plug-in's code, and that of a plug-in's loss after a divergence."""
        try:
            with self.plugin.located():
                yield
        except DivergenceError as error:
            name = self.config.plugin_parts.get("objective.loss")
            if name is None:
                raise
            place = place_of(self.plugin.build_objective(self.config.objective).discriminator_loss)
            raise DivergenceError(f"{error} (the loss {name} is at {place})") from error


@contextlib.contextmanager
def set_up(config: Config, *, whole_steps: bool = True, plugin: Plugin = NO_PLUGIN) -> Iterator[Setup]:
    """Load the data, resolve the config and create the initial state, with torch's settings for training in effect.

    The caller's settings (threads, determinism, default dtype, ...) are restored at the end of the block.

    Args:
        config: the recipe.
        whole_steps: see `resolve`.
        plugin: has the parts that the config names; they are tried on two images.

    Raises:
        ConfigError, DataError: the config or the data cannot be used.
        PluginError: a part is missing, or does not work.
    """
    plugin.check(config)
    with default_torch_state(), plugin.located():
        dataset = plugin.load_dataset(config.data)
        final = resolve(config, dataset, whole_steps=whole_steps, plugin=plugin)
    device = torch.device(final.training.device)
    with training_settings(device, threads=resolved(final.training.threads)):
        with plugin.located():
            setup = Setup(config=final, dataset=dataset, device=device, shape=shape_of(final, dataset), plugin=plugin)
            if final.plugin_parts:
                rehearse(setup.state, final, plugin)
        if config.training.budget is not None:
            nimg, threads = _nimg_within(setup, config.training.budget), final.training.threads
            settings = dataclasses.replace(config.training, total_nimg=nimg, budget=None, threads=threads)
            final = resolve(dataclasses.replace(config, training=settings), dataset, plugin=plugin)
            setup = dataclasses.replace(setup, config=final)  # with untrained networks
        yield setup


def _nimg_within(setup: Setup, budget: str) -> int:
    """Measure the speed of a training, and return the images that it sees within `budget`. Trains the networks."""
    seconds, (low, high) = parse_duration(budget), CALIBRATION_SECONDS
    speed = setup.measure_speed(seconds=min(high, max(low, CALIBRATION_SHARE * seconds)))
    nimg = max(1, int(speed * seconds * setup.step_share))
    logger.info(f"{speed:,.0f} images/s now: the training of {budget} sees {nimg:,} images")
    return nimg


def resolve(config: Config, dataset: Dataset, *, whole_steps: bool = True, plugin: Plugin = NO_PLUGIN) -> Config:
    """Fill in every value that depends on the data or the machine. A resolved config resolves to itself.

    A budget in time stays: `set_up` replaces it, because only a training can measure the speed.

    Args:
        config: the recipe.
        dataset: its data.
        whole_steps: round the length up to whole steps. A run of an earlier release resumes without, because the
            learning-rate schedule depends on the length.
        plugin: has the parts that the config names.

    Raises:
        ConfigError: the config cannot be used with this data or machine.
        DataError: too few images for evaluations.
    """
    _check_size(config, dataset)
    if config.training.conditional and not dataset.labelled:
        raise ConfigError(f"{dataset.name} has no labels to train with; set --training.no-conditional")
    settings, data, recording = config.training, config.data, config.run
    epoch_nimg = len(dataset.images)
    if settings.budget is not None:
        total_nimg = settings.total_nimg or epoch_nimg
    else:
        total_nimg = resolved(settings.total_nimg) if settings.epochs is None else round(settings.epochs * epoch_nimg)
    total_nimg = _whole_steps(config, total_nimg) if whole_steps else max(1, total_nimg)
    device = _resolve_device(settings.device)
    if settings.capture and device != "cuda":
        raise ConfigError(f"training.capture needs a CUDA device, and the training is on {device}; remove it")
    threads = settings.threads or (choose_threads() if device == "cpu" else torch.get_num_threads())
    tick_nimg = recording.tick_nimg or (epoch_nimg // 10 if epoch_nimg >= 20_000 else epoch_nimg)
    return dataclasses.replace(
        config,
        data=dataclasses.replace(data, name=_data_name(dataset), dir=_absolute(data.dir), file=_absolute(data.file)),
        training=dataclasses.replace(
            settings,
            total_nimg=total_nimg,
            epochs=None,
            device=device,
            precision=_resolve_precision(config, device),
            threads=threads,
            shards=settings.shards or _choose_shards(settings, threads=threads if device == "cpu" else 1),
        ),
        run=dataclasses.replace(
            recording,
            tick_nimg=tick_nimg,
            checkpoint_nimg=recording.checkpoint_nimg or max(epoch_nimg, total_nimg // 50),
            evaluate_nimg=recording.evaluate_nimg
            or _evaluation_interval(config, dataset, tick_nimg=tick_nimg, plugin=plugin),
        ),
    )


def _choose_shards(settings: TrainingConfig, *, threads: int) -> int:
    """The largest number of shards, up to the threads and `MAX_SHARDS`, that divides the batch."""
    return next(n for n in range(min(threads, MAX_SHARDS), 0, -1) if n == 1 or settings.divides_into(n))


def _absolute(path: str | None) -> str | None:
    return path and os.path.abspath(user_path(path))  # noqa: PTH100 - Path.resolve would follow links


def _check_size(config: Config, dataset: Dataset) -> None:
    n, held_out = len(dataset.images), len(dataset.held_out_images)
    if config.run.evaluate and min(n, held_out) < MIN_REAL_IMAGES:
        raise DataError(
            f"{dataset.name} has too few images to evaluate the training: {pluralize(n, 'training image')} and "
            f"{held_out:,} held out; at least {MIN_REAL_IMAGES} of each are needed: use more images"
            f"{' (--data.limit)' if config.data.limit is not None else ''}, or train with --run.no-evaluate"
        )


def _whole_steps(config: Config, total_nimg: int) -> int:
    """Round a length up to whole steps, at least one, and log it if it differs."""
    step_nimg = config.training.batch_size * config.training.d_steps
    steps = max(1, -(-total_nimg // step_nimg))
    if steps * step_nimg != total_nimg:
        logger.info(
            f"the length is rounded up from {total_nimg:,} to {steps * step_nimg:,} images: "
            f"{pluralize(steps, 'step')} of {step_nimg:,}"
        )
    return steps * step_nimg


def resolved(value: int | None) -> int:
    """Return the value of a field that `resolve` fills in.

    Raises:
        ConfigError: the config is not resolved.
    """
    if value is None:
        raise ConfigError("the config is not resolved; pass it through experiment.resolve")
    return value


def shape_of(config: Config, dataset: Dataset) -> ImageShape:
    """Shape of the images that networks of `config` draw for a data set; with classes if they take labels."""
    classes = dataset.num_classes if config.training.conditional else 0
    return ImageShape(
        channels=dataset.img_channels,
        resolution=dataset.img_resolution,
        num_classes=classes,
        scaling=dataset.scaling,
    )


def _evaluation_interval(config: Config, dataset: Dataset, *, tick_nimg: int, plugin: Plugin) -> int:
    """Images between two evaluations, a multiple of `tick_nimg`, so that evaluations take `EVALUATION_SHARE`.

    Operations are counted, not timed, so that the result is the same on every machine.
    """
    shape = shape_of(config, dataset)
    generator = flops_per_image(plugin.build_networks(config, shape, seed=0)[0])
    step = step_flops(config, shape, plugin=plugin) / (config.training.batch_size * config.training.d_steps)
    judge = POINT_FLOPS if shape.is_points else JUDGE_FLOPS
    draws = 4 if config.training.fit_latent_scale else 2
    evaluation = MONITOR_PROTOCOL.num_images * (draws * generator + judge)
    return tick_nimg * max(1, math.ceil(evaluation / (EVALUATION_SHARE * step * tick_nimg)))


def step_flops(config: Config, shape: ImageShape, *, plugin: Plugin = NO_PLUGIN) -> float:
    """Floating-point operations of one training step, with its discriminator updates and its share of the penalties.

    A network that is trained counts three times (forward, gradients of its inputs and of its weights), a network that
    only passes a gradient on twice, and a penalty four times.
    """
    G, D = plugin.build_networks(config, shape, seed=0)
    generator, discriminator = flops_per_image(G), flops_per_image(D)
    objective, d_steps = config.objective, config.training.d_steps
    strengths = (objective.r1_gamma, objective.r2_gamma, objective.gp_lambda, objective.regularizer is not None)
    penalties = sum(strength > 0 for strength in strengths)
    per_image = (
        3 * generator
        + (d_steps - 1) * generator  # without gradients
        + 6 * discriminator * d_steps  # real and generated
        + 2 * discriminator
        + (discriminator if plugin.build_objective(objective).generator_needs_real else 0)
        + 4 * discriminator * penalties * d_steps / objective.penalty_interval
    )
    return per_image * config.training.batch_size


def _data_name(dataset: Dataset) -> str:
    if dataset.name in config_module.DATA_NAMES or is_plugin_name(dataset.name):
        return dataset.name
    return "points" if dataset.images.is_floating_point() else "idx"


def _resolve_device(device: config_module.Device) -> config_module.Device:
    """Choose the device for `auto`; check that a named one is available.

    Raises:
        ConfigError: torch does not find the device.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return "cuda" if available["cuda"] else "mps" if available["mps"] else "cpu"
    if not available[device]:
        raise ConfigError(
            f"training.device is {device}, and torch {torch.__version__} finds no such device; use cpu or auto"
        )
    return device


def _resolve_precision(config: Config, device: config_module.Device) -> config_module.Precision:
    """Choose the number format for `auto` by the device's hardware, not by timing, so that it is reproducible."""
    if config.training.precision != "auto":
        return config.training.precision
    return "bfloat16" if _computes_bfloat16(device) else "float32"


def _computes_bfloat16(device: config_module.Device) -> bool:
    """True if the device multiplies bfloat16 matrices in hardware; where it emulates them, float32 is faster."""
    match device:
        case "cuda":
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
        case "cpu":
            # torch before 2.13 cannot tell: float32, which is right everywhere
            capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
            return any(bool(capabilities.get(name)) for name in ("avx512_bf16", "amx_bf16", "bf16"))
        case _:
            return False
