from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mnist_gan.data.idx import idx_bytes
from mnist_gan.data.idx_set import (
    check_published,
    count_published,
    dimensions_of,
    find_idx_file,
    locate_idx_folder,
    missing_remedy,
    read_idx_set,
    write_idx_set,
)
from mnist_gan.data.mnist import (
    FILE_NAMES,
    HELD_OUT_IMAGES,
    HELD_OUT_LABELS,
    MNIST_FILES,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    PublishedFile,
)
from mnist_gan.errors import DataError
from mnist_gan.storage import sha256_bytes

Arrays = dict[str, NDArray[np.uint8]]


def test_find_idx_file_prefers_plain_to_gz_and_dashes_to_dots(tmp_path: Path) -> None:
    assert find_idx_file(tmp_path, TRAIN_LABELS) is None
    dotted = TRAIN_LABELS.replace("-idx", ".idx")
    for name in (f"{dotted}.gz", dotted, f"{TRAIN_LABELS}.gz", TRAIN_LABELS):
        (tmp_path / name).write_bytes(b"")
        assert find_idx_file(tmp_path, TRAIN_LABELS) == tmp_path / name


@pytest.mark.parametrize(("compress", "suffix"), [(True, ".gz"), (False, "")])
def test_read_idx_set_inverts_write_idx_set(tmp_path: Path, idx_arrays: Arrays, compress: bool, suffix: str) -> None:
    digests = write_idx_set(tmp_path, idx_arrays, compress=compress)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"{name}{suffix}" for name in FILE_NAMES)
    idx_set = read_idx_set(tmp_path)
    assert idx_set.digests == digests
    assert digests == {name: sha256_bytes(idx_bytes(array)) for name, array in idx_arrays.items()}
    for name, array in idx_arrays.items():
        np.testing.assert_array_equal(idx_set.files[name].array, array)


def test_write_idx_set_refuses_an_unknown_name(tmp_path: Path, idx_arrays: Arrays) -> None:
    with pytest.raises(ValueError, match="'labels' is not a file name of MNIST's layout"):
        write_idx_set(tmp_path, {"labels": idx_arrays[TRAIN_LABELS]})
    assert not list(tmp_path.iterdir())


def test_dimensions_of_follows_the_name() -> None:
    assert [dimensions_of(name) for name in (TRAIN_IMAGES, TRAIN_LABELS, HELD_OUT_IMAGES)] == [(3, 4), 1, (3, 4)]


def test_count_published_counts_mnists_digests() -> None:
    digests = {name: file.digest for name, file in MNIST_FILES.items()}
    assert count_published(digests) == 4
    assert count_published(digests | {TRAIN_LABELS: "0" * 64}) == 3
    assert count_published({}) == 0


def test_check_published_names_both_digests(idx_dir: Path) -> None:
    file = read_idx_set(idx_dir).files[TRAIN_LABELS]
    published = PublishedFile(content_bytes=0, download_bytes=0, digest="ab" * 32)
    message = f"x is damaged or another file: .* {file.digest[:12]}..., expected abababababab...; get it again"
    with pytest.raises(DataError, match=message):
        check_published(file, published, path="x", remedy="get it again")


def test_read_idx_set_reads_the_layout_of_kaggle(tmp_path: Path, idx_arrays: Arrays) -> None:
    digests = write_idx_set(tmp_path / "plain", idx_arrays, compress=False)
    for name in FILE_NAMES:  # a folder of each file's name with the file in it, and a dotted file beside it
        inside = tmp_path / "kaggle" / name
        inside.mkdir(parents=True)
        (tmp_path / "plain" / name).rename(inside / name)
    assert read_idx_set(tmp_path / "kaggle").digests == digests
    dotted = tmp_path / "kaggle" / TRAIN_IMAGES.replace("-idx", ".idx")
    dotted.write_bytes((tmp_path / "kaggle" / TRAIN_IMAGES / TRAIN_IMAGES).read_bytes())
    assert find_idx_file(tmp_path / "kaggle", TRAIN_IMAGES) == dotted
    assert read_idx_set(tmp_path / "kaggle").digests == digests


def test_read_idx_set_ignores_the_case_of_names(tmp_path: Path, idx_arrays: Arrays) -> None:
    digests = write_idx_set(tmp_path, idx_arrays)
    for path in tmp_path.iterdir():
        path.rename(path.with_name(path.name.upper()))
    assert read_idx_set(tmp_path).digests == digests


@pytest.mark.parametrize("nested", ["MNIST/raw", "archive", "raw"])
def test_read_idx_set_reads_the_only_subfolder_with_the_files(tmp_path: Path, idx_arrays: Arrays, nested: str) -> None:
    digests = write_idx_set(tmp_path / nested, idx_arrays)
    assert locate_idx_folder(tmp_path) == tmp_path / nested
    assert read_idx_set(tmp_path).digests == digests


def test_read_idx_set_asks_which_of_several_subfolders(tmp_path: Path, idx_arrays: Arrays) -> None:
    for name in ("FashionMNIST", "MNIST"):
        write_idx_set(tmp_path / name / "raw", idx_arrays)
    with pytest.raises(DataError, match=r"several data sets; choose one of them: .*FashionMNIST/raw, .*MNIST/raw$"):
        read_idx_set(tmp_path)


@pytest.mark.parametrize(
    ("present", "name", "remedy"),
    [
        (["emnist-letters-test-images-idx3-ubyte.gz"], HELD_OUT_IMAGES, "rename emnist-letters-test-images-idx3-ubyte"),
        (
            ["train-labels-idx1-ubyte (1)"],
            TRAIN_LABELS,
            "rename train-labels-idx1-ubyte (1) to train-labels-idx1-ubyte",
        ),
        (
            ["a-train-images-idx3", "b-train-images-idx3"],
            TRAIN_IMAGES,
            "rename the file to use, such as a-train-images",
        ),
        (["notes.txt"], HELD_OUT_LABELS, f"add {HELD_OUT_LABELS}, or choose the folder that has all four"),
    ],
)
def test_missing_remedy_names_the_file_to_rename(tmp_path: Path, present: list[str], name: str, remedy: str) -> None:
    for entry in (*present, "train-images.txt"):
        (tmp_path / entry).touch()
    assert missing_remedy(tmp_path, name).startswith(remedy)
    with pytest.raises(DataError, match="has no train-images-idx3-ubyte"):
        read_idx_set(tmp_path)
