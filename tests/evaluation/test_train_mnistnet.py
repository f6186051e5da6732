from __future__ import annotations

import pytest
import torch

from mnist_gan import rng
from mnist_gan.errors import DataError
from mnist_gan.evaluation.classifier import augment, batches, learning_rate_factor, train_classifier
from mnist_gan.evaluation.mnistnet import MnistNet, init_weights, logits_of
from mnist_gan.evaluation.train_mnistnet import scale_features_, train_judge


def test_no_strength_moves_nothing():
    images = torch.rand(3, 1, 28, 28) * 2 - 1
    moved = augment(images, generator=torch.Generator().manual_seed(0), strength=0.0)
    assert torch.allclose(moved, images, atol=1e-5)


def test_augmented_images_stay_in_range_with_a_black_border():
    images = -torch.ones(20, 1, 28, 28)
    images[:, :, 8:20, 10:18] = 1
    moved = augment(images, generator=torch.Generator().manual_seed(0))
    assert moved.min() >= -1.0001
    assert moved.max() <= 1.0001
    assert (moved[:, :, 0] == -1).all()
    assert not torch.allclose(moved[0], moved[1], atol=0.1)


def test_the_schedule_rises_and_falls_to_zero():
    assert [learning_rate_factor(done) for done in (0.0, 0.05, 0.1)] == pytest.approx([0, 0.5, 1])
    assert learning_rate_factor(0.55) == pytest.approx(0.5)
    assert learning_rate_factor(1.0) == pytest.approx(0)


def test_an_epoch_holds_every_image_once():
    images = torch.arange(12, dtype=torch.uint8).view(12, 1, 1, 1).expand(12, 1, 4, 4)
    seen = [y for _, y in batches(images, torch.arange(12), batch_size=4, steps=6, seed=0, strength=0.0)]
    first, second = torch.cat(seen[:3]), torch.cat(seen[3:])
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(12))
    assert first.tolist() != second.tolist()


def test_scaled_features_leave_the_logits_as_they_are(made_up):
    network = MnistNet()
    init_weights(network, generator=torch.Generator().manual_seed(0))
    network.eval()
    before = logits_of(network, made_up.images[:50])
    scale_features_(network, made_up.images)
    assert torch.allclose(logits_of(network, made_up.images[:50]), before, rtol=1e-3, atol=1e-4)
    with torch.no_grad():
        features = network.features(made_up.images.float() / 127.5 - 1)
    assert float(features.double().var(0).sum()) == pytest.approx(100, rel=1e-3)


def test_a_few_steps_learn_made_up_digits_and_do_so_again(made_up):
    found = []
    for _ in range(2):
        network = MnistNet()
        init_weights(network, generator=rng.generator(0, "test"))
        average = train_classifier(network, made_up.images, made_up.labels, steps=30, seed=0, batch_size=64)
        found.append(logits_of(average, made_up.held_out_images))
    assert (found[0].argmax(1) == made_up.held_out_labels).double().mean() > 0.8
    assert torch.equal(found[0], found[1])


def test_judges_are_trained_on_mnist_alone(made_up):
    with pytest.raises(DataError, match="made-up is another data set"):
        train_judge("mnistnet", made_up)
