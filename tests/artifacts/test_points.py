from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.support.gans import POINTS, tiny_gan

from mnist_gan.artifacts.points import (
    GENERATED,
    SIDE,
    draw_field,
    draw_latent_grid,
    draw_panels,
    draw_points,
    draw_samples,
    plane_of,
    save_points,
)
from mnist_gan.models import ImageShape

SCALING = plane_of(POINTS)


def at(*points: tuple[float, float]) -> torch.Tensor:
    return torch.tensor(points, dtype=torch.float32)[:, :, None, None]


def test_draw_points_marks_a_point_at_its_place() -> None:
    picture = np.asarray(draw_points(at((11, 21)), scaling=SCALING))  # right of and above the centre by half the range
    rows, columns = np.nonzero((picture == GENERATED).all(axis=2))
    assert rows.mean() == pytest.approx(SIDE / 4, abs=2)
    assert columns.mean() == pytest.approx(3 * SIDE / 4, abs=2)


def test_draw_points_leaves_points_outside_of_the_range_out() -> None:
    picture = np.asarray(draw_points(at((100, 20), (10, -500)), scaling=SCALING))
    assert not (picture == GENERATED).all(axis=2).any()


def test_draw_points_shades_the_density_of_real_points() -> None:
    real = torch.randn(5_000, 2, 1, 1, generator=torch.Generator().manual_seed(0)) * 0.1 + at((10, 20))
    picture = np.asarray(draw_points(at((11.9, 21.9)), scaling=SCALING, real=real))
    assert picture[SIDE // 2, SIDE // 2, 0] < picture[SIDE // 4, SIDE // 4, 0] == 255


def test_draw_field_colours_the_sides_of_the_boundary() -> None:
    gan = tiny_gan(num_classes=0, shape=POINTS)
    picture = np.asarray(draw_field(gan)).astype(int)
    corners = torch.tensor([[-0.9, -0.9], [0.9, -0.9], [-0.9, 0.9], [0.9, 0.9]])[:, :, None, None]
    logits = gan.logits(SCALING.to_rest(corners)).tolist()
    for (x, y), logit in zip(corners.flatten(1).tolist(), logits, strict=True):
        red, _, blue = picture[int((1 - y) * SIDE / 2), int((1 + x) * SIDE / 2)]
        assert (blue >= red) == (logit > 0)


def test_pictures_of_a_model_are_deterministic_and_of_one_size() -> None:
    gan = tiny_gan(num_classes=0, shape=POINTS)
    points = gan.sample(50)
    assert draw_latent_grid(gan).size == (SIDE, SIDE)
    panels = draw_panels(gan, points, real=points)
    assert panels.width == 3 * SIDE
    assert panels.tobytes() == draw_panels(gan, points, real=points).tobytes()


def test_draw_samples_draws_images_as_a_grid() -> None:
    images = torch.zeros(4, 1, 28, 28, dtype=torch.uint8)
    shape = ImageShape(channels=1, resolution=28)
    assert draw_samples(images, shape=shape, columns=2, scale=1).mode == "L"
    assert draw_samples(at((10, 20)), shape=POINTS, columns=1).size == (SIDE, SIDE)


def test_plane_of_refuses_images() -> None:
    with pytest.raises(ValueError, match="not that of points of the plane"):
        plane_of(ImageShape(channels=1, resolution=28))


def test_save_points_writes_csv_npz_and_png(tmp_path: Path) -> None:
    points = at((1.25, -2), (3, 4))
    for name in ("p.csv", "p.npz", "p.png"):
        save_points(tmp_path / name, points, torch.tensor([0, 5]), scaling=SCALING)
    assert (tmp_path / "p.csv").read_text() == "x,y,label\n1.25,-2,0\n3,4,5\n"
    with np.load(tmp_path / "p.npz") as arrays:
        assert arrays["points"].tolist() == [[1.25, -2], [3, 4]]
        assert arrays["labels"].tolist() == [0, 5]
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
