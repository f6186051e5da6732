from __future__ import annotations

import dataclasses

import pytest
import torch
from torch.nn.functional import cross_entropy

from mnist_gan import presets, training
from mnist_gan.config import (
    Config,
    DiscriminatorConfig,
    DiscriminatorNorm,
    GeneratorConfig,
    ObjectiveConfig,
    TrainingConfig,
)
from mnist_gan.models import ImageShape
from mnist_gan.objectives import build_objective

SHAPE = ImageShape(channels=1, resolution=8, num_classes=10)
TRAINING = TrainingConfig(batch_size=20, conditional=True, precision="float32")


def with_classifier(weight: float, *, norm: DiscriminatorNorm = "none") -> Config:
    return Config(
        generator=GeneratorConfig(family="mlp", z_dim=4, channels=(16,), norm="none"),
        discriminator=DiscriminatorConfig(family="mlp", channels=(16,), norm=norm),
        objective=ObjectiveConfig(classifier_weight=weight),
        training=TRAINING,
    )


def prepare(config: Config):
    objective = build_objective(config.objective)
    names = training.statistic_names(config, objective)
    state = training.create_state(config, SHAPE, device=torch.device("cpu"), statistics=len(names))
    labels = torch.arange(20) % 10
    turn = training.draw_turn(state, config, real_images=torch.rand(20, 1, 8, 8) * 2 - 1, labels=labels)
    return objective, names, state, turn


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_the_classifier_of_real_images_is_in_the_discriminators_gradient(norm):
    config = with_classifier(0.5, norm=norm)
    objective, names, state, turn = prepare(config)
    fake_images = training.generate(state, config, turn).detach()
    logits, class_logits = state.D.judge_and_read(turn.real_images, turn.labels)
    misread = cross_entropy(class_logits, turn.labels)
    loss = objective.discriminator_loss(logits, state.D(fake_images, turn.labels)).mean()
    expected = torch.autograd.grad(loss + 0.5 * misread, list(state.D.parameters()))

    statistics = training.discriminator_step(state, config, objective, turn, fake_images=fake_images)
    for parameter, gradient in zip(state.D.parameters(), expected, strict=True):
        assert torch.allclose(parameter.grad, gradient, atol=1e-6)
    measured = dict(zip(names[1:], statistics, strict=True))  # the first is the generator's
    assert measured["Loss/D/classifier"] == pytest.approx(misread.item(), rel=1e-5)
    assert measured["Loss/D/loss"] == pytest.approx(loss.item(), rel=1e-5)


def test_the_generator_is_taught_to_be_read_as_asked():
    config = with_classifier(0.5)
    objective, _, state, turn = prepare(config)
    fake_images = training.generate(state, config, turn)
    logits, class_logits = state.D.judge_and_read(fake_images, turn.labels)
    loss = objective.generator_loss(logits, None).mean()
    total = loss + 0.5 * cross_entropy(class_logits, turn.labels)
    expected = torch.autograd.grad(total, list(state.G.parameters()), retain_graph=True)
    said = training.generator_step(state, config, objective, turn, fake_images=fake_images)
    for parameter, gradient in zip(state.G.parameters(), expected, strict=True):
        assert torch.allclose(parameter.grad, gradient, atol=1e-6)
    assert said == pytest.approx(loss.item(), rel=1e-5)  # the adversarial loss alone, comparable with other runs


def test_without_labels_there_is_nothing_to_read():
    config = with_classifier(0.5)
    assert config.classifies
    unconditional = dataclasses.replace(config, training=dataclasses.replace(TRAINING, conditional=False))
    assert not unconditional.classifies
    assert "Loss/D/classifier" not in training.statistic_names(unconditional, build_objective(config.objective))


def test_without_a_classifier_there_is_no_statistic_of_it():
    config = presets.get("hinge-sn")
    assert "Loss/D/classifier" not in training.statistic_names(config, build_objective(config.objective))
