"""Properties of shapes whose slant, width and loops are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mnist_gan.data import to_uint8
from mnist_gan.sampling import PROPERTIES, measure


def picture(ink: np.ndarray) -> torch.Tensor:
    """Grey levels in [0, 1] as an image."""
    return to_uint8(torch.from_numpy(2 * ink.astype(np.float32) - 1))[None, None]


def bar(*, top: int, bottom: int, left: int, right: int) -> np.ndarray:
    ink = np.zeros((28, 28))
    ink[top:bottom, left:right] = 1
    return ink


def soft_bar(*, slant: float = 0.0, half_width: float = 2.0, bow: float = 0.0) -> np.ndarray:
    """A bar from row 4 to row 23 with edges one pixel soft, leaning and bent."""
    y, x = np.mgrid[:28, :28] - 13.5
    middle = -slant * y + bow * (1 - (y / 10) ** 2)
    return np.asarray(np.clip(half_width - np.abs(x - middle) + 0.5, 0, 1) * (np.abs(y) < 10))


def value(ink: np.ndarray, name: str) -> float:
    return float(measure(picture(ink))[name])


@pytest.mark.parametrize("slant", [-0.5, 0.0, 0.3])
def test_measure_slant_is_pixels_right_per_pixel_up(slant):
    assert value(soft_bar(slant=slant), "slant") == pytest.approx(slant, abs=0.02)


def test_measure_height_and_width_are_standard_deviations_of_the_ink():
    measured = measure(picture(bar(top=4, bottom=24, left=10, right=16)))
    assert float(measured["height"]) == pytest.approx(((20**2 - 1) / 12) ** 0.5, rel=1e-4)
    assert float(measured["width"]) == pytest.approx(((6**2 - 1) / 12) ** 0.5, rel=1e-4)


def test_measure_width_does_not_depend_on_slant():
    upright, leaning = (value(soft_bar(slant=slant, half_width=4), "width") for slant in (0.0, 0.5))
    assert leaning == pytest.approx(upright, rel=0.03)


@pytest.mark.parametrize("width", [2.0, 3.0, 5.0])
def test_measure_stroke_width_is_twice_the_ink_over_its_edges(width):
    area, edges = 20 * width, 2 * (20 + width)
    assert value(soft_bar(half_width=width / 2), "stroke width") == pytest.approx(2 * area / edges, rel=0.1)


def test_measure_loop_size_counts_enclosed_background():
    ring = bar(top=5, bottom=15, left=5, right=15) - bar(top=7, bottom=13, left=7, right=13)
    assert value(ring, "loop size") == 36
    ring[5:7, 9] = 0  # a gap connects the inside with the border
    assert value(ring, "loop size") == 0


def test_measure_loop_size_uses_4_connectivity():
    spiral = bar(top=2, bottom=20, left=2, right=20) - bar(top=3, bottom=19, left=3, right=19)
    spiral[3, 2] = 0
    spiral[4:18, 4] = 1
    assert value(spiral, "loop size") == 0
    corner = bar(top=5, bottom=8, left=5, right=8) - bar(top=6, bottom=7, left=6, right=7)
    corner[5, 5] = 0  # the hole touches the outside only diagonally
    assert value(corner, "loop size") == 1


@pytest.mark.parametrize("bow", [-3.0, 0.0, 3.0])
def test_measure_bow_is_positive_to_the_right(bow):
    found = value(soft_bar(bow=bow), "bow")
    assert found == pytest.approx(0, abs=1e-3) if bow == 0 else found * bow > 0.3


def test_measure_shifts_are_the_only_properties_that_depend_on_position():
    here, there = (measure(picture(np.roll(soft_bar(slant=0.2), shift, axis=(0, 1)))) for shift in ((0, 0), (3, -2)))
    moved = {name: float(there[name] - here[name]) for name in PROPERTIES}
    assert moved.pop("shift down") == pytest.approx(3, abs=1e-3)
    assert moved.pop("shift to the right") == pytest.approx(-2, abs=1e-3)
    assert moved == pytest.approx(dict.fromkeys(moved, 0.0), abs=1e-3)


def test_measure_bottom_properties_change_sign_upside_down():
    wedge = np.tril(np.ones((20, 20)))  # more ink and more width at the bottom
    ink = np.zeros((28, 28))
    ink[4:24, 4:24] = wedge
    assert value(ink, "weight at the bottom") > 0.3
    assert value(ink, "width at the bottom") > 0.3
    assert value(ink[::-1].copy(), "weight at the bottom") < -0.3
    assert value(ink[::-1].copy(), "width at the bottom") < -0.3


@pytest.mark.parametrize("channels", [1, 3])
def test_measure_returns_finite_values_for_every_image(channels):
    images = torch.cat([torch.zeros(1, channels, 28, 28), torch.full((1, channels, 28, 28), 255)]).to(torch.uint8)
    measured = measure(images)
    assert measured.keys() == PROPERTIES.keys()
    assert all(bool(values.isfinite().all()) and values.shape == (2,) for values in measured.values())
