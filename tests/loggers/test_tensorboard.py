from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mnist_gan.artifacts.pictures import save_grid
from mnist_gan.errors import StorageError
from mnist_gan.loggers.base import Logger
from mnist_gan.loggers.tensorboard import TensorBoardLogger


def row(cur_nimg: int) -> dict[str, Any]:
    return {
        "cur_nimg": cur_nimg,
        "step": cur_nimg // 100,
        "epoch": 0.5,
        "Loss/G/loss": cur_nimg / 1000,
        "Loss/D/loss": 1,
    }


def read(directory: Path) -> EventAccumulator:
    everything = {"scalars": 0, "images": 0, "histograms": 0, "compressedHistograms": 0, "tensors": 0}
    return EventAccumulator(str(directory), size_guidance=everything).Reload()


def steps(directory: Path, tag: str = "Loss/G/loss") -> list[int]:
    return [event.step for event in read(directory).Scalars(tag)]


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    path = tmp_path / "epoch-0001.png"
    save_grid(path, np.arange(2 * 9, dtype=np.uint8).reshape(2, 1, 3, 3), columns=2, scale=1)
    return path


def logged(directory: Path, *rows: int, cur_nimg: int = 0) -> None:
    logger = TensorBoardLogger(directory, cur_nimg=cur_nimg)
    for clock in rows:
        logger.log_row(row(clock))
    logger.close()


def test_log_row_writes_scalars_at_the_images_seen(tmp_path: Path) -> None:
    logged(tmp_path, 100, 200)
    found = read(tmp_path)
    assert found.Tags()["scalars"] == ["Loss/G/loss", "Loss/D/loss"]
    assert [(event.step, event.value) for event in found.Scalars("Loss/G/loss")] == [
        (100, pytest.approx(0.1)),
        (200, pytest.approx(0.2)),
    ]


def test_log_samples_keeps_the_bytes_of_the_grid(tmp_path: Path, grid: Path) -> None:
    logger = TensorBoardLogger(tmp_path / "tensorboard")
    logger.log_samples(grid, cur_nimg=100)
    logger.close()
    (event,) = read(tmp_path / "tensorboard").Images("Samples")
    with Image.open(grid) as picture:
        assert (event.step, event.width, event.height) == (100, *picture.size)
    assert event.encoded_image_string == grid.read_bytes()


def test_log_histograms_counts_every_finite_value(tmp_path: Path) -> None:
    logger = TensorBoardLogger(tmp_path)
    values = torch.tensor([[0.0, 1.0, 1.0], [2.0, torch.nan, torch.inf]])
    logger.log_histograms({"Weights/G": values, "Weights/empty": torch.tensor([torch.nan])}, cur_nimg=100)
    logger.close()
    found = read(tmp_path)
    assert found.Tags()["histograms"] == ["Weights/G"]
    (event,) = found.Histograms("Weights/G")
    histogram = event.histogram_value
    assert (histogram.num, histogram.min, histogram.max, histogram.sum) == (4, 0, 2, 4)
    assert histogram.sum_squares == 6
    assert sum(histogram.bucket) == 4
    edges = np.array([histogram.min, *histogram.bucket_limit])
    assert histogram.bucket[np.searchsorted(edges, 1.0, side="right") - 1] == 2


def test_log_histograms_accepts_a_constant_tensor(tmp_path: Path) -> None:
    logger = TensorBoardLogger(tmp_path)
    logger.log_histograms({"Weights/G": torch.ones(5)}, cur_nimg=100)
    logger.close()
    assert read(tmp_path).Histograms("Weights/G")[0].histogram_value.num == 5


def test_log_row_is_on_disk_before_the_logger_is_closed(tmp_path: Path) -> None:
    logger = TensorBoardLogger(tmp_path)
    logger.log_row(row(100))
    assert steps(tmp_path) == [100]
    logger.close()


def test_tensorboard_logger_resumed_shows_no_point_twice(tmp_path: Path) -> None:
    logged(tmp_path, 100, 200, 300)
    logged(tmp_path, 300, 400, cur_nimg=200)
    assert steps(tmp_path) == [100, 200, 300, 400]
    logged(tmp_path, 500, cur_nimg=400)
    assert steps(tmp_path) == [100, 200, 300, 400, 500]


def test_tensorboard_logger_resumed_updates_an_open_tensorboard(tmp_path: Path) -> None:
    logged(tmp_path, 100, 200, 300)
    looking = read(tmp_path)
    logged(tmp_path, 300, 400, cur_nimg=200)
    assert [event.step for event in looking.Reload().Scalars("Loss/G/loss")] == [100, 200, 300, 400]


def test_tensorboard_logger_resumed_at_0_images_starts_over(tmp_path: Path) -> None:
    logged(tmp_path, 100, 200)
    logged(tmp_path, 100, 200)
    assert steps(tmp_path) == [100, 200]


def test_tensorboard_logger_resumes_after_a_torn_record(tmp_path: Path) -> None:
    logged(tmp_path, 100, 200, 300)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-7])
    assert steps(tmp_path) == [100, 200]
    logged(tmp_path, 300, cur_nimg=200)
    assert steps(tmp_path) == [100, 200, 300]


def test_tensorboard_logger_resumed_twice_at_once_repeats_nothing(tmp_path: Path) -> None:
    logged(tmp_path, 100, 200, 300)
    logged(tmp_path, cur_nimg=200)  # killed before its first row
    logged(tmp_path, 300, 400, cur_nimg=200)
    assert steps(tmp_path) == [100, 200, 300, 400]


def test_tensorboard_logger_files_are_read_in_the_order_of_the_sessions(tmp_path: Path) -> None:
    for session in range(12):
        logged(tmp_path, 100 * session + 100, cur_nimg=100 * session)
    assert steps(tmp_path) == list(range(100, 1300, 100))
    assert [file.name[-4:] for file in sorted(tmp_path.iterdir())][-3:] == ["0010", "0011", "0012"]


def test_tensorboard_logger_raises_a_storage_error_for_an_unwritable_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StorageError, match="cannot write"):
        TensorBoardLogger(tmp_path / "file" / "tensorboard")


def test_tensorboard_logger_imports_lazily_without_tensorflow_or_a_warning(tmp_path: Path) -> None:
    (tmp_path / "tensorflow.py").write_text("raise AssertionError('imported')")
    script = (
        "import sys; from pathlib import Path; from mnist_gan.loggers.tensorboard import TensorBoardLogger\n"
        "assert not any(name.startswith('tensorboard') for name in sys.modules)\n"
        "logger = TensorBoardLogger(Path(sys.argv[1])); logger.log_row({'cur_nimg': 1, 'Loss/G/loss': 1.0})\n"
        "logger.close()"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, str(tmp_path / "events")],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_tensorboard_logger_satisfies_the_protocol(tmp_path: Path) -> None:
    logger: Logger = TensorBoardLogger(tmp_path)
    logger.close()
