"""Data sets in memory: MNIST, scikit-learn's digits, stacked MNIST, any four IDX files, points of the plane."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float32, Int64, UInt8
from numpy.typing import NDArray
from torch import Tensor

from mnist_gan import rng, storage
from mnist_gan.config import DATA_NAMES, TOY_NAMES, DataConfig
from mnist_gan.data.digits import digits_arrays
from mnist_gan.data.download import PROVIDE_MNIST
from mnist_gan.data.idx import idx_bytes
from mnist_gan.data.idx_set import IdxSet, check_shapes, count_published, has_sizes_of_mnist, read_idx_set
from mnist_gan.data.mnist import (
    FILE_NAMES,
    HELD_OUT_IMAGES,
    HELD_OUT_LABELS,
    MIRRORS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    is_mnist,
)
from mnist_gan.data.provenance import PROVENANCE_NAME, default_class_names, read_class_names
from mnist_gan.data.sources import MnistNotFoundError, check_all_mnist, find_mnist
from mnist_gan.data.toys import Mixture, load_points, load_toy
from mnist_gan.errors import ConfigError, DataError, StorageError
from mnist_gan.paths import user_path
from mnist_gan.scaling import AtRest, Scaling, scaling_of
from mnist_gan.text import format_numbers, pluralize
from mnist_gan.torch_defaults import default_torch_state

logger = logging.getLogger(__name__)

STACKED_CHANNELS: Final = 3
STACKED_CLASSES: Final = 1_000
STACKED_IMAGES: Final = 128_000
"""Training images of stacked MNIST, as in PacGAN (Lin et al. 2018)."""
STACKED_HELD_OUT_IMAGES: Final = 26_000
"""Held-out images of stacked MNIST: as many as its protocol samples."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Training and held-out images with their labels, on the CPU."""

    name: str
    """mnist, digits, stacked-mnist, a toy, or the name of a folder of IDX files or of a file of points."""
    images: AtRest
    """Training images, square, or points."""
    labels: Int64[Tensor, " n"]
    """Labels of the training images, from 0."""
    held_out_images: UInt8[Tensor, "m c h w"] | Float32[Tensor, "m c h w"]
    """Images or points that are never trained on, of the same shape."""
    held_out_labels: Int64[Tensor, " m"]
    digests: dict[str, str]
    """File name in MNIST's layout -> sha256 of the uncompressed content, for each source file.

    Stacked MNIST adds the digest of its labels, which tells which digits were drawn."""
    source: str
    """Description for the user: kind, sizes and location."""
    num_classes: int = 0
    """Number of classes; 0 sets it to that of the names, or to the largest label plus one."""
    class_names: tuple[str, ...] = ()
    """Names of the classes, in the order of the labels; empty sets them to the labels."""
    mixture: Mixture | None = None
    """Modes of the distribution of points, where they are known."""
    labelled: bool = True
    """False if the labels are placeholders: all images are then of one class."""

    def __post_init__(self) -> None:
        if self.num_classes == 0:
            largest = max(int(self.labels.max()), int(self.held_out_labels.max()))
            object.__setattr__(self, "num_classes", len(self.class_names) or largest + 1)
        if not self.class_names:
            object.__setattr__(self, "class_names", default_class_names(self.num_classes))

    @property
    def img_channels(self) -> int:
        """Channels per image: 1, or 3 for colour and stacked MNIST; coordinates of a point."""
        return self.images.shape[1]

    @property
    def img_resolution(self) -> int:
        """Height and width of an image in pixels; 1 for points."""
        return self.images.shape[2]

    @cached_property
    def scaling(self) -> Scaling:
        """Conversion of the images or points to numbers for the networks."""
        return scaling_of(self.images)

    @cached_property
    def untrained_classes(self) -> tuple[int, ...]:
        """Classes without a training image."""
        counts = torch.bincount(self.labels, minlength=self.num_classes)
        return tuple(torch.nonzero(counts == 0).flatten().tolist())

    @property
    def is_mnist(self) -> bool:
        """True for the verified MNIST, also with a limit."""
        return self.name == "mnist" and is_mnist(self.digests)


@default_torch_state()
def load_dataset(
    config: DataConfig,
    *,
    cache: Path | None = None,
    mirrors: Sequence[str] = MIRRORS,
) -> Dataset:
    """Load the data set of a config. Files are parsed strictly, and those of MNIST are verified by digest.

    Search order: `config.dir`, MNIST_GAN_DATA, the cache, the mirrors. If the name is auto and MNIST is unavailable,
    scikit-learn's digits are loaded instead, with a logged warning.

    Args:
        config: name, folder and limit of the data set.
        cache: folder for downloads; None is the user's cache.
        mirrors: URLs to download MNIST from.

    Raises:
        ConfigError: the name and the folder contradict each other.
        DataError: a file is missing or damaged, or belongs to another data set.
        StorageError: the cache cannot be written.
    """
    if config.name in TOY_NAMES:
        return limit_training(_point_dataset(config), config.limit)
    if config.name == "digits":
        if config.dir is not None:
            raise ConfigError(
                "data.name digits comes with scikit-learn, not from a folder; "
                "leave out --data.dir, or set --data.name idx"
            )
        dataset = _load_digits()
    elif config.dir is not None:
        dataset = _load_folder(user_path(config.dir), config)
    else:
        dataset = _load_searched(config, cache=cache, mirrors=mirrors)
    if config.name == "stacked-mnist":
        dataset = stack_channels(dataset)
    elif dataset.untrained_classes:
        _warn_of_gaps(dataset)
    return limit_training(dataset, config.limit)


def _point_dataset(config: DataConfig) -> Dataset:
    drawn = load_points(config.file) if config.name == "points" else load_toy(config.name)  # type: ignore[arg-type]
    return Dataset(
        name=drawn.name,
        images=drawn.points[:, :, None, None],
        labels=drawn.labels,
        held_out_images=drawn.held_out_points[:, :, None, None],
        held_out_labels=drawn.held_out_labels,
        digests=drawn.digests,
        source=drawn.source,
        mixture=drawn.mixture,
    )


def _warn_of_gaps(dataset: Dataset) -> None:
    untrained = dataset.untrained_classes
    logger.warning(
        f"the labels leave gaps: no training image of {dataset.name} has the label {format_numbers(untrained)}, of the "
        f"labels 0 to {dataset.num_classes - 1}; a conditional model cannot learn "
        f"{'it' if len(untrained) == 1 else 'them'}. Check that images and labels belong together, or number the "
        "classes from 0 without gaps"
    )


def stack_channels(dataset: Dataset) -> Dataset:
    """Stacked MNIST: 128,000 images of three random digits, one per channel; 1,000 classes.

    Each channel is drawn from the images of `dataset` with replacement and a fixed seed; 26,000 held-out images come
    from the held-out digits. The label is the three-digit number, first channel first.

    Source: Metz et al. 2017, "Unrolled Generative Adversarial Networks", section 3.3.1; sizes of Lin et al. 2018.
    """
    images, labels = _stack(dataset.images, dataset.labels, n=STACKED_IMAGES, stream="stacked-mnist/train")
    held_out_images, held_out_labels = _stack(
        dataset.held_out_images, dataset.held_out_labels, n=STACKED_HELD_OUT_IMAGES, stream="stacked-mnist/held-out"
    )
    return Dataset(
        name="stacked-mnist",
        images=images,
        labels=labels,
        held_out_images=held_out_images,
        held_out_labels=held_out_labels,
        digests=dataset.digests | {"stacked-mnist": storage.sha256_bytes(labels.numpy().tobytes())},
        source=f"stacked MNIST: {pluralize(len(images), 'image')} of three digits each, from {dataset.source}",
        num_classes=STACKED_CLASSES,
    )


def _load_folder(folder: Path, config: DataConfig) -> Dataset:
    """The data set in `--data.dir`: MNIST if all four digests match; refused if it seems to be a damaged MNIST."""
    idx_set = read_idx_set(folder)
    published = count_published(idx_set.digests)
    if published == len(FILE_NAMES):
        return _mnist_dataset(idx_set)
    if published > 0 and has_sizes_of_mnist(idx_set) and config.name != "idx":
        others = f"{published} of the {pluralize(len(FILE_NAMES), 'file')} in {folder} are MNIST's"
        check_all_mnist(idx_set, remedy=f"{others}; replace this one, or train on all as they are: --data.name idx")
    if config.name in {"mnist", "stacked-mnist"}:
        raise DataError(
            f"data.name {config.name} needs MNIST, but {folder} holds another data set; "
            "use --data.name idx for it, or give the folder of MNIST"
        )
    return _idx_dataset(idx_set)


def _load_searched(config: DataConfig, *, cache: Path | None, mirrors: Sequence[str]) -> Dataset:
    try:
        return _mnist_dataset(find_mnist(download=config.download, cache=cache, mirrors=mirrors))
    except (MnistNotFoundError, StorageError) as error:
        if config.name != "auto":
            raise
        return _load_fallback(str(error))


def _load_fallback(reason: str) -> Dataset:
    try:
        dataset = _load_digits()
    except DataError as error:
        raise DataError(f"{reason}; the fallback failed: {error}") from error
    logger.warning(
        "\n".join(
            (
                "*** NOT MNIST: training on scikit-learn's 8x8 digits instead, enlarged to 28x28. ***",
                f"    Reason: {reason.removesuffix(f'; {PROVIDE_MNIST}')}.",
                f"    To use MNIST: {PROVIDE_MNIST}.",
                f"    The fallback has {pluralize(len(dataset.images), 'blurred digit')}; MNIST has 60,000 sharp ones.",
            )
        )
    )
    return dataset


def _load_digits() -> Dataset:
    arrays = digits_arrays()
    digests = {name: storage.sha256_bytes(idx_bytes(array)) for name, array in arrays.items()}
    sizes = f"{len(arrays[TRAIN_IMAGES]):,} training and {pluralize(len(arrays[HELD_OUT_IMAGES]), 'held-out image')}"
    return _dataset("digits", arrays, digests, source=f"scikit-learn's 8x8 digits enlarged to 28x28: {sizes}")


def _mnist_dataset(idx_set: IdxSet) -> Dataset:
    return _from_idx_set("mnist", idx_set, title="MNIST")


def _idx_dataset(idx_set: IdxSet) -> Dataset:
    check_shapes(idx_set)
    folder = idx_set.folder.resolve().name or "idx"
    # a folder's name must not be mistaken for a built-in data set
    name = f"{folder}-idx" if folder in DATA_NAMES else folder
    return _with_class_names(_from_idx_set(name, idx_set, title=f"the IDX files of {name}"), idx_set)


def _with_class_names(dataset: Dataset, idx_set: IdxSet) -> Dataset:
    """The data set with the class names of its record, if it has one.

    Raises:
        DataError: the record is damaged or belongs to other files, or a label has no name.
    """
    names = read_class_names(idx_set.folder, idx_set.digests)
    if not names:
        return dataset
    if dataset.num_classes > len(names):
        raise DataError(
            f"{idx_set.folder / PROVENANCE_NAME} names {pluralize(len(names), 'class', 'classes')}, but the largest "
            f"label is {dataset.num_classes - 1:,}; import the data again"
        )
    return replace(dataset, num_classes=len(names), class_names=names)


def _from_idx_set(name: str, idx_set: IdxSet, *, title: str) -> Dataset:
    arrays = {file_name: file.array for file_name, file in idx_set.files.items()}
    sizes = f"{len(arrays[TRAIN_IMAGES]):,} training and {pluralize(len(arrays[HELD_OUT_IMAGES]), 'held-out image')}"
    return _dataset(name, arrays, idx_set.digests, source=f"{title}: {sizes}, from {idx_set.folder}")


def _dataset(
    name: str, arrays: Mapping[str, NDArray[np.integer[Any]]], digests: dict[str, str], *, source: str
) -> Dataset:
    return Dataset(
        name=name,
        images=image_tensor(arrays[TRAIN_IMAGES]),
        labels=label_tensor(arrays[TRAIN_LABELS]),
        held_out_images=image_tensor(arrays[HELD_OUT_IMAGES]),
        held_out_labels=label_tensor(arrays[HELD_OUT_LABELS]),
        digests=digests,
        source=source,
    )


def image_tensor(array: NDArray[np.integer[Any]]) -> UInt8[Tensor, "n c h w"]:
    """Images of an IDX file, (N, H, W) or (N, H, W, C)."""
    images = torch.from_numpy(array)
    return images.unsqueeze(1) if images.ndim == 3 else images.permute(0, 3, 1, 2).contiguous()


def label_tensor(array: NDArray[np.integer[Any]]) -> Int64[Tensor, " n"]:
    """Labels of an IDX file."""
    return torch.from_numpy(array).to(torch.int64)


def _stack(
    images: UInt8[Tensor, "m 1 h w"], labels: Int64[Tensor, " m"], *, n: int, stream: str
) -> tuple[UInt8[Tensor, "n 3 h w"], Int64[Tensor, " n"]]:
    choices = [torch.randint(len(images), (n,), generator=rng.generator(0, stream, c)) for c in range(STACKED_CHANNELS)]
    stacked = torch.cat([images[chosen] for chosen in choices], dim=1)
    digits = [labels[chosen] for chosen in choices]
    return stacked, 100 * digits[0] + 10 * digits[1] + digits[2]


def limit_training(dataset: Dataset, limit: int | None) -> Dataset:
    """Keep the first `limit` training images; held-out images and the number of classes stay the same."""
    if limit is None:
        return dataset
    n = len(dataset.images)
    if limit >= n:
        logger.warning(f"data.limit is {limit:,}, and the set has only {pluralize(n, 'training image')}: all are used")
        return dataset
    # copies, to release the memory of the other images
    images, labels = dataset.images[:limit].clone(), dataset.labels[:limit].clone()
    return replace(dataset, images=images, labels=labels, source=f"{dataset.source}, the first {limit:,} for training")
