"""Configuration of a run: frozen dataclasses, each field with its title, unit, bounds and help text.

`auto`, and None in an interval, depend on the data or the machine. `experiment.resolve` replaces them before step 0,
and the run's `config.toml` stores the result, so a run does not depend on the machine's speed. Every config (from TOML,
the command line, Python or `dataclasses.replace`) passes the checks of `settings.Section`.

Imports neither torch nor numpy, so that `--help` and `--print-config` start fast.
"""

from __future__ import annotations

import dataclasses
import functools
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import tomli_w

from mnist_gan.errors import ConfigError
from mnist_gan.registry import is_plugin_name
from mnist_gan.settings import (
    MAX_INTEGER,
    Section,
    Setting,
    build_section,
    help_texts,
    require,
    setting,
    settings_of,
)
from mnist_gan.text import parse_duration, printable

ToyName: TypeAlias = Literal["ring8", "grid25", "swiss-roll", "two-moons", "checkerboard"]
DataName: TypeAlias = Literal["auto", "mnist", "digits", "stacked-mnist", "idx", ToyName, "points"]
Family: TypeAlias = Literal["mlp", "dcgan", "resnet"]
GeneratorNorm: TypeAlias = Literal["none", "batch"]
DiscriminatorNorm: TypeAlias = Literal["none", "batch", "spectral"]
LossName: TypeAlias = Literal["minimax", "non_saturating", "least_squares", "hinge", "wasserstein", "relativistic"]
Decay: TypeAlias = Literal["constant", "linear", "cosine"]
Device: TypeAlias = Literal["auto", "cpu", "cuda", "mps"]
Precision: TypeAlias = Literal["auto", "float32", "bfloat16"]

# a config may come from a stranger: every size that it can ask for has a bound
MAX_WIDTH: typing.Final = 65_536
"""Units or channels of a layer; length of z."""
MAX_BATCH: typing.Final = 1 << 16
MAX_NIMG: typing.Final = 10**12
"""Images of a training: more than ten million epochs of MNIST."""
MAX_THREADS: typing.Final = 1024
MAX_COUNT: typing.Final = 10**6
"""Any other count."""
MAX_PIXEL: typing.Final = 10**6

DATA_NAMES: typing.Final = frozenset(typing.get_args(DataName))
TOY_NAMES: typing.Final = frozenset({*typing.get_args(ToyName), "points"})
"""Data sets of points."""

LOSS_LABELS: typing.Final = {
    "minimax": "minimax (Goodfellow et al. 2014)",
    "non_saturating": "non-saturating (Goodfellow et al. 2014)",
    "least_squares": "least squares (Mao et al. 2017)",
    "hinge": "hinge (Lim and Ye 2017)",
    "wasserstein": "Wasserstein (Arjovsky et al. 2017)",
    "relativistic": "relativistic pairing (Jolicoeur-Martineau 2018; Huang et al. 2024)",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class DataConfig(Section):
    """Training images."""

    section = "data"
    name: DataName | str = setting("auto", "Data set")
    """Data set: mnist; digits (the 8x8 digits of scikit-learn, enlarged); stacked-mnist (three digits as three
    channels, 1,000 modes); idx (four files in MNIST's layout, from --data.dir); a toy of points of the plane (ring8,
    grid25, swiss-roll, two-moons, checkerboard); points (from --data.file). auto is mnist if it is on disk or can
    be downloaded, else digits; with --data.dir of another data set, it is idx."""
    dir: str | None = setting(None, "Data folder")
    """Folder with the four IDX files, plain or .gz. None searches MNIST_GAN_DATA and the user's cache, then downloads
    from the mirrors."""
    file: str | None = setting(None, "File of points")
    """Points (.csv or .npy, two columns), or a mixture of Gaussians (.toml), for the data set points."""
    limit: int | None = setting(None, "Training images", unit="images", ge=1, le=MAX_NIMG)
    """Use only the first N training images. None uses all."""
    download: bool = setting(True, "Download")
    """Download a data set that is not on disk."""
    real_range: tuple[float, float] = setting((-1.0, 1.0), "Range of real images", ge=-MAX_PIXEL, le=MAX_PIXEL)
    """Range that real images are scaled to. The generator's tanh gives [-1, 1]; with any other range, D tells real
    images by the range alone (see the preset wrong-range)."""

    def _check_combinations(self) -> None:
        low, high = self.real_range
        require(low < high, f"data.real_range is {self.real_range}; the second number must be greater than the first")
        for field_name, path, kind in (("dir", self.dir, "folder"), ("file", self.file, "file")):
            require(
                path is None or "\0" not in path, f"data.{field_name} has a zero byte in it; give the name of a {kind}"
            )
            require(
                path is None or printable(path) == path,
                f"data.{field_name} is {path!r}, which is not UTF-8 and cannot be stored in a config; rename the "
                f"{kind}, or name a link to it",
            )
        require(
            self.file is None or self.name == "points",
            f"data.file is for the data set points, and data.name is {self.name}; set --data.name points, or leave out "
            "--data.file",
        )
        require(
            self.dir is None or self.name not in TOY_NAMES,
            f"data.name {self.name} is not read from a folder; leave out --data.dir",
        )
        require(
            self.name != "idx" or self.dir is not None,
            "data.name idx needs a folder; add --data.dir FOLDER with the four IDX files",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class GeneratorConfig(Section):
    """Generator network."""

    section = "generator"
    family: Family | str = setting("dcgan", "Generator")
    """Architecture: mlp (fully connected), dcgan (transposed convolutions) or resnet (residual blocks without
    normalization)."""
    z_dim: int = setting(64, "Length of z", ge=1, le=MAX_WIDTH)
    """Length of the latent vector z, the random numbers that an image is made from."""
    channels: tuple[int, ...] = setting((64, 32, 16), "Generator widths", ge=1, le=MAX_WIDTH)
    """Widths from z to the image: hidden layers of mlp; channels at each resolution of dcgan and resnet, coarse to fine
    (three widths are for 7x7, 14x14 and 28x28)."""
    norm: GeneratorNorm = setting("batch", "Generator normalization")
    """Normalization: none or batch. Without it, dcgan and mlp collapse easily; resnet has none."""
    image_stride: int = setting(1, "Generator stride", ge=1, le=2)
    """Stride of the layer at the image, 1 or 2 (dcgan only). With 2, the finest maps have half the image's resolution,
    for about half the work."""
    dense_width: int = setting(0, "Generator dense layer", ge=0, le=MAX_WIDTH)
    """Width of a fully connected layer between z and the first maps (dcgan only); 0 is none."""
    overshoot: float = setting(1.0, "Overshoot", ge=1.0, le=2.0)
    """Factor of the last tanh, whose excess beyond [-1, 1] is cut off. Above 1, pixels become exactly black and white,
    which tanh alone only approaches."""

    def _check_combinations(self) -> None:
        _check_network(self)
        require(
            self.family != "resnet" or self.norm == "none",
            "the resnet generator has no normalization; set --generator.norm none, or --generator.family dcgan",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class DiscriminatorConfig(Section):
    """Discriminator network."""

    section = "discriminator"
    family: Family | str = setting("dcgan", "Discriminator")
    """Architecture: mlp (fully connected), dcgan (convolutions) or resnet (residual blocks without normalization)."""
    channels: tuple[int, ...] = setting((16, 32, 64), "Discriminator widths", ge=1, le=MAX_WIDTH)
    """Widths from the image to the logit: hidden layers of mlp; channels at each resolution of dcgan and resnet, fine
    to coarse."""
    norm: DiscriminatorNorm = setting("none", "Discriminator normalization")
    """Normalization: none; batch, which mixes the images of a batch; or spectral (of the weights), which bounds the
    slope of D."""
    image_stride: int = setting(1, "Discriminator stride", ge=1, le=2)
    """Stride of the layer at the image, 1 or 2 (dcgan only). With 2, the finest maps have half the image's resolution,
    for about half the work."""
    dense_width: int = setting(0, "Discriminator dense layer", ge=0, le=MAX_WIDTH)
    """Width of a fully connected layer before the logit (dcgan only); 0 is none. It sees the image as a whole: all
    maps, and the mean and the maximum of each row and column of pixels. Without it, the logit is a sum over patches."""
    dense_channels: int = setting(0, "Channels into the dense layer", ge=0, le=MAX_WIDTH)
    """Width of a 1x1 convolution between the maps and the dense layer; 0 is none. With fewer channels, the dense layer
    has fewer weights and learns single training images by heart later."""

    def _check_combinations(self) -> None:
        _check_network(self)
        require(
            not self.dense_channels or self.dense_width > 0,
            f"discriminator.dense_channels is {self.dense_channels}, but there is no dense layer behind them; set "
            "--discriminator.dense-width or --discriminator.dense-channels 0",
        )
        require(
            self.family != "resnet" or self.norm != "batch",
            "the resnet discriminator works without BatchNorm; set --discriminator.norm none or spectral",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectiveConfig(Section):
    """Loss and regularizers of both networks."""

    section = "objective"
    loss: LossName | str = setting("non_saturating", "Loss", labels=LOSS_LABELS)
    """Adversarial loss: turns the discriminator's logits into the numbers that the two networks minimize."""
    r1_gamma: float = setting(0.0, "R1 penalty", ge=0)
    """R1: gamma/2 times the squared gradient norm of D at real images. It stabilizes the training; 0 is off."""
    r2_gamma: float = setting(0.0, "R2 penalty", ge=0)
    """R2: gamma/2 times the squared gradient norm of D at generated images; 0 is off."""
    gp_lambda: float = setting(0.0, "Gradient penalty", ge=0)
    """Gradient penalty of WGAN-GP: lambda times (gradient norm - 1) squared, between real and generated images. 10 is
    usual; 0 is off."""
    penalty_interval: int = setting(1, "Penalty interval", unit="steps of D", ge=1, le=MAX_COUNT)
    """Lazy regularization: apply R1, R2 and the gradient penalty only at every N-th discriminator step, N times as
    strong, to save time."""
    penalty_decay: Decay = setting("constant", "Penalty decay")
    """Decay of all penalties over the training: constant, or to 0 at the end by a line or half a cosine. A penalty
    guides the beginning and blurs the end."""
    classifier_weight: float = setting(0.0, "Classifier weight", ge=0)
    """Weight of an auxiliary classifier: D learns to read the digit of real images, G to draw digits that are read as
    their label. Without labels it has no effect; 0 is off."""
    classifier_decay: Decay = setting("constant", "Classifier decay")
    """Decay of the classifier's weight over the training: constant, or to 0 at the end by a line or half a cosine. A
    classifier shows what each digit is, and then prefers those that are easy to read."""
    regularizer: str | None = setting(None, "Regularizer of a plug-in")
    """Regularizer of a plug-in, such as ideas.mine, added to the discriminator's loss beside R1, R2 and the gradient
    penalty, at the penalty interval. None adds none."""
    regularizer_weight: float = setting(1.0, "Regularizer weight", ge=0)
    """Factor of the plug-in's regularizer."""
    weight_clip: float = setting(0.0, "Weight clipping", ge=0)
    """Clip every weight of D to [-c, c] after its step, as the first Wasserstein GAN does; 0 is off."""
    label_smoothing: float = setting(0.0, "Label smoothing", ge=0, lt=0.5)
    """One-sided: the discriminator's target for real images is 1 minus this. Only for minimax, non_saturating and
    least_squares; 0 is off."""

    def _check_combinations(self) -> None:
        require(
            self.regularizer is None or is_plugin_name(self.regularizer),
            f"objective.regularizer is {self.regularizer!r:.60}; it must be the name of a plug-in's own, such as "
            "ideas.mine, or None (R1, R2 and the gradient penalty have fields of their own)",
        )
        require(
            self.label_smoothing == 0 or self.loss in {"minimax", "non_saturating", "least_squares"},
            f"label smoothing needs a loss with a target for real images, which {self.loss} is not; "
            "set --objective.label-smoothing 0",
        )

    @property
    def needs_input_gradient(self) -> bool:
        """True if any penalty on the gradient of D is on."""
        return max(self.r1_gamma, self.r2_gamma, self.gp_lambda) > 0

    @property
    def penalizes(self) -> bool:
        """True if any penalty is on, also one of a plug-in."""
        return self.needs_input_gradient or self.regularizer is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimizerConfig(Section):
    """Adam for both networks."""

    section = "optimizer"
    g_lr: float = setting(2e-4, "Learning rate of G", gt=0)
    """Learning rate of the generator. Too high, it oscillates; too low, it hardly learns. Its ratio to the
    discriminator's matters most."""
    d_lr: float = setting(2e-4, "Learning rate of D", gt=0)
    """Learning rate of the discriminator. Too high, it oscillates; too low, it hardly learns. Its ratio to the
    generator's matters most."""
    beta1: float = setting(0.5, "Adam beta1", ge=0, lt=1)
    """Adam's beta1, the decay rate of its momentum. GANs use 0 to 0.5."""
    beta2: float = setting(0.999, "Adam beta2", ge=0, lt=1)
    """Adam's beta2, the decay rate of its average of squared gradients."""
    eps: float = setting(1e-8, "Adam epsilon", gt=0)
    """Adam's epsilon, added to the denominator."""
    warmup_nimg: int = setting(0, "Warm-up", unit="images", ge=0, le=MAX_NIMG)
    """Images over which the learning rates rise from 0."""
    decay: Decay = setting("constant", "Learning-rate decay")
    """Schedule of both learning rates after the warm-up: constant, or falling to 0 at the end (linear, cosine)."""
    decay_start: float = setting(0.0, "Start of the decay", ge=0, lt=1)
    """Fraction of the training after which the decay begins."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingConfig(Section):
    """Length, batches, seed, device and averaging."""

    section = "training"
    total_nimg: int | None = setting(600_000, "Length", unit="images", ge=1, le=MAX_NIMG)
    """Length in real images shown to the discriminator, rounded up to whole steps; an epoch of MNIST has 60,000."""
    epochs: float | None = setting(None, "Length in epochs", unit="epochs", gt=0, le=MAX_COUNT)
    """Length in passes over the training images, fractions allowed. It replaces total_nimg."""
    budget: str | None = setting(None, "Length in time")
    """Length in time on this machine, such as 60s, 5min or 1h, with evaluations. The speed is measured before step 0;
    the length in images that follows replaces total_nimg."""
    batch_size: int = setting(64, "Batch size", unit="images", ge=2, le=MAX_BATCH)
    """Real images in a step, and as many generated ones. A larger batch gives steadier gradients and slower steps."""
    d_steps: int = setting(1, "Steps of D per step of G", ge=1, le=MAX_COUNT)
    """Discriminator steps per generator step, each on a fresh batch. The Wasserstein loss needs several."""
    seed: int = setting(0, "Seed", ge=0, le=MAX_INTEGER)
    """Seed of all randomness. The same seed and settings give the same run on the same machine."""
    conditional: bool = setting(False, "Labels")
    """Give both networks the digit's label. The generator then draws the digit that it is asked for, and collapse to a
    few digits is rarer."""
    device: Device = setting("auto", "Device")
    """Device of the training; auto is cuda if there is one, else mps, else cpu."""
    threads: int | None = setting(None, "Threads", ge=1, le=MAX_THREADS)
    """Processor threads; None uses as many as are faster when the training begins, at most PyTorch's default. The last
    bits of a sum depend on the number."""
    shards: int | None = setting(None, "Shards", ge=1, le=MAX_THREADS)
    """Equal parts of a batch, each computed on a processor thread of its own, with averaged gradients. The result does
    not depend on the number of cores. On a CPU, BatchNorm normalizes by the whole batch. 1 does not divide it; None
    makes as many parts as threads are faster when the training begins, at most 4."""
    precision: Precision = setting("auto", "Precision")
    """Number format of the networks' arithmetic; weights, averages and optimizer state are always float32. auto is
    bfloat16 if the device computes it natively, else float32."""
    capture: bool = setting(False, "CUDA graph")
    """Record a step as a CUDA graph and replay it, instead of launching its kernels one by one. Needs a CUDA device."""
    ema_halflife_nimg: float = setting(10_000.0, "Averaging half-life", unit="images", ge=0)
    """Half-life, in images, of the exponential moving average of the generator, which draws all pictures; 0 is off."""
    ema_rampup: float = setting(0.05, "Averaging ramp-up", gt=0)
    """Limit of the half-life, as a fraction of the images seen so far."""
    fit_latent_scale: bool = setting(False, "Fit latent scale")
    """Scale z for the averaged generator so that its images vary within a class as much as the training images. The
    weights in training do not change. It has no effect on points and on the generator of a plug-in."""

    def _check_combinations(self) -> None:
        require(
            any(length is not None for length in (self.epochs, self.total_nimg, self.budget)),
            "the training has no length; set --training.total-nimg, --training.epochs or --training.budget",
        )
        if self.budget is not None:
            require(self.epochs is None, "both training.epochs and training.budget give the length; leave one out")
            try:
                parse_duration(self.budget)
            except ValueError as error:
                raise ConfigError(
                    f"training.budget is {self.budget!r:.40}; it must be a number and s, min or h, such as 5min"
                ) from error
        require(
            self.shards is None or self.divides_into(self.shards),
            f"a batch of {self.batch_size} cannot be divided into {self.shards} equal shards of 2 images or more; "
            "set --training.shards to a smaller divisor of the batch size",
        )
        require(
            not (self.capture and (self.shards or 1) > 1),
            "training.capture records a whole step on a CUDA device; set --training.shards 1",
        )

    def divides_into(self, shards: int) -> bool:
        """True if a batch can be divided into so many equal shards of two images or more."""
        return self.batch_size % shards == 0 and self.batch_size >= 2 * shards


@dataclass(frozen=True, kw_only=True, slots=True)
class RunConfig(Section):
    """Records of a run, at intervals in images. Each epoch adds a sample grid, up to a hundred evenly spaced ones."""

    section = "run"
    tick_nimg: int | None = setting(None, "Tick interval", unit="images", ge=1, le=MAX_NIMG)
    """Images between two rows of metrics.jsonl; each epoch ends with a row, too. None is a tenth of an epoch."""
    checkpoint_nimg: int | None = setting(None, "Checkpoint interval", unit="images", ge=1, le=MAX_NIMG)
    """Images between two checkpoints. None is one epoch, or a fiftieth of the training if that is more."""
    checkpoints: int = setting(3, "Checkpoints", ge=1, le=MAX_COUNT)
    """Number of newest checkpoints to keep; the best is kept in any case."""
    snapshots: int = setting(12, "Snapshots", ge=0, le=MAX_COUNT)
    """Number of intermediate generators to keep, evenly spaced over the epochs; 0 keeps none."""
    previews: int = setting(0, "Previews", ge=0, le=MAX_COUNT)
    """Number of previews to keep, evenly spaced over the training: sample grid and histograms of D's scores, to compare
    runs at equal numbers of images seen; 0 keeps none."""
    evaluate: bool = setting(True, "Evaluate")
    """Evaluate the averaged generator during the training."""
    evaluate_nimg: int | None = setting(None, "Evaluation interval", unit="images", ge=1, le=MAX_NIMG)
    """Images between two evaluations. None is an interval at which they take at most about a tenth of the time."""
    stop_on_plateau: bool = setting(False, "Stop on plateau")
    """End the training when the distance to real digits stops falling."""
    rollbacks: int = setting(0, "Rollbacks", ge=0, le=MAX_COUNT)
    """Number of times that a diverging training may return to its best checkpoint with half the learning rates."""
    tensorboard: bool = setting(True, "TensorBoard")
    """Write TensorBoard event files beside metrics.jsonl."""
    wandb: bool = setting(False, "Weights & Biases")
    """Send metrics to Weights & Biases. With WANDB_MODE=offline in the environment, they stay on this machine."""
    pictures: bool = setting(True, "Pictures")
    """Write training.gif, training.webp and curves.png at the end."""

    def _check_combinations(self) -> None:
        require(
            self.evaluate or not self.stop_on_plateau,
            "run.stop_on_plateau needs evaluations to detect a plateau; set --run.evaluate",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(Section):
    """Configuration of a run."""

    preset: str = "custom"
    """Name of the preset that this config was made from; for display only."""
    data: DataConfig = field(default_factory=DataConfig)
    """Training images."""
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    """Generator network."""
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    """Discriminator network."""
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    """Loss and regularizers."""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    """Adam for both networks."""
    training: TrainingConfig = field(default_factory=TrainingConfig)
    """Length, batches, seed, device and averaging."""
    run: RunConfig = field(default_factory=RunConfig)
    """Records of a run."""

    def _check_combinations(self) -> None:
        require(
            not (self.discriminator.norm == "batch" and self.objective.needs_input_gradient),
            "a gradient penalty needs the gradient of each image, which BatchNorm in the discriminator mixes with the "
            "rest of the batch; set --discriminator.norm none or spectral, or turn the penalties off",
        )

    @property
    def classifies(self) -> bool:
        """True if D has an auxiliary classifier: both networks get labels, and its weight is not 0."""
        return self.training.conditional and self.objective.classifier_weight > 0

    @property
    def plugin_parts(self) -> dict[str, str]:
        """Fields that name a part of a plug-in, by dotted name, with that part's full name."""
        values = {
            "data.name": self.data.name,
            "generator.family": self.generator.family,
            "discriminator.family": self.discriminator.family,
            "objective.loss": self.objective.loss,
            "objective.regularizer": self.objective.regularizer,
        }
        return {field: value for field, value in values.items() if value is not None and is_plugin_name(value)}


@functools.cache
def all_settings() -> dict[str, Setting]:
    """Return every field of the config's sections with its help text, by dotted name such as `training.batch_size`."""
    sections: list[Any] = [hint for hint in typing.get_type_hints(Config).values() if hint is not str]
    return {
        each.name: dataclasses.replace(each, help=help_texts(section)[field_name])
        for section in sections
        for field_name, each in settings_of(section).items()
    }


def with_fields(config: Config, values: Mapping[str, Any]) -> Config:
    """Return the config with other values of some fields, given by dotted name such as `training.seed`.

    Raises:
        ConfigError: values that cannot be, or do not work together.
    """
    sections: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        section, _, key = name.partition(".")
        sections.setdefault(section, {})[key] = value
    parts = {name: dataclasses.replace(getattr(config, name), **fields) for name, fields in sections.items()}
    return dataclasses.replace(config, **parts)


def to_dict(config: Any) -> dict[str, Any]:
    """Return a config dataclass as nested plain values, without fields that are None (TOML has no null)."""
    values = {f.name: getattr(config, f.name) for f in dataclasses.fields(config)}
    return {name: _plain(value) for name, value in values.items() if value is not None}


def to_toml(config: Config) -> str:
    """Return the config as TOML text; `from_toml` reads it back as an equal config."""
    return tomli_w.dumps(to_dict(config))


def from_toml(text: str, *, source: str = "the config") -> Config:
    """Parse TOML text. Fields that it does not name keep their defaults.

    Raises:
        ConfigError: invalid TOML, or as `from_dict`; the message names `source`.
    """
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # an integer of thousands of digits is a plain ValueError
        raise ConfigError(f"{source} is not valid TOML: {error}") from error
    return from_dict(values, source=source)


def from_dict(values: Mapping[str, Any], *, source: str = "the config") -> Config:
    """Build a config from nested plain values. Fields that they do not name keep their defaults.

    Raises:
        ConfigError: an unknown field, a value of the wrong type or out of bounds, or values that do not work together.
    """
    try:
        return build_section(Config, values, name="config")
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from error


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_dict(value)
    return list(value) if isinstance(value, tuple) else value


def _check_network(config: GeneratorConfig | DiscriminatorConfig) -> None:
    network, family = config.section, config.family
    require(
        family not in {"dcgan", "resnet"} or len(config.channels) >= 2,
        f"{network}.channels is {config.channels}; {family} needs at least two widths, one for each resolution",
    )
    found = {"image_stride": (config.image_stride, 1), "dense_width": (config.dense_width, 0)}
    wrong = {name: values for name, values in found.items() if values[0] != values[1]}
    require(
        not wrong or family == "dcgan" or is_plugin_name(family),
        " and ".join(f"{network}.{name} is {value}" for name, (value, _) in wrong.items())
        + ", which only dcgan has; set "
        + " ".join(f"--{network}.{name.replace('_', '-')} {other}" for name, (_, other) in wrong.items()),
    )
