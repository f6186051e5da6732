from __future__ import annotations

import gzip
import hashlib
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.support.sources import images, read, refusal, write_csv

from mnist_gan.config import DataConfig
from mnist_gan.data import from_arrays, load_dataset
from mnist_gan.data.importing import describe_source, write_data_set
from mnist_gan.errors import ConfigError

PIXELS = images(28)
LABELS = np.arange(28) % 4


def test_write_data_set_records_source_steps_and_digests(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "train.csv", PIXELS, LABELS + 1)
    write_data_set(read(source), tmp_path / "set", source=describe_source(source), files={"preview.png": b"png"})
    record = json.loads((tmp_path / "set" / "provenance.json").read_text())
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    assert record["source"] == {"name": "train.csv", "files": 1, "sha256": digest}
    assert record["class_names"] == ["1", "2", "3", "4"]
    assert record["images"] == {"training": 24, "held_out": 4, "shape": [8, 8]}
    assert len(record["steps"]) == 3
    assert (tmp_path / "set" / "preview.png").read_bytes() == b"png"
    dataset = load_dataset(DataConfig(dir=str(tmp_path / "set"), name="idx"))
    assert dataset.digests == record["sha256"]
    assert (dataset.class_names, dataset.num_classes) == (("1", "2", "3", "4"), 4)


def test_describe_source_of_a_folder_is_what_sha256sum_prints(tmp_path: Path) -> None:
    for name in ("b/1.png", "a/0.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(name.encode())
    lines = "".join(f"{hashlib.sha256(n.encode()).hexdigest()}  {n}\n" for n in ("a/0.png", "b/1.png"))
    assert describe_source(tmp_path)["sha256"] == hashlib.sha256(lines.encode()).hexdigest()


def test_from_arrays_writes_a_set_that_can_be_loaded(tmp_path: Path) -> None:
    colour = images(28, 3, 8, 8)
    held_out = (images(4, 3, 8, 8, seed=1), LABELS[:4])
    from_arrays(colour, LABELS, out=tmp_path / "set", held_out=held_out, class_names={0: "cat", 3: "owl"})
    dataset = load_dataset(DataConfig(dir=str(tmp_path / "set")))
    assert torch.equal(dataset.images, torch.from_numpy(colour))
    assert torch.equal(dataset.held_out_images, torch.from_numpy(held_out[0]))
    assert dataset.class_names == ("cat", "1", "2", "owl")
    with pytest.raises(ConfigError, match="not an empty folder"):
        from_arrays(colour, LABELS, out=tmp_path / "set")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("mnist.pkl.gz", gzip.compress(pickle.dumps(([1], [2])), mtime=0), "is a pickle; reading one can run any code"),
        ("data.npz", b"<!doctype html><p>404", "is a web page"),
        (
            "model.pt",
            b"PK\x03\x04" + bytes(22) + b"\x0e\x00\x00\x00model/data.pkl",
            "is a ZIP archive; unpack it first",
        ),
        ("x.npy", b"\x93NUMPY\x01\x00", "is a single array; save images and labels in one file"),
        ("7.png", b"\x89PNG\r\n", "is one image; name the folder"),
        ("a.csv.gz", gzip.compress(b"label,1,2,3\n", mtime=0), "is a compressed CSV; unpack it first"),
        ("notes.txt", b"hello", "is not recognized; give an .npz"),
        ("empty", b"", "is not recognized"),
    ],
)
def test_read_source_recognizes_what_it_does_not_read(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert words in refusal(tmp_path / name)


def test_read_source_recognizes_by_content_not_by_name(tmp_path: Path) -> None:
    write_csv(tmp_path / "table.npz", PIXELS, LABELS)
    assert read(tmp_path / "table.npz").kind == "a CSV of labels and pixels"
    np.savez(tmp_path / "a.npz", images=PIXELS, labels=LABELS)
    (tmp_path / "a.npz").rename(tmp_path / "a.csv")
    assert read(tmp_path / "a.csv").kind == "an .npz of images and labels"


def test_read_source_names_missing_and_empty_folders(tmp_path: Path) -> None:
    assert "does not exist; give an .npz" in refusal(tmp_path / "nowhere")
    assert "holds no data set that is recognized" in refusal(tmp_path)
    (tmp_path / "batch").write_bytes(pickle.dumps({}))
    assert "batch is a pickle" in refusal(tmp_path)
