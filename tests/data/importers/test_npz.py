from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tests.support.sources import images, read, refusal

from mnist_gan.data.mnist import HELD_OUT_IMAGES, TRAIN_IMAGES, TRAIN_LABELS

LABELS = np.arange(20, dtype=np.uint8) % 4


def test_read_takes_keras_arrays(tmp_path: Path) -> None:
    train, test = images(20), images(8, seed=1)
    np.savez_compressed(tmp_path / "a", x_train=train, y_train=LABELS, x_test=test, y_test=LABELS[:8])
    found = read(tmp_path / "a.npz")
    np.testing.assert_array_equal(found.arrays[TRAIN_IMAGES], train)
    np.testing.assert_array_equal(found.arrays[HELD_OUT_IMAGES], test)
    np.testing.assert_array_equal(found.arrays[TRAIN_LABELS], LABELS)
    assert (found.kind, found.class_names) == ("Keras's .npz", ("0", "1", "2", "3"))


def test_read_takes_medmnist_in_colour_with_its_validation_images(tmp_path: Path) -> None:
    parts = {"train": images(20, 8, 8, 3), "val": images(8, 8, 8, 3, seed=1), "test": images(8, 8, 8, 3, seed=2)}
    arrays = {f"{name}_images": array for name, array in parts.items()}
    arrays |= {f"{name}_labels": LABELS[: len(array), None] for name, array in parts.items()}
    np.savez(tmp_path / "a", **arrays)  # type: ignore[arg-type]
    found = read(tmp_path / "a.npz")
    np.testing.assert_array_equal(found.arrays[TRAIN_IMAGES], np.concatenate([parts["train"], parts["val"]]))
    assert found.arrays[HELD_OUT_IMAGES].shape == (8, 8, 8, 3)
    assert found.kind == "MedMNIST's .npz"
    assert "the validation images are part of the training images" in found.steps


def test_read_refuses_a_pickle_in_an_array_and_runs_none(tmp_path: Path) -> None:
    np.savez(tmp_path / "a", x_train=np.array([Bomb()], object), y_train=LABELS)
    assert "Python objects in the array x_train, which are a pickle" in refusal(tmp_path / "a.npz")


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return pytest.fail, ("a pickle was run",)


def test_read_refuses_multi_hot_labels(tmp_path: Path) -> None:
    np.savez(tmp_path / "a", train_images=images(20), train_labels=np.ones((20, 14), np.uint8))
    assert "multi-hot; image 0 has 14" in refusal(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x_train": images(20)}, "has no array y_train"),
        ({"stuff": images(20)}, "has no arrays x_train and y_train"),
        ({"x_train": images(20), "y_train": LABELS[:19]}, "19 labels for 20 images"),
        ({"x_train": images(20, 8, 8, 5), "y_train": LABELS}, "expected images x height x width"),
        ({"x_train": images(5), "y_train": LABELS[:5]}, "1 image of the class 1"),
        ({"x_train": images(20), "y_train": np.linspace(0, 1, 20)}, "labels of type float64"),
        ({"x_train": images(20), "y_train": LABELS, "x_test": images(4, 9, 9), "y_test": LABELS[:4]}, "the same size"),
    ],
)
def test_read_refuses_arrays_that_are_no_data_set(tmp_path: Path, arrays: dict[str, np.ndarray], words: str) -> None:
    np.savez(tmp_path / "a", **arrays)  # type: ignore[arg-type]
    assert words in refusal(tmp_path / "a.npz")


def test_read_refuses_a_bomb_and_a_lying_header_without_the_memory(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (10**12, 8, 8)})
    with zipfile.ZipFile(tmp_path / "lie.npz", "w") as archive:
        archive.writestr("x_train.npy", header.getvalue())
        archive.writestr("y_train.npy", header.getvalue())
    assert "shorter than its header states" in refusal(tmp_path / "lie.npz")
    content = (tmp_path / "lie.npz").read_bytes()
    claimed = content.replace((len(header.getvalue())).to_bytes(4, "little"), (3 << 30).to_bytes(4, "little"))
    (tmp_path / "bomb.npz").write_bytes(claimed)
    assert "more than 2 GiB" in refusal(tmp_path / "bomb.npz")


def test_read_refuses_a_damaged_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "a", x_train=images(20), y_train=LABELS)
    content = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(content[: len(content) // 2])
    assert "cannot be read as an .npz; save it again" in refusal(tmp_path / "a.npz")
    (tmp_path / "b.pkl").write_bytes(pickle.dumps({"x": 1}))
    assert "is a pickle; " in refusal(tmp_path / "b.pkl")
