"""Made-up digits as data sets, and the references that judge images against them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from mnist_gan.data import Dataset
from mnist_gan.evaluation import Evaluation, Reference, SampleProtocol, Samples, evaluate

BOX = (14, 8)
SEGMENTS = ((0, 0, 2, 8), (0, 0, 7, 2), (0, 6, 7, 2), (6, 0, 2, 8), (7, 0, 7, 2), (7, 6, 7, 2), (12, 0, 2, 8))
DIGIT_SEGMENTS = ("012456", "25", "02346", "02356", "1235", "01356", "013456", "025", "0123456", "012356")


def segment_masks() -> Tensor:
    """The segments that each digit lights: (10, 7, 14, 8)."""
    masks = torch.zeros(10, 7, *BOX)
    for digit, lit in enumerate(DIGIT_SEGMENTS):
        for segment in map(int, lit):
            top, left, height, width = SEGMENTS[segment]
            masks[digit, segment, top : top + height, left : left + width] = 1
    return masks


def made_up_digits(labels: Tensor, *, seed: int) -> Tensor:
    """Seven-segment digits at random places, each segment of random brightness: uint8 (N, 1, 28, 28)."""
    generator = torch.Generator().manual_seed(seed)
    n = len(labels)
    bright = 0.6 + 0.4 * torch.rand(n, 7, 1, 1, generator=generator)
    boxes = (segment_masks()[labels] * bright).amax(1)  # [N, 14, 8]
    top, left = (torch.randint(low, low + 6, (n, 1, 1), generator=generator) for low in (4, 7))
    rows, columns = top + torch.arange(BOX[0])[:, None], left + torch.arange(BOX[1])
    images = torch.zeros(n, 28, 28)
    images[torch.arange(n)[:, None, None], rows, columns] = boxes
    soft = torch.nn.functional.avg_pool2d(images[:, None], 3, stride=1, padding=1)
    return (255 * (0.5 * images[:, None] + 0.5 * soft)).round().to(torch.uint8)


@pytest.fixture(scope="session")
def made_up() -> Dataset:
    """1,000 training and 500 held-out made-up digits, the ten classes in turn."""
    labels, held_out_labels = torch.arange(1000) % 10, torch.arange(500) % 10
    return Dataset(
        name="made-up",
        images=made_up_digits(labels, seed=1),
        labels=labels,
        held_out_images=made_up_digits(held_out_labels, seed=2),
        held_out_labels=held_out_labels,
        digests={},
        source="made up for tests",
    )


@pytest.fixture(scope="session")
def as_mnist(made_up: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """A reference that takes the made-up digits for MNIST, so that digit figures are given."""
    plain = Reference.of(made_up, cache=tmp_path_factory.mktemp("cache"))
    return Reference(**{**vars(plain), "kind": "digits"})


@pytest.fixture(scope="session")
def draw() -> Callable[[int, int, Tensor | None], Tensor]:
    """A perfect model: it draws from the distribution of the made-up digits."""

    def perfect(n: int, seed: int, labels: Tensor | None) -> Tensor:
        if labels is None:
            labels = torch.randint(0, 10, (n,), generator=torch.Generator().manual_seed(seed + 1))
        return made_up_digits(labels, seed=seed)

    return perfect


@pytest.fixture(scope="session")
def perfect(as_mnist: Reference, draw: Callable[[int, int, Tensor | None], Tensor]) -> tuple[Samples, Evaluation]:
    """Three sets of 500 images from the perfect model, and their evaluation."""
    protocol = SampleProtocol(num_images=500, draws=3)
    samples = Samples.draw(draw, reference=as_mnist, conditional=True, protocol=protocol)
    return samples, evaluate(samples, reference=as_mnist)
