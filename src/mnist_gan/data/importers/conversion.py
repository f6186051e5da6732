"""From a source's arrays to those of the layout: uint8 pixels, square images, labels from 0, a held-out part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mnist_gan.data.idx_set import COLOURS, idx_labels
from mnist_gan.data.importers.base import MAX_SIDE, Choices, Part, Raw
from mnist_gan.data.importers.emnist import TRANSPOSED
from mnist_gan.data.importers.sizes import bring_to_size, pad_to
from mnist_gan.data.mnist import HELD_OUT_IMAGES, HELD_OUT_LABELS, TRAIN_IMAGES, TRAIN_LABELS
from mnist_gan.data.provenance import MAX_CLASS_NAME, MAX_CLASS_NAMES
from mnist_gan.errors import DataError
from mnist_gan.text import pluralize

HELD_OUT_SHARE: Final = 7
"""One image in seven of each class is held out of a source without a test part, as in MNIST."""
GREY: Final = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue in grey (ITU-R BT.601)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """A data set in the form of the layout, with everything that was done to it."""

    kind: str
    """Format that was recognized."""
    arrays: Mapping[str, NDArray[Any]]
    """File name of MNIST's layout -> images uint8 (N, H, W) or (N, H, W, 3), or labels uint8 or int16 (N,)."""
    class_names: tuple[str, ...]
    """Names of the classes 0, 1, ..."""
    steps: tuple[str, ...]
    """Steps of recognition, choice and conversion, in order."""

    @property
    def counts(self) -> list[int]:
        """Training images of each class."""
        return np.bincount(self.arrays[TRAIN_LABELS], minlength=len(self.class_names)).tolist()  # type: ignore[no-any-return]


def prepare(raw: Raw, choices: Choices) -> Prepared:
    """Convert a source to the form of the layout.

    Raises:
        DataError: the pixels have no known range, labels and images do not belong together, a class has fewer than two
            images, or there are more than 1,000 classes.
    """
    steps: list[str] = list(raw.notes)
    parts = [raw.training, *([raw.held_out] if raw.held_out is not None else [])]
    images = _prepare_images(parts, raw, choices, steps)
    labels, names = _prepare_labels(parts, raw.names, steps)
    if raw.held_out is None:
        images, labels = _split(images[0], labels[0], steps)
    arrays = {
        TRAIN_IMAGES: images[0],
        TRAIN_LABELS: idx_labels(labels[0]),
        HELD_OUT_IMAGES: images[1],
        HELD_OUT_LABELS: idx_labels(labels[1]),
    }
    return Prepared(kind=raw.kind, arrays=arrays, class_names=names, steps=tuple(dict.fromkeys(steps)))


def _prepare_images(parts: Sequence[Part], raw: Raw, choices: Choices, steps: list[str]) -> list[NDArray[np.uint8]]:
    images = [_to_pixels(part) for part in parts]
    for part, array in zip(parts, images, strict=True):
        if array.shape[1:] != images[0].shape[1:]:
            raise DataError(
                f"{part.place} holds images of {_shape(array)} pixels, but {parts[0].place} of {_shape(images[0])}; "
                "images of both parts must have the same size"
            )
    scaled, step = _to_uint8(images, parts)
    steps.extend([step] if step else [])
    if choices.transpose if choices.transpose is not None else raw.transposed:
        scaled = [np.swapaxes(array, 1, 2) for array in scaled]
        steps.append(TRANSPOSED if raw.transposed else "rows and columns exchanged, as chosen")
    scaled = _to_channels(scaled, choices, steps)
    return _to_size(scaled, choices, steps)


def _to_pixels(part: Part) -> NDArray[Any]:
    """Numbers of shape (N, H, W) or (N, H, W, 3)."""
    images = part.images
    if images.dtype.kind not in "buif":
        raise DataError(f"{part.place} holds {images.dtype} values; images must be numbers")
    if images.ndim == 4 and images.shape[3] not in {1, COLOURS} and images.shape[1] in {1, COLOURS}:
        images = images.transpose(0, 2, 3, 1)
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    side = round(images.shape[1] ** 0.5) if images.ndim == 2 else 0
    if side > 1 and side * side == images.shape[1]:
        images = images.reshape(-1, side, side)
    if images.ndim not in {3, 4} or (images.ndim == 4 and images.shape[3] != COLOURS) or images.size == 0:
        raise DataError(
            f"{part.place} has the shape {part.images.shape}; expected images x height x width, with 1 or 3 channels"
        )
    if max(images.shape[1:3]) > MAX_SIDE:
        raise DataError(f"{part.place} holds images of {_shape(images)} pixels; make them smaller with --size 28")
    return images


def _to_uint8(images: list[NDArray[Any]], parts: Sequence[Part]) -> tuple[list[NDArray[np.uint8]], str]:
    """Levels from 0 to 255, by one rule for all parts, and a description of the rule."""
    place = parts[0].place
    if not all(np.isfinite(array).all() for array in images if array.dtype.kind == "f"):
        raise DataError(f"{place} holds values that are not finite; replace them by levels from 0 to 255")
    low, high = (float(limit([limit(array) for array in images])) for limit in (np.min, np.max))
    whole = all(array.dtype.kind != "f" or bool((array == np.floor(array)).all()) for array in images)
    if low >= 0 and high <= 255 and whole and (high > 1 or images[0].dtype == np.uint8):
        return [array.astype(np.uint8) for array in images], ""
    if low >= 0 and high <= 1:
        scale, offset, known = 255.0, 0.0, "[0, 1]"
    elif low >= -1 and high <= 1:
        scale, offset, known = 127.5, 127.5, "[-1, 1]"
    elif low >= 0 and high <= 255:
        scale, offset, known = 1.0, 0.0, "[0, 255], rounded"
    else:
        raise DataError(
            f"{place} holds values from {low:g} to {high:g}; images must be in [0, 255], [0, 1] or [-1, 1]: scale them"
        )
    return [_scale(array, scale, offset) for array in images], f"values in {known} became levels from 0 to 255"


def _scale(array: NDArray[Any], scale: float, offset: float) -> NDArray[np.uint8]:
    """Scale one image at a time, which bounds the memory."""
    levels = np.empty(array.shape, np.uint8)
    for k, image in enumerate(array):
        levels[k] = np.rint(image.astype(np.float64) * scale + offset)
    return levels


def _to_channels(images: list[NDArray[np.uint8]], choices: Choices, steps: list[str]) -> list[NDArray[np.uint8]]:
    if all(array.ndim == 3 for array in images):
        return images
    if all((array == array[..., :1]).all() for array in images):
        steps.append("three equal channels became one")
        return [array[..., 0] for array in images]
    if choices.grey:
        steps.append("colour became grey, as chosen")
        return [np.stack([np.rint(image @ GREY).astype(np.uint8) for image in array]) for array in images]
    steps.append("images are in colour; --grey would make them grey")
    return images


def _to_size(images: list[NDArray[np.uint8]], choices: Choices, steps: list[str]) -> list[NDArray[np.uint8]]:
    shape = _shape(images[0])
    height, width = images[0].shape[1:3]
    if choices.size is not None and (height, width) != (choices.size, choices.size):
        size = choices.size
        is_resized = choices.fit == "resize" or (choices.fit is None and max(height, width) > size)
        steps.append(f"images of {shape} pixels {'resized' if is_resized else 'padded'} to {size}x{size}, as chosen")
        return [np.stack([bring_to_size(image, size, fit=choices.fit) for image in array]) for array in images]
    if height != width:
        side = max(height, width)
        steps.append(f"images of {shape} pixels padded to {side}x{side}: they must be square")
        return [np.stack([pad_to(image, side) for image in array]) for array in images]
    steps.append(f"images are {shape} pixels{', as chosen' if choices.size else ', kept'}")
    return images


def _prepare_labels(
    parts: Sequence[Part], stated: Mapping[Any, str], steps: list[str]
) -> tuple[list[NDArray[np.int64]], tuple[str, ...]]:
    """Labels of each part from 0, and the names of the classes."""
    given = [_one_label_each(part, steps) for part in parts]
    for part, labels in zip(parts, given, strict=True):
        if len(labels) != len(part.images):
            raise DataError(
                f"{part.place} has {pluralize(len(labels), 'label')} for {pluralize(len(part.images), 'image')}; "
                "there must be one for each: use files of the same data set"
            )
    values = _sorted_values(given)
    if len(values) > MAX_CLASS_NAMES:
        raise DataError(
            f"{parts[0].place} has {pluralize(len(values), 'different label')}; a data set has at most "
            f"{MAX_CLASS_NAMES:,} classes: check that the labels are those of classes"
        )
    names = tuple(_name(value, stated, parts[0].place) for value in values)
    if len(set(names)) < len(names):
        raise DataError(f"{parts[0].place} gives two classes the same name; rename one")
    numbers = {value: number for number, value in enumerate(values)}
    found = [np.array([numbers[value] for value in labels.tolist()], np.int64) for labels in given]
    _check_counts(found[0], names, parts[0].place)
    if values != list(range(len(values))):
        first, last = values[0], values[-1]
        steps.append(f"the labels {first} to {last} became 0 to {len(values) - 1}; the names of classes are kept")
    return found, names


def _one_label_each(part: Part, steps: list[str]) -> NDArray[Any]:
    """Labels as whole numbers or texts (N,); a column (N, 1) and one-hot labels (N, K) are unpacked."""
    labels = part.labels
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    elif labels.ndim == 2 and labels.dtype.kind in "buif":
        ones = (labels == 1).sum(axis=1)
        if not ((labels == 0) | (labels == 1)).all() or (ones != 1).any():
            row = int(np.flatnonzero(ones != 1)[0]) if (ones != 1).any() else 0
            raise DataError(
                f"{part.place} has labels of several classes for one image (multi-hot; image {row:,} has {ones[row]}); "
                "choose one class for each image"
            )
        steps.append(f"one-hot labels of {pluralize(labels.shape[1], 'class', 'classes')} became numbers")
        labels = labels.argmax(axis=1)
    if labels.ndim != 1:
        raise DataError(f"{part.place} has labels of shape {labels.shape}; expected one label for each image")
    if labels.dtype.kind == "U":
        return _numbers_if_all_are(labels)
    if labels.dtype.kind == "f" and bool((labels == np.floor(labels)).all()):
        labels = labels.astype(np.int64)
    if labels.dtype.kind not in "bui":
        raise DataError(f"{part.place} has labels of type {labels.dtype}; they must be whole numbers or names")
    return labels.astype(np.int64)


def _numbers_if_all_are(labels: NDArray[Any]) -> NDArray[Any]:
    """Texts such as "7" or "7.0" as numbers, if all of them are."""
    try:
        numbers = {text: float(text) for text in set(labels.tolist())}
    except ValueError:
        return labels
    if not all(number.is_integer() and abs(number) < 2**53 for number in numbers.values()):
        return labels
    return np.array([int(numbers[text]) for text in labels.tolist()], np.int64)


def _sorted_values(given: Sequence[NDArray[Any]]) -> list[Any]:
    values = {value for labels in given for value in np.unique(labels).tolist()}
    return sorted(values, key=lambda value: (isinstance(value, str), value))


def _name(value: Any, stated: Mapping[Any, str], place: str) -> str:
    name = stated.get(value, str(value)).strip()
    if not (0 < len(name) <= MAX_CLASS_NAME and name.isprintable()):
        raise DataError(
            f"{place} has the class {name[:40]!r}; the name of a class has 1 to {MAX_CLASS_NAME} printable characters: "
            "rename it"
        )
    return name


def _check_counts(labels: NDArray[np.int64], names: Sequence[str], place: str) -> None:
    counts = np.bincount(labels, minlength=len(names))
    if counts.min() < 2:
        few = int(counts.argmin())
        raise DataError(
            f"{place} has {pluralize(int(counts[few]), 'image')} of the class {names[few]}; each needs at least two "
            "for the training: add images, or remove the class"
        )


def _split(
    images: NDArray[np.uint8], labels: NDArray[np.int64], steps: list[str]
) -> tuple[list[NDArray[np.uint8]], list[NDArray[np.int64]]]:
    """Hold out a seventh of each class, evenly spaced, at least one and leaving at least one."""
    held_out = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        n = max(1, len(rows) // HELD_OUT_SHARE)
        held_out[rows[(np.arange(n) * len(rows) + len(rows) // 2) // n]] = True
    steps.append(
        f"no test images: every {HELD_OUT_SHARE}th image of each class is held out, {int(held_out.sum()):,} in all"
    )
    return [images[~held_out], images[held_out]], [labels[~held_out], labels[held_out]]


def _shape(images: NDArray[Any]) -> str:
    return f"{images.shape[2]}x{images.shape[1]}"
