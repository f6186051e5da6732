"""The subject of an evaluation, and the real data to compare it with."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal, TypeAlias

from mnist_gan import config as config_module
from mnist_gan import storage
from mnist_gan.artifacts.gan import GAN, SHIPPED, model_directory
from mnist_gan.config import DATA_NAMES, DataConfig
from mnist_gan.data import Dataset
from mnist_gan.data.image_sets import ImageSet, is_folder_of_images, read_image_set
from mnist_gan.data.toys import READERS, SUFFIXES, read_points_file
from mnist_gan.errors import ConfigError, DataError
from mnist_gan.evaluation import Progress, no_progress
from mnist_gan.evaluation.cache import digest_of
from mnist_gan.paths import user_path
from mnist_gan.plugins import NO_PLUGIN, PluginLike
from mnist_gan.runs.directory import GENERATOR_NAME, RunDirectory
from mnist_gan.text import pluralize

Kind: TypeAlias = Literal["run", "model", "images"]
NAMED_DATA: Final = DATA_NAMES - {"auto", "idx", "points"}
"""Data sets with a name of their own."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A run, a model, or a set of images."""

    kind: Kind
    path: Path
    gan: GAN | None = None
    """Model of a run or a model folder."""
    image_set: ImageSet | None = None
    """Images of a file or folder."""

    @property
    def run(self) -> RunDirectory | None:
        """Run directory; None for a model or images."""
        return RunDirectory(self.path) if self.kind == "run" else None

    @property
    def name(self) -> str:
        """Last part of the path."""
        return self.path.resolve().name

    def digest(self) -> str:
        """sha256 of the generator's weights, or of the images."""
        if self.image_set is not None:
            return digest_of(self.image_set.images)
        return str(storage.read_manifest(model_directory(self.path))[GENERATOR_NAME]["sha256"])

    @property
    def description(self) -> str:
        """One clause for messages."""
        if self.gan is None:
            assert self.image_set is not None
            labelled = "" if self.image_set.labels is None else ", labelled"
            return f"{self.image_set.source}{labelled}"
        kind = "conditional" if self.gan.conditional else "unconditional"
        stage = f", {self.gan.stage}" if self.gan.stage else ""
        return f"the {kind} model of {self.path} ({self.gan.config.preset}{stage})"


def open_subject(path: Path, *, progress: Progress = no_progress, plugin: PluginLike = None) -> Subject:
    """Open a run with a model, a model folder, a folder of images, an `.npz` or an IDX file.

    `shipped` is the model that ships with the package. `plugin` is that of `GAN.load`.

    Raises:
        ArtifactError: the run has no model yet, or the model is damaged.
        DataError: the images cannot be read, or the folder holds none.
        PluginError: the model was made with a plug-in, which is missing or has changed.
    """
    if path == Path(SHIPPED):
        return Subject(kind="model", path=path, gan=GAN.load(path, plugin=plugin))
    if path.is_dir() and (RunDirectory(path).config.is_file() or (path / storage.MANIFEST_NAME).is_file()):
        kind: Kind = "run" if RunDirectory(path).config.is_file() else "model"
        return Subject(kind=kind, path=path, gan=GAN.load(path, plugin=plugin))
    if path.suffix.lower() in READERS and path.is_file():
        return Subject(kind="images", path=path, image_set=_read_points(path))
    if path.is_dir() and not is_folder_of_images(path):
        raise DataError(f"{path} is not a run, a model or a folder of PNGs; name one of these")
    return Subject(kind="images", path=path, image_set=read_image_set(path, progress=partial(progress, "reading")))


def _read_points(path: Path) -> ImageSet:
    points = read_points_file(path)
    return ImageSet(images=points[:, :, None, None], labels=None, source=f"{pluralize(len(points), 'point')} in {path}")


def real_data(subject: Subject, named: str | None = None) -> DataConfig:
    """Config of the real data: `named`, or else the data of the model's training, or else MNIST.

    `named` is a data set or a folder with four IDX files. `data.limit` of the training is dropped: figures compare with
    all training images.

    Raises:
        ConfigError: neither a name nor a folder.
    """
    if named is not None:
        return named_data(named)
    if subject.image_set is not None and subject.image_set.images.is_floating_point():
        raise ConfigError("points do not name their real data; name it with --data, such as --data ring8")
    if subject.gan is None:
        return DataConfig(name="stacked-mnist" if _channels(subject) == 3 else "mnist")
    learned = dataclasses.replace(subject.gan.config.data, limit=None)
    # MNIST is MNIST, wherever it lies on this machine
    moved = learned.dir is not None and not Path(learned.dir).is_dir() and learned.name in {"mnist", "stacked-mnist"}
    return dataclasses.replace(learned, dir=None) if moved else learned


def named_data(named: str, *, option: str = "--data") -> DataConfig:
    """Config of a data set that the user named with `option`.

    Raises:
        ConfigError: neither a name nor a folder.
    """
    if named in NAMED_DATA:
        return config_module.from_dict({"data": {"name": named}}, source=option).data
    if user_path(named).suffix.lower() in SUFFIXES and user_path(named).is_file():
        return DataConfig(name="points", file=named)
    if not user_path(named).is_dir():
        raise ConfigError(
            f"{option} {named} is not mnist, digits, stacked-mnist, a toy, a folder or a file of points; "
            "name one of these"
        )
    return DataConfig(dir=named)


def load_real_data(subject: Subject, named: str | None = None) -> Dataset:
    """Load the data set of `real_data`; that of a plug-in comes from the plug-in of the model.

    Raises:
        ConfigError: as `real_data`.
        DataError: the data cannot be loaded.
        PluginError: the data are a program's own object, which it did not pass again.
    """
    plugin = NO_PLUGIN if subject.gan is None else subject.gan.plugin
    with plugin.located():
        return plugin.load_dataset(real_data(subject, named))


def assumed_data(subject: Subject) -> str | None:
    """Note on the real data that `real_data` chooses for images; None for a model, whose training data are known."""
    if subject.gan is not None:
        return None
    if _channels(subject) == 3:
        return "stacked-mnist was assumed because the images have 3 channels; name their real images with --data"
    return "mnist was assumed because images do not name their real data; name it with --data"


def _channels(subject: Subject) -> int:
    return 1 if subject.image_set is None else subject.image_set.images.shape[1]
