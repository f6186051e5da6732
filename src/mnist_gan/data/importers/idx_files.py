"""IDX files of MNIST's relatives: EMNIST's images are transposed, QMNIST's labels have eight fields."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mnist_gan.data.idx import read_idx
from mnist_gan.data.importers import emnist
from mnist_gan.data.importers.base import Choices, Part, Raw
from mnist_gan.errors import DataError

MAX_ENTRIES: Final = 10_000
HELD_OUT_WORDS: Final = ("test", "t10k")


def read(path: Path, choices: Choices) -> Raw:
    """Read a file of training images, with the labels and the test files beside it; or the only such set of a folder.

    Raises:
        DataError: the folder holds several sets, labels are missing, or a file is damaged.
    """
    images = path if path.is_file() else _only_set(path)
    training = _read_part(images)
    held_out_images = _held_out(images)
    is_emnist = emnist.is_emnist(images)
    return Raw(
        kind="EMNIST's IDX files" if is_emnist else "IDX files",
        training=training,
        held_out=None if held_out_images is None else _read_part(held_out_images),
        names=emnist.find_mapping(images) if is_emnist else {},
        transposed=is_emnist,
    )


def find_sets(folder: Path) -> list[Path]:
    """Files of training images in a folder, plain before compressed."""
    found: dict[str, Path] = {}
    for file in sorted(folder.iterdir())[:MAX_ENTRIES]:
        name = file.name.lower()
        if "train" in name and "images" in name and "idx" in name and file.is_file():
            found.setdefault(name.removesuffix(".gz"), file)
    return list(found.values())


def _only_set(folder: Path) -> Path:
    sets = find_sets(folder)
    if len(sets) > 1:
        names = ", ".join(file.name for file in sets)
        raise DataError(f"{folder} holds several data sets ({names}); name the file of training images of one of them")
    return sets[0]


def _read_part(images: Path) -> Part:
    labels = next(_labels_of(images), None)
    if labels is None:
        raise DataError(
            f"{images} has no labels beside it; put the file {images.name.replace('images', 'labels')} into its folder"
        )
    classes = read_idx(labels, dimensions=(1, 2)).array
    # the first of QMNIST's eight fields is the class
    return Part(
        images=read_idx(images, dimensions=(3, 4)).array,
        labels=classes if classes.ndim == 1 else classes[:, 0],
        place=str(images),
    )


def _labels_of(images: Path) -> Iterator[Path]:
    """Files with the labels of a file of images: of any type, plain or compressed."""
    start = images.name[: images.name.lower().index("images")] + "labels" if "images" in images.name.lower() else ""
    for file in sorted(images.parent.iterdir()) if start else ():
        if file.name.lower().startswith(start.lower()) and file.is_file():
            yield file


def _held_out(images: Path) -> Path | None:
    for word in HELD_OUT_WORDS:
        for name in (images.name, f"{images.name}.gz", images.name.removesuffix(".gz")):
            file = images.with_name(name.replace("train", word).replace("TRAIN", word.upper()))
            if file.name != images.name and file.is_file():
                return file
    return None
