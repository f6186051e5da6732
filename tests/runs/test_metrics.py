"""metrics.jsonl: whole rows, truncated on resume, finite numbers only."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from mnist_gan.errors import ArtifactError, DivergenceError, StorageError
from mnist_gan.runs.metrics import MetricsFile, read_rows


def row(cur_nimg: int, loss: float = 0.5) -> dict[str, Any]:
    return {"cur_nimg": cur_nimg, "step": cur_nimg // 100, "epoch": cur_nimg / 1000, "Loss/G/loss": loss}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = MetricsFile(tmp_path / "metrics.jsonl")
    for cur_nimg in (100, 200, 300):
        file.append(row(cur_nimg))
    file.close()
    return tmp_path / "metrics.jsonl"


def test_read_rows_returns_what_was_appended(path: Path) -> None:
    assert read_rows(path) == [row(100), row(200), row(300)]
    assert [json.loads(line) for line in path.read_text().splitlines()] == read_rows(path)


def test_metrics_file_appends_to_an_existing_file(path: Path) -> None:
    file = MetricsFile(path)
    file.append(row(400))
    file.close()
    assert [r["cur_nimg"] for r in read_rows(path)] == [100, 200, 300, 400]


def test_append_writes_a_row_in_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[bytes] = []
    real_write = os.write

    def write(descriptor: int, data: bytes) -> int:
        writes.append(bytes(data))
        return real_write(descriptor, data)

    monkeypatch.setattr(os, "write", write)
    file = MetricsFile(tmp_path / "metrics.jsonl")
    file.append(row(100))
    assert writes == [(tmp_path / "metrics.jsonl").read_bytes()]
    file.close()


def test_append_makes_a_row_readable_before_close(tmp_path: Path) -> None:
    file = MetricsFile(tmp_path / "metrics.jsonl")
    file.append(row(100))
    assert read_rows(tmp_path / "metrics.jsonl") == [row(100)]
    file.close()


def test_truncate_after_drops_later_rows_and_appending_continues(path: Path) -> None:
    file = MetricsFile(path)
    assert file.truncate_after(200) == 2
    file.append(row(300, loss=0.25))
    file.close()
    assert read_rows(path) == [row(100), row(200), row(300, loss=0.25)]
    assert [entry.name for entry in path.parent.iterdir()] == ["metrics.jsonl"]


def test_truncate_after_drops_a_torn_last_line(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b'{"cur_nimg": 40')
    assert len(read_rows(path)) == 3
    file = MetricsFile(path)
    assert file.truncate_after(400) == 3
    file.append(row(400))
    file.close()
    assert [r["cur_nimg"] for r in read_rows(path)] == [100, 200, 300, 400]


def test_truncate_after_leaves_a_file_with_nothing_to_drop_unchanged(path: Path) -> None:
    before = path.stat()
    file = MetricsFile(path)
    assert file.truncate_after(300) == 3
    file.close()
    assert path.stat().st_ino == before.st_ino


def test_truncate_after_that_fails_loses_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    before = path.read_bytes()
    file = MetricsFile(path)
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(StorageError, match="No space left"):
        file.truncate_after(100)
    assert path.read_bytes() == before


def test_truncate_after_of_a_new_file_keeps_no_rows(tmp_path: Path) -> None:
    file = MetricsFile(tmp_path / "new" / "metrics.jsonl")
    assert file.truncate_after(0) == 0
    file.close()
    assert read_rows(tmp_path / "new" / "metrics.jsonl") == []


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e308])
def test_append_refuses_a_value_that_is_not_finite(path: Path, value: float) -> None:
    file = MetricsFile(path)
    with pytest.raises(DivergenceError, match=r"Loss/G/loss is (-?(nan|inf)|1e\+308) after 400 images"):
        file.append(row(400, loss=value))
    file.close()
    assert len(read_rows(path)) == 3


def test_append_refuses_a_row_without_cur_nimg(path: Path) -> None:
    file = MetricsFile(path)
    with pytest.raises(ValueError, match="cur_nimg"):
        file.append({"Loss/G/loss": 0.5})
    file.close()


BAD_VALUES = [
    "null",
    '"text"',
    "[1]",
    "{}",
    "true",
    "NaN",
    "Infinity",
    "-Infinity",
    "1e308",
    "1" + 400 * "0",
    5000 * "9",
]
BAD_FIELDS = [f'{{"cur_nimg": 1, "{name}": {bad}}}'.encode() for name in ("Loss/G/loss", "epoch") for bad in BAD_VALUES]


@pytest.mark.parametrize("damage", [b"\x00\xff{]", b"[1, 2]", b'{"step": 1}', b'{"cur_nimg": null}', b"", *BAD_FIELDS])
def test_read_rows_names_a_damaged_line(path: Path, damage: bytes) -> None:
    first, *rest = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([first, damage, *rest, b""]))
    with pytest.raises(ArtifactError, match=r"metrics\.jsonl is damaged"):
        read_rows(path)


def test_read_rows_of_a_missing_file_is_an_artifact_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="does not exist"):
        read_rows(tmp_path / "metrics.jsonl")


def test_metrics_file_in_a_place_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StorageError, match="cannot write"):
        MetricsFile(tmp_path / "file" / "metrics.jsonl")
