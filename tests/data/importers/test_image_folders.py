from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.support.sources import images, read, refusal

from mnist_gan.data.importers import image_folders
from mnist_gan.data.mnist import HELD_OUT_IMAGES, TRAIN_IMAGES, TRAIN_LABELS

NAMES = ("cat", "dog", "owl")


def write_classes(root: Path, n: int = 3, *, shape: tuple[int, ...] = (8, 8), suffix: str = "png") -> None:
    for label, name in enumerate(NAMES):
        (root / name).mkdir(parents=True)
        for k, image in enumerate(images(n, *shape, seed=label)):
            Image.fromarray(image).save(root / name / f"{k}.{suffix}")


def test_read_takes_a_folder_for_each_class(tmp_path: Path) -> None:
    write_classes(tmp_path / "animals")
    found = read(tmp_path / "animals")
    assert found.class_names == NAMES
    assert found.arrays[TRAIN_LABELS].tolist() == [0, 0, 1, 1, 2, 2]
    np.testing.assert_array_equal(found.arrays[TRAIN_IMAGES][:1], images(3, seed=0)[:1])


def test_read_takes_folders_for_training_and_test(tmp_path: Path) -> None:
    write_classes(tmp_path / "set" / "train", shape=(8, 8, 3))
    write_classes(tmp_path / "set" / "test", 1, shape=(8, 8, 3))
    found = read(tmp_path)
    assert found.arrays[TRAIN_IMAGES].shape == (9, 8, 8, 3)
    assert found.arrays[HELD_OUT_IMAGES].shape == (3, 8, 8, 3)
    assert read(tmp_path, grey=True).arrays[TRAIN_IMAGES].shape == (9, 8, 8)


def test_read_takes_images_without_classes_as_one(tmp_path: Path) -> None:
    write_classes(tmp_path)
    assert read(tmp_path / "owl").class_names == ("owl",)


def test_read_takes_grey_images_that_were_saved_in_colour_as_grey(tmp_path: Path) -> None:
    write_classes(tmp_path)
    Image.open(tmp_path / "cat" / "0.png").convert("RGB").save(tmp_path / "cat" / "0.png")
    assert read(tmp_path).arrays[TRAIN_IMAGES].ndim == 3


def test_read_refuses_images_of_unequal_size_and_takes_them_with_a_size(tmp_path: Path) -> None:
    write_classes(tmp_path)
    Image.new("L", (10, 12)).save(tmp_path / "dog" / "1.png")
    message = refusal(tmp_path)
    assert f"{tmp_path / 'dog' / '1.png'} is 10x12 pixels, but {tmp_path / 'cat' / '0.png'} 8x8" in message
    assert "--size" in message
    assert read(tmp_path, size=9).arrays[TRAIN_IMAGES].shape[1:] == (9, 9)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda root: (root / "dog" / "1.png").write_bytes(b"no image"), "1.png is damaged or not a supported image"),
        (lambda root: (root / "empty").mkdir(), "empty has no image files"),
        (lambda root: Image.new("I;16", (8, 8)).save(root / "dog" / "1.png"), "more than 8 bits"),
        (lambda root: Image.new("RGBA", (8, 8)).save(root / "dog" / "1.png"), "transparent pixels"),
        (lambda root: [(root / "dog" / f"{k}.png").unlink() for k in (0, 1)], "1 image of the class dog"),
    ],
)
def test_read_names_what_is_wrong(tmp_path: Path, spoil: object, words: str) -> None:
    write_classes(tmp_path)
    spoil(tmp_path)  # type: ignore[operator]
    assert words in refusal(tmp_path)


def test_read_refuses_a_bomb_before_it_is_decompressed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_classes(tmp_path)
    Image.new("1", (9_000, 9_000)).save(tmp_path / "dog" / "1.png")
    assert "decompresses to more than 50,000,000 pixels" in refusal(tmp_path)
    monkeypatch.setattr("mnist_gan.data.importers.base.MAX_BYTES", 200)
    assert "holds more than" in refusal(tmp_path)
    monkeypatch.setattr(image_folders, "MAX_FILES", 5)
    assert "at most 5 can be read" in refusal(tmp_path)
