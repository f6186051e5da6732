"""What is judged, and what it is held against."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

from mnist_gan import config as config_module
from mnist_gan import storage
from mnist_gan.artifacts.gan import GAN, SHIPPED, model_directory
from mnist_gan.config import DataConfig
from mnist_gan.data.image_sets import ImageSet, is_folder_of_images, read_image_set
from mnist_gan.errors import ConfigError, DataError
from mnist_gan.evaluation import Progress, no_progress
from mnist_gan.evaluation.cache import digest_of
from mnist_gan.runs.directory import GENERATOR_NAME, RunDirectory

Kind: TypeAlias = Literal["run", "model", "images"]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is judged."""

    kind: Kind
    path: Path
    gan: GAN | None = None
    """The model of a run or a model folder."""
    image_set: ImageSet | None = None
    """Images that were there already."""

    @property
    def run(self) -> RunDirectory | None:
        """The run, where it is one."""
        return RunDirectory(self.path) if self.kind == "run" else None

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.resolve().name

    def digest(self) -> str:
        """sha256 of the generator's weights, or of the images: what the figures are figures of."""
        if self.image_set is not None:
            return digest_of(self.image_set.images)
        return str(storage.read_manifest(model_directory(self.path))[GENERATOR_NAME]["sha256"])

    @property
    def description(self) -> str:
        """One sentence for people."""
        if self.gan is None:
            assert self.image_set is not None
            labelled = "" if self.image_set.labels is None else ", labelled"
            return f"{self.image_set.source}{labelled}"
        asked = "conditional" if self.gan.conditional else "unconditional"
        moment = f", {self.gan.stage}" if self.gan.stage else ""
        return f"the {asked} model of {self.path} ({self.gan.config.preset}{moment})"


def open_subject(path: Path, *, progress: Progress = no_progress) -> Subject:
    """What lies at a path: a run with a model, a model folder, a folder of images, an `.npz` or an IDX file.

    `shipped` is the model that comes with the package.

    Raises:
        ArtifactError: a run or a model that is not finished, or damaged.
        DataError: images that cannot be read, or nothing that can be judged.
    """
    if path == Path(SHIPPED):
        return Subject(kind="model", path=path, gan=GAN.load(path))
    if path.is_dir() and (RunDirectory(path).config.is_file() or (path / storage.MANIFEST_NAME).is_file()):
        kind: Kind = "run" if RunDirectory(path).config.is_file() else "model"
        return Subject(kind=kind, path=path, gan=GAN.load(path))
    if path.is_dir() and not is_folder_of_images(path):
        raise DataError(f"{path} is neither a run, nor a model, nor a folder of PNGs: there is nothing to judge in it")
    return Subject(kind="images", path=path, image_set=read_image_set(path, progress=partial(progress, "reading")))


def real_data(subject: Subject, named: str | None = None) -> DataConfig:
    """The data that a subject is held against: what `named` says, else what the model learned, else MNIST.

    `named` is the name of a data set, or a folder with four IDX files. A limit that the training had does not hold
    here: figures are figures against all training images.

    Raises:
        ConfigError: neither a name nor a folder.
    """
    if named in {"mnist", "digits", "stacked-mnist"}:
        return config_module.from_dict({"data": {"name": named}}, source="--data").data
    if named is not None:
        if not Path(named).is_dir():
            raise ConfigError(f"--data {named} is neither mnist, digits or stacked-mnist, nor a folder")
        return DataConfig(dir=named)
    if subject.gan is None:
        channels = 1 if subject.image_set is None else subject.image_set.images.shape[1]
        return DataConfig(name="stacked-mnist" if channels == 3 else "mnist")
    learned = dataclasses.replace(subject.gan.config.data, limit=None)
    # MNIST is MNIST, wherever it lies on this machine
    moved = learned.dir is not None and not Path(learned.dir).is_dir() and learned.name in {"mnist", "stacked-mnist"}
    return dataclasses.replace(learned, dir=None) if moved else learned
