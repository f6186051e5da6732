"""From a config to everything that a training needs: data, device, shape, state; and what the config left open."""

from __future__ import annotations

import ctypes
import dataclasses
import math
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch

from mnist_gan import config as config_module
from mnist_gan import training
from mnist_gan.config import Config
from mnist_gan.data import Dataset, ImageStream, load_dataset
from mnist_gan.errors import ConfigError
from mnist_gan.evaluation import MONITOR_PROTOCOL
from mnist_gan.models import ImageShape, build_discriminator, build_generator, flops_per_image
from mnist_gan.objectives import build_objective
from mnist_gan.training import Tick, TrainState

EVALUATION_SHARE = 0.05
"""The part of the arithmetic that evaluations may take: of the time they take about twice that."""
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Of glibc's malloc.h: free memory at the top of the heap beyond which it is given back, in bytes; and the size from
which a block is a mapping of its own."""
JUDGE_FLOPS = 12e6
"""About what a judge computes for one image; only the length of an interval depends on it."""


@dataclass(kw_only=True)
class Setup:
    """A resolved config with what it resolves to, and a fresh state."""

    config: Config
    dataset: Dataset
    device: torch.device
    shape: ImageShape
    state: TrainState = field(init=False)

    def __post_init__(self) -> None:
        self.state = training.create_state(self.config, self.shape, device=self.device)

    @property
    def epoch_nimg(self) -> int:
        """Images in one pass over the training set."""
        return len(self.dataset.images)

    @property
    def total_nimg(self) -> int:
        """Length of the training in images."""
        return resolved(self.config.training.total_nimg)

    def ticks(self, *, stop: Callable[[], bool], current_config: Callable[[], Config] | None = None) -> Iterator[Tick]:
        """The training itself, from wherever the state stands; the arguments are those of `training.train`."""
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
            epoch_nimg=self.epoch_nimg,
            tick_nimg=resolved(self.config.run.tick_nimg),
            total_nimg=self.total_nimg,
            stop=stop,
            current_config=current_config,
        )


def set_up(config: Config) -> Setup:
    """Load the data, resolve the config, prepare the device and make a fresh state.

    Raises:
        ConfigError, DataError: it cannot be.
    """
    dataset = load_dataset(config.data)
    final = resolve(config, dataset)
    device = torch.device(final.training.device)
    torch.set_num_threads(resolved(final.training.threads))
    _make_deterministic(device)
    _keep_freed_memory()
    return Setup(config=final, dataset=dataset, device=device, shape=_shape(final, dataset))


def resolve(config: Config, dataset: Dataset) -> Config:
    """Settle everything that depends on the data or the machine, so that nothing later does.

    A resolved config resolves to itself.
    """
    settings, data, recording = config.training, config.data, config.run
    epoch_nimg = len(dataset.images)
    total_nimg = resolved(settings.total_nimg) if settings.epochs is None else round(settings.epochs * epoch_nimg)
    device = _resolve_device(settings.device)
    if settings.capture and device != "cuda":
        raise ConfigError(f"training.capture needs a CUDA device, and the training is on {device}; leave it out")
    tick_nimg = recording.tick_nimg or (epoch_nimg // 10 if epoch_nimg >= 20_000 else epoch_nimg)
    return dataclasses.replace(
        config,
        data=dataclasses.replace(data, name=_data_name(dataset), dir=data.dir and os.path.abspath(data.dir)),  # noqa: PTH100 - Path.resolve would follow links
        training=dataclasses.replace(
            settings,
            total_nimg=max(1, total_nimg),
            epochs=None,
            device=device,
            precision=_resolve_precision(config, device),
            threads=settings.threads or torch.get_num_threads(),
        ),
        run=dataclasses.replace(
            recording,
            tick_nimg=tick_nimg,
            checkpoint_nimg=recording.checkpoint_nimg or max(epoch_nimg, total_nimg // 50),
            evaluate_nimg=recording.evaluate_nimg or _evaluation_interval(config, dataset, tick_nimg=tick_nimg),
        ),
    )


def resolved(value: int | None) -> int:
    """A field that `resolve` has settled.

    Raises:
        ConfigError: it has not.
    """
    if value is None:
        raise ConfigError("the config is not resolved; pass it through experiment.resolve")
    return value


def _shape(config: Config, dataset: Dataset) -> ImageShape:
    classes = dataset.num_classes if config.training.conditional else 0
    return ImageShape(channels=dataset.img_channels, resolution=dataset.img_resolution, num_classes=classes)


def _evaluation_interval(config: Config, dataset: Dataset, *, tick_nimg: int) -> int:
    """Images between two evaluations, a whole number of ticks, from the arithmetic that each of the two asks for.

    Counted and not timed, so that it is the same on every machine.
    """
    shape = _shape(config, dataset)
    generator = flops_per_image(build_generator(config.generator, shape, seed=0))
    step = step_flops(config, shape) / (config.training.batch_size * config.training.d_steps)
    evaluation = MONITOR_PROTOCOL.num_images * (2 * generator + JUDGE_FLOPS)
    return tick_nimg * max(1, math.ceil(evaluation / (EVALUATION_SHARE * step * tick_nimg)))


def step_flops(config: Config, shape: ImageShape) -> float:
    """Floating-point operations of one generator step with its discriminator steps and its share of the penalties.

    An image passes three times through the weights that learn (forward, and backward twice), and twice through those
    that only hand a gradient on. A penalty passes its images forward and back, and learns from the way back.
    """
    generator = flops_per_image(build_generator(config.generator, shape, seed=0))
    discriminator = flops_per_image(build_discriminator(config.discriminator, shape, seed=0))
    objective, d_steps = config.objective, config.training.d_steps
    penalties = sum(gamma > 0 for gamma in (objective.r1_gamma, objective.r2_gamma, objective.gp_lambda))
    of_one = (
        3 * generator
        + (d_steps - 1) * generator  # drawn without a graph
        + 6 * discriminator * d_steps  # real and generated
        + 2 * discriminator
        + (discriminator if build_objective(objective).generator_needs_real else 0)
        + 4 * discriminator * penalties * d_steps / objective.penalty_interval
    )
    return of_one * config.training.batch_size


def _make_deterministic(device: torch.device) -> None:
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True)
    # every tensor here is written before it is read; filling new memory first would cost a tenth of a step
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def _keep_freed_memory() -> None:
    """Have glibc keep what is freed, for the next step to use.

    By itself it gives large blocks back to the system, which hands them out again page by page, filled with zeros: with
    two threads that took a third of a step or more (`docs/results.md`). Other systems' allocators have no such
    setting.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 1 << 30)
        mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)


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
    if config.training.precision != "auto":
        return config.training.precision
    return "bfloat16" if _computes_bfloat16(device) else "float32"


def _computes_bfloat16(device: config_module.Device) -> bool:
    """Whether the device multiplies bfloat16 matrices in hardware; where it only imitates them, float32 is faster."""
    match device:
        case "cuda":
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
        case "cpu":
            # torch before 2.13 cannot be asked: then float32, which is right everywhere
            capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
            return any(bool(capabilities.get(name)) for name in ("avx512_bf16", "amx_bf16", "bf16"))
        case _:
            return False
