"""Folders of image files: one folder for each class, with or without folders for training and test above them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np

from mnist_gan.data.importers.base import (
    Choices,
    Part,
    Raw,
    check_bytes,
    decode_image,
    is_held_out_name,
    is_training_name,
    stack_images,
)
from mnist_gan.data.importers.sizes import bring_to_size
from mnist_gan.data.preprocess import MAX_FILE_BYTES
from mnist_gan.errors import DataError
from mnist_gan.storage import read_regular
from mnist_gan.text import pluralize

SUFFIXES: Final = frozenset({".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".pgm", ".ppm"})
MAX_FILES: Final = 3_000_000


def read(path: Path, choices: Choices) -> Raw:
    """Read the images of each class; the names of the folders are the names of the classes.

    Images without folders are one class, named after the folder itself.

    Raises:
        DataError: an image is damaged or has another size than the first, or a folder of a class is empty.
    """
    path = _descend(path)
    folders = _folders(path)
    training = [folder for folder in folders if is_training_name(folder.name)]
    held_out = [folder for folder in folders if is_held_out_name(folder.name)]
    if training and len(training) + len(held_out) == len(folders):
        root = training[0]
        parts = [_read_classes(root, choices), *(_read_classes(folder, choices) for folder in held_out)]
        return Raw(
            kind="folders of images by class, for training and test",
            training=parts[0],
            held_out=parts[1] if len(parts) > 1 else None,
            notes=tuple(f"the folder {folder.name} is not used" for folder in held_out[1:]),
        )
    return Raw(
        kind="folders of images by class" if folders else "a folder of images",
        training=_read_classes(path, choices),
        held_out=None,
    )


def has_images(path: Path) -> bool:
    """True if a folder, or one of up to three levels below it, has image files by their names."""
    return any(True for _ in _images_below(path, depth=3))


def files_of(path: Path) -> Iterator[Path]:
    """Image files below a folder, for its digest."""
    return _images_below(path, depth=3)


def _read_classes(root: Path, choices: Choices) -> Part:
    root = _descend(root)
    folders = _folders(root)
    classes = {folder.name: _images_in(folder) for folder in folders} or {root.resolve().name: _images_in(root)}
    empty = next((name for name, files in classes.items() if not files), None)
    if empty is not None:
        place = root / empty if folders else root
        raise DataError(f"{place} has no image files ({', '.join(sorted(SUFFIXES))}); add images, or remove the folder")
    return _read_files(root, classes, choices)


def _descend(path: Path) -> Path:
    """The folder in which the classes are: archives often have a folder of their own."""
    while len(folders := _folders(path)) == 1 and _folders(folders[0]) and not _images_in(folders[0]):
        path = folders[0]
    return path


def _read_files(root: Path, classes: Mapping[str, list[Path]], choices: Choices) -> Part:
    files = [(name, file) for name, found in classes.items() for file in found]
    if len(files) > MAX_FILES:
        raise DataError(f"{root} has {pluralize(len(files), 'image')}; at most {MAX_FILES:,} can be read: use a part")
    images, total = [], 0
    for _, file in files:
        try:
            image = decode_image(read_regular(file, most=MAX_FILE_BYTES), str(file))
        except OSError as error:
            raise DataError(f"{file} cannot be read ({error.strerror or error}); remove it from the folder") from error
        if choices.size is not None:
            image = bring_to_size(image, choices.size, fit=choices.fit)
        total += image.nbytes
        check_bytes(total, root)
        images.append(image)
    stacked = stack_images(images, [str(file) for _, file in files])
    return Part(images=stacked, labels=np.array([name for name, _ in files]), place=str(root))


def _folders(path: Path) -> list[Path]:
    return sorted(child for child in path.iterdir() if child.is_dir() and not child.name.startswith((".", "__")))


def _images_in(folder: Path) -> list[Path]:
    found = (file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES and not file.name.startswith("."))
    return sorted(file for file in found if file.is_file())


def _images_below(path: Path, *, depth: int) -> Iterator[Path]:
    with os.scandir(path) as entries:
        children = sorted(entries, key=lambda entry: entry.name)
    for entry in children:
        if entry.name.startswith("."):
            continue
        if entry.is_dir() and depth:
            yield from _images_below(Path(entry.path), depth=depth - 1)
        elif Path(entry.name).suffix.lower() in SUFFIXES:
            yield Path(entry.path)
