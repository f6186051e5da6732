"""`.npz` files: the arrays of Keras (`x_train`, ...), of MedMNIST (`train_images`, ...), and `images` with `labels`."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mnist_gan.data.foreign import PICKLE_REMEDY
from mnist_gan.data.importers.base import Choices, Part, Raw, check_bytes, damaged
from mnist_gan.errors import DataError


class Names(NamedTuple):
    """Names of the arrays of one publisher: images and labels of each part."""

    kind: str
    training: tuple[str, str]
    validation: tuple[str, str] | None
    held_out: tuple[str, str] | None


LAYOUTS: Final = (
    Names("Keras's .npz", ("x_train", "y_train"), None, ("x_test", "y_test")),
    Names(
        "MedMNIST's .npz",
        ("train_images", "train_labels"),
        ("val_images", "val_labels"),
        ("test_images", "test_labels"),
    ),
    Names("an .npz of images and labels", ("images", "labels"), None, None),
)
EXPECTED: Final = "x_train and y_train, train_images and train_labels, or images and labels"
SAVE_AGAIN: Final = "save it again with numpy.savez"


def read(path: Path, choices: Choices) -> Raw:
    """Read the arrays of a known layout; no pickle is read, and no memory allocated for more than the file holds.

    Raises:
        DataError: no layout fits, an array is missing or holds Python objects, or the file is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(archive, path)
    except DataError:
        raise
    except Exception as error:  # zipfile and numpy raise all kinds of errors for damaged files
        raise damaged(path, "cannot be read as an .npz", remedy=SAVE_AGAIN, is_archive=True) from error


def _read(archive: zipfile.ZipFile, path: Path) -> Raw:
    entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
    check_bytes(sum(entry.file_size for entry in archive.infolist()), path)
    layout = next((names for names in LAYOUTS if {*names.training} & entries.keys()), None)
    if layout is None:
        found = ", ".join(list(entries)[:8]) or "none"
        raise DataError(f"{path} has no arrays {EXPECTED} (its arrays: {found}); save it again with these names")
    wanted = [layout.training, *(pair for pair in (layout.validation, layout.held_out) if pair and pair[0] in entries)]
    arrays = {name: _array(archive, entries, name, path) for pair in wanted for name in pair}
    notes = []
    training = _part(arrays, layout.training, path)
    if layout.validation is not None and layout.validation in wanted:
        training = _join(training, _part(arrays, layout.validation, path))
        notes.append("the validation images are part of the training images")
    held_out = _part(arrays, layout.held_out, path) if layout.held_out and layout.held_out in wanted else None
    return Raw(kind=layout.kind, training=training, held_out=held_out, notes=tuple(notes))


def _array(archive: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo], name: str, path: Path) -> NDArray[Any]:
    """One array, after a check of its header."""
    if name not in entries:
        raise DataError(f"{path} has no array {name}; save it again with images and labels of each part")
    with archive.open(entries[name]) as file:
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(file)
    if dtype.hasobject:
        raise DataError(f"{path} has Python objects in the array {name}, which are a pickle; {PICKLE_REMEDY}")
    if math.prod(shape) * dtype.itemsize > entries[name].file_size:
        raise DataError(f"{path} is damaged: its array {name} is shorter than its header states; get it again")
    with archive.open(entries[name]) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _part(arrays: Mapping[str, NDArray[Any]], names: tuple[str, str], path: Path) -> Part:
    images, labels = (arrays[name] for name in names)
    return Part(images=images, labels=labels, place=f"the array {names[0]} of {path}")


def _join(first: Part, second: Part) -> Part:
    """Two parts as one."""
    if first.images.shape[1:] != second.images.shape[1:] or first.labels.shape[1:] != second.labels.shape[1:]:
        raise DataError(
            f"{second.place} has the shape {second.images.shape}, but {first.place} {first.images.shape}; "
            "images and labels of all parts must have the same form"
        )
    return Part(
        images=np.concatenate([first.images, second.images]),
        labels=np.concatenate([first.labels, second.labels]),
        place=first.place,
    )
