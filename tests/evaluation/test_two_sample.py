from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from mnist_gan.errors import DataError
from mnist_gan.evaluation import two_sample_figures, two_sample_figures_of_images
from mnist_gan.evaluation.two_sample import Split, TwoSampleProtocol, choose_by_label, run_splits

SMALL = TwoSampleProtocol(learned=300, tested=200, steps=60, batch_size=32, seeds=2)
"""Few enough images for the 1,000 of the made-up data set, null distribution included."""


def marked(images, share, *, seed):
    """Images of which a share has a white corner, which a network learns at once."""
    chosen = torch.rand(len(images), generator=torch.Generator().manual_seed(seed)) < share
    images = images.clone()
    images[chosen, :, :6, :6] = 255
    return images


@pytest.fixture(scope="module")
def half(as_mnist, draw):
    """Figures of a model of which half of the images give themselves away."""
    return two_sample_figures(
        lambda n, seed, labels: marked(draw(n, seed, labels), 0.5, seed=seed),
        reference=as_mnist,
        conditional=True,
        protocol=SMALL,
    )


def test_two_sample_figures_of_a_half_marked_model_are_three_quarters(half):
    assert list(half) == ["c2st300", "c2stauc300", "c2stheldout300", "c2stgap300"]
    assert half["c2st300"].value == pytest.approx(0.75, abs=0.06)
    assert half["c2stauc300"].value == pytest.approx(0.75, abs=0.06)
    assert half["c2stheldout300"].value == pytest.approx(0.75, abs=0.08)


def test_two_sample_figures_have_a_null_and_a_ceiling(half):
    figure = half["c2st300"]
    assert figure.training == pytest.approx(0.5, abs=0.08)
    assert figure.ceiling > 0.98
    assert figure.interval is not None
    assert figure.spread is not None


def test_two_sample_figures_of_a_perfect_model_are_those_of_guessing(as_mnist, draw):
    found = two_sample_figures(draw, reference=as_mnist, conditional=True, protocol=SMALL)
    assert found["c2st300"].value == pytest.approx(0.5, abs=0.08)
    assert found["c2stauc300"].value == pytest.approx(0.5, abs=0.08)


def test_two_sample_figures_do_not_depend_on_the_number_of_threads(as_mnist, draw):
    protocol = dataclasses.replace(SMALL, steps=4)
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(two_sample_figures(draw, reference=as_mnist, conditional=True, protocol=protocol))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1]


def test_two_sample_figures_of_images_match_the_shares_of_their_labels(as_mnist, draw):
    labels = torch.cat([torch.arange(550) % 10, torch.zeros(2000, dtype=torch.int64)])  # far too many zeros
    images = draw(2550, 0, labels)
    found: dict[str, Any] = two_sample_figures_of_images(images, labels, reference=as_mnist, protocol=SMALL)
    assert found["c2st300"].value == pytest.approx(0.5, abs=0.08)


def test_two_sample_test_needs_enough_images(as_mnist):
    few = as_mnist.held_out_images[:499]
    with pytest.raises(DataError, match="needs 500 images, and the set has 499"):
        two_sample_figures_of_images(few, None, reference=as_mnist, protocol=SMALL)
    with pytest.raises(DataError, match="needs 30,000 training images, and made-up has 1,000"):
        two_sample_figures_of_images(few.repeat(61, 1, 1, 1), None, reference=as_mnist)


def test_choose_by_label_takes_each_row_once_and_keeps_the_order():
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    wanted = torch.tensor([1, 0, 1, 2])
    chosen = choose_by_label(labels, wanted, generator=torch.Generator().manual_seed(0))
    assert labels[chosen].tolist() == wanted.tolist()
    assert len(chosen.unique()) == 4


def test_choose_by_label_fills_a_class_that_runs_out_from_the_others():
    labels = torch.tensor([0, 1, 1, 1])
    chosen = choose_by_label(labels, torch.tensor([0, 0, 1]), generator=torch.Generator().manual_seed(0))
    assert sorted(labels[chosen].tolist()) == [0, 1, 1]
    assert len(chosen.unique()) == 3


def test_run_splits_raises_the_error_of_a_training(as_mnist):
    split = Split(as_mnist.images[:500], as_mnist.images[500:], as_mnist.held_out_images)
    with pytest.raises(ZeroDivisionError):
        run_splits([split], protocol=dataclasses.replace(SMALL, steps=0), seed=0, progress=lambda done, total: None)
