"""What a run is made of: frozen dataclasses, each field with its unit under it.

`None` in a field that says "resolved" means that the value depends on the data or the machine; it is settled before
step 0 (`experiment.resolve`) and stored in the run's `config.toml`, so that nothing that happens later can depend on
the machine's speed. A combination that cannot work is refused here, with the fix in the message; an unwise one is
allowed.

This module imports neither torch nor numpy, so that `--help` and `--print-config` answer at once.
"""

from __future__ import annotations

import dataclasses
import math
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import tomli_w

from mnist_gan.errors import ConfigError

DataName: TypeAlias = Literal["auto", "mnist", "digits", "stacked-mnist", "idx"]
Family: TypeAlias = Literal["mlp", "dcgan", "resnet"]
GeneratorNorm: TypeAlias = Literal["none", "batch"]
DiscriminatorNorm: TypeAlias = Literal["none", "batch", "spectral"]
LossName: TypeAlias = Literal["minimax", "non_saturating", "least_squares", "hinge", "wasserstein", "relativistic"]
Decay: TypeAlias = Literal["constant", "linear", "cosine"]
Device: TypeAlias = Literal["auto", "cpu", "cuda", "mps"]
Precision: TypeAlias = Literal["auto", "float32", "bfloat16"]

MAX_WIDTH: typing.Final = 65_536
"""Of a layer, and of z. A config may come from a stranger: what it can ask for has bounds."""
MAX_LAYERS: typing.Final = 32
MAX_BATCH: typing.Final = 1 << 20
MAX_NIMG: typing.Final = 10**12
"""Images in a training: ten million passes over MNIST and more."""
MAX_THREADS: typing.Final = 4096
MAX_COUNT: typing.Final = 10**6
"""Of anything else that is counted."""
MAX_INTEGER: typing.Final = 2**63 - 1
MAX_SHOWN: typing.Final = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class DataConfig:
    """The images to learn."""

    name: DataName = "auto"
    """The data set: mnist; digits (the 8x8 digits that scikit-learn carries, enlarged); stacked-mnist (three digits as
    three channels, 1,000 modes); idx (any four files in MNIST's layout, from --data.dir); auto takes mnist where it can
    be had, digits where not, and idx where --data.dir holds another data set."""
    dir: str | None = None
    """Folder with the four IDX files, plain or .gz. None searches MNIST_GAN_DATA, the user's cache, then the
    mirrors."""
    limit: int | None = None
    """Take only the first N training images."""
    download: bool = True
    """Whether a data set that is not on disk may be downloaded."""
    real_range: tuple[float, float] = (-1.0, 1.0)
    """Range that real images are scaled to. The generator's tanh gives [-1, 1]; with any other range D
    tells real images by that alone (the failure gallery shows it)."""

    def __post_init__(self) -> None:
        _require(self.limit is None or self.limit >= 1, f"data.limit is {self.limit}; it must be at least 1")
        low, high = self.real_range
        _require(-1e6 <= low < high <= 1e6, "data.real_range must be two rising numbers, such as -1 1")
        _require(self.dir is None or "\0" not in self.dir, "data.dir has a zero byte in it; name a folder")
        _require(
            self.name != "idx" or self.dir is not None, "data.name idx needs --data.dir FOLDER with the four IDX files"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class GeneratorConfig:
    """The network that draws."""

    family: Family = "dcgan"
    """mlp (fully connected), dcgan (transposed convolutions) or resnet (normalization-free residual blocks)."""
    z_dim: int = 64
    """Length of the latent vector z."""
    channels: tuple[int, ...] = (64, 32, 16)
    """Widths from z to the image: hidden layers of mlp; channels at each resolution, coarse to fine, of dcgan and
    resnet (three widths go 7x7, 14x14, 28x28)."""
    norm: GeneratorNorm = "batch"
    """Normalization: none or batch."""
    image_stride: int = 1
    """Stride of the layer at the image, 1 or 2 (dcgan alone): with 2 the finest maps have half the image's resolution,
    which is about half the work."""

    def __post_init__(self) -> None:
        _require(
            1 <= self.z_dim <= MAX_WIDTH,
            f"generator.z_dim is {self.z_dim}; it must be at least 1, and {MAX_WIDTH:,} at the most",
        )
        _check_widths("generator", self.family, self.channels)
        _check_stride("generator", self.family, self.image_stride)
        _require(
            self.family != "resnet" or self.norm == "none",
            "the resnet generator is normalization-free; set --generator.norm none, or take --generator.family dcgan",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class DiscriminatorConfig:
    """The network that judges."""

    family: Family = "dcgan"
    """mlp, dcgan or resnet."""
    channels: tuple[int, ...] = (16, 32, 64)
    """Widths from the image to the logit: hidden layers of mlp; channels at each resolution, fine to coarse."""
    norm: DiscriminatorNorm = "none"
    """Normalization: none, batch, or spectral (of the weights)."""
    image_stride: int = 1
    """Stride of the layer at the image, 1 or 2 (dcgan alone): with 2 the finest maps have half the image's resolution,
    which is about half the work."""

    def __post_init__(self) -> None:
        _check_widths("discriminator", self.family, self.channels)
        _check_stride("discriminator", self.family, self.image_stride)
        _require(
            self.family != "resnet" or self.norm != "batch",
            "the resnet discriminator is normalization-free; set --discriminator.norm none or spectral",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectiveConfig:
    """What the two networks are trained for."""

    loss: LossName = "non_saturating"
    """The adversarial loss."""
    r1_gamma: float = 0.0
    """R1: gamma/2 times the squared gradient norm of D at real images; 0 is off."""
    r2_gamma: float = 0.0
    """R2: gamma/2 times the squared gradient norm of D at generated images; 0 is off."""
    gp_lambda: float = 0.0
    """Gradient penalty: lambda times (gradient norm - 1) squared, between real and generated images; 0 is off."""
    penalty_interval: int = 1
    """Apply R1, R2 and the gradient penalty every this many discriminator steps, scaled up by as much (lazily)."""
    classifier_weight: float = 0.0
    """Weight of an auxiliary classifier: D learns to read the digit in real images, G to draw one that is read as
    asked. Without labels there is none; 0 is off."""
    weight_clip: float = 0.0
    """Clip every weight of D to [-c, c] after its step; 0 is off."""
    label_smoothing: float = 0.0
    """One-sided: the discriminator's target for real images is 1 minus this (minimax, non_saturating,
    least_squares)."""

    def __post_init__(self) -> None:
        for name in ("r1_gamma", "r2_gamma", "gp_lambda", "classifier_weight", "weight_clip"):
            value = getattr(self, name)
            _require(math.isfinite(value) and value >= 0, f"objective.{name} is {value}; it must be 0 (off) or more")
        _require(
            1 <= self.penalty_interval <= MAX_COUNT,
            f"objective.penalty_interval is {self.penalty_interval}; it must be at least 1, "
            f"and {MAX_COUNT:,} at the most",
        )
        _require(
            0 <= self.label_smoothing < 0.5,
            f"objective.label_smoothing is {self.label_smoothing}; it must be at least 0 and less than 0.5",
        )
        _require(
            self.label_smoothing == 0 or self.loss in {"minimax", "non_saturating", "least_squares"},
            f"label smoothing has no meaning for the {self.loss} loss, which has no target for real images; "
            "set --objective.label-smoothing 0",
        )

    @property
    def needs_input_gradient(self) -> bool:
        """Whether any penalty on the gradient of D is on."""
        return max(self.r1_gamma, self.r2_gamma, self.gp_lambda) > 0


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimizerConfig:
    """Adam for both networks."""

    g_lr: float = 2e-4
    """The generator's learning rate."""
    d_lr: float = 2e-4
    """The discriminator's learning rate."""
    beta1: float = 0.5
    """Adam's momentum."""
    beta2: float = 0.999
    """Adam's averaging of squared gradients."""
    eps: float = 1e-8
    """Adam's epsilon."""
    warmup_nimg: int = 0
    """Images over which the learning rates rise from 0."""
    decay: Decay = "constant"
    """Schedule of both learning rates after the warm-up, towards 0 at the end: constant, linear or cosine."""
    decay_start: float = 0.0
    """Share of all images after which the decay begins."""

    def __post_init__(self) -> None:
        for name in ("g_lr", "d_lr", "eps"):
            value = getattr(self, name)
            _require(math.isfinite(value) and value > 0, f"optimizer.{name} is {value}; it must be more than 0")
        for name in ("beta1", "beta2"):
            value = getattr(self, name)
            _require(0 <= value < 1, f"optimizer.{name} is {value}; it must be at least 0 and less than 1")
        _require(
            0 <= self.warmup_nimg <= MAX_NIMG,
            f"optimizer.warmup_nimg is {self.warmup_nimg}; it must be 0 or more images, up to {MAX_NIMG:,}",
        )
        _require(0 <= self.decay_start < 1, f"optimizer.decay_start is {self.decay_start}; it must be in [0, 1)")


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingConfig:
    """How the networks are trained."""

    total_nimg: int | None = 600_000
    """Length of the training in images."""
    epochs: float | None = None
    """Length in passes over the training images, fractions allowed; when given, it takes the place of total_nimg."""
    batch_size: int = 64
    """Images in a batch."""
    d_steps: int = 1
    """Discriminator steps per generator step, each on a fresh batch."""
    seed: int = 0
    """Everything random is derived from it."""
    conditional: bool = False
    """Whether both networks are given the digit's label."""
    device: Device = "auto"
    """Resolved: cuda where there is one, else mps, else cpu."""
    threads: int | None = None
    """Processor threads. Resolved: as many as PyTorch takes by itself. The last bits of a sum depend on it."""
    precision: Precision = "auto"
    """Number format of the networks' arithmetic; weights, averages and optimizer state are float32 in any case.
    Resolved: bfloat16 where the device computes it natively, else float32."""
    capture: bool = False
    """Whether a step is recorded as a CUDA graph and replayed, instead of launched kernel by kernel; CUDA alone."""
    ema_halflife_nimg: float = 10_000.0
    """Half-life, in images, of the generator's exponential average; 0 turns averaging off."""
    ema_rampup: float = 0.05
    """The half-life is at most this share of the images seen so far."""

    def __post_init__(self) -> None:
        _require(
            self.epochs is None or 0 < self.epochs <= MAX_COUNT,
            f"training.epochs is {self.epochs}; it must be more than 0, and {MAX_COUNT:,} at the most",
        )
        _require(
            self.epochs is not None or (self.total_nimg is not None and 1 <= self.total_nimg <= MAX_NIMG),
            f"training.total_nimg is {self.total_nimg}; it must be at least 1 image, and {MAX_NIMG:,} at the most "
            "(or give training.epochs)",
        )
        _require(
            self.threads is None or 1 <= self.threads <= MAX_THREADS,
            f"training.threads is {self.threads}; it must be at least 1, and {MAX_THREADS:,} at the most",
        )
        _require(
            2 <= self.batch_size <= MAX_BATCH,
            f"training.batch_size is {self.batch_size}; it must be at least 2, and {MAX_BATCH:,} at the most",
        )
        _require(
            1 <= self.d_steps <= MAX_COUNT,
            f"training.d_steps is {self.d_steps}; it must be at least 1, and {MAX_COUNT:,} at the most",
        )
        _require(0 <= self.seed < 2**63, f"training.seed is {self.seed}; it must be a whole number from 0 to 2**63 - 1")
        _require(
            math.isfinite(self.ema_halflife_nimg) and self.ema_halflife_nimg >= 0,
            f"training.ema_halflife_nimg is {self.ema_halflife_nimg}; it must be 0 or more",
        )
        _require(
            math.isfinite(self.ema_rampup) and self.ema_rampup > 0,
            f"training.ema_rampup is {self.ema_rampup}; it must be more than 0",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class RunConfig:
    """What is recorded while training, at intervals in images. A sample grid is drawn every epoch."""

    tick_nimg: int | None = None
    """Images between two rows of metrics.jsonl; the end of an epoch has one too. Resolved: a tenth of an epoch."""
    checkpoint_nimg: int | None = None
    """Images between two checkpoints. Resolved: one epoch, or a fiftieth of the training if that is more."""
    checkpoints: int = 3
    """How many of the newest checkpoints are kept, beside the best."""
    snapshots: int = 12
    """How many generators of the way are kept, of evenly spaced epochs, to draw the same z with at each; 0 keeps
    none."""
    evaluate: bool = True
    """Whether the averaged generator is judged while it trains."""
    evaluate_nimg: int | None = None
    """Images between two evaluations. Resolved: so that they take about a tenth of the time at most."""
    stop_on_plateau: bool = False
    """Whether the training ends when the distance has stopped falling."""
    rollbacks: int = 0
    """How often a training that diverges may go back to its best checkpoint with half the learning rates."""
    tensorboard: bool = True
    """Whether TensorBoard's event files are written, beside metrics.jsonl."""
    wandb: bool = False
    """Whether the progress is sent to Weights & Biases; with WANDB_MODE=offline in the environment it stays here."""
    pictures: bool = True
    """Whether training.gif, training.webp and curves.png are made at the end."""

    def __post_init__(self) -> None:
        for name in ("tick_nimg", "checkpoint_nimg", "evaluate_nimg"):
            value = getattr(self, name)
            _require(
                value is None or 1 <= value <= MAX_NIMG,
                f"run.{name} is {value}; it must be at least 1 image, and {MAX_NIMG:,} at the most",
            )
        _require(
            1 <= self.checkpoints <= MAX_COUNT,
            f"run.checkpoints is {self.checkpoints}; at least 1 must be kept, and {MAX_COUNT:,} at the most",
        )
        _require(
            0 <= self.snapshots <= MAX_COUNT,
            f"run.snapshots is {self.snapshots}; it must be 0 (off) or more, up to {MAX_COUNT:,}",
        )
        _require(
            0 <= self.rollbacks <= MAX_COUNT,
            f"run.rollbacks is {self.rollbacks}; it must be 0 (off) or more, up to {MAX_COUNT:,}",
        )
        _require(
            self.evaluate or not self.stop_on_plateau,
            "run.stop_on_plateau needs evaluations to see a plateau; set --run.evaluate",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """A whole run."""

    preset: str = "custom"
    """Name of the recipe that this config began as; for display only."""
    data: DataConfig = field(default_factory=DataConfig)
    """The images."""
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    """The generator."""
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    """The discriminator."""
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    """Loss and regularizers."""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    """Adam."""
    training: TrainingConfig = field(default_factory=TrainingConfig)
    """Length, batches, seed, device, averaging."""
    run: RunConfig = field(default_factory=RunConfig)
    """What is recorded."""

    def __post_init__(self) -> None:
        _require(
            not (self.discriminator.norm == "batch" and self.objective.needs_input_gradient),
            "a gradient penalty needs each image's own gradient, which BatchNorm in the discriminator mixes with the "
            "rest of the batch; set --discriminator.norm none or spectral, or turn the penalties off",
        )

    @property
    def classifies(self) -> bool:
        """Whether there is an auxiliary classifier: it reads the digit that both networks are given."""
        return self.training.conditional and self.objective.classifier_weight > 0


def to_dict(config: Any) -> dict[str, Any]:
    """A config dataclass as nested plain values, without the fields that are None (TOML has no null)."""
    values = {f.name: getattr(config, f.name) for f in dataclasses.fields(config)}
    return {name: _plain(value) for name, value in values.items() if value is not None}


def to_toml(config: Config) -> str:
    """The config as TOML text that `from_toml` reads back to an equal config."""
    return tomli_w.dumps(to_dict(config))


def from_toml(text: str, *, source: str = "the config") -> Config:
    """Parse TOML text; fields that it does not name keep their defaults.

    Raises:
        ConfigError: not TOML, an unknown table or field, or a value of the wrong type; the message names `source`.
    """
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a number of thousands of digits is a ValueError of its own
        raise ConfigError(f"{source} is not valid TOML: {error}") from error
    return from_dict(values, source=source)


def from_dict(values: Mapping[str, Any], *, source: str = "the config") -> Config:
    """Build a `Config` from nested plain values, checking every name and type.

    Raises:
        ConfigError: an unknown field, or a value of the wrong type.
    """
    return typing.cast(Config, _build(Config, values, path="", source=source))


def _build(cls: type, values: Any, *, path: str, source: str) -> Any:
    if not isinstance(values, Mapping):
        raise ConfigError(f"{source}: [{path}] must be a table of fields, not {_shown(values)}")
    hints = typing.get_type_hints(cls)
    unknown = [name for name in values if name not in hints]
    if unknown:
        name = unknown[0] if unknown[0].isidentifier() and len(unknown[0]) <= MAX_SHOWN else _shown(unknown[0])
        raise ConfigError(f"{source}: unknown field {path}{name}; the fields here are {', '.join(sorted(hints))}")
    arguments = {
        name: _build(hints[name], value, path=f"{path}{name}.", source=source)
        if dataclasses.is_dataclass(hints[name])
        else _coerce(hints[name], value, where=f"{source}: {path}{name}")
        for name, value in values.items()
    }
    return cls(**arguments)


def _coerce(hint: Any, value: Any, *, where: str) -> Any:
    """`value` as the type `hint`, for the few types that a config field has."""
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        return None if value is None else _coerce(next(o for o in options if o is not type(None)), value, where=where)
    if origin is Literal:
        if isinstance(value, str) and value in options:
            return value
        raise ConfigError(f"{where} is {_shown(value)}; it must be one of {', '.join(options)}")
    if origin is tuple:
        if not isinstance(value, list | tuple) or not (options[-1] is Ellipsis or len(value) == len(options)):
            raise ConfigError(f"{where} is {_shown(value)}; it must be a list of numbers")
        return tuple(_coerce(options[0], item, where=where) for item in value)
    if type(value) is int and abs(value) > MAX_INTEGER:  # no field can mean it, and no float hold it
        raise ConfigError(f"{where} is {_shown(value)}; it must be {MAX_INTEGER:,} at the most")
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise ConfigError(f"{where} is {_shown(value)}; it must be of type {hint.__name__}")
    return value


def _shown(value: object) -> str:
    """A value that anybody may have written, short enough for a sentence."""
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_dict(value)
    return list(value) if isinstance(value, tuple) else value


def _check_widths(network: str, family: Family, channels: tuple[int, ...]) -> None:
    _require(1 <= len(channels) <= MAX_LAYERS, f"{network}.channels has {len(channels)} widths; give 1 to {MAX_LAYERS}")
    _require(
        min(channels) >= 1 and max(channels) <= MAX_WIDTH,
        f"{network}.channels is {_shown(channels)}; it must be widths of at least 1, and {MAX_WIDTH:,} at the most",
    )
    _require(
        family == "mlp" or len(channels) >= 2,
        f"{network}.channels is {channels}; {family} needs at least two widths, one for each resolution",
    )


def _check_stride(network: str, family: Family, stride: int) -> None:
    _require(stride in {1, 2}, f"{network}.image_stride is {stride}; it must be 1 or 2")
    _require(
        stride == 1 or family == "dcgan",
        f"{network}.image_stride is {stride}, which only dcgan has; set --{network}.image-stride 1",
    )


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)
