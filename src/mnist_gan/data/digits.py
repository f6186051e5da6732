"""The 8x8 handwritten digits that scikit-learn carries, brought to MNIST's form, for a machine without MNIST.

They are the test part of the UCI data set "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak 1998): 1,797
digits, each pixel the count of ink (0 to 16) in a 4x4 block of a 32x32 scan.
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
"""Side of the box that MNIST fits its digits into, in pixels; these fill theirs from top to bottom too."""
N_TRAIN: Final = 1_545
"""Training images: the first ones. The file goes writer by writer (each begins with 0 to 9 in order, as 1,545 does), so
that the held-out images come from other hands."""
EMPTY_BELOW: Final = 0.35
FULL_ABOVE: Final = 0.85
"""Shares of ink that become 0 and 255. Enlarging blurs; these two bring the mean (0.13) and the share of empty pixels
(0.81) back to MNIST's."""


def digits_arrays() -> dict[str, NDArray[np.uint8]]:
    """The digits as the four arrays of MNIST's layout: file name -> images (N, 28, 28) or labels (N,).

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
    """Bring images (N, S, S) in [0, 1] to 28x28: 20x20 by cubic convolution, sharpened, centred by mass as MNIST is."""
    weights = cubic_weights(images.shape[1], BOX)
    smooth = np.einsum("ij,njk,lk->nil", weights, images, weights)
    sharp = np.clip((smooth - EMPTY_BELOW) / (FULL_ABOVE - EMPTY_BELOW), 0, 1)
    canvas = np.zeros((len(images), RESOLUTION, RESOLUTION))
    for i, image in enumerate(sharp):
        top, left = _corner(image.sum(1)), _corner(image.sum(0))
        canvas[i, top : top + BOX, left : left + BOX] = image
    return np.round(canvas * 255).astype(np.uint8)


def cubic_weights(n_in: int, n_out: int) -> NDArray[np.float64]:
    """Matrix (n_out, n_in) that resamples a line; beyond its ends the line is 0.

    Keys 1981, "Cubic Convolution Interpolation for Digital Image Processing", eq. 15 (a = -1/2).
    """
    places = (np.arange(n_out) + 0.5) * n_in / n_out - 0.5
    s = np.abs(places[:, None] - np.arange(n_in))
    near = 1.5 * s**3 - 2.5 * s**2 + 1
    far = -0.5 * s**3 + 2.5 * s**2 - 4 * s + 2
    return np.where(s < 1, near, np.where(s < 2, far, 0.0))


def _corner(ink: NDArray[np.float64]) -> int:
    """Where the box begins on an axis, so that the centre of its ink falls on the centre of the image."""
    centre = np.average(np.arange(BOX) + 0.5, weights=ink) if ink.sum() > 0 else BOX / 2
    return int(np.clip(np.round(RESOLUTION / 2 - centre), 0, RESOLUTION - BOX))
