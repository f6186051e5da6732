"""A data set as four IDX files in one folder: MNIST's layout, shared by Fashion-MNIST, KMNIST and others.

Beyond MNIST's own form, images may be in colour, (N, H, W, 3), and labels may have 16 bits. The names of such files say
so: `train-images-idx4-ubyte`, `train-labels-idx1-short`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mnist_gan.data.idx import GET_AGAIN, Dimensions, IdxFile, read_idx, write_idx
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

COLOURS: Final = 3
"""Channels of a colour image: red, green, blue."""
MAX_BYTE: Final = 255
MAX_LABEL: Final = 32_767
MAX_SUBFOLDERS: Final = 1000
"""Entries of a folder that are searched for a data set."""


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
    """Path of one of the four files, or None.

    Plain is preferred to .gz, `-idx3-` to `.idx3-`, grey to colour, the usual case of letters to others, and a file to
    a folder of that name that holds it, as Kaggle's archives have it.
    """
    dotted = name.replace("-idx", ".idx")
    wide = _wide_name(name)
    names = [name, f"{name}.gz", dotted, f"{dotted}.gz", wide, f"{wide}.gz"]
    usual = [folder / candidate for candidate in names]
    paths = [path for path in usual if _may_exist(path)] or _in_other_case(folder, names)
    files = [path for path in paths if not _is_folder(path)]
    inside = [file for path in paths if _is_folder(path) for file in _files_in(path, names)]
    return next(iter([*files, *inside, *paths]), None)


def locate_idx_folder(folder: Path) -> Path:
    """The folder itself if it has one of the four files; else the only subfolder that has them all.

    torchvision's root has them in `MNIST/raw`, archives in a folder of their own. Without a clear choice it is
    `folder`.

    Raises:
        DataError: several subfolders have the files; the message names them.
    """
    if any(find_idx_file(folder, name) is not None for name in FILE_NAMES):
        return folder
    nested = _complete_subfolders(folder)
    if len(nested) > 1:
        raise DataError(f"{folder} holds several data sets; choose one of them: {', '.join(map(str, nested))}")
    return nested[0] if nested else folder


def read_idx_set(folder: Path, *, remedy: str = GET_AGAIN) -> IdxSet:
    """Read the four files of `folder`, or of the only subfolder that has them.

    Raises:
        DataError: the folder or a file is missing or damaged; the message ends with a remedy, for files with `remedy`.
    """
    _check_folder(folder)
    folder = locate_idx_folder(folder)
    found = {name: find_idx_file(folder, name) for name in FILE_NAMES}
    paths = {name: path for name, path in found.items() if path is not None}
    missing = [name for name in FILE_NAMES if name not in paths]
    if missing:
        raise DataError(
            f"{folder} has no {missing[0]} (plain or .gz); "
            f"it must hold the four files {', '.join(FILE_NAMES)}; {missing_remedy(folder, missing[0])}"
        )
    files = {name: read_idx(path, dimensions=dimensions_of(name), remedy=remedy) for name, path in paths.items()}
    return IdxSet(folder=folder, paths=paths, files=files)


def missing_remedy(folder: Path, name: str) -> str:
    """Advice for a missing file: the file to rename if one has a similar name, else to add it."""
    similar = sorted(entry for entry in _entries(folder) if _is_similar(entry, name))
    if not similar:
        return f"add {name}, or choose the folder that has all four"
    target = f"{name}.gz" if similar[0].lower().endswith(".gz") else name
    which = similar[0] if len(similar) == 1 else f"the file to use, such as {similar[0]},"
    return f"rename {which} to {target}"


def dimensions_of(name: str) -> Dimensions:
    """Numbers of dimensions that a file may have, from its name: 3 or, in colour, 4 for images; 1 for labels."""
    return (3, 4) if "idx3" in name else 1


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


def has_sizes_of_mnist(idx_set: IdxSet) -> bool:
    """True if every file is as long as MNIST's."""
    arrays = {name: idx_set.files[name].array for name in MNIST_FILES}
    headers = {name: 4 + 4 * array.ndim for name, array in arrays.items()}
    return all(headers[name] + array.size == MNIST_FILES[name].content_bytes for name, array in arrays.items())


def check_shapes(idx_set: IdxSet) -> None:
    """Check that all images are square, grey or in colour, of one size, and labelled.

    Raises:
        DataError: they are not; the message names the file.
    """
    for images, labels in ((TRAIN_IMAGES, TRAIN_LABELS), (HELD_OUT_IMAGES, HELD_OUT_LABELS)):
        n, height, width, *channels = idx_set.files[images].array.shape
        if channels not in ([], [COLOURS]):
            raise DataError(
                f"{idx_set.paths[images]} holds images of {channels[0]} channels; "
                f"they must have no axis for channels, or {COLOURS} as the last"
            )
        if height != width:
            raise DataError(
                f"{idx_set.paths[images]} holds images of {height} x {width} pixels; "
                "images must be square, pad or crop them first"
            )
        classes = idx_set.files[labels].array
        if int(classes.min()) < 0:
            raise DataError(f"{idx_set.paths[labels]} holds the label {classes.min()}; labels must be 0 or more")
        n_labels = len(classes)
        if n != n_labels:
            raise DataError(
                f"{idx_set.paths[labels]} holds {n_labels:,} labels, but {idx_set.paths[images].name} {n:,} images; "
                "use two files of the same data set"
            )
    sizes = [idx_set.files[name].array.shape[1:] for name in (TRAIN_IMAGES, HELD_OUT_IMAGES)]
    if sizes[0] != sizes[1]:
        held_out, training = (" x ".join(map(str, size)) for size in reversed(sizes))
        raise DataError(
            f"{idx_set.paths[HELD_OUT_IMAGES]} holds images of {held_out} pixels, "
            f"but the training images have {training}; use two files of the same data set"
        )


def write_idx_set(
    folder: Path, arrays: Mapping[str, NDArray[np.integer[Any]]], *, compress: bool = True
) -> dict[str, str]:
    """Write arrays as IDX files in MNIST's layout, each atomically.

    Args:
        folder: created if missing.
        arrays: file name (of `mnist.FILE_NAMES`) -> images uint8 (N, H, W) or (N, H, W, 3), or labels uint8 or int16
            (N,). Colour images and 16-bit labels get a name that says so.
        compress: write .gz files.

    Returns:
        File name (of `mnist.FILE_NAMES`) -> sha256 of the uncompressed content.
    """
    unknown = sorted(set(arrays) - set(FILE_NAMES))
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not a file name of MNIST's layout: {', '.join(FILE_NAMES)}")
    suffix = ".gz" if compress else ""
    return {name: write_idx(folder / f"{_name_for(array, name)}{suffix}", array) for name, array in arrays.items()}


def idx_images(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Images (N, C, H, W) as the layout holds them: (N, H, W) in grey, (N, H, W, 3) in colour."""
    return images[:, 0] if images.shape[1] == 1 else images.transpose(0, 2, 3, 1)


def idx_labels(labels: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
    """Labels from 0 to 32,767 as the layout holds them: a byte each if that suffices, else 16 bits."""
    if labels.min() < 0 or labels.max() > MAX_LABEL:
        raise ValueError(f"labels must be from 0 to {MAX_LABEL:,}")
    return labels.astype(np.uint8 if labels.max() <= MAX_BYTE else np.int16)


def _name_for(array: NDArray[np.integer[Any]], name: str) -> str:
    """The name of a file of MNIST's layout, or that of its wider form."""
    return _wide_name(name) if array.ndim == 4 or array.dtype == np.int16 else name


def _wide_name(name: str) -> str:
    """Name of a file with colour images, or with 16-bit labels."""
    return name.replace("idx3", "idx4").replace("idx1-ubyte", "idx1-short")


def _is_similar(entry: str, name: str) -> bool:
    """True if the entry's name means the same part (training or held-out) and kind (images or labels) as `name`."""
    words = entry.lower()
    own, others = (("train",), ("test", "t10k")) if name.startswith("train") else (("test", "t10k"), ("train",))
    kind, other_kind = ("images", "labels") if "images" in name else ("labels", "images")
    return (
        any(word in words for word in own)
        and not any(word in words for word in others)
        and kind in words
        and other_kind not in words
        and ("idx" in words or "ubyte" in words)
    )


def _complete_subfolders(folder: Path) -> list[Path]:
    """Subfolders, and folders named `raw` in them, that have all four files."""
    children = [folder / name for name in sorted(_entries(folder))[:MAX_SUBFOLDERS]]
    candidates = [path for child in children for path in (child, child / "raw") if _is_folder(path)]
    return [path for path in candidates if all(find_idx_file(path, name) is not None for name in FILE_NAMES)]


def _in_other_case(folder: Path, names: list[str]) -> list[Path]:
    by_name = {entry.lower(): entry for entry in sorted(_entries(folder))}
    return [folder / by_name[name] for name in names if name in by_name]


def _files_in(folder: Path, names: list[str]) -> list[Path]:
    return [folder / name for name in sorted(_entries(folder)) if name.lower() in names]


def _entries(folder: Path) -> list[str]:
    """Names in a folder; empty if it cannot be read."""
    try:
        return os.listdir(folder)  # noqa: PTH208 - names only, which iterdir would turn into paths
    except (OSError, ValueError):
        return []


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


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
