"""Grids, image folders and npz files: content and reproducible bytes."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mnist_gan.artifacts.pictures import draw_grid, encode_png, fitting_scale, save_grid, save_images, save_npz
from mnist_gan.errors import ConfigError, StorageError


def some_images(n: int, channels: int = 1, *, height: int = 5, width: int = 4) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, channels, height, width), dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_draw_grid_places_enlarged_images_row_by_row(channels: int) -> None:
    images = some_images(7, channels)
    pixels = np.asarray(draw_grid(images, columns=3, scale=2)).reshape(-1, 3 * (4 * 2 + 1) + 1, channels)
    assert pixels.shape[0] == 3 * (5 * 2 + 1) + 1
    for index, image in enumerate(images):
        row, column = divmod(index, 3)
        top, left = 1 + row * 11, 1 + column * 9
        shown = pixels[top : top + 10, left : left + 8]
        expected = image.transpose(1, 2, 0).repeat(2, axis=0).repeat(2, axis=1)
        np.testing.assert_array_equal(shown, expected)


def test_draw_grid_separates_images_by_grey_lines() -> None:
    black_and_white = np.stack([np.zeros((1, 4, 4), np.uint8), np.full((1, 4, 4), 255, np.uint8)])
    pixels = np.asarray(draw_grid(black_and_white, columns=2, scale=1))
    assert pixels[2, :5].tolist() == [72, 0, 0, 0, 0]
    assert pixels[2, 5:].tolist() == [72, 255, 255, 255, 255, 72]


def test_draw_grid_of_few_images_has_no_empty_columns() -> None:
    assert draw_grid(some_images(2), columns=10, scale=1).size == (2 * 5 + 1, 6 + 1)


def test_save_grid_of_a_tensor_and_an_array_gives_the_same_bytes(tmp_path: Path) -> None:
    images = some_images(4)
    save_grid(tmp_path / "array.png", images, columns=2)
    save_grid(tmp_path / "tensor.png", torch.from_numpy(images), columns=2)
    assert (tmp_path / "array.png").read_bytes() == (tmp_path / "tensor.png").read_bytes()


def test_encode_png_writes_no_metadata() -> None:
    picture = Image.new("L", (3, 3))
    plain = encode_png(picture)
    picture.info = {"dpi": (300, 300), "icc_profile": b"profile", "transparency": 0}
    assert encode_png(picture) == plain
    names = []
    position = 8
    while position < len(plain):
        names.append(plain[position + 4 : position + 8])
        position += 12 + int.from_bytes(plain[position : position + 4], "big")
    assert set(names) == {b"IHDR", b"IDAT", b"IEND"}


def test_fitting_scale_enlarges_narrow_grids_only() -> None:
    assert fitting_scale(28) == 4
    assert fitting_scale(280) == 3
    assert fitting_scale(2800) == 1


def test_draw_grid_widens_cells_for_captions_and_keeps_the_pixels() -> None:
    images = some_images(2)
    grid = np.asarray(draw_grid(images, columns=2, scale=1, captions=["", "REAL 97.3 %"], column_titles=["a", "b"]))
    assert grid.shape[1] > 2 * 40
    windows = np.lib.stride_tricks.sliding_window_view(grid, (5, 4))
    for image in images:
        assert (windows == image[0]).all(axis=(2, 3)).any()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"columns": 0}, "at least one"),
        ({"columns": 2, "captions": ["one"]}, "1 caption for 3 images"),
        ({"columns": 2, "column_titles": ["one"]}, "1 title for 2 columns"),
    ],
)
def test_draw_grid_refuses_an_impossible_layout(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        draw_grid(some_images(3), **arguments)  # type: ignore[arg-type]


def test_draw_grid_refuses_two_channels() -> None:
    with pytest.raises(ValueError, match="1 or 3"):
        draw_grid(some_images(1, 2), columns=1)


@pytest.mark.parametrize("channels", [1, 3])
def test_save_images_reads_back_to_the_same_pixels(tmp_path: Path, channels: int) -> None:
    images = some_images(3, channels)
    files = save_images(tmp_path / "new" / "out", images, np.array([7, 0, 7]))
    assert [file.name for file in files] == ["000000-7.png", "000001-0.png", "000002-7.png"]
    assert sorted(files) == sorted((tmp_path / "new" / "out").iterdir())
    for file, image in zip(files, images, strict=True):
        with Image.open(file) as picture:
            np.testing.assert_array_equal(np.asarray(picture).reshape(5, 4, channels), image.transpose(1, 2, 0))
    assert [entry.name for entry in (tmp_path / "new").iterdir()] == ["out"]


def test_save_images_refuses_a_folder_with_files(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(ConfigError, match="not an empty folder"):
        save_images(tmp_path, some_images(1))
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine.txt"]


def test_save_images_fills_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert save_images(tmp_path / "out", some_images(1))[0].name == "000000.png"


@pytest.mark.parametrize(("channels", "shape"), [(1, (3, 5, 4)), (3, (3, 3, 5, 4))])
def test_save_npz_stores_images_and_labels_without_pickles(
    tmp_path: Path, channels: int, shape: tuple[int, ...]
) -> None:
    images = some_images(3, channels)
    save_npz(tmp_path / "out.npz", torch.from_numpy(images), torch.tensor([1, 2, 3]))
    with np.load(tmp_path / "out.npz", allow_pickle=False) as content:
        assert content["images"].dtype == np.uint8
        assert content["labels"].dtype == np.int64
        np.testing.assert_array_equal(content["images"], images.reshape(shape))
        np.testing.assert_array_equal(content["labels"], [1, 2, 3])


def test_save_npz_without_labels_has_no_array_of_labels(tmp_path: Path) -> None:
    save_npz(tmp_path / "out.npz", some_images(2))
    with np.load(tmp_path / "out.npz") as content:
        assert content.files == ["images"]


def test_save_npz_writes_no_time_stamp(tmp_path: Path) -> None:
    save_npz(tmp_path / "out.npz", some_images(2), np.arange(2))
    with zipfile.ZipFile(tmp_path / "out.npz") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_save_functions_report_an_unwritable_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    for write in (save_npz, save_images):
        with pytest.raises(StorageError, match="cannot write"):
            write(tmp_path / "file" / "out.npz", some_images(1))
    with pytest.raises(StorageError, match="cannot write"):
        save_grid(tmp_path / "file" / "out.png", some_images(1), columns=1)


def test_files_are_written_to_paths_given_as_text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images = np.zeros((2, 1, 28, 28), dtype=np.uint8)
    save_grid("grid.png", images, columns=2)
    save_npz("set.npz", images)
    assert [str(path) for path in save_images("folder", images)] == ["folder/000000.png", "folder/000001.png"]
    assert (tmp_path / "grid.png").is_file()
    assert (tmp_path / "set.npz").is_file()
    assert (tmp_path / "folder" / "000001.png").is_file()
