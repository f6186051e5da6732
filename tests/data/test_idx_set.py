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
    read_idx_set,
    user_path,
    write_idx_set,
)
from mnist_gan.data.mnist import (
    FILE_NAMES,
    HELD_OUT_IMAGES,
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
    assert [dimensions_of(name) for name in (TRAIN_IMAGES, TRAIN_LABELS, HELD_OUT_IMAGES)] == [3, 1, 3]


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


def test_user_path_expands_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert user_path("~/data") == tmp_path / "data"
    assert user_path("data") == Path("data")
    assert user_path("~no-such-user/data") == Path("~no-such-user/data")
