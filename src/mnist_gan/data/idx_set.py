"""A data set as four IDX files in one folder: MNIST's layout, which many other sets share."""

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
    """The four files of a folder, as read."""

    folder: Path
    paths: dict[str, Path]
    """Where each file was found, by its name in MNIST's layout."""
    files: dict[str, IdxFile]
    """What each file holds, by the same names."""

    @property
    def digests(self) -> dict[str, str]:
        """sha256 of each file's content without compression."""
        return {name: file.digest for name, file in self.files.items()}


def find_idx_file(folder: Path, name: str) -> Path | None:
    """The path of one of the four files: plain before .gz, `-idx3-` before `.idx3-`, as some unpackers name it."""
    dotted = name.replace("-idx", ".idx")
    candidates = [folder / candidate for candidate in (name, f"{name}.gz", dotted, f"{dotted}.gz")]
    return next((path for path in candidates if _may_exist(path)), None)


def read_idx_set(folder: Path, *, remedy: str = GET_AGAIN) -> IdxSet:
    """Read the four files of `folder`; images must have 3 dimensions and labels 1.

    Raises:
        DataError: the folder or a file is missing or damaged; `remedy` ends the sentence.
    """
    _check_folder(folder)
    found = {name: find_idx_file(folder, name) for name in FILE_NAMES}
    paths = {name: path for name, path in found.items() if path is not None}
    missing = [name for name in FILE_NAMES if name not in paths]
    if missing:
        raise DataError(
            f"{folder} has no {missing[0]} (plain or .gz); "
            f"expected are the four files {', '.join(FILE_NAMES)}; {remedy}"
        )
    files = {name: read_idx(path, dimensions=dimensions_of(name), remedy=remedy) for name, path in paths.items()}
    return IdxSet(folder=folder, paths=paths, files=files)


def user_path(text: str) -> Path:
    """A path that a user wrote, with the home folder for a leading ~ (no shell does that in a config file)."""
    try:
        return Path(text).expanduser()
    except RuntimeError:  # ~somebody that there is not
        return Path(text)


def dimensions_of(name: str) -> int:
    """How many dimensions a file of the layout has, which its name says."""
    return 3 if "idx3" in name else 1


def check_published(file: IdxFile, published: PublishedFile, *, path: Path | str, remedy: str) -> None:
    """Hold a file's content against the published digest.

    Raises:
        DataError: it differs.
    """
    if file.digest != published.digest:
        raise DataError(
            f"{path} is damaged or another file: the sha256 of its content is {file.digest[:12]}..., "
            f"expected is {published.digest[:12]}...; {remedy}"
        )


def count_published(digests: Mapping[str, str]) -> int:
    """How many of the four files are MNIST's."""
    return sum(digests.get(name) == published.digest for name, published in MNIST_FILES.items())


def check_shapes(idx_set: IdxSet) -> None:
    """Check that images are square and of one size, and that each has a label.

    Raises:
        DataError: they are not; the file is named.
    """
    for images, labels in ((TRAIN_IMAGES, TRAIN_LABELS), (HELD_OUT_IMAGES, HELD_OUT_LABELS)):
        n, height, width = idx_set.files[images].array.shape
        if height != width:
            raise DataError(
                f"{idx_set.paths[images]} holds images of {height} x {width} pixels; "
                "only square ones can be learned, pad or crop them first"
            )
        n_labels = len(idx_set.files[labels].array)
        if n != n_labels:
            raise DataError(
                f"{idx_set.paths[labels]} holds {n_labels:,} labels, and {idx_set.paths[images].name} {n:,} images; "
                "each image needs one, use two files that belong together"
            )
    sizes = [idx_set.files[name].array.shape[1] for name in (TRAIN_IMAGES, HELD_OUT_IMAGES)]
    if sizes[0] != sizes[1]:
        raise DataError(
            f"{idx_set.paths[HELD_OUT_IMAGES]} holds images of {sizes[1]} x {sizes[1]} pixels, "
            f"the training images have {sizes[0]} x {sizes[0]}; use two files that belong together"
        )


def write_idx_set(folder: Path, arrays: Mapping[str, NDArray[np.uint8]], *, compress: bool = True) -> dict[str, str]:
    """Write arrays under their names in MNIST's layout, each atomically.

    Args:
        folder: is made if it does not exist.
        arrays: name (one of `mnist.FILE_NAMES`) -> images (N, H, W) or labels (N,).
        compress: whether to write .gz files.

    Returns:
        File name -> sha256 of the content without compression.
    """
    unknown = sorted(set(arrays) - set(FILE_NAMES))
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no file of MNIST's layout: {', '.join(FILE_NAMES)}")
    return {name: write_idx(folder / (f"{name}.gz" if compress else name), array) for name, array in arrays.items()}


def _may_exist(path: Path) -> bool:
    """Whether there is something to read: a file that may not be looked at is not taken for none."""
    try:
        return path.exists()
    except OSError:
        return True


def _check_folder(folder: Path) -> None:
    try:
        is_folder = folder.is_dir()
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror or error}); name another folder") from error
    if not is_folder:
        raise DataError(
            f"{folder} is not a folder; name the one that holds {FILE_NAMES[0]} and the other three IDX files"
        )
