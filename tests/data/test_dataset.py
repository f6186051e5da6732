from __future__ import annotations

import gzip
import logging
import os
import re
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mnist_gan.config import DataConfig
from mnist_gan.data import Dataset, load_dataset
from mnist_gan.data.download import cache_dir
from mnist_gan.data.idx import read_idx, write_idx
from mnist_gan.data.idx_set import write_idx_set
from mnist_gan.data.mnist import (
    HELD_OUT_IMAGES,
    HELD_OUT_LABELS,
    MNIST_FILES,
    TRAIN_IMAGES,
    TRAIN_LABELS,
)
from mnist_gan.errors import ConfigError, DataError

Arrays = dict[str, NDArray[np.uint8]]
NOBODY = ("http://127.0.0.1:9/",)
"""A mirror that refuses connections."""


class Unexpected(logging.Handler):
    """Turns a log message into a failure."""

    def emit(self, record: logging.LogRecord) -> None:
        raise AssertionError(record.getMessage())


def load(**fields: object) -> Dataset:
    """Load without a mirror to reach; a warning fails the test."""
    logger, handler = logging.getLogger("mnist_gan"), Unexpected()
    logger.addHandler(handler)
    try:
        return load_dataset(DataConfig(**fields), mirrors=())  # type: ignore[arg-type]
    finally:
        logger.removeHandler(handler)


def rewrite(folder: Path, name: str, array: NDArray[np.uint8]) -> Path:
    path = folder / f"{name}.gz"
    write_idx(path, array)
    return path


# any four IDX files


@pytest.mark.parametrize("name", ["auto", "idx"])
def test_load_dataset_names_another_set_after_its_folder(idx_dir: Path, idx_arrays: Arrays, name: str) -> None:
    dataset = load(name=name, dir=str(idx_dir))
    assert dataset.name == "made-up"
    assert not dataset.is_mnist
    assert (dataset.num_classes, dataset.img_channels, dataset.img_resolution) == (10, 1, 28)
    assert dataset.images.dtype == torch.uint8
    assert dataset.labels.dtype == torch.int64
    np.testing.assert_array_equal(dataset.images[:, 0].numpy(), idx_arrays[TRAIN_IMAGES])
    np.testing.assert_array_equal(dataset.labels.numpy(), idx_arrays[TRAIN_LABELS])
    np.testing.assert_array_equal(dataset.held_out_images[:, 0].numpy(), idx_arrays[HELD_OUT_IMAGES])
    np.testing.assert_array_equal(dataset.held_out_labels.numpy(), idx_arrays[HELD_OUT_LABELS])
    assert set(dataset.digests) == set(idx_arrays)
    assert dataset.digests[TRAIN_LABELS] == read_idx(idx_dir / f"{TRAIN_LABELS}.gz").digest
    assert "400 training and 100 held-out images" in dataset.source
    assert str(idx_dir) in dataset.source


def test_load_dataset_accepts_plain_files_and_dotted_names(idx_dir: Path, plain_idx_dir: Path) -> None:
    assert load(dir=str(plain_idx_dir)).digests == load(dir=str(idx_dir)).digests
    (plain_idx_dir / TRAIN_IMAGES).rename(plain_idx_dir / "train-images.idx3-ubyte")
    assert load(dir=str(plain_idx_dir)).digests == load(dir=str(idx_dir)).digests


@pytest.mark.parametrize("name", ["mnist", "digits"])
def test_load_dataset_renames_a_folder_named_like_a_built_in_set(idx_dir: Path, name: str) -> None:
    dataset = load(dir=str(idx_dir.rename(idx_dir.parent / name)))
    assert dataset.name == f"{name}-idx"
    assert not dataset.is_mnist


def test_load_dataset_accepts_any_square_size(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    arrays = {
        TRAIN_IMAGES: random.integers(0, 256, (6, 32, 32), dtype=np.uint8),
        TRAIN_LABELS: np.array([0, 1, 2, 0, 1, 2], np.uint8),
        HELD_OUT_IMAGES: random.integers(0, 256, (4, 32, 32), dtype=np.uint8),
        HELD_OUT_LABELS: np.array([0, 1, 2, 46], np.uint8),
    }
    write_idx_set(tmp_path, arrays, compress=False)
    dataset = load_dataset(DataConfig(dir=str(tmp_path)))
    assert (dataset.img_resolution, dataset.num_classes) == (32, 47)


def test_load_dataset_refuses_images_that_are_not_square(idx_dir: Path) -> None:
    rewrite(idx_dir, TRAIN_IMAGES, np.zeros((400, 28, 20), np.uint8))
    with pytest.raises(DataError, match=rf"{TRAIN_IMAGES}.gz holds images of 28 x 20 pixels; images must be square"):
        load(dir=str(idx_dir))


def test_load_dataset_refuses_held_out_images_of_another_size(idx_dir: Path) -> None:
    rewrite(idx_dir, HELD_OUT_IMAGES, np.zeros((100, 32, 32), np.uint8))
    with pytest.raises(DataError, match=rf"{HELD_OUT_IMAGES}.gz holds images of 32 x 32 .* have 28 x 28"):
        load(dir=str(idx_dir))


def test_load_dataset_refuses_a_wrong_number_of_labels(idx_dir: Path, idx_arrays: Arrays) -> None:
    rewrite(idx_dir, HELD_OUT_LABELS, idx_arrays[HELD_OUT_LABELS][:-1])
    with pytest.raises(DataError, match=rf"{HELD_OUT_LABELS}.gz holds 99 labels, but {HELD_OUT_IMAGES}.gz 100 images"):
        load(dir=str(idx_dir))


def test_load_dataset_refuses_images_in_place_of_labels(idx_dir: Path) -> None:
    shutil.copy(idx_dir / f"{TRAIN_IMAGES}.gz", idx_dir / f"{TRAIN_LABELS}.gz")
    with pytest.raises(DataError, match=rf"{TRAIN_LABELS}.gz is damaged: .* 3 dimensions, labels have 1"):
        load(dir=str(idx_dir))


def test_load_dataset_names_a_missing_file_and_folder(idx_dir: Path) -> None:
    (idx_dir / f"{TRAIN_LABELS}.gz").unlink()
    with pytest.raises(DataError, match=rf"has no {TRAIN_LABELS} \(plain or .gz\)"):
        load(dir=str(idx_dir))
    with pytest.raises(DataError, match=r"nowhere is not a folder; give the folder that holds"):
        load(dir=str(idx_dir / "nowhere"))


@pytest.mark.parametrize("folder", ["~nobody-of-this-name/mnist", "x" * 5000, ""])
def test_load_dataset_refuses_an_impossible_folder(folder: str) -> None:
    with pytest.raises(DataError):
        load(dir=folder)


def test_data_config_refuses_a_zero_byte_in_a_folder() -> None:
    with pytest.raises(ConfigError, match="zero byte"):
        load(dir="a\0b")


def test_load_dataset_expands_the_home_folder(idx_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(idx_dir.parent))
    monkeypatch.setenv("USERPROFILE", str(idx_dir.parent))
    assert load(dir=f"~/{idx_dir.name}").name == "made-up"


def test_load_dataset_reports_an_unreadable_file_as_such(idx_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stat = Path.stat

    def refuse(path: Path, **options: bool) -> os.stat_result:
        if path.parent == idx_dir:
            raise PermissionError(13, "Permission denied")
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(DataError, match=rf"{TRAIN_IMAGES} cannot be read \(Permission denied\)"):
        load(dir=str(idx_dir))


def test_load_dataset_names_a_damaged_file_and_keeps_it(idx_dir: Path) -> None:
    path = idx_dir / f"{TRAIN_IMAGES}.gz"
    content = path.read_bytes()[:-1000]
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"{TRAIN_IMAGES}.gz is damaged: .* truncated; get the file again") as caught:
        load(dir=str(idx_dir))
    assert caught.value.exit_code == 3
    assert path.read_bytes() == content


# limits


def test_load_dataset_limit_keeps_the_first_images_all_classes_and_held_out_images(idx_dir: Path) -> None:
    whole, few = load(dir=str(idx_dir)), load(dir=str(idx_dir), limit=3)
    assert torch.equal(few.images, whole.images[:3])
    assert torch.equal(few.labels, whole.labels[:3])
    assert few.num_classes == 10
    assert len(few.held_out_images) == 100
    assert few.digests == whole.digests
    assert "the first 3" in few.source
    assert few.images.untyped_storage().nbytes() == 3 * 28 * 28, "the rest is not kept in memory"


def test_load_dataset_warns_of_a_limit_beyond_the_end(idx_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    dataset = load_dataset(DataConfig(dir=str(idx_dir), limit=401))
    assert len(dataset.images) == 400
    assert caplog.messages == ["data.limit is 401, and the set has only 400 training images: all are used"]


# MNIST, which the made-up digits stand for


@pytest.mark.usefixtures("pretend_mnist")
@pytest.mark.parametrize("name", ["auto", "mnist", "idx"])
def test_load_dataset_recognizes_mnist_in_a_folder(idx_dir: Path, name: str) -> None:
    dataset = load(name=name, dir=str(idx_dir))
    assert dataset.name == "mnist"
    assert dataset.is_mnist
    assert dataset.source.startswith("MNIST: ")
    assert load(name=name, dir=str(idx_dir), limit=1).is_mnist


@pytest.mark.usefixtures("pretend_mnist")
@pytest.mark.parametrize("name", ["auto", "mnist", "stacked-mnist"])
def test_load_dataset_refuses_a_folder_with_one_altered_mnist_file(
    idx_dir: Path, idx_arrays: Arrays, name: str
) -> None:
    rewrite(idx_dir, TRAIN_LABELS, idx_arrays[TRAIN_LABELS][::-1].copy())
    with pytest.raises(DataError, match=rf"{TRAIN_LABELS}.gz is damaged .*; 3 of the 4 files .*; replace this one"):
        load(name=name, dir=str(idx_dir))


@pytest.mark.usefixtures("pretend_mnist")
def test_load_dataset_reads_a_part_of_mnist_as_another_set(idx_dir: Path, idx_arrays: Arrays) -> None:
    for name in (TRAIN_IMAGES, TRAIN_LABELS):
        rewrite(idx_dir, name, idx_arrays[name][:-1])
    dataset = load(dir=str(idx_dir))
    assert dataset.name == "made-up"
    assert len(dataset.images) == len(idx_arrays[TRAIN_LABELS]) - 1


@pytest.mark.usefixtures("pretend_mnist")
def test_load_dataset_accepts_such_a_mixture_under_the_name_idx(idx_dir: Path, idx_arrays: Arrays) -> None:
    rewrite(idx_dir, TRAIN_LABELS, idx_arrays[TRAIN_LABELS][::-1].copy())
    dataset = load(name="idx", dir=str(idx_dir))
    assert dataset.name == "made-up"
    assert not dataset.is_mnist


@pytest.mark.parametrize("name", ["mnist", "stacked-mnist"])
def test_load_dataset_refuses_another_set_under_the_name_mnist(idx_dir: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"but .* holds another data set; use --data.name idx"):
        load(name=name, dir=str(idx_dir))


@pytest.mark.usefixtures("pretend_mnist")
@pytest.mark.parametrize("name", ["auto", "mnist"])
def test_load_dataset_prefers_the_variable_to_the_cache(
    idx_dir: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    shutil.copytree(idx_dir, cache_dir())
    monkeypatch.setenv("MNIST_GAN_DATA", str(idx_dir))
    assert str(idx_dir) in load(name=name).source
    monkeypatch.setenv("MNIST_GAN_DATA", "")
    assert str(cache_dir()) in load(name=name).source


@pytest.mark.parametrize("name", ["auto", "mnist", "stacked-mnist"])
def test_load_dataset_refuses_a_variable_with_another_set(
    idx_dir: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("MNIST_GAN_DATA", str(idx_dir))
    with pytest.raises(DataError, match=rf"MNIST_GAN_DATA is .* another data set than MNIST; use --data.dir {idx_dir}"):
        load(name=name)


@pytest.mark.usefixtures("pretend_mnist")
def test_load_dataset_refuses_a_variable_with_a_damaged_or_missing_folder(
    idx_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(idx_dir, cache_dir())
    monkeypatch.setenv("MNIST_GAN_DATA", str(idx_dir / "nowhere"))
    with pytest.raises(DataError, match=r"MNIST_GAN_DATA: .*nowhere is not a folder"):
        load()
    monkeypatch.setenv("MNIST_GAN_DATA", str(idx_dir))
    (idx_dir / f"{TRAIN_LABELS}.gz").write_bytes(b"\x1f\x8b")
    with pytest.raises(DataError, match=rf"MNIST_GAN_DATA: .*{TRAIN_LABELS}.gz is damaged"):
        load()


@pytest.mark.usefixtures("pretend_mnist")
@pytest.mark.parametrize("download", [True, False])
@pytest.mark.parametrize("complete", [True, False])
def test_load_dataset_reports_a_damaged_cache_without_fallback(
    idx_dir: Path, idx_arrays: Arrays, download: bool, complete: bool
) -> None:
    shutil.copytree(idx_dir, cache_dir())
    path = rewrite(cache_dir(), TRAIN_LABELS, idx_arrays[TRAIN_LABELS][::-1].copy())
    if not complete:
        (cache_dir() / f"{TRAIN_IMAGES}.gz").unlink()
    with pytest.raises(DataError, match=rf"{TRAIN_LABELS}.gz is damaged .* delete it from .* downloaded again"):
        load(download=download)
    assert path.exists()


def test_load_dataset_without_mnist_gives_instructions() -> None:
    with pytest.raises(
        DataError, match=r"MNIST is not on disk .* downloads are disabled; put MNIST's four files in a folder"
    ):
        load(name="mnist", download=False)
    with pytest.raises(DataError, match=r"could not be downloaded \(127.0.0.1:9: connection failed"):
        load_dataset(DataConfig(name="mnist"), mirrors=NOBODY)


# the fall-back


@pytest.mark.parametrize("download", [True, False])
def test_load_dataset_warns_when_digits_replace_mnist(download: bool, caplog: pytest.LogCaptureFixture) -> None:
    dataset = load_dataset(DataConfig(download=download), mirrors=NOBODY)
    assert dataset.name == "digits"
    assert not dataset.is_mnist
    assert (dataset.num_classes, dataset.img_channels, dataset.img_resolution) == (10, 1, 28)
    assert caplog.records[-1].levelname == "WARNING"
    assert "NOT MNIST" in caplog.messages[-1]
    assert "scikit-learn's 8x8 digits" in caplog.messages[-1]
    assert caplog.messages[-1].count("--data.dir or MNIST_GAN_DATA") == 1


def test_load_dataset_falls_back_where_the_cache_cannot_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_bytes(b"")
    dataset = load_dataset(DataConfig(), cache=tmp_path / "file" / "cache", mirrors=NOBODY)
    assert dataset.name == "digits"
    assert "cannot write" in caplog.messages[-1]
    assert "To use MNIST: put MNIST's four files" in caplog.messages[-1]


def test_load_dataset_without_scikit_learn_gives_both_remedies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(DataError, match=r'MNIST_GAN_DATA.*pip install "mnist-gan\[digits\]"'):
        load(download=False)


def test_load_dataset_refuses_digits_with_a_folder(idx_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNIST_GAN_DATA", "/nowhere")
    assert load(name="digits").name == "digits"
    with pytest.raises(ConfigError, match=r"digits comes with scikit-learn, not from a folder; leave out --data.dir"):
        load(name="digits", dir=str(idx_dir))


# stacked MNIST


@pytest.mark.usefixtures("pretend_mnist")
def test_stack_channels_makes_three_digits_with_their_number_as_label(idx_dir: Path) -> None:
    single, stacked = load(dir=str(idx_dir)), load(name="stacked-mnist", dir=str(idx_dir))
    assert stacked.name == "stacked-mnist"
    assert not stacked.is_mnist
    assert (stacked.num_classes, stacked.img_channels, stacked.img_resolution) == (1000, 3, 28)
    assert stacked.images.shape == (128_000, 3, 28, 28)
    assert stacked.held_out_images.shape == (26_000, 3, 28, 28)
    where = {image.numpy().tobytes(): int(label) for image, label in zip(single.images, single.labels, strict=True)}
    for image, label in zip(stacked.images[:300], stacked.labels, strict=False):
        digits = [where[image[channel].numpy().tobytes()] for channel in range(3)]
        assert int(label) == 100 * digits[0] + 10 * digits[1] + digits[2]
    assert len(torch.unique(stacked.labels)) > 950, "the channels depend on one another"
    assert not torch.equal(stacked.images[:, 0], stacked.images[:, 1])
    again = load(name="stacked-mnist", dir=str(idx_dir))
    assert torch.equal(again.images, stacked.images)
    assert again.digests["stacked-mnist"] == stacked.digests["stacked-mnist"]


@pytest.mark.usefixtures("pretend_mnist")
def test_stack_channels_keeps_a_thousand_classes_with_a_limit(idx_dir: Path) -> None:
    few = load(name="stacked-mnist", dir=str(idx_dir), limit=5)
    assert few.images.shape == (5, 3, 28, 28)
    assert few.num_classes == 1000
    assert torch.equal(few.images, load(name="stacked-mnist", dir=str(idx_dir)).images[:5])


# the real MNIST


@pytest.mark.mnist
def test_load_dataset_recognizes_the_real_mnist_and_is_fast(mnist_dir: Path) -> None:
    began = time.thread_time()
    dataset = load(name="auto", dir=str(mnist_dir))
    seconds = time.thread_time() - began
    assert dataset.name == "mnist"
    assert dataset.is_mnist
    assert dataset.images.shape == (60_000, 1, 28, 28)
    assert dataset.held_out_images.shape == (10_000, 1, 28, 28)
    assert dataset.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert torch.bincount(dataset.held_out_labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert dataset.images.float().mean() / 255 == pytest.approx(0.1307, abs=1e-4)
    assert seconds < 5, "about half a second"


@pytest.mark.mnist
def test_load_dataset_detects_one_changed_byte_of_the_real_mnist(mnist_dir: Path, tmp_path: Path) -> None:
    for name in MNIST_FILES:
        source = next(path for path in (mnist_dir / name, mnist_dir / f"{name}.gz") if path.exists())
        shutil.copy(source, tmp_path)
    source = next(tmp_path.glob(f"{HELD_OUT_IMAGES}*"))
    content = bytearray(gzip.decompress(source.read_bytes()) if source.suffix else source.read_bytes())
    source.unlink()
    content[1_000_000] ^= 1
    (tmp_path / HELD_OUT_IMAGES).write_bytes(bytes(content))
    with pytest.raises(DataError, match=rf"{HELD_OUT_IMAGES} is damaged .* 3 of the 4 files"):
        load(dir=str(tmp_path))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda labels: labels + 1, "has the label 0, of the labels 0 to 10; a conditional model cannot learn it"),
        (lambda labels: labels % 2 * 255, "has the label 1 to 254, of the labels 0 to 255; .* cannot learn them"),
        (lambda labels: labels * 0 + 7, "has the label 0 to 6, of"),
    ],
)
def test_load_dataset_warns_of_labels_with_gaps(
    idx_dir: Path, idx_arrays: Arrays, caplog: pytest.LogCaptureFixture, change: Callable[..., Any], words: str
) -> None:
    load(dir=str(idx_dir))
    assert not caplog.messages
    for name in (TRAIN_LABELS, HELD_OUT_LABELS):
        rewrite(idx_dir, name, change(idx_arrays[name]).astype(np.uint8))
    dataset = load_dataset(DataConfig(dir=str(idx_dir)))
    (message,) = caplog.messages
    assert re.search(f"the labels leave gaps: no training image of .* {words}", message)
    assert set(dataset.labels.tolist()) == {*range(dataset.num_classes)} - {*dataset.untrained_classes}
