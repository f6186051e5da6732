"""Animations of sample grids: order, durations, size and reproducible bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from mnist_gan.artifacts import animation
from mnist_gan.artifacts.animation import animate_samples, find_samples, save_animation, thin
from mnist_gan.artifacts.pictures import draw_grid, save_grid
from mnist_gan.data import read_idx
from mnist_gan.errors import ArtifactError, ConfigError


def write_samples(folder: Path, *epochs: int, channels: int = 1) -> Path:
    for epoch in epochs:
        images = np.full((4, channels, 28, 28), min(255, 40 + 5 * epoch), dtype=np.uint8)
        save_grid(folder / f"epoch-{epoch:04d}.png", images, columns=2)
    return folder


def read_frames(path: Path) -> list[np.ndarray]:
    with Image.open(path) as picture:
        return [np.asarray(frame.convert("RGB")).astype(int) for frame in ImageSequence.Iterator(picture)]


def durations(path: Path) -> list[int]:
    with Image.open(path) as picture:
        found = []
        for index in range(getattr(picture, "n_frames", 1)):
            picture.seek(index)
            picture.load()
            found.append(int(picture.info["duration"]))
        return found


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
@pytest.mark.parametrize("channels", [1, 3])
def test_animate_samples_shows_epochs_in_order_and_holds_the_ends(tmp_path: Path, suffix: str, channels: int) -> None:
    samples = write_samples(tmp_path / "samples", 10, 0, 2, 1, channels=channels)
    path = tmp_path / f"training{suffix}"
    animate_samples(samples, path)
    frames = read_frames(path)
    levels = [frame[40, 40, 0] for frame in frames]
    np.testing.assert_allclose(levels, [40, 45, 50, 90], atol=4)
    assert durations(path) == [800, 500, 500, 2500]


def test_animate_samples_draws_the_epoch_below_the_grid(tmp_path: Path) -> None:
    samples = write_samples(tmp_path / "samples", 0, 1, 2)
    animate_samples(samples, tmp_path / "training.gif")
    with Image.open(samples / "epoch-0000.png") as grid:
        height = grid.height
    bands = [frame[height:] for frame in read_frames(tmp_path / "training.gif")]
    assert all(band.max() > 200 for band in bands)  # contains text
    assert not np.array_equal(bands[0], bands[1])
    bars = [int((band[-1, :, 0] > 120).sum()) for band in bands]
    assert bars == [0, bands[0].shape[1] // 2, bands[0].shape[1]]


def test_animate_samples_loops_forever(tmp_path: Path) -> None:
    animate_samples(write_samples(tmp_path / "samples", 0, 1), tmp_path / "training.gif", tmp_path / "training.webp")
    for name in ("training.gif", "training.webp"):
        with Image.open(tmp_path / name) as picture:
            assert picture.info["loop"] == 0


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_animate_samples_same_samples_give_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    samples = write_samples(tmp_path / "samples", 0, 1, 2)
    animate_samples(samples, tmp_path / f"a{suffix}", tmp_path / f"b{suffix}")
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_animate_samples_of_one_grid_has_one_frame(tmp_path: Path) -> None:
    animate_samples(write_samples(tmp_path / "samples", 0), tmp_path / "training.gif")
    assert len(read_frames(tmp_path / "training.gif")) == 1


def test_animate_samples_thins_many_epochs_evenly_and_keeps_the_ends(tmp_path: Path) -> None:
    samples = write_samples(tmp_path / "samples", *range(41))
    animate_samples(samples, tmp_path / "training.gif", max_frames=5)
    levels = [frame[40, 40, 0] for frame in read_frames(tmp_path / "training.gif")]
    np.testing.assert_allclose(levels, [40, 90, 140, 190, 240], atol=3)
    assert durations(tmp_path / "training.gif")[1] == 500
    animate_samples(samples, tmp_path / "whole.gif")
    assert durations(tmp_path / "whole.gif")[1] == 120
    assert thin(range(10), count=4) == [0, 3, 6, 9]
    assert thin(range(3), count=4) == [0, 1, 2]


@pytest.mark.mnist
@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_save_animation_of_fifty_epochs_is_below_two_megabytes(tmp_path: Path, mnist_dir: Path, suffix: str) -> None:
    images = read_idx(mnist_dir / "t10k-images-idx3-ubyte.gz").array[: 51 * 80].reshape(51, 80, 1, 28, 28)
    save_animation(tmp_path / f"digits{suffix}", [draw_grid(frame, columns=10) for frame in images])
    assert (tmp_path / f"digits{suffix}").stat().st_size < 2_000_000


def test_save_animation_reduces_the_scale_until_the_file_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, 80, 1, 28, 28), dtype=np.uint8)
    frames = [draw_grid(images, columns=10) for images in noise]
    save_animation(tmp_path / "fine.gif", frames)
    size = (tmp_path / "fine.gif").stat().st_size
    monkeypatch.setattr(animation, "MAX_BYTES", size // 2)
    save_animation(tmp_path / "coarse.gif", frames)
    assert (tmp_path / "coarse.gif").stat().st_size <= size // 2
    with Image.open(tmp_path / "fine.gif") as fine, Image.open(tmp_path / "coarse.gif") as coarse:
        assert coarse.width < fine.width


def test_find_samples_ignores_other_files(tmp_path: Path) -> None:
    samples = write_samples(tmp_path / "samples", 2, 10000)
    (samples / "epoch-0001.png.part").write_text("")
    (samples / "epoch-x.png").write_text("")
    assert [epoch for epoch, _ in find_samples(samples)] == [2, 10000]


def test_animate_samples_refuses_a_run_without_samples(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="has no sample grids"):
        animate_samples(tmp_path / "samples", tmp_path / "training.gif")


def test_animate_samples_names_a_damaged_grid(tmp_path: Path) -> None:
    samples = write_samples(tmp_path / "samples", 0, 1, 2)
    damaged = samples / "epoch-0001.png"
    damaged.write_bytes(damaged.read_bytes()[:60])
    with pytest.raises(ArtifactError, match=r"epoch-0001\.png cannot be read"):
        animate_samples(samples, tmp_path / "training.gif")


def test_animate_samples_names_a_grid_of_another_size(tmp_path: Path) -> None:
    samples = write_samples(tmp_path / "samples", 0, 1)
    save_grid(samples / "epoch-0002.png", np.zeros((9, 1, 28, 28), np.uint8), columns=3)
    with pytest.raises(ArtifactError, match=r"epoch-0002\.png differs in size"):
        animate_samples(samples, tmp_path / "training.gif")


def test_animate_samples_refuses_unknown_formats_and_single_frames(tmp_path: Path) -> None:
    samples = write_samples(tmp_path / "samples", 0, 1)
    with pytest.raises(ConfigError, match=r"\.gif or \.webp"):
        animate_samples(samples, tmp_path / "training.mp4")
    with pytest.raises(ConfigError, match="at least 2 frames"):
        animate_samples(samples, tmp_path / "training.gif", max_frames=1)
