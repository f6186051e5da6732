from __future__ import annotations

import importlib.util
import json
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mnist_gan.artifacts.pictures import save_grid
from mnist_gan.errors import ConfigError
from mnist_gan.loggers.base import Logger
from mnist_gan.loggers.wandb import WandbLogger

installed = pytest.mark.skipif(importlib.util.find_spec("wandb") is None, reason="the extra wandb is not installed")


def row(cur_nimg: int) -> dict[str, Any]:
    scores = {"Score/real_accuracy": 0.75, "Score/fake_accuracy": 0.5}
    return {"cur_nimg": cur_nimg, "step": cur_nimg // 100, "epoch": 0.5, "Loss/G/loss": cur_nimg / 1000} | scores


def start(directory: Path) -> WandbLogger:
    return WandbLogger(directory, name="a run", config={"training": {"batch_size": 8}})


def records(content: bytes) -> Iterator[bytes]:
    """The records of a .wandb file: LevelDB's log format, in blocks of 32 KiB after a header of 7 bytes."""
    position, record = 7, b""
    while position + 7 <= len(content):
        if position // 32768 != (position + 6) // 32768:  # no room for a header before the block ends
            position = (position // 32768 + 1) * 32768
            continue
        _checksum, length, kind = struct.unpack_from("<IHB", content, position)
        record += content[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in {1, 4}:  # whole, or the last piece
            yield record
            record = b""


def history(directory: Path) -> list[dict[str, Any]]:
    """All rows in the files of offline runs below `directory`."""
    from wandb.proto.wandb_internal_pb2 import Record

    rows = []
    for file in sorted(directory.glob("wandb/offline-run-*/*.wandb")):
        for record in map(Record.FromString, records(file.read_bytes())):
            if record.WhichOneof("record_type") == "history":
                items = record.history.item
                rows.append({item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items})
    return rows


def test_import_wandb_without_the_extra_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ConfigError, match=r"pip install 'mnist-gan\[wandb\]'"):
        start(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def _offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("WANDB_MODE", "offline")
    for name in ("WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    yield
    import wandb

    wandb.teardown()  # it reads the environment once


@installed
@pytest.mark.slow
@pytest.mark.usefixtures("_offline")
def test_wandb_logger_offline_logs_everything_once_also_when_resumed(tmp_path: Path) -> None:
    save_grid(tmp_path / "epoch-0001.png", np.zeros((2, 1, 3, 3), np.uint8), columns=2)
    logger: Logger = start(tmp_path)
    logger.log_row(row(100))
    logger.log_samples(tmp_path / "epoch-0001.png", cur_nimg=100)
    logger.log_histograms({"Weights/G": torch.tensor([0.0, 1.0, torch.nan])}, cur_nimg=100)
    logger.log_row(row(200))
    logger.close()
    resumed = start(tmp_path)
    for cur_nimg in (200, 300):
        resumed.log_row(row(cur_nimg))
    assert Path(resumed.location).is_dir()
    resumed.close()

    deadline = time.monotonic() + 120  # W&B's service writes the end of its files after it has said that it is done
    while len(rows := history(tmp_path)) < 3 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [(r["_step"], r["Loss/G/loss"]) for r in rows] == [(100, 0.1), (200, 0.2), (300, 0.3)]
    assert rows[0]["Samples/_type"] == "image-file"
    assert sum(rows[0]["Weights/G/values"]) == 2
    assert len({file.name for file in tmp_path.glob("wandb/offline-run-*/run-*.wandb")}) == 1
    (table,) = tmp_path.glob("wandb/offline-run-*/files/media/table/**/*.json")
    assert json.loads(table.read_text())["data"] == [
        ["real", "REAL", 75],
        ["real", "FAKE", 25],
        ["generated", "REAL", 50],
        ["generated", "FAKE", 50],
    ]


@installed
@pytest.mark.slow
@pytest.mark.usefixtures("_offline")
def test_wandb_logger_writes_nothing_if_wandb_mode_is_disabled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    logger = start(tmp_path)
    logger.log_row(row(100))
    assert logger.location == "nowhere, as WANDB_MODE says"
    logger.close()
    assert [path.name for path in (tmp_path / "wandb").rglob("*") if path.is_file()] == ["run.json"], "its own state"


@installed
@pytest.mark.usefixtures("_offline")
def test_wandb_logger_refuses_an_unknown_wandb_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "bogus")
    with pytest.raises(ConfigError, match=r"'bogus'.*set WANDB_MODE=offline"):
        start(tmp_path)


@installed
@pytest.mark.slow
@pytest.mark.usefixtures("_offline")
def test_wandb_logger_raises_a_config_error_if_wandb_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import wandb

    def refuse(**_: Any) -> None:
        raise wandb.errors.UsageError("No API key configured")

    monkeypatch.setattr(wandb, "init", refuse)
    with pytest.raises(ConfigError, match=r"No API key configured.*WANDB_MODE=offline"):
        start(tmp_path)
