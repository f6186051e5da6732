from __future__ import annotations

import pytest
import torch

from mnist_gan.data.sketch import SKETCH_PLACES, SKETCH_STD, consists_of_dots, sketched
from mnist_gan.errors import DataError


def test_sketched_line_is_uniform_along_its_length() -> None:
    mixture = sketched([[(-0.5, 0.0), (0.5, 0.0)]])
    assert len(mixture.means) == round(1 / SKETCH_STD)
    assert torch.allclose(mixture.means[:, 1], torch.zeros(len(mixture.means)))
    assert torch.allclose(mixture.means[:, 0].diff(), torch.full((len(mixture.means) - 1,), SKETCH_STD), atol=1e-4)
    assert float(mixture.weights.sum()) == pytest.approx(1.0, abs=1e-5)


def test_sketched_strokes_weigh_as_much_as_they_are_long() -> None:
    mixture = sketched([[(-0.9, -0.9), (-0.9, 0.3), (0.0, 0.3)], [(0.2, 0.0), (0.9, 0.0)]])
    left = mixture.means[:, 0] < 0.1
    assert float(mixture.weights[left].sum()) == pytest.approx(2.1 / 2.8, abs=0.01)
    corner = (mixture.means - torch.tensor([-0.9, 0.3])).norm(dim=1).min()
    assert float(corner) < SKETCH_STD  # places follow the bend


def test_sketched_dots_are_components_of_their_own() -> None:
    dots = [[(0.5, 0.5)], [(-0.5, 0.5), (-0.5, 0.5)], [(0.0, -0.5)]]
    mixture = sketched(dots)
    assert mixture.means.tolist() == [[0.5, 0.5], [-0.5, 0.5], [0.0, -0.5]]
    assert mixture.weights.tolist() == pytest.approx([1 / 3] * 3)
    assert consists_of_dots(dots)
    assert not consists_of_dots([*dots, [(0.0, 0.0), (0.5, 0.0)]])


def test_sketched_drawing_has_a_bounded_number_of_places() -> None:
    zigzag = [[((-1) ** k * 0.9, k / 100 - 0.9) for k in range(180)]]
    assert len(sketched(zigzag).means) <= SKETCH_PLACES + 1


@pytest.mark.parametrize("strokes", [[], [[]], [[(0.1, 0.1)]], [[(0.1, 0.1)], [(0.1, 0.1)]]])
def test_sketched_refuses_a_drawing_without_extent(strokes: list[list[tuple[float, float]]]) -> None:
    with pytest.raises(DataError, match="no extent"):
        sketched(strokes)
