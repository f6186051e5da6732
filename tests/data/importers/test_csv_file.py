from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from tests.support.sources import images, read, refusal, write_csv

from mnist_gan.data.importers import csv_file
from mnist_gan.data.mnist import HELD_OUT_IMAGES, TRAIN_IMAGES, TRAIN_LABELS

PIXELS = images(21)
LABELS = np.arange(21) % 3


@pytest.mark.parametrize("form", [{}, {"header": False}, {"last": True}])
def test_read_takes_a_table_of_labels_and_pixels(tmp_path: Path, form: dict[str, bool]) -> None:
    found = read(write_csv(tmp_path / "train.csv", PIXELS, LABELS, **form))
    everything = np.concatenate([found.arrays[TRAIN_IMAGES], found.arrays[HELD_OUT_IMAGES]])
    assert sorted(image.tobytes() for image in everything) == sorted(image.tobytes() for image in PIXELS)
    assert found.arrays[TRAIN_IMAGES].shape == (18, 8, 8)
    assert "every 7th image of each class is held out, 3 in all" in found.steps[-1]


def test_read_takes_names_semicolons_blank_lines_and_a_byte_order_mark(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", PIXELS, [("cat", "dog", "owl")[label] for label in LABELS])
    path.write_text("\ufeff" + path.read_text().replace(",", ";").replace("\n", "\r\n") + "\r\n", encoding="utf-8")
    found = read(path)
    assert found.class_names == ("cat", "dog", "owl")
    assert found.arrays[TRAIN_LABELS].tolist() == [k % 3 for k in range(21) if k not in {9, 10, 11}]


def test_read_takes_the_tables_of_a_folder(tmp_path: Path) -> None:
    write_csv(tmp_path / "fashion-mnist_train.csv", PIXELS, LABELS)
    write_csv(tmp_path / "fashion-mnist_test.csv", PIXELS[:6], LABELS[:6])
    np.testing.assert_array_equal(read(tmp_path).arrays[HELD_OUT_IMAGES], PIXELS[:6])
    test = (tmp_path / "fashion-mnist_test.csv").read_text().splitlines()
    (tmp_path / "fashion-mnist_test.csv").write_text("\n".join(line.split(",", 1)[1] for line in test))
    assert "fashion-mnist_test.csv has no labels and is not used" in read(tmp_path).steps


def test_read_turns_emnist_upright_and_names_its_letters(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "emnist-letters-train.csv", PIXELS, LABELS + 1, header=False)
    found = read(path)
    assert found.class_names == ("Aa", "Bb", "Cc")
    assert found.arrays[TRAIN_IMAGES][0].T.tolist() in PIXELS.tolist()
    assert any("EMNIST stores images transposed" in step for step in found.steps)
    assert "the labels 1 to 3 became 0 to 2; the names of classes are kept" in found.steps
    assert read(path, transpose=False).arrays[TRAIN_IMAGES][0].tolist() in PIXELS.tolist()


def test_read_takes_floats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_file, "ROWS", 4)  # several pieces, of which one is all black
    levels = np.where(np.arange(21)[:, None, None] < 4, 0, PIXELS)
    found = read(write_csv(tmp_path / "a.csv", levels / 255, LABELS))
    assert found.arrays[TRAIN_IMAGES][-1].tolist() in levels.tolist()
    assert found.steps[0] == "values in [0, 1] became levels from 0 to 255"


def spoil(lines: list[str], what: str) -> list[str]:
    match what:
        case "short row":
            lines[3] = lines[3].rpartition(",")[0]
        case "no number":
            lines[4] = lines[4].rpartition(",")[0] + ",x7"
        case "no label":
            lines[5] = "," + lines[5].partition(",")[2]
        case "no labels":
            lines = [line.partition(",")[2] for line in lines]
        case "missing pixels":
            lines = [line.rpartition(",")[0] for line in lines]
        case "no rows":
            lines = lines[:1]
    return lines


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("short row", "line 4, has 64 columns, but line 1 has 65"),
        ("no number", "line 5, has the pixel 'x7', which is no number"),
        ("no label", "line 6, has no label"),
        ("no labels", "has no column of labels: its 64 columns are pixels"),
        ("missing pixels", "line 1, has 64 columns; expected a label and the pixels of a square image"),
        ("no rows", "has no rows of images"),
    ],
)
def test_read_refuses_an_incomplete_table(tmp_path: Path, what: str, words: str) -> None:
    path = write_csv(tmp_path / "a.csv", PIXELS, LABELS)
    path.write_text("\n".join(spoil(path.read_text().splitlines(), what)))
    assert words in refusal(path)


def test_read_refuses_binary_data_and_endless_lines_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"label,a,b,c\n" + b"1," * csv_file.MAX_LINE)
    before = time.thread_time()
    assert "columns" in refusal(tmp_path / "a.csv")
    assert time.thread_time() - before < 5
    path = write_csv(tmp_path / "b.csv", PIXELS, LABELS)
    with path.open("ab") as file:
        file.write(b"\xff\xfe\x00")
    assert "is not text in line 23" in refusal(path)
