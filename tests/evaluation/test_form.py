from __future__ import annotations

from typing import Any

import pytest
import torch

from mnist_gan.evaluation import SampleProtocol, Samples, form_figures
from mnist_gan.evaluation.form import (
    PROPERTIES,
    box_is_full,
    centre_of_mass,
    is_centred,
    measure_form,
    share_of_pixels,
    stroke_width,
)


def bar(*, top: int, left: int, height: int, width: int, value: int = 255) -> torch.Tensor:
    image = torch.zeros(28, 28, dtype=torch.uint8)
    image[top : top + height, left : left + width] = value
    return image


def test_box_is_full_if_its_longer_side_has_20_pixels():
    images = [
        bar(top=4, left=10, height=20, width=3),
        bar(top=10, left=2, height=3, width=20),
        bar(top=4, left=10, height=21, width=3),
        bar(top=4, left=10, height=19, width=19),
        bar(top=4, left=10, height=20, width=3) + bar(top=0, left=0, height=2, width=28, value=25),
        torch.zeros(28, 28, dtype=torch.uint8),
    ]
    assert box_is_full(torch.stack(images)).tolist() == [1, 1, 0, 0, 1, 0]


def test_centre_of_mass_of_a_bar_is_its_middle():
    images = torch.stack([bar(top=4, left=10, height=20, width=3), torch.zeros(28, 28, dtype=torch.uint8)])
    assert centre_of_mass(images, axis=1).tolist() == [13.5, 13.5]
    assert centre_of_mass(images, axis=2).tolist() == [11, 13.5]


def test_is_centred_allows_half_a_pixel():
    images = [bar(top=14 - 10 + shift, left=13, height=21, width=3) for shift in (-1, 0, 1)]
    assert is_centred(torch.stack(images)).tolist() == [0, 1, 0]


def test_share_of_pixels_counts_both_ends():
    image = torch.tensor([[[0, 1], [5, 6]]], dtype=torch.uint8)
    assert share_of_pixels(image, low=1, high=5).tolist() == [0.5]


@pytest.mark.parametrize("width", [1, 2, 4])
def test_stroke_width_of_a_long_bar_is_its_width(width):
    images = torch.stack([bar(top=0, left=12, height=28, width=width), torch.zeros(28, 28, dtype=torch.uint8)])
    found = stroke_width(images).tolist()
    assert found[0] == pytest.approx(width, rel=0.15)
    assert found[1] == 0


def test_measure_form_summarizes_by_mean_or_standard_deviation():
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (301, 1, 28, 28), dtype=torch.uint8, generator=generator)
    found = measure_form(images)
    rows = centre_of_mass(images[:, 0], axis=1)
    assert found["form_centre_y"].value == pytest.approx(float(rows.std(correction=0)), rel=1e-6)
    ink = images.double().mean((1, 2, 3)) / 255
    assert found["form_ink"].value == pytest.approx(float(ink.mean()))
    assert found["form_ink"].standard_error == pytest.approx(float(ink.std() / 301**0.5), rel=0.25)


def test_measure_form_takes_channels_for_images():
    images = torch.stack([bar(top=4, left=10, height=20, width=3), torch.zeros(28, 28, dtype=torch.uint8)])[None]
    assert measure_form(images.repeat(50, 1, 1, 1))["form_box"].value == 0.5


def test_form_figures_of_real_images_are_near_their_floors(as_mnist, perfect):
    samples, _ = perfect
    figures: dict[str, Any] = form_figures(samples, reference=as_mnist)
    assert set(figures) == set(PROPERTIES)
    for name in ("form_black", "form_ink", "form_stroke"):
        figure = figures[name]
        assert figure.value == pytest.approx(figure.training, rel=0.05), name
        assert figure.value == pytest.approx(figure.floor, rel=0.1), name
        assert abs(figure.ceiling - figure.floor) > 0.2 * figure.floor, name
        assert figure.interval.low < figure.value < figure.interval.high


def test_form_figures_detect_thick_strokes(as_mnist):
    thick = torch.nn.functional.max_pool2d(as_mnist.held_out_images.float(), 3, 1, 1).byte()
    samples = Samples(sets=(thick,), labels=None, fixed=True, protocol=SampleProtocol(num_images=500))
    figures: dict[str, Any] = form_figures(samples, reference=as_mnist)
    assert figures["form_stroke"].interval.low > 1.2 * figures["form_stroke"].training
    assert figures["form_ink"].interval.low > 1.2 * figures["form_ink"].training
