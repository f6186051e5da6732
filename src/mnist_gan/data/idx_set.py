"""A data set as four IDX files in one folder: MNIST's layout, shared by Fashion-MNIST, KMNIST and others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mnist_gan.data.idx import GET_AGAIN, IdxFile, read_idx, write_idx
from mnist_gan.data.mnist import (
    FILE_NAMES,
    HELD_OUT_IMAGES,
    HELD_OUT_LABELS,
    MNIST_FILES,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    PublishedFile,
)
from mnist_gan.errors import DataError


@dataclass(frozen=True, kw_only=True, slots=True)
class IdxSet:
    """The four parsed files of a folder."""

    folder: Path
    paths: dict[str, Path]
    """File name in MNIST's layout -> path."""
    files: dict[str, IdxFile]
    """File name in MNIST's layout -> content."""

    @property
    def digests(self) -> dict[str, str]:
        """File name -> sha256 of the uncompressed content."""
        return {name: file.digest for name, file in self.files.items()}


def find_idx_file(folder: Path, name: str) -> Path | None:
    """Path of one of the four files, or None. Plain is preferred to .gz, and `-idx3-` to `.idx3-`."""
    dotted = name.replace("-idx", ".idx")
    candidates = [folder / candidate for candidate in (name, f"{name}.gz", dotted, f"{dotted}.gz")]
    return next((path for path in candidates if _may_exist(path)), None)


def read_idx_set(folder: Path, *, remedy: str = GET_AGAIN) -> IdxSet:
    """Read the four files of `folder`; images must have 3 dimensions and labels 1.

    Raises:
        DataError: the folder or a file is missing or damaged; the message ends with `remedy`.
    """
    _check_folder(folder)
    found = {name: find_idx_file(folder, name) for name in FILE_NAMES}
    paths = {name: path for name, path in found.items() if path is not None}
    missing = [name for name in FILE_NAMES if name not in paths]
    if missing:
        raise DataError(
            f"{folder} has no {missing[0]} (plain or .gz); "
            f"it must hold the four files {', '.join(FILE_NAMES)}; {remedy}"
        )
    files = {name: read_idx(path, dimensions=dimensions_of(name), remedy=remedy) for name, path in paths.items()}
    return IdxSet(folder=folder, paths=paths, files=files)


def user_path(text: str) -> Path:
    """A path from the user, with a leading ~ expanded (no shell expands it in a config file)."""
    try:
        return Path(text).expanduser()
    except RuntimeError:  # ~name of an unknown user
        return Path(text)


def dimensions_of(name: str) -> int:
    """Number of dimensions of a file, from its name: 3 for images, 1 for labels."""
    return 3 if "idx3" in name else 1


def check_published(file: IdxFile, published: PublishedFile, *, path: Path | str, remedy: str) -> None:
    """Compare a file's digest with the published one.

    Raises:
        DataError: they differ.
    """
    if file.digest != published.digest:
        raise DataError(
            f"{path} is damaged or another file: the sha256 of its content is {file.digest[:12]}..., "
            f"expected {published.digest[:12]}...; {remedy}"
        )


def count_published(digests: Mapping[str, str]) -> int:
    """Number of files with MNIST's digest."""
    return sum(digests.get(name) == published.digest for name, published in MNIST_FILES.items())


def check_shapes(idx_set: IdxSet) -> None:
    """Check that all images are square, of one size, and labelled.

    Raises:
        DataError: they are not; the message names the file.
    """
    for images, labels in ((TRAIN_IMAGES, TRAIN_LABELS), (HELD_OUT_IMAGES, HELD_OUT_LABELS)):
        n, height, width = idx_set.files[images].array.shape
        if height != width:
            raise DataError(
                f"{idx_set.paths[images]} holds images of {height} x {width} pixels; "
                "images must be square, pad or crop them first"
            )
        n_labels = len(idx_set.files[labels].array)
        if n != n_labels:
            raise DataError(
                f"{idx_set.paths[labels]} holds {n_labels:,} labels, but {idx_set.paths[images].name} {n:,} images; "
                "use two files of the same data set"
            )
    sizes = [idx_set.files[name].array.shape[1] for name in (TRAIN_IMAGES, HELD_OUT_IMAGES)]
    if sizes[0] != sizes[1]:
        raise DataError(
            f"{idx_set.paths[HELD_OUT_IMAGES]} holds images of {sizes[1]} x {sizes[1]} pixels, "
            f"but the training images have {sizes[0]} x {sizes[0]}; use two files of the same data set"
        )


def write_idx_set(folder: Path, arrays: Mapping[str, NDArray[np.uint8]], *, compress: bool = True) -> dict[str, str]:
    """Write arrays as IDX files in MNIST's layout, each atomically.

    Args:
        folder: created if missing.
        arrays: file name (of `mnist.FILE_NAMES`) -> images (N, H, W) or labels (N,).
        compress: write .gz files.

    Returns:
        File name -> sha256 of the uncompressed content.
    """
    unknown = sorted(set(arrays) - set(FILE_NAMES))
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not a file name of MNIST's layout: {', '.join(FILE_NAMES)}")
    return {name: write_idx(folder / (f"{name}.gz" if compress else name), array) for name, array in arrays.items()}


def _may_exist(path: Path) -> bool:
    """True if the path exists or cannot be examined; reading then reports the reason."""
    try:
        return path.exists()
    except OSError:
        return True


def _check_folder(folder: Path) -> None:
    try:
        is_folder = folder.is_dir()
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror or error}); choose another folder") from error
    if not is_folder:
        raise DataError(
            f"{folder} is not a folder; give the folder that holds {FILE_NAMES[0]} and the other three IDX files"
        )
