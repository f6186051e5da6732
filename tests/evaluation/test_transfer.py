from __future__ import annotations

import pytest
import torch

from mnist_gan.errors import ConfigError
from mnist_gan.evaluation import Reference, measure_transfer, measure_transfer_of_images
from mnist_gan.evaluation.transfer import classifier_of_real_digits

STEPS = 25


@pytest.fixture(scope="module")
def good(as_mnist, draw):
    return measure_transfer(draw, reference=as_mnist, steps=STEPS)


def test_measure_transfer_of_a_perfect_model_is_near_real_digits(good):
    assert good.real > 0.8
    assert good.gan_train > good.real - 0.1
    assert good.gan_test > good.real - 0.1


def test_measure_transfer_of_images_with_wrong_labels_is_low(as_mnist, draw):
    labels = torch.arange(1000) % 10
    found = measure_transfer_of_images(draw(1000, 0, labels), (labels + 3) % 10, reference=as_mnist, steps=STEPS)
    assert found.gan_train < 0.2
    assert found.gan_test < 0.2


def test_measure_transfer_of_images_without_variety_lowers_gan_train(as_mnist, draw, good):
    labels = torch.arange(1000) % 10
    found = measure_transfer_of_images(
        draw(10, 3, labels[:10]).repeat(100, 1, 1, 1), labels, reference=as_mnist, steps=STEPS
    )
    assert found.gan_train < good.gan_train - 0.1


def test_classifier_of_real_digits_is_cached(as_mnist, good):
    shown = []
    classifier_of_real_digits(as_mnist, steps=STEPS, progress=lambda *step: shown.append(step))
    assert shown == []


def test_measure_transfer_refuses_other_data(made_up, draw):
    with pytest.raises(ConfigError, match="made-up is another data set"):
        measure_transfer(draw, reference=Reference.of(made_up, cache=None))
