from __future__ import annotations

import builtins
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.support.sources import images, read, refusal

from mnist_gan.data.mnist import HELD_OUT_IMAGES, TRAIN_IMAGES

pyarrow: Any = pytest.importorskip("pyarrow")
parquet: Any = pytest.importorskip("pyarrow.parquet")

NAMES = ["T - shirt / top", "Trouser", "Pullover"]


def encode(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def write(path: Path, pictures: Any, labels: Any, *, column: str = "image") -> None:
    """A file as the hub writes it: structures of bytes and path, labels, and the features in the metadata."""
    table = pyarrow.table(
        {
            column: [None if picture is None else {"bytes": picture, "path": None} for picture in pictures],
            "label": pyarrow.array(labels, pyarrow.int64()),
        }
    )
    features = {column: {"_type": "Image"}, "label": {"names": NAMES, "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    path.parent.mkdir(exist_ok=True)
    parquet.write_table(table.replace_schema_metadata(metadata), path)


def test_read_takes_the_files_of_the_hub_with_their_names(tmp_path: Path) -> None:
    train, test, labels = images(21), images(6, seed=1), [k % 3 for k in range(21)]
    write(tmp_path / "data" / "train-00000-of-00002.parquet", map(encode, train[:10]), labels[:10])
    write(tmp_path / "data" / "train-00001-of-00002.parquet", map(encode, train[10:]), labels[10:])
    write(tmp_path / "data" / "test-00000-of-00001.parquet", map(encode, test), labels[:6])
    found = read(tmp_path)
    np.testing.assert_array_equal(found.arrays[TRAIN_IMAGES], train)
    np.testing.assert_array_equal(found.arrays[HELD_OUT_IMAGES], test)
    assert found.class_names == tuple(NAMES)


@pytest.mark.parametrize(
    ("pictures", "column", "words"),
    [
        ([encode(images(1)[0]), None], "image", "row 1 of"),
        ([encode(images(1)[0]), b"no image"], "image", "is damaged or not a supported image"),
        ([encode(images(1)[0])] * 2, "stuff", "has no column of images (its columns: stuff, label)"),
        ([], "image", "has no rows"),
    ],
)
def test_read_names_what_is_wrong(tmp_path: Path, pictures: list[bytes], column: str, words: str) -> None:
    write(tmp_path / "a.parquet", pictures, [0] * len(pictures), column=column)
    assert words in refusal(tmp_path / "a.parquet")


def test_read_refuses_a_dictionary_bomb_and_a_damaged_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.parquet", [encode(images(1)[0])] * 5_000, [0] * 5_000)
    assert (tmp_path / "a.parquet").stat().st_size < 20_000  # the one image is stored once
    monkeypatch.setattr("mnist_gan.data.importers.base.MAX_BYTES", 64 * 1_000)
    assert "holds more than" in refusal(tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-50])
    assert "cannot be read as parquet" in refusal(tmp_path / "b.parquet")


def test_read_names_the_extra_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.parquet", [encode(images(1)[0])] * 2, [0, 0])
    real = builtins.__import__

    def absent(name: str, *rest: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    assert 'which needs pyarrow; pip install "mnist-gan[parquet]"' in refusal(tmp_path / "a.parquet")
