"""Result of an importer, choices of the user, and decoding of image files."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL import Image, ImageOps

from mnist_gan.data.foreign import recognize_file
from mnist_gan.data.preprocess import FORMATS, MAX_PIXELS
from mnist_gan.errors import ConfigError, DataError

MAX_BYTES: Final = 2 << 30
"""Limit for the content of a source in memory: 2.6 million images of MNIST's size."""
MAX_SIDE: Final = 1024
"""Limit of the side of an image in the layout."""

Fit: TypeAlias = Literal["pad", "resize"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Choices:
    """Choices of the user about the images."""

    size: int | None = None
    """Side of the images in pixels; None keeps theirs."""
    fit: Fit | None = None
    """How images get another size: pad (background around them) or resize. None pads to a larger size and resizes to a
    smaller one."""
    grey: bool = False
    """Turn colour into grey."""
    transpose: bool | None = None
    """Exchange rows and columns. None: only for EMNIST's files, which store images transposed."""

    def __post_init__(self) -> None:
        if self.size is not None and not 1 <= self.size <= MAX_SIDE:
            raise ConfigError(f"--size is {self.size}; it must be from 1 to {MAX_SIDE:,}")
        if self.fit is not None and self.size is None:
            raise ConfigError(f"--fit {self.fit} needs the size to fit to; add --size, such as --size 28")


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Images and labels of one part of a data set, as its source has them."""

    images: NDArray[Any]
    """(N, H, W) or (N, H, W, C), of any type of number."""
    labels: NDArray[Any]
    """One for each image: numbers or texts (N,), numbers (N, 1), or one-hot (N, K)."""
    place: str
    """Place in the source, for messages."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Raw:
    """A data set as its source has it."""

    kind: str
    """Format that was recognized."""
    training: Part
    held_out: Part | None
    names: Mapping[Any, str] = field(default_factory=dict)
    """Label of the source -> name of its class, where the source states it."""
    transposed: bool = False
    """Rows and columns are exchanged in the source."""
    notes: tuple[str, ...] = ()
    """Steps and findings of the importer, for the record."""


def check_bytes(count: int, place: object) -> None:
    """Refuse a source that needs more memory than `MAX_BYTES`.

    Raises:
        DataError: it does.
    """
    if count > MAX_BYTES:
        raise DataError(
            f"{place} holds more than {MAX_BYTES >> 30} GiB of uncompressed data; use a part of it, or smaller images"
        )


def damaged(path: Path, reason: str, *, remedy: str, is_archive: bool = False) -> DataError:
    """The error for a file that cannot be read; a content that is recognized has its own reason and remedy."""
    found = recognize_file(path, is_archive=is_archive)
    if found is not None:
        return DataError(f"{path} {found.clause}; {found.remedy}")
    return DataError(f"{path} {reason}; {remedy}")


def decode_image(content: bytes, place: str) -> UInt8[np.ndarray, "h w *c"]:
    """Decode an image file, upright: (H, W) in grey, (H, W, 3) in colour. Nothing is decompressed beyond `MAX_PIXELS`.

    Raises:
        DataError: the file is damaged, too large, transparent, or has more than 8 bits per channel.
    """
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(content), formats=FORMATS) as picture:
            warnings.simplefilter("ignore")  # unused metadata, and Pillow's own limit on size
            if picture.width * picture.height > MAX_PIXELS:
                raise DataError(f"{place} decompresses to more than {MAX_PIXELS:,} pixels; remove or reduce it")
            if picture.mode.startswith(("I", "F")):
                raise DataError(f"{place} has more than 8 bits per pixel; save it with 8")
            return _pixels(ImageOps.exif_transpose(picture), place)
    except DataError:
        raise
    except Exception as error:  # decoders raise all kinds of errors for damaged files
        raise DataError(f"{place} is damaged or not a supported image; remove it or save it again as PNG") from error


def _pixels(picture: Image.Image, place: str) -> UInt8[np.ndarray, "h w *c"]:
    if picture.mode in {"1", "L"} and "transparency" not in picture.info:
        return np.asarray(picture.convert("L"))
    colours = np.asarray(picture.convert("RGBA"))
    if colours[:, :, 3].min() < 255:
        raise DataError(f"{place} has transparent pixels; save it without an alpha channel")
    return colours[:, :, :3]


def stack_images(images: Sequence[NDArray[np.uint8]], places: Sequence[str]) -> NDArray[np.uint8]:
    """Stack images of one size: (N, H, W) if all are grey, else (N, H, W, 3).

    Raises:
        DataError: two sizes differ; the message names both images.
    """
    for image, place in zip(images, places, strict=True):
        if image.shape[:2] != images[0].shape[:2]:
            raise DataError(
                f"{place} is {_size(image)} pixels, but {places[0]} {_size(images[0])}; all images must have the same "
                "size: add --size, such as --size 28, to bring them to one"
            )
    if all(image.ndim == 2 or not np.ptp(image, axis=2).any() for image in images):
        return np.stack([image if image.ndim == 2 else image[:, :, 0] for image in images])
    return np.stack([image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2) for image in images])


def is_held_out_name(name: str) -> bool:
    """True if a file, folder or split has the usual name of a test part."""
    return bool(re.search(r"(^|[^a-z])(test|testing|t10k|val|valid|validation|held.?out)([^a-z]|$)", name.lower()))


def is_training_name(name: str) -> bool:
    """True if a file, folder or split has the usual name of a training part."""
    return bool(re.search(r"(^|[^a-z])(train|training)([^a-z]|$)", name.lower()))


def _size(image: NDArray[np.uint8]) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"
