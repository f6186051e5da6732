"""scikit-learn's 8x8 handwritten digits in MNIST's format, for machines without MNIST.

They are the test part of the UCI data set "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak 1998): 1,797
digits, each pixel the ink count (0 to 16) in a 4x4 block of a 32x32 scan.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mnist_gan.data.mnist import HELD_OUT_IMAGES, HELD_OUT_LABELS, TRAIN_IMAGES, TRAIN_LABELS
from mnist_gan.data.sources import INSTALL_DIGITS
from mnist_gan.errors import DataError

RESOLUTION: Final = 28
BOX: Final = 20
"""Side of the box that MNIST's digits are fitted into, in pixels; these digits fill it from top to bottom."""
N_TRAIN: Final = 1_545
"""The first images are for training. The file is ordered by writer (each starts with 0 to 9 in order, as does image
1,545), so the held-out images are from other writers."""
BLACK_BELOW: Final = 0.35
WHITE_ABOVE: Final = 0.85
"""Ink shares that become 0 and 255. They compensate the blur of enlarging: the mean (0.13) and the share of empty
pixels (0.81) match MNIST's."""


def digits_arrays() -> dict[str, NDArray[np.uint8]]:
    """Load the digits as the four arrays of MNIST's layout: file name -> images (N, 28, 28) or labels (N,).

    Raises:
        DataError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise DataError(f"the digits data set needs scikit-learn, which is not installed; {INSTALL_DIGITS}") from error
    digits = load_digits()
    images = enlarge(np.asarray(digits.images) / 16)
    labels = np.asarray(digits.target).astype(np.uint8)
    return {
        TRAIN_IMAGES: images[:N_TRAIN],
        TRAIN_LABELS: labels[:N_TRAIN],
        HELD_OUT_IMAGES: images[N_TRAIN:],
        HELD_OUT_LABELS: labels[N_TRAIN:],
    }


def enlarge(images: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Enlarge images (N, S, S) in [0, 1] to 28x28: 20x20 by cubic convolution, sharpened, centred by mass."""
    weights = cubic_weights(images.shape[1], BOX)
    smooth = np.einsum("ij,njk,lk->nil", weights, images, weights)
    sharp = np.clip((smooth - BLACK_BELOW) / (WHITE_ABOVE - BLACK_BELOW), 0, 1)
    canvas = np.zeros((len(images), RESOLUTION, RESOLUTION))
    for i, image in enumerate(sharp):
        top, left = _box_offset(image.sum(1)), _box_offset(image.sum(0))
        canvas[i, top : top + BOX, left : left + BOX] = image
    return np.round(canvas * 255).astype(np.uint8)


def cubic_weights(n_in: int, n_out: int) -> NDArray[np.float64]:
    """Matrix (n_out, n_in) that resamples a line, with zero padding.

    Keys 1981, "Cubic Convolution Interpolation for Digital Image Processing", eq. 15 (a = -1/2).
    """
    positions = (np.arange(n_out) + 0.5) * n_in / n_out - 0.5
    s = np.abs(positions[:, None] - np.arange(n_in))
    near = 1.5 * s**3 - 2.5 * s**2 + 1
    far = -0.5 * s**3 + 2.5 * s**2 - 4 * s + 2
    return np.where(s < 1, near, np.where(s < 2, far, 0.0))


def _box_offset(ink: NDArray[np.float64]) -> int:
    """Offset of the box on one axis that puts its centre of mass at the image's centre."""
    centre = np.average(np.arange(BOX) + 0.5, weights=ink) if ink.sum() > 0 else BOX / 2
    return int(np.clip(np.round(RESOLUTION / 2 - centre), 0, RESOLUTION - BOX))
