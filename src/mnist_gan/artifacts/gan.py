"""A trained generator and discriminator: sampling, scoring, saving and loading.

A model may come from an untrusted source. Loading runs no code: config.json and the tensors are plain values, sizes are
checked before memory is allocated, and networks are built only from the families of this package. The code of a plug-in
runs only if the user names its file.
"""

from __future__ import annotations

import copy
import json
import math
import operator
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Final, SupportsIndex, TypeAlias

import safetensors
import safetensors.torch
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from mnist_gan import config as config_module
from mnist_gan import sampling, storage
from mnist_gan.artifacts import hub
from mnist_gan.artifacts.formats import Migration, migrate
from mnist_gan.config import Config
from mnist_gan.data.foreign import recognize_file
from mnist_gan.data.preprocess import ImageForm
from mnist_gan.data.provenance import check_class_names, default_class_names, find_class
from mnist_gan.errors import ArtifactError, ConfigError, DivergenceError, PluginError
from mnist_gan.figures import DISTANCE_PREFIXES, METRIC_PREFIX
from mnist_gan.models import Discriminator, Generator, ImageShape
from mnist_gan.objectives import Calibration, Objective
from mnist_gan.paths import user_path
from mnist_gan.plugins import NO_PLUGIN, Plugin, PluginLike, PluginRecord, check_recorded, open_plugin
from mnist_gan.runs.directory import GENERATOR_NAME, RESERVED_NAME, RunDirectory
from mnist_gan.scaling import AtRest, scaling_from_dict
from mnist_gan.text import pluralize
from mnist_gan.torch_defaults import default_torch_state

Class: TypeAlias = SupportsIndex | str
"""A class by its label, or by its name."""
FORMAT_VERSION: Final = 1
MIGRATIONS: Final[dict[int, Migration]] = {}
"""Each older version of config.json -> its migration to the next."""
CONFIG_NAME: Final = "config.json"
CARD_NAME: Final = "README.md"
DISCRIMINATOR_NAME: Final = "discriminator.safetensors"
PLUGIN_NAME: Final = "plugin.py"
"""Copy of the file of the plug-in that the model was made with; it is never run unless a user names it."""
SHIPPED: Final = RESERVED_NAME
"""Name of the model that ships with the package."""

CLASS_NAMES: Final = "class_names"
"""Fact of a model whose classes have other names than their numbers: the names, in the order of the labels."""
UNTRAINED_CLASSES: Final = "untrained_classes"
"""Fact of a model whose labels have gaps: classes without a training image."""
IMAGE_FORM: Final = "image_form"
"""Fact of a model of other data than MNIST: the fields of its `ImageForm`."""

MAX_CONFIG_BYTES: Final = 1 << 20
MAX_HEADER_BYTES: Final = 1 << 20
"""Bound on the header of a safetensors file."""
MAX_NETWORK_BYTES: Final = 1 << 30
"""Bound on the tensors of one network; the largest preset has 6 MB."""
MAX_RESOLUTION: Final = 1024
MAX_CHANNELS: Final = 16
MAX_CLASSES: Final = 100_000


@dataclass(kw_only=True)
class GAN:
    """A generator, its discriminator, and facts about their training.

    `GAN.load("runs/...")` loads a run or a model folder, `GAN.load("shipped")` the model that ships with the package.
    """

    G: Generator
    """Averaged generator in evaluation mode."""
    D: Discriminator
    """Discriminator in evaluation mode."""
    config: Config
    """Config of the training."""
    calibration: Calibration
    """Maps a logit to the probability that an image is real."""
    best_label_calibration: Calibration | None = None
    """Calibration for the logits of `best_labels`, which are maxima over labels; None if unconditional."""
    facts: dict[str, Any] = field(default_factory=dict)
    """JSON values about the training: data set, images seen, metrics."""
    plugin: Plugin = NO_PLUGIN
    """Has the parts of a plug-in that the config names."""

    @property
    def objective(self) -> Objective:
        """Losses and decision rule of the training.

        Raises:
            PluginError: it is an object that a program passed, and that was not passed again.
        """
        return self.plugin.build_objective(self.config.objective)

    @property
    def shape(self) -> ImageShape:
        """Channels, resolution and number of classes (0 if unconditional)."""
        return self.G.shape

    @property
    def conditional(self) -> bool:
        """True if the networks take labels."""
        return self.shape.num_classes > 0

    @property
    def classes(self) -> tuple[int, ...]:
        """Classes with training images, which `sample` draws by default; empty if unconditional."""
        untrained = frozenset(self.facts.get(UNTRAINED_CLASSES, ()))
        return tuple(label for label in range(self.shape.num_classes) if label not in untrained)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of all classes, in the order of the labels: those of the data, else their numbers."""
        return tuple(self.facts.get(CLASS_NAMES, ())) or default_class_names(self.shape.num_classes)

    @property
    def draws_digits(self) -> bool:
        """True if the classes are named 0 to 9, all with training images."""
        return [self.class_names[label] for label in self.classes] == [*"0123456789"]

    @property
    def trained_on_digits(self) -> bool:
        """True if the training images are MNIST's or scikit-learn's digits, which the judges recognize."""
        return self.config.data.name in {"mnist", "digits"} and self.shape.num_classes in {0, 10}

    @property
    def form(self) -> ImageForm:
        """Form of the training images, which `prepare_image` brings files to."""
        return ImageForm(**self.facts.get(IMAGE_FORM, {}))

    @property
    def stage(self) -> str:
        """Point in the training that the model was saved at, for messages; empty if unknown."""
        if not isinstance(self.facts.get("cur_nimg"), int):
            return ""
        seen = f"after {self.facts['cur_nimg']:,} images"
        metrics = self.facts.get("metrics", {}).items()
        measured = [(name, value) for name, value in metrics if f"{METRIC_PREFIX}{name}".startswith(DISTANCE_PREFIXES)]
        return f"the best snapshot, {seen}: {measured[0][0]} {measured[0][1]:.3g}" if measured else seen

    @default_torch_state()
    def sample(
        self,
        n: SupportsIndex,
        *,
        digit: Class | Sequence[Class] | None = None,
        seed: SupportsIndex = 0,
        first: SupportsIndex = 0,
        truncation_psi: float = 1.0,
    ) -> AtRest:
        """Draw `n` images, uint8 in [0, 255], or points, float32 (N, coordinates, 1, 1) in the units of the data.

        Args:
            n: number of images.
            digit: class to draw, by label or name, or several in rotation; None rotates through `classes`.
            seed: image i of a seed does not depend on `n`.
            first: index of the first image.
            truncation_psi: scale of z; below 1, images are more typical and less diverse.

        Raises:
            ConfigError: `n` is negative, a number is not whole, the class is unknown, or the model is unconditional.
        """
        n, seed, first = _whole(n, "n"), _whole(seed, "seed"), _whole(first, "first")
        if n < 0 or first < 0:
            raise ConfigError(f"cannot draw {pluralize(n, 'image')} from image {first} on; both must be 0 or more")
        z = sampling.truncate(sampling.draw_latents(self.G, n=n, seed=seed, first=first), psi=truncation_psi)
        return sampling.render(self.G, z, self.labels(n, digit=digit, first=first))

    @default_torch_state()
    def labels(
        self, n: SupportsIndex, *, digit: Class | Sequence[Class] | None = None, first: int = 0
    ) -> Int64[Tensor, "_"] | None:
        """Labels of images `first` to `first + n` of `sample(digit=digit)`; None if the model is unconditional.

        Raises:
            ConfigError: the class is unknown, or the model is unconditional and `digit` is given.
        """
        if not self.conditional:
            if digit is not None:
                raise ConfigError("this model is unconditional and cannot draw a given digit; leave the digit out")
            return None
        classes = self.shape.num_classes
        digits = list(self.classes) if digit is None else _labels(digit, self.class_names)
        unknown = [d for d in digits if not 0 <= d < classes]
        if unknown or not len(digits):
            raise ConfigError(
                f"this model draws the classes 0 to {classes - 1}, not {unknown[0] if unknown else 'none'}"
            )
        return sampling.cycle_labels(digits, n=_whole(n, "n"), first=first)

    @default_torch_state()
    def between_seeds(
        self,
        seeds: Sequence[SupportsIndex],
        *,
        digit: Class | None = None,
        steps: int = 8,
        closed: bool = False,
    ) -> AtRest:
        """Images along the sphere (slerp) from image 0 of one seed to image 0 of the next.

        Args:
            seeds: two or more.
            digit: class to draw; required by a conditional model.
            steps: images from one seed to the next.
            closed: return to the first seed, for an animation that loops.

        Raises:
            ConfigError: fewer than two seeds, the class is unknown, or the model is conditional and `digit` is missing.
        """
        if len(seeds) < 2:
            raise ConfigError(f"{pluralize(len(seeds), 'seed')} cannot be interpolated; give at least 2")
        stations = torch.cat([sampling.draw_latents(self.G, n=1, seed=_whole(seed, "seed")) for seed in seeds])
        z = sampling.path_through(stations, steps=steps, closed=closed)
        return sampling.render(self.G, z, None if digit is None else self.labels(len(z), digit=digit))

    @default_torch_state()
    def between_digits(
        self, digits: Sequence[Class], *, seed: SupportsIndex = 0, steps: int = 8, closed: bool = False
    ) -> AtRest:
        """Images from one class to the next with the z of image 0 of `seed`, by interpolating label embeddings.

        Raises:
            ConfigError: fewer than two digits, a class is unknown, or the model is unconditional.
        """
        labels = self.labels(len(digits), digit=digits if self.conditional else None)
        if labels is None:
            raise ConfigError(
                "this model is unconditional and cannot interpolate between digits; interpolate between seeds"
            )
        with torch.no_grad():
            stations = self.G.embed(labels.to(next(self.G.parameters()).device))
        embedded = sampling.path_through(stations, steps=steps, closed=closed, between=sampling.lerp)
        z = sampling.draw_latents(self.G, n=1, seed=_whole(seed, "seed")).expand(len(embedded), -1)
        return sampling.render_embedded(self.G, z, embedded)

    @default_torch_state()
    @torch.no_grad()
    def logits(
        self, images: AtRest, *, labels: Int64[Tensor, "n"] | None = None, batch_size: int = 250
    ) -> Float[Tensor, "n"]:
        """Logits of uint8 images, on the scale of the objective.

        Raises:
            ConfigError: the images are not uint8 of the model's shape, or the discriminator is conditional and `labels`
                are missing or are not one class for each image.
        """
        self._check_images(images)
        if self.conditional and labels is None:
            raise ConfigError("this discriminator is conditional; give labels")
        given = labels if self.conditional else None
        if given is not None:
            sampling.check_labels(given, n=len(images), num_classes=self.shape.num_classes)
        batches = [
            self.D(real, None if given is None else given[rows].to(real.device))
            for rows, real in self._batches(images, batch_size)
        ]
        return torch.cat([batch.float().cpu() for batch in batches]) if batches else torch.empty(0)

    @default_torch_state()
    @torch.no_grad()
    def best_labels(self, images: AtRest, *, batch_size: int = 250) -> tuple[Int64[Tensor, "n"], Float[Tensor, "n"]]:
        """Label with the highest logit for each image, and that logit.

        This does not recognize the digit: in training, the discriminator never sees an image with a wrong label. Only
        `classes` are tried.

        Raises:
            ConfigError: the discriminator is unconditional, or the images are not uint8 of the model's shape.
        """
        self._check_images(images)
        batches = [self.D.logits_by_label(real).float().cpu() for _, real in self._batches(images, batch_size)]
        logits = torch.cat(batches) if batches else torch.empty(0, self.shape.num_classes)
        logits[:, sorted({*range(self.shape.num_classes)} - {*self.classes})] = -torch.inf
        best = logits.max(dim=1)
        return best.indices, best.values

    @default_torch_state()
    def probability_real(self, images: AtRest, *, labels: Int64[Tensor, "n"] | None = None) -> Float[Tensor, "n"]:
        """Calibrated probability in [0, 1] that each image is real, with equal priors for real and generated."""
        return self.calibration.probability(self.logits(images, labels=labels))

    def _check_images(self, images: Tensor) -> None:
        expected = (self.shape.channels, self.shape.resolution, self.shape.resolution)
        if images.dtype != self.shape.scaling.dtype:
            raise ConfigError(
                f"points are {images.dtype}; expected torch.float32, in the units of the training data"
                if self.shape.is_points
                else f"images are {images.dtype}; expected torch.uint8 from 0 to 255, to which floats in [0, 1] are "
                "converted by (255 * images).round().to(torch.uint8)"
            )
        if tuple(images.shape[1:]) != expected:
            raise ConfigError(f"images have the shape {tuple(images.shape)}; this model scores {('N', *expected)}")

    def _batches(self, images: AtRest, batch_size: int) -> Iterator[tuple[slice, Float[Tensor, "m c h w"]]]:
        """Slices of `images`, with float images in the range of the discriminator's inputs."""
        device = next(self.D.parameters()).device
        for start in range(0, len(images), batch_size):
            rows = slice(start, start + batch_size)
            yield rows, self.shape.scaling.to_network(images[rows].to(device), self.config.data.real_range)

    def files(self) -> dict[str, bytes]:
        """Content of the verified files of a model directory.

        Both networks as safetensors, config.json, and a copy of the plug-in's file if the config names a part of it.
        """
        description = self._description()
        metadata = {"config": json.dumps(description)}  # one key: safetensors orders several randomly
        return {
            GENERATOR_NAME: safetensors.torch.save(_tensors(self.G), metadata=metadata),
            DISCRIMINATOR_NAME: safetensors.torch.save(_tensors(self.D), metadata=metadata),
            CONFIG_NAME: (json.dumps(description, indent=2) + "\n").encode(),
        } | self._plugin_file()

    def _plugin_file(self) -> dict[str, bytes]:
        if self.plugin.file is None or self.plugin.record_for(self.config) is None:
            return {}
        return {PLUGIN_NAME: self.plugin.file.content}

    @default_torch_state()
    def save(self, directory: Path | str, *, card: str | None = None) -> None:
        """Write the model directory. An existing model is replaced only when the new one is complete.

        `card` becomes README.md. It is not in the manifest, so that it can be edited.

        Raises:
            ConfigError: the folder exists and holds other files than a model's.
            DivergenceError: a weight is not finite.
            StorageError: a file cannot be written; an existing model is untouched.
        """
        target = user_path(directory)
        _check_replaceable(target)
        self._check_finite()
        extra = {} if card is None else {CARD_NAME: card.encode()}
        storage.write_committed_directory(target, self.files(), unverified=extra)

    @classmethod
    @default_torch_state()
    def load(cls, path: Path | str, *, plugin: PluginLike = None) -> GAN:
        """Load a run's model, a model directory, `shipped`, the model that ships with the package, or one of the hub.

        `hf://user/name`, or `hf://user/name@revision`, is downloaded from the Hugging Face hub (`mnist-gan[hub]`).

        Args:
            path: of the run or model.
            plugin: the plug-in that the model was made with, or the path of its file. Without it, no code runs.

        Raises:
            ArtifactError: there is none, or it is damaged or of an unknown format.
            ConfigError: an address of the hub is malformed, or the extra is missing.
            PluginError: it was made with a plug-in, which is missing or has changed.
        """
        directory = fetch_model(str(path)) if hub.is_address(path) else model_directory(user_path(path))
        description, opened = _read_description(directory), open_plugin(plugin)
        try:
            recorded = PluginRecord.read(description.get("plugin"))
            check_recorded(opened, recorded, owner=Path(path), copy_at=directory / PLUGIN_NAME)
            config = config_module.from_dict(description["config"], source=str(directory / CONFIG_NAME))
            shape = _image_shape(description["shape"])
            with opened.located():
                G, D = _read_networks(directory, config, shape, opened)
                opened.check_objective(config)
            best_label = description["best_label_calibration"]
            return cls(
                G=_for_use(G),
                D=_for_use(D),
                config=config,
                calibration=_calibration(description["calibration"]),
                best_label_calibration=None if best_label is None else _calibration(best_label),
                facts=_facts(description["facts"]),
                plugin=opened,
            )
        except PluginError:
            raise
        except (KeyError, ValueError, TypeError, RuntimeError, OverflowError, safetensors.SafetensorError) as error:
            reason = f"{CONFIG_NAME} has no {error}" if isinstance(error, KeyError) else str(error)
            raise ArtifactError(f"{directory} is not a model that this release can load: {reason}") from error

    def _check_finite(self) -> None:
        for network in (self.G, self.D):
            odd = _not_finite(network.state_dict())
            if odd is not None:
                raise DivergenceError(
                    f"the model's {odd} is not finite and the model is not saved; go back to an earlier checkpoint"
                )

    def _description(self) -> dict[str, Any]:
        return {
            "format_version": FORMAT_VERSION,
            "config": config_module.to_dict(self.config),
            "shape": _shape_values(self.shape),
            "calibration": asdict(self.calibration),
            "best_label_calibration": self.best_label_calibration and asdict(self.best_label_calibration),
            "facts": self.facts,
        } | self._plugin_entry()

    def _plugin_entry(self) -> dict[str, Any]:
        record = self.plugin.record_for(self.config)
        return {} if record is None else {"plugin": asdict(record)}


def snapshot_of(
    *,
    G_ema: Generator,
    D: Discriminator,
    config: Config,
    calibration: Calibration,
    facts: Mapping[str, Any],
    plugin: Plugin = NO_PLUGIN,
) -> GAN:
    """`GAN` of copies on the CPU, independent of further training."""
    G, D = copy.deepcopy(G_ema).cpu(), copy.deepcopy(D).cpu()
    return GAN(G=_for_use(G), D=_for_use(D), config=config, calibration=calibration, facts=dict(facts), plugin=plugin)


def model_directory(path: Path) -> Path:
    """Model directory of `path`: a run, a model directory, or `shipped`.

    Raises:
        ArtifactError: `path` is none of these.
    """
    if path == Path(SHIPPED):
        return shipped_directory()
    for candidate in (path, RunDirectory(path).model):
        place = storage.find_committed(candidate)
        if place is not None and (place / CONFIG_NAME).is_file():
            return place
    if path.is_file():
        raise ArtifactError(
            f"{path} is a file; a model is a folder with {GENERATOR_NAME} and {storage.MANIFEST_NAME}: name the folder "
            "(pickles, such as .pt and .pkl, are never read)"
        )
    if not path.exists():
        raise ArtifactError(f"there is no run or model at {path}; `mnist-gan runs` lists the runs")
    if RunDirectory(path).config.is_file():
        raise ArtifactError(
            f"{path} has no model yet; train further with `mnist-gan resume {shlex.quote(str(path))}`, or "
            "name another run"
        )
    run = next((parent for parent in path.absolute().parents[:2] if RunDirectory(parent).config.is_file()), None)
    if run is not None:
        raise ArtifactError(f"{path} is part of a run and not a model; name the run: {run}")
    raise ArtifactError(f"{path} is neither a run nor a model; `mnist-gan runs` lists the runs")


def fetch_model(address: str) -> Path:
    """Folder of a model of the hub in the user's cache; `address` is `hf://USER/NAME` or `hf://USER/NAME@REVISION`.

    Raises:
        ArtifactError: the hub has no such model, or it is damaged, or the hub cannot be reached.
        ConfigError: the address is malformed, or the extra is missing.
    """
    network = MAX_NETWORK_BYTES + MAX_HEADER_BYTES
    most = {CONFIG_NAME: MAX_CONFIG_BYTES, GENERATOR_NAME: network, DISCRIMINATOR_NAME: network}
    return hub.fetch(hub.parse_address(address), most=most)


def shipped_directory() -> Path:
    """Folder of the model that ships with the package."""
    return Path(str(resources.files("mnist_gan.weights") / SHIPPED))


def _read_description(directory: Path) -> dict[str, Any]:
    """The content of config.json, migrated to the current format version.

    Raises:
        ArtifactError: it is damaged, or a newer release wrote it.
    """
    path = directory / CONFIG_NAME
    content = storage.read_committed_directory(directory, most={CONFIG_NAME: MAX_CONFIG_BYTES})[CONFIG_NAME]
    try:
        description = dict(json.loads(content))
        return migrate(description, path=directory, kind="model", version=FORMAT_VERSION, migrations=MIGRATIONS)
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise ArtifactError(f"{path} is damaged: it does not describe a model; {storage.USE_ANOTHER}") from error


def _read_networks(
    directory: Path, config: Config, shape: ImageShape, plugin: Plugin
) -> tuple[Generator, Discriminator]:
    """Build both networks and load their weights. Sizes are checked before memory is allocated.

    Raises:
        ArtifactError: a file is missing or damaged.
        ValueError: the networks are too large, or the tensors do not fit them.
    """
    # tensors without content; code of the user's own may need their values
    with torch.device("cpu" if config.plugin_parts.keys() & {"generator.family", "discriminator.family"} else "meta"):
        networks = plugin.build_networks(config, shape, seed=0)
    sizes = dict(zip((GENERATOR_NAME, DISCRIMINATOR_NAME), map(_tensor_bytes, networks), strict=True))
    for name, size in sizes.items():
        if size > MAX_NETWORK_BYTES:
            raise ValueError(f"its config describes {size:,} bytes of {name}, above the limit of {MAX_NETWORK_BYTES:,}")
    limits = {name: size + MAX_HEADER_BYTES for name, size in sizes.items()}
    try:
        files = storage.read_committed_directory(directory, most=limits)
    except ArtifactError as error:
        raise _foreign_file(directory, sizes) or error from error
    G, D = plugin.build_networks(config, shape, seed=0)
    _take_weights(G, files[GENERATOR_NAME])
    _take_weights(D, files[DISCRIMINATOR_NAME])
    return G, D


def _foreign_file(directory: Path, names: Iterable[str]) -> ArtifactError | None:
    """The error for a file that is recognized as something else, such as the pointer of Git LFS; else None."""
    for path in (directory / name for name in names):
        found = recognize_file(path) if path.is_file() and not path.is_symlink() else None
        if found is not None:
            return ArtifactError(f"{path} {found.clause}; {found.remedy}")
    return None


def _take_weights(network: nn.Module, content: bytes) -> None:
    tensors = safetensors.torch.load(content)
    odd = _not_finite(tensors)
    if odd is not None:
        raise ValueError(f"tensor {odd} is not finite")
    strange = next((name for name, tensor in tensors.items() if tensor.is_complex()), None)
    if strange is not None:
        raise ValueError(f"tensor {strange} is complex")
    network.load_state_dict(tensors)


def _shape_values(shape: ImageShape) -> dict[str, Any]:
    """JSON values of a shape; those of images have no scaling."""
    values = asdict(shape)
    return values if shape.is_points else {name: value for name, value in values.items() if name != "scaling"}


def _image_shape(values: Mapping[str, Any]) -> ImageShape:
    shape = ImageShape(**{**values, "scaling": scaling_from_dict(values.get("scaling"))})
    limits = {"channels": MAX_CHANNELS, "resolution": MAX_RESOLUTION, "num_classes": MAX_CLASSES}
    for name, most in limits.items():
        if type(getattr(shape, name)) is not int or getattr(shape, name) > most:
            raise ValueError(f"its shape has {name} {getattr(shape, name)}, expected a whole number up to {most:,}")
    return shape


def _calibration(values: Mapping[str, Any]) -> Calibration:
    calibration = Calibration(**{name: float(value) for name, value in values.items()})
    if not (math.isfinite(calibration.scale) and math.isfinite(calibration.bias)):
        raise ValueError("its calibration is not finite")
    return calibration


def _whole(value: SupportsIndex, name: str) -> int:
    """An int, from any whole number such as NumPy's.

    Raises:
        ConfigError: the value is not a whole number.
    """
    try:
        return operator.index(value)
    except TypeError as error:
        raise ConfigError(f"{name} is {value!r}; it must be a whole number") from error


def _labels(digit: Class | Sequence[Class], names: Sequence[str]) -> list[int]:
    # a name is iterable, and an array without dimensions is, too
    is_several = isinstance(digit, Iterable) and not isinstance(digit, str) and getattr(digit, "ndim", 1) > 0
    given: Any = digit if is_several else (digit,)
    return [find_class(each, names) if isinstance(each, str) else _whole(each, "digit") for each in given]


def _facts(values: Mapping[str, Any]) -> dict[str, Any]:
    """Facts with checked metrics."""
    facts = dict(values)
    metrics = facts.get("metrics", {})
    if type(metrics) is not dict or not all(type(value) in {int, float} for value in metrics.values()):
        raise ValueError("its metrics are not numbers")
    untrained = facts.get(UNTRAINED_CLASSES, [])
    if type(untrained) is not list or len(untrained) > MAX_CLASSES or any(type(each) is not int for each in untrained):
        raise ValueError("its untrained classes are not whole numbers")
    check_class_names(facts.get(CLASS_NAMES, ()))
    ImageForm(**facts.get(IMAGE_FORM, {}))  # checks its values
    return facts


def _check_replaceable(directory: Path) -> None:
    """Check that `directory` is free, empty or a model.

    Raises:
        ConfigError: it holds other files.
    """
    names = {GENERATOR_NAME, DISCRIMINATOR_NAME, CONFIG_NAME, CARD_NAME, PLUGIN_NAME, storage.MANIFEST_NAME}
    is_folder = directory.is_dir()
    if (directory.exists() and not is_folder) or (
        is_folder
        and storage.find_committed(directory) is None
        and any(path.name not in names for path in directory.iterdir())
    ):
        raise ConfigError(f"{directory} exists and is not a model; choose another name or remove it")


def _tensor_bytes(network: nn.Module) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())


def _not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """Name of the first tensor that is not finite."""
    return next((name for name, tensor in tensors.items() if not bool(torch.isfinite(tensor).all())), None)


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().contiguous() for name, tensor in module.state_dict().items()}


def _for_use(module: Any) -> Any:
    return module.to(memory_format=torch.channels_last).eval().requires_grad_(False)
