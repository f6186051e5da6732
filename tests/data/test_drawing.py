from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from mnist_gan.artifacts.gan import GAN
from mnist_gan.config import DataConfig
from mnist_gan.data import load_dataset
from mnist_gan.data.drawing import prepare_strokes
from mnist_gan.data.preprocess import ImageForm
from mnist_gan.errors import DataError
from mnist_gan.evaluation import load_judge
from mnist_gan.sampling import measure

ZIGZAG = np.array([[0.0, 0.0], [60.0, 5.0], [10.0, 95.0], [70.0, 100.0]])


def stroke(*points: tuple[float, float]) -> NDArray[np.float64]:
    return np.array(points, dtype=np.float64)


def ink(*strokes: NDArray[np.float64], **options) -> NDArray[np.float64]:
    image = prepare_strokes(strokes, resolution=28, **options).image
    assert image.shape == (1, 28, 28)
    return image[0].double().numpy()


def box(image: NDArray[np.float64]) -> tuple[int, int]:
    """Width and height of the ink."""
    columns, rows = np.flatnonzero(image.any(axis=0)), np.flatnonzero(image.any(axis=1))
    return int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1


def centre(image: NDArray[np.float64]) -> tuple[float, float]:
    y, x = np.mgrid[:28, :28]
    return float((image * x).sum() / image.sum()), float((image * y).sum() / image.sum())


@pytest.mark.parametrize(
    ("points", "width", "height"),
    [
        (stroke((0, 0), (0, 100)), 4, 20),
        (stroke((0, 0), (300, 0)), 20, 4),
        (stroke((0, 0), (50, 0), (50, 100)), 12, 20),
        (stroke((0, 0), (100, 100)), 20, 20),
    ],
    ids=["upright", "lying", "corner", "diagonal"],
)
def test_prepare_strokes_fills_the_box_and_keeps_the_aspect_ratio(points, width, height):
    found = box(ink(points))
    assert list(found) == pytest.approx([width, height], abs=1)
    assert max(found) in {19, 20}


def test_prepare_strokes_centres_by_mass():
    for points in (ZIGZAG, stroke((0, 0), (50, 0), (50, 100))):
        assert centre(ink(points)) == pytest.approx((14, 14), abs=0.51)  # to the nearest pixel


def test_prepare_strokes_ignores_size_and_position():
    image = ink(ZIGZAG)
    assert np.abs(image - ink(1000 * ZIGZAG + 77)).max() <= 1
    assert np.abs(image - ink(0.01 * ZIGZAG)).max() <= 1


def test_prepare_strokes_draws_white_with_soft_edges():
    image = ink(ZIGZAG)
    assert image.max() == 255
    assert 0.3 < ((image > 20) & (image < 235)).sum() / (image > 20).sum() < 0.8


def test_prepare_strokes_does_not_depend_on_where_a_stroke_is_split():
    assert np.array_equal(ink(ZIGZAG), ink(ZIGZAG[:3], ZIGZAG[2:]))
    assert np.array_equal(ink(ZIGZAG), ink(np.repeat(ZIGZAG, 3, axis=0)))


def test_prepare_strokes_uses_the_pen_width():
    widths = [
        float(measure(prepare_strokes([stroke((0, 0), (0, 100))], resolution=28, pen_width=width).image[None])["width"])
        for width in (5.0, 20.0, 40.0)
    ]
    assert widths == sorted(widths)
    # the whole is 100 + 20 high on the canvas, and so is the pen's share of it in the box
    assert widths[1] == pytest.approx((20 * 20 / 120) / 12**0.5, rel=0.25)


def test_prepare_strokes_draws_a_dot_as_a_disc():
    image = ink(stroke((40, 40)))
    width, height = box(image)
    assert width == height in {3, 4}
    assert np.abs(image - image.T).max() <= 1
    assert box(ink(stroke((40, 40)), pen_width=10.0)) == (20, 20)


@pytest.mark.parametrize(("resolution", "channels"), [(28, 3), (32, 1), (64, 3)])
def test_prepare_strokes_makes_any_resolution_and_channels(resolution, channels):
    image = prepare_strokes([ZIGZAG], resolution=resolution, channels=channels).image
    assert image.shape == (channels, resolution, resolution)
    assert image.dtype == torch.uint8
    assert all(torch.equal(channel, image[0]) for channel in image)


def test_prepare_strokes_reports_its_steps():
    prepared = prepare_strokes([stroke((0, 0), (0, 100))], resolution=28)
    assert prepared.description == "fitted to 4x20, centred by mass"


@pytest.mark.parametrize(
    ("strokes", "pen_width", "sentence"),
    [
        ([], None, "the drawing is empty"),
        ([np.empty((0, 2))], None, "the drawing is empty"),
        ([stroke((0, np.nan))], None, "is not finite"),
        ([stroke((0, 1))], 0.0, "must be greater than 0"),
        ([stroke((0, 1))], float("inf"), "must be greater than 0"),
    ],
)
def test_prepare_strokes_refuses_invalid_strokes(strokes, pen_width, sentence):
    with pytest.raises(DataError, match=sentence):
        prepare_strokes(strokes, resolution=28, pen_width=pen_width)


# ---- real digits, traced and drawn again

FINER = 4


@pytest.mark.slow
@pytest.mark.mnist
def test_prepare_strokes_keeps_digits_recognizable(mnist_dir: Path):
    n = 300
    dataset = load_dataset(DataConfig(name="mnist", dir=str(mnist_dir)))
    images, labels = dataset.held_out_images[:n], dataset.held_out_labels[:n]
    drawings = traced(images[:, 0].numpy())
    replayed = torch.stack([prepare_strokes(strokes, resolution=28).image for strokes in drawings])

    assert float((load_judge().predict(replayed).classes == labels).double().mean()) >= 0.97

    gan = GAN.load("shipped")
    real, again = (gan.probability_real(some, labels=labels) for some in (images, replayed))
    generated = gan.probability_real(gan.sample(n, seed=1), labels=gan.labels(n))
    assert float(again.mean()) == pytest.approx(float(real.mean()), abs=0.05)
    assert float(again.median()) == pytest.approx(float(real.median()), abs=0.06)
    flipped = gan.probability_real(replayed.flip(2), labels=labels)
    other = gan.probability_real(replayed, labels=(labels + 1) % 10)
    for wrong in (flipped, other):
        assert float(wrong.mean()) < float(again.mean()) - 0.2  # so that it says something
    assert float(generated.mean()) < float(again.mean()) - 0.1  # near, as the generator is good

    strokes, strokes_again = (float(measure(some)["stroke width"].mean()) for some in (images, replayed))
    assert strokes_again == pytest.approx(strokes, abs=0.1)
    inked, inked_again = (float(some.double().mean()) for some in (images, replayed))
    assert inked_again == pytest.approx(inked, rel=0.08)


def traced(images: NDArray[np.uint8]) -> list[list[NDArray[np.float64]]]:
    """The centre lines of a digit, as pen strokes."""
    size = (images.shape[2] * FINER, images.shape[1] * FINER)
    fine = np.stack([np.asarray(Image.fromarray(one).resize(size, Image.Resampling.BICUBIC)) for one in images])
    return [[smoothed(walk) for walk in walks(line)] for line in thinned(fine > 110)]


def thinned(shapes: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Skeletons of one pixel's width (Zhang & Suen 1984)."""
    shapes = np.pad(shapes, ((0, 0), (1, 1), (1, 1)))
    around = ((1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1))  # north, then clockwise
    while True:
        before = shapes
        for first_pass in (True, False):
            neighbours = [np.roll(shapes, shift, axis=(1, 2)) for shift in around]
            count = sum(neighbour.astype(np.int8) for neighbour in neighbours)
            turns = sum((~neighbours[i] & neighbours[(i + 1) % 8]).astype(np.int8) for i in range(8))
            north, east, south, west = neighbours[0], neighbours[2], neighbours[4], neighbours[6]
            kept = (
                (north & east & south) | (east & south & west)
                if first_pass
                else (north & east & west) | (north & south & west)
            )
            shapes = shapes & ~((count >= 2) & (count <= 6) & (turns == 1) & ~kept)
        if np.array_equal(before, shapes):
            return shapes[:, 1:-1, 1:-1]


def walks(line: NDArray[np.bool_]) -> list[list[tuple[int, int]]]:
    """Trace a skeleton into strokes, starting at line ends, until every pixel is visited."""
    every = {(int(x), int(y)) for y, x in zip(*np.nonzero(line), strict=True)}
    left, found = set(every), []
    while left:
        ends = [place for place in left if len(beside(place, every)) == 1]
        place = min(ends or left)
        path = [*beside(place, every - left)[:1], place]  # from where a walk before went past
        left.discard(place)
        while further := beside(place, left):
            place = further[0]
            left.discard(place)
            path.append(place)
        path += [other for other in beside(place, every) if other not in path[-3:]][:1]
        found.append(path)
    return found


def beside(place: tuple[int, int], places: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """The eight neighbours that are among `places`, nearest first."""
    x, y = place
    steps = [(dx, dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1) if dx or dy]
    return [
        (x + dx, y + dy) for dx, dy in sorted(steps, key=lambda s: abs(s[0]) + abs(s[1])) if (x + dx, y + dy) in places
    ]


def smoothed(path: list[tuple[int, int]], *, reach: int = 2) -> NDArray[np.float64]:
    """Smooth the steps of the grid; the ends are kept."""
    points = np.array(path, dtype=np.float64)
    smooth = points.copy()
    for index in range(1, len(points) - 1):
        near = min(reach, index, len(points) - 1 - index)
        smooth[index] = points[index - near : index + near + 1].mean(axis=0)
    return smooth


def test_prepare_strokes_takes_the_form_of_a_data_set():
    form = ImageForm(box_share=20 / 32, inverted=True)
    small = prepare_strokes([ZIGZAG], resolution=28).image
    prepared = prepare_strokes([ZIGZAG], resolution=32, form=form)
    assert prepared.steps[-1] == "inverted"
    light = 255 - prepared.image
    assert float(light.sum()) == pytest.approx(float(small.sum()), rel=0.02)
    assert light[0].any(dim=1).sum() == small[0].any(dim=1).sum() == 20
