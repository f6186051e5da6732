from __future__ import annotations

import dataclasses

import pytest
import torch

from mnist_gan.scaling import PIXELS, Coordinates, scaling_from_dict, scaling_of, to_float, to_uint8


def test_to_float_has_exact_ends_and_is_inverted_by_to_uint8() -> None:
    every_byte = torch.arange(256, dtype=torch.uint8)
    floats = to_float(every_byte)
    assert floats[0] == -1
    assert floats[255] == 1
    assert torch.allclose(floats, torch.linspace(-1, 1, 256), atol=1e-6)
    assert torch.equal(to_uint8(floats), every_byte)
    assert to_float(every_byte, (0, 1))[255] == 1
    assert to_float(every_byte, (0, 1))[0] == 0
    assert torch.equal(every_byte, torch.arange(256, dtype=torch.uint8)), "the source is left as it was"


def test_to_uint8_rounds_and_clamps() -> None:
    values = torch.tensor([-7.0, -1.0, -0.997, -0.995, 0.998, 1.0, 1.5])
    assert to_uint8(values).tolist() == [0, 0, 0, 1, 255, 255, 255]
    assert values[0] == -7.0


def points(*rows: tuple[float, float]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float32).view(-1, 2, 1, 1)


def test_coordinates_map_the_extent_of_the_points_to_four_fifths_of_the_range() -> None:
    scaled = Coordinates.of(points((10, -1), (30, 1))).to_network(points((10, 0), (30, 0), (20, 1)))
    expected = points((-0.8, 0), (0.8, 0), (0, 0.08))
    assert torch.allclose(scaled, expected)


def test_coordinates_to_rest_inverts_to_network() -> None:
    data = torch.randn(50, 2, 1, 1, generator=torch.Generator().manual_seed(0)) * 7 + 100
    scaling = Coordinates.of(data)
    assert torch.allclose(scaling.to_rest(scaling.to_network(data)), data, rtol=1e-6)


def test_coordinates_follow_the_range_of_real_data() -> None:
    scaling = Coordinates(centre=(0.0, 0.0), scale=1.0)
    assert torch.equal(scaling.to_network(points((-1, 0), (1, 0.5)), (0, 255)), points((0, 127.5), (255, 191.25)))


def test_coordinates_of_equal_points_have_a_scale() -> None:
    scaling = Coordinates.of(points((3, 4), (3, 4)))
    assert torch.equal(scaling.to_network(points((3, 4))), points((0, 0)))


@pytest.mark.parametrize(("centre", "scale"), [((), 1.0), ((0.0,), 0.0), ((0.0,), -1.0), ((float("nan"),), 1.0)])
def test_coordinates_refuse_numbers_that_cannot_scale(centre: tuple[float, ...], scale: float) -> None:
    with pytest.raises(ValueError, match="not a scaling"):
        Coordinates(centre=centre, scale=scale)


def test_scaling_of_goes_by_the_dtype() -> None:
    assert scaling_of(torch.zeros(2, 1, 28, 28, dtype=torch.uint8)) is PIXELS
    assert isinstance(scaling_of(points((0, 0), (1, 1))), Coordinates)


def test_scaling_from_dict_inverts_asdict() -> None:
    scaling = Coordinates(centre=(1.0, -2.5), scale=3.0)
    assert scaling_from_dict(dataclasses.asdict(scaling)) == scaling
    assert scaling_from_dict(None) is PIXELS
