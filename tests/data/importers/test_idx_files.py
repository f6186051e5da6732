from __future__ import annotations

from pathlib import Path

import numpy as np
from tests.support.sources import images, read, refusal

from mnist_gan.data.idx import write_idx
from mnist_gan.data.mnist import HELD_OUT_IMAGES, TRAIN_IMAGES, TRAIN_LABELS

LABELS = np.arange(20, dtype=np.uint8) % 4


def write_set(folder: Path, start: str, labels: np.ndarray, *, end: str = "labels-idx1-ubyte.gz") -> None:
    for part, seed in (("train", 0), ("test", 1)):
        write_idx(folder / f"{start}{part}-images-idx3-ubyte.gz", images(20, seed=seed))
        write_idx(folder / f"{start}{part}-{end}", labels)


def test_read_turns_emnist_upright_and_reads_its_mapping(tmp_path: Path) -> None:
    write_set(tmp_path, "emnist-letters-", LABELS + 1)
    (tmp_path / "emnist-letters-mapping.txt").write_text("1 65 97\n2 66 98\n3 67 99\n4 68 100\n")
    found = read(tmp_path)
    np.testing.assert_array_equal(found.arrays[TRAIN_IMAGES], images(20).transpose(0, 2, 1))
    np.testing.assert_array_equal(found.arrays[HELD_OUT_IMAGES], images(20, seed=1).transpose(0, 2, 1))
    assert found.class_names == ("Aa", "Bb", "Cc", "Dd")
    (tmp_path / "emnist-letters-mapping.txt").write_text("1 65 97\nA B\n")
    assert "mapping.txt, line 2, is not a label" in refusal(tmp_path)


def test_read_takes_the_class_of_qmnists_labels(tmp_path: Path) -> None:
    fields = np.column_stack([LABELS.astype(np.int32), *[np.full(20, k, np.int32) for k in range(7)]])
    write_set(tmp_path, "qmnist-", fields, end="labels-idx2-int")
    found = read(tmp_path)
    np.testing.assert_array_equal(found.arrays[TRAIN_LABELS], LABELS)
    np.testing.assert_array_equal(found.arrays[TRAIN_IMAGES], images(20))


def test_read_asks_which_of_several_sets_and_takes_the_one_that_is_named(tmp_path: Path) -> None:
    write_set(tmp_path, "emnist-digits-", LABELS)
    write_set(tmp_path, "emnist-letters-", LABELS + 1)
    assert "several data sets (emnist-digits-train-images-idx3-ubyte.gz, emnist-letters" in refusal(tmp_path)
    assert read(tmp_path / "emnist-letters-train-images-idx3-ubyte.gz").class_names[0] == "Aa"


def test_read_refuses_images_without_labels(tmp_path: Path) -> None:
    write_idx(tmp_path / "train-images-idx3-ubyte", images(4))
    assert "has no labels beside it" in refusal(tmp_path)
