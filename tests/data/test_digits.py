from __future__ import annotations

import sys

import numpy as np
import pytest

from mnist_gan.data.digits import cubic_weights, digits_arrays, enlarge
from mnist_gan.data.mnist import HELD_OUT_IMAGES, HELD_OUT_LABELS, TRAIN_IMAGES, TRAIN_LABELS
from mnist_gan.errors import DataError

sklearn = pytest.importorskip("sklearn.datasets")


def test_digits_arrays_have_mnists_format() -> None:
    arrays = digits_arrays()
    assert arrays[TRAIN_IMAGES].shape == (1545, 28, 28)
    assert arrays[HELD_OUT_IMAGES].shape == (252, 28, 28)
    assert arrays[TRAIN_LABELS].shape == (1545,)
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.uint8)}
    labels = np.concatenate([arrays[TRAIN_LABELS], arrays[HELD_OUT_LABELS]])
    np.testing.assert_array_equal(labels, sklearn.load_digits().target)
    assert np.bincount(arrays[HELD_OUT_LABELS], minlength=10).min() > 20


def test_digits_arrays_split_between_two_writers() -> None:
    # each writer's first digits are 0 to 9 in order
    assert digits_arrays()[HELD_OUT_LABELS][:10].tolist() == list(range(10))


def test_digits_arrays_match_mnists_ink_size_and_position() -> None:
    images = digits_arrays()[TRAIN_IMAGES].astype(float) / 255
    assert images.mean() == pytest.approx(0.1307, abs=0.01), "MNIST's mean"
    assert (images == 0).mean() == pytest.approx(0.809, abs=0.02), "MNIST's share of empty pixels"
    rows = np.flatnonzero(images.any(axis=(0, 2)))
    assert np.ptp([np.ptp(np.flatnonzero(image.any(axis=1))) + 1 for image in images]) <= 4
    assert rows.min() >= 1
    grid = np.arange(28) + 0.5
    for axis in (1, 2):
        centres = (images.sum(3 - axis) * grid).sum(1) / images.sum((1, 2))
        assert np.abs(centres - 14).max() < 1.6, "centred by mass, to the pixel where the box allows"


def test_digits_arrays_are_recognizable() -> None:
    """An enlarged digit, averaged down again, is nearest to its original."""
    small = sklearn.load_digits().images[:200] / 16
    weights = cubic_weights(8, 20)
    back = np.linalg.pinv(weights)
    large = np.einsum("ij,njk,lk->nil", weights, small, weights)
    np.testing.assert_allclose(np.einsum("ij,njk,lk->nil", back, large, back), small, atol=1e-9)


def test_digits_arrays_are_deterministic() -> None:
    first, second = digits_arrays(), digits_arrays()
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])


def test_cubic_weights_keep_straight_lines_and_match_keys() -> None:
    weights = cubic_weights(20, 20)
    np.testing.assert_allclose(weights, np.eye(20), atol=1e-12)
    doubled = cubic_weights(20, 40)
    line = np.arange(20.0)
    np.testing.assert_allclose((doubled @ line)[6:34], (np.arange(40) + 0.5)[6:34] / 2 - 0.5, atol=1e-12)
    # a quarter of a step off: Keys' eq. 15 at 0.25, 0.75, 1.25 and 1.75
    np.testing.assert_allclose(doubled[21, 9:13], [-0.0703125, 0.8671875, 0.2265625, -0.0234375])


def test_enlarge_keeps_an_empty_image_empty() -> None:
    assert enlarge(np.zeros((1, 8, 8))).sum() == 0


def test_digits_arrays_without_scikit_learn_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(DataError, match=r'scikit-learn, which is not installed; pip install "mnist-gan\[digits\]"'):
        digits_arrays()
