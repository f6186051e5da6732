from __future__ import annotations

import pytest
import torch

from mnist_gan import rng
from mnist_gan.evaluation.classifier import augment, augmented_batches, learning_rate_factor, train_classifier
from mnist_gan.evaluation.mnistnet import MnistNet, init_weights, predict_logits


def test_augment_at_strength_zero_is_the_identity():
    images = torch.rand(3, 1, 28, 28) * 2 - 1
    moved = augment(images, generator=torch.Generator().manual_seed(0), strength=0.0)
    assert torch.allclose(moved, images, atol=1e-5)


def test_augment_keeps_the_range_and_a_black_border():
    images = -torch.ones(20, 1, 28, 28)
    images[:, :, 8:20, 10:18] = 1
    moved = augment(images, generator=torch.Generator().manual_seed(0))
    assert moved.min() >= -1.0001
    assert moved.max() <= 1.0001
    assert (moved[:, :, 0] == -1).all()
    assert not torch.allclose(moved[0], moved[1], atol=0.1)


def test_learning_rate_factor_rises_and_decays_to_zero():
    assert [learning_rate_factor(done) for done in (0.0, 0.05, 0.1)] == pytest.approx([0, 0.5, 1])
    assert learning_rate_factor(0.55) == pytest.approx(0.5)
    assert learning_rate_factor(1.0) == pytest.approx(0)


def test_augmented_batches_contain_every_image_once_per_epoch():
    images = torch.arange(12, dtype=torch.uint8).view(12, 1, 1, 1).expand(12, 1, 4, 4)
    seen = [y for _, y in augmented_batches(images, torch.arange(12), batch_size=4, steps=6, seed=0, strength=0.0)]
    first, second = torch.cat(seen[:3]), torch.cat(seen[3:])
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(12))
    assert first.tolist() != second.tolist()


def test_train_classifier_learns_made_up_digits_reproducibly(made_up):
    found = []
    for _ in range(2):
        network = MnistNet()
        init_weights(network, generator=rng.generator(0, "test"))
        average = train_classifier(network, made_up.images, made_up.labels, steps=30, seed=0, batch_size=64)
        found.append(predict_logits(average, made_up.held_out_images))
    assert (found[0].argmax(1) == made_up.held_out_labels).double().mean() > 0.8
    assert torch.equal(found[0], found[1])
