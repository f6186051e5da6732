from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.sources import images

from mnist_gan.data.importing import from_arrays
from mnist_gan.data.mnist import HELD_OUT_LABELS, TRAIN_IMAGES, TRAIN_LABELS
from mnist_gan.errors import ConfigError, DataError

PIXELS = images(28)
LABELS = np.arange(28) % 4


def held_in(array: np.ndarray) -> np.ndarray:
    """Without every seventh image of each class, here the fourth."""
    return np.delete(array, np.s_[12:16], axis=0)


@pytest.mark.parametrize(
    ("pixels", "step"),
    [
        (PIXELS.astype(np.int64), ""),
        (PIXELS.astype(np.float32), ""),
        (PIXELS / 255, "[0, 1]"),
        ((PIXELS / 127.5 - 1).astype(np.float32), "[-1, 1]"),
        (PIXELS[..., None], ""),
        (PIXELS[:, None], ""),
        (PIXELS.reshape(28, 64), ""),
        (np.repeat(PIXELS[:, None], 3, axis=1), "three equal channels became one"),
    ],
)
def test_prepare_brings_every_form_to_levels(tmp_path: Path, pixels: np.ndarray, step: str) -> None:
    found = from_arrays(pixels, LABELS, out=tmp_path / "set")
    np.testing.assert_array_equal(found.arrays[TRAIN_IMAGES], held_in(PIXELS))
    assert any(step in each for each in found.steps)


def test_prepare_scales_bits_to_black_and_white(tmp_path: Path) -> None:
    found = from_arrays(PIXELS > 127, LABELS, out=tmp_path / "set")
    assert np.unique(found.arrays[TRAIN_IMAGES]).tolist() == [0, 255]


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (LABELS * 10 - 7, ("-7", "3", "13", "23")),
        (LABELS.astype(np.float32), ("0", "1", "2", "3")),
        (np.eye(4, dtype=np.uint8)[LABELS], ("0", "1", "2", "3")),
        (np.array([*"adbc"])[LABELS], ("a", "b", "c", "d")),
    ],
)
def test_prepare_numbers_the_classes_and_keeps_their_names(tmp_path: Path, labels: np.ndarray, names: Any) -> None:
    found = from_arrays(PIXELS, labels, out=tmp_path / "set")
    assert found.class_names == names
    wanted = {"a": 0, "b": 1, "c": 2, "d": 3} if labels.dtype.kind == "U" else None
    expected = [wanted[text] for text in labels.tolist()] if wanted else LABELS.tolist()
    assert found.arrays[TRAIN_LABELS].tolist() == held_in(np.array(expected)).tolist()
    assert np.bincount(found.arrays[HELD_OUT_LABELS]).tolist() == [1, 1, 1, 1]


def test_prepare_takes_from_one_class_to_a_thousand(tmp_path: Path) -> None:
    assert from_arrays(PIXELS, np.zeros(28, int), out=tmp_path / "one").class_names == ("0",)
    many = np.arange(3_003) % 1_001
    pixels = np.zeros((3_003, 4, 4), np.uint8)
    found = from_arrays(pixels[:3_000], many[:1_000].repeat(3), out=tmp_path / "many")
    assert found.arrays[TRAIN_LABELS].dtype == np.int16
    assert len(found.class_names) == 1_000
    with pytest.raises(DataError, match="1,001 different labels; a data set has at most 1,000"):
        from_arrays(pixels, many, out=tmp_path / "too-many")


@pytest.mark.parametrize(
    ("size", "fit", "step"),
    [(12, None, "padded to 12x12"), (6, None, "resized to 6x6"), (12, "resize", "resized to 12x12")],
)
def test_prepare_tells_how_images_got_their_size(tmp_path: Path, size: int, fit: Any, step: str) -> None:
    found = from_arrays(PIXELS // 2 + 30, LABELS, out=tmp_path / "set", size=size, fit=fit)
    assert found.arrays[TRAIN_IMAGES].shape[1:] == (size, size)
    assert any(step in each and each.endswith("as chosen") for each in found.steps)


def test_prepare_pads_to_a_square_with_the_background(tmp_path: Path) -> None:
    light = np.full((8, 6, 4), 200, np.uint8)
    light[:, 2:4, 1:3] = 0
    found = from_arrays(light, np.arange(8) % 2, out=tmp_path / "set")
    image = found.arrays[TRAIN_IMAGES][0]
    assert image.shape == (6, 6)
    assert np.unique(image[:, [0, 5]]).tolist() == [200]
    assert "images of 4x6 pixels padded to 6x6: they must be square" in found.steps


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"images": PIXELS * 300.0}, DataError, r"values from 0 to .*; images must be in \[0, 255\]"),
        ({"images": np.full((28, 8, 8), np.nan)}, DataError, "not finite"),
        ({"images": np.array(["x"] * 28)}, DataError, "images must be numbers"),
        ({"labels": np.array([{}] * 28)}, DataError, "Python objects"),
        ({"labels": np.array(["a\x1b"] * 28)}, DataError, "printable characters"),
        ({"size": 6, "fit": "pad"}, DataError, "cannot be padded to 6x6; use --fit resize"),
        ({"size": 0}, ConfigError, "--size is 0"),
        ({"fit": "pad"}, ConfigError, "add --size"),
        ({"class_names": {0: "same", 1: "same"}}, DataError, "the same name"),
    ],
)
def test_from_arrays_writes_nothing_when_it_refuses(tmp_path: Path, change: Any, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        from_arrays(**{"images": PIXELS, "labels": LABELS, "out": tmp_path / "set", **change})
    assert list(tmp_path.iterdir()) == []
