"""TensorBoard's own reader finds what was logged, once, also after a run was killed and resumed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import crc32c as tensorboards_crc32c

from mnist_gan.artifacts.pictures import save_grid
from mnist_gan.errors import StorageError
from mnist_gan.loggers.base import Logger
from mnist_gan.loggers.event_file import crc32c, frame_record, read_records
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


def test_scalars_are_found_at_the_images_seen(tmp_path: Path) -> None:
    logged(tmp_path, 100, 200)
    found = read(tmp_path)
    assert found.Tags()["scalars"] == ["Loss/G/loss", "Loss/D/loss"]
    assert [(event.step, event.value) for event in found.Scalars("Loss/G/loss")] == [
        (100, pytest.approx(0.1)),
        (200, pytest.approx(0.2)),
    ]


def test_the_sample_grid_is_found_as_it_is_on_disk(tmp_path: Path, grid: Path) -> None:
    logger = TensorBoardLogger(tmp_path / "tensorboard")
    logger.log_samples(grid, cur_nimg=100)
    logger.close()
    (event,) = read(tmp_path / "tensorboard").Images("Samples")
    with Image.open(grid) as picture:
        assert (event.step, event.width, event.height) == (100, *picture.size)
    assert event.encoded_image_string == grid.read_bytes()


def test_histograms_count_every_finite_value(tmp_path: Path) -> None:
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


def test_a_constant_tensor_has_a_histogram(tmp_path: Path) -> None:
    logger = TensorBoardLogger(tmp_path)
    logger.log_histograms({"Weights/G": torch.ones(5)}, cur_nimg=100)
    logger.close()
    assert read(tmp_path).Histograms("Weights/G")[0].histogram_value.num == 5


def test_an_event_can_be_read_before_the_logger_is_closed(tmp_path: Path) -> None:
    logger = TensorBoardLogger(tmp_path)
    logger.log_row(row(100))
    assert steps(tmp_path) == [100]
    logger.close()


def test_a_resumed_run_shows_no_point_twice(tmp_path: Path) -> None:
    logged(tmp_path, 100, 200, 300)
    logged(tmp_path, 300, 400, cur_nimg=200)
    assert steps(tmp_path) == [100, 200, 300, 400]
    logged(tmp_path, 500, cur_nimg=400)
    assert steps(tmp_path) == [100, 200, 300, 400, 500]
    assert sum(file.stat().st_size > 0 for file in tmp_path.iterdir()) == 1


def test_a_tensorboard_that_is_looking_follows_a_resumed_run(tmp_path: Path) -> None:
    logged(tmp_path, 100, 200, 300)
    looking = read(tmp_path)
    logged(tmp_path, 300, 400, cur_nimg=200)
    assert [event.step for event in looking.Reload().Scalars("Loss/G/loss")] == [100, 200, 300, 400]


def test_a_run_resumed_from_its_very_beginning_begins_anew(tmp_path: Path) -> None:
    logged(tmp_path, 100, 200)
    logged(tmp_path, 100, 200)
    assert steps(tmp_path) == [100, 200]


def test_a_run_killed_in_the_middle_of_a_write_goes_on_from_whole_records(tmp_path: Path) -> None:
    logged(tmp_path, 100, 200, 300)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-7])
    logged(tmp_path, 300, cur_nimg=200)
    assert steps(tmp_path) == [100, 200, 300]


def test_a_resume_killed_before_the_old_file_was_removed_loses_and_repeats_nothing(tmp_path: Path) -> None:
    logged(tmp_path, 100, 200, 300)
    (old,) = tmp_path.iterdir()
    content = old.read_bytes()
    logged(tmp_path, cur_nimg=200)
    old.write_bytes(content)
    logged(tmp_path, 300, 400, cur_nimg=200)
    assert steps(tmp_path) == [100, 200, 300, 400]


def test_record_checksums_are_those_of_tensorboard() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # the check value of CRC-32C
    data = bytes(range(256)) * 3
    assert crc32c(data) == tensorboards_crc32c(data)


def test_records_are_read_up_to_the_first_that_is_damaged() -> None:
    content = b"".join(frame_record(data) for data in (b"one", b"", b"three"))
    assert list(read_records(content)) == [b"one", b"", b"three"]
    for cut in range(len(content)):
        assert list(read_records(content[:cut])) == [b"one", b"", b"three"][: (cut >= 19) + (cut >= 35)]
    flipped = bytearray(content)
    flipped[20] ^= 1  # in the second record's length
    assert list(read_records(bytes(flipped))) == [b"one"]


def test_a_place_that_cannot_be_written_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StorageError, match="cannot write"):
        TensorBoardLogger(tmp_path / "file" / "tensorboard")


def test_logging_brings_in_neither_tensorflow_nor_a_warning(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from mnist_gan.loggers.tensorboard import TensorBoardLogger\n"
        "assert not any(name.startswith('tensorboard') for name in sys.modules)\n"
        "logger = TensorBoardLogger(Path(sys.argv[1])); logger.log_row({'cur_nimg': 1, 'Loss/G/loss': 1.0})\n"
        "logger.close(); assert not {'tensorflow', 'tensorboard.compat.tensorflow_stub'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_it_is_a_logger(tmp_path: Path) -> None:
    logger: Logger = TensorBoardLogger(tmp_path)
    logger.close()
