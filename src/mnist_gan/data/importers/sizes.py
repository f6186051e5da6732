"""Bring images to a square, and to a size: padded with their background, or resized."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL import Image

from mnist_gan.data.importers.base import Fit
from mnist_gan.errors import DataError


def bring_to_size(image: UInt8[np.ndarray, "h w *c"], size: int, *, fit: Fit | None) -> UInt8[np.ndarray, "s s *c"]:
    """One image of `size` x `size` pixels.

    With `fit` pad, or None for an image that is not larger, it is centred on its background. Otherwise it is resized
    with its aspect ratio kept, then padded.

    Raises:
        DataError: an image that is to be padded is larger than `size`.
    """
    longest = max(image.shape[:2])
    if fit == "pad" and longest > size:
        raise DataError(
            f"an image is {image.shape[1]}x{image.shape[0]} pixels and cannot be padded to {size}x{size}; "
            "use --fit resize, or a larger --size"
        )
    if fit == "resize" or (fit is None and longest > size):
        height, width = (max(1, round(length * size / longest)) for length in image.shape[:2])
        resized = Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS)
        return pad_to(np.asarray(resized), size, level=background(image))
    return pad_to(image, size)


def pad_to(
    image: UInt8[np.ndarray, "h w *c"], size: int, *, level: UInt8[np.ndarray, "*c"] | None = None
) -> UInt8[np.ndarray, "s s *c"]:
    """The image centred on `size` x `size` pixels of `level`, by default its background."""
    height, width = image.shape[:2]
    if (height, width) == (size, size):
        return image
    canvas = np.empty((size, size, *image.shape[2:]), np.uint8)
    canvas[:] = background(image) if level is None else level
    top, left = (size - height) // 2, (size - width) // 2
    canvas[top : top + height, left : left + width] = image
    return canvas


def background(image: UInt8[np.ndarray, "h w *c"]) -> UInt8[np.ndarray, "*c"]:
    """Median of the border of an image, by channel."""
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    level: NDArray[np.uint8] = np.asarray(np.median(border, axis=0)).astype(np.uint8)
    return level
