from __future__ import annotations

import json
from pathlib import Path

import pytest

from mnist_gan.config import DataConfig
from mnist_gan.data import load_dataset
from mnist_gan.data.idx_set import read_idx_set
from mnist_gan.data.provenance import PROVENANCE_NAME, check_class_names, read_class_names
from mnist_gan.errors import DataError

NAMES = ["T-shirt/top", "Trouser", *(f"kind {k}" for k in range(2, 12))]


def write_record(folder: Path, **content: object) -> None:
    record = {"class_names": NAMES, "sha256": read_idx_set(folder).digests, **content}
    (folder / PROVENANCE_NAME).write_text(json.dumps(record))


def test_read_class_names_gives_the_data_set_its_names(idx_dir: Path) -> None:
    config = DataConfig(dir=str(idx_dir), name="idx")
    assert load_dataset(config).class_names == tuple("0123456789")
    write_record(idx_dir)
    dataset = load_dataset(config)
    assert (dataset.class_names, dataset.num_classes) == (tuple(NAMES), 12)
    assert dataset.untrained_classes == (10, 11)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"sha256": {}}, "belongs to other files"),
        ({"class_names": "abc"}, "not a list of up to 1,000"),
        ({"class_names": ["a", "a"]}, "the same name"),
        ({"class_names": ["a", 1]}, "not a printable text"),
        ({"class_names": ["a", "b\x1b[31m"]}, "not a printable text"),
        ({"class_names": ["a", "b"]}, "names 2 classes, but the largest label is 9"),
    ],
)
def test_load_dataset_refuses_a_wrong_record(idx_dir: Path, content: dict[str, object], words: str) -> None:
    write_record(idx_dir, **content)
    with pytest.raises(DataError, match=words) as caught:
        load_dataset(DataConfig(dir=str(idx_dir), name="idx"))
    assert PROVENANCE_NAME in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"[1]", b'{"class_names": NaN}', b"{" * 10_000, b"\xff\xfe"])
def test_read_class_names_refuses_a_damaged_record(tmp_path: Path, content: bytes) -> None:
    (tmp_path / PROVENANCE_NAME).write_bytes(content)
    with pytest.raises(DataError, match=r"is damaged: .* import the data again"):
        read_class_names(tmp_path, {})


def test_check_class_names_allows_up_to_a_thousand() -> None:
    names = [str(k) for k in range(1_000)]
    assert check_class_names(names) == tuple(names)
    with pytest.raises(ValueError, match="up to 1,000"):
        check_class_names([*names, "1000"])
