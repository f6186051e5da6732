from __future__ import annotations

import copy
import dataclasses

import pytest
import torch
from torch.nn.functional import cross_entropy

from mnist_gan import presets
from mnist_gan.models import ImageShape
from mnist_gan.objectives import build_objective, r1_penalty
from mnist_gan.training import (
    create_state,
    discriminator_step,
    generate,
    generator_step,
    next_inputs,
    sample_inputs,
    statistic_names,
    train_step,
)
from mnist_gan.training.step import frozen


def step(config, state, stream):
    """Take one step; returns the state before it, the inputs, and the statistics as numbers."""
    before, inputs = copy.deepcopy(state), next_inputs(state, config, stream)
    statistics = train_step(state, config, build_objective(config.objective), inputs=inputs)
    return before, inputs, {name: value.item() for name, value in statistics.items()}


def assert_gradients(network, expected):
    for parameter, gradient in zip(network.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_train_step_gives_d_the_gradient_of_its_loss_and_of_the_classifier(norm, make_config, make_state, stream):
    config = make_config(objective={"classifier_weight": 0.5}, discriminator={"norm": norm})
    state = make_state(config)
    before, (batch,), statistics = step(config, state, stream)
    fake_images = before.G(batch.z, batch.labels).detach()
    real_logits, class_logits = before.D.score_and_classify(batch.real_images, batch.labels)
    fake_logits = before.D(fake_images, batch.labels)
    loss = build_objective(config.objective).discriminator_loss(real_logits, fake_logits).mean()
    class_loss = cross_entropy(class_logits, batch.labels)
    assert_gradients(state.D, torch.autograd.grad(loss + 0.5 * class_loss, list(before.D.parameters())))
    assert statistics["Loss/D/loss"] == pytest.approx(loss.item(), rel=1e-5)
    assert statistics["Loss/D/classifier"] == pytest.approx(class_loss.item(), rel=1e-5)
    assert statistics["Loss/scores/real"] == pytest.approx(real_logits.mean().item(), rel=1e-4)
    assert statistics["Loss/scores/fake"] == pytest.approx(fake_logits.mean().item(), rel=1e-4)


@pytest.mark.parametrize("d_steps", [1, 3])
def test_train_step_teaches_g_on_the_last_fake_batch_with_the_updated_d(d_steps, make_config, make_state, stream):
    config = make_config(objective={"classifier_weight": 0.5}, training={"d_steps": d_steps})
    state = make_state(config)
    before, (*_, batch), statistics = step(config, state, stream)
    logits, class_logits = state.D.score_and_classify(before.G(batch.z, batch.labels), batch.labels)
    loss = build_objective(config.objective).generator_loss(logits, None).mean()
    total = loss + 0.5 * cross_entropy(class_logits, batch.labels)
    assert_gradients(state.G, torch.autograd.grad(total, list(before.G.parameters())))
    assert statistics["Loss/G/loss"] == pytest.approx(loss.item(), rel=1e-5)  # the adversarial loss alone


def test_train_step_of_a_relativistic_loss_scores_real_images_again_for_g(make_config, make_state, stream):
    config = make_config(objective={"loss": "relativistic"})
    state = make_state(config)
    before, (batch,), statistics = step(config, state, stream)
    fake_logits = state.D(before.G(batch.z, batch.labels), batch.labels)
    real_logits = state.D(batch.real_images, batch.labels)
    loss = torch.nn.functional.softplus(real_logits - fake_logits).mean()
    assert statistics["Loss/G/loss"] == pytest.approx(loss.item(), rel=1e-5)


def test_train_step_scales_a_lazy_penalty_by_its_interval(make_config, make_state, stream):
    config = make_config(objective={"r1_gamma": 2.0, "penalty_interval": 4})
    state = make_state(config)
    before, (batch,), statistics = step(config, state, stream)
    fake_images = before.G(batch.z, batch.labels).detach()
    logits = before.D(batch.real_images, batch.labels), before.D(fake_images, batch.labels)
    penalty = r1_penalty(before.D, batch.real_images, batch.labels, gamma=2.0).mean()
    total = build_objective(config.objective).discriminator_loss(*logits).mean() + 4 * penalty
    gradients = torch.autograd.grad(total, list(before.D.parameters()), allow_unused=True)
    assert_gradients(state.D, gradients)
    assert statistics["Loss/D/penalty"] == pytest.approx(penalty.item(), rel=1e-5)


def test_train_step_adds_up_all_penalties_that_are_on(make_config, make_state, stream):
    def penalty(**objective):
        config = make_config(objective=objective)
        return step(config, make_state(config), stream)[2]["Loss/D/penalty"]

    parts = penalty(r1_gamma=1.0), penalty(r2_gamma=2.0), penalty(gp_lambda=3.0)
    assert penalty(r1_gamma=1.0, r2_gamma=2.0, gp_lambda=3.0) == pytest.approx(sum(parts), rel=1e-5)
    assert min(parts) > 0


def test_train_step_between_lazy_penalties_reports_none(make_config, make_state, stream):
    config = make_config(objective={"r1_gamma": 2.0, "penalty_interval": 4})
    state = make_state(config)
    state.step = 1
    assert step(config, state, stream)[2]["Loss/D/penalty"] == 0.0


def test_train_step_clips_every_weight_of_d(make_config, make_state, stream):
    config = make_config(objective={"loss": "wasserstein", "weight_clip": 0.01})
    state = make_state(config)
    step(config, state, stream)
    assert max(parameter.abs().max().item() for parameter in state.D.parameters()) <= 0.01 + 1e-9


def test_train_step_moves_both_networks_and_neither_clock_nor_average(make_config, make_state, stream):
    config = make_config()
    state = make_state(config)
    before, _, _ = step(config, state, stream)
    old, new = before.tensors(), state.tensors()
    changed = {name.split("/")[0] for name in old if not torch.equal(old[name], new[name])}
    assert changed == {"G", "D", "g_optimizer", "d_optimizer"}
    assert state.counters() == before.counters()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", presets.PRESETS)
def test_train_step_of_every_preset_gives_its_statistics(name, channels):
    config = presets.get(name)
    config = dataclasses.replace(
        config, training=dataclasses.replace(config.training, precision="float32", device="cpu", d_steps=2)
    )
    shape = ImageShape(channels=channels, resolution=28, num_classes=10 if config.training.conditional else 0)
    state = create_state(config, shape, device=torch.device("cpu"))
    images, labels = torch.rand(4, channels, 28, 28) * 2 - 1, torch.arange(4)
    inputs = [sample_inputs(config, real_images=images, labels=labels, position=i) for i in range(2)]
    statistics = train_step(state, config, build_objective(config.objective), inputs=inputs)
    assert statistics.keys() >= set(statistic_names(config))
    assert all(value.isfinite() and not value.requires_grad for value in statistics.values())


def test_frozen_network_passes_gradients_to_its_input_only():
    layer = torch.nn.Linear(2, 1)
    layer.bias.requires_grad_(False)
    x = torch.ones(1, 2, requires_grad=True)
    with frozen(layer):
        layer(x).sum().backward()
    assert x.grad is not None
    assert layer.weight.grad is None
    assert [parameter.requires_grad for parameter in layer.parameters()] == [True, False]


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_single_steps_of_d_and_g_have_the_bits_of_a_whole_step(norm, make_config, make_state, stream):
    config = make_config(
        objective={"r1_gamma": 1.0, "classifier_weight": 0.5}, generator={"norm": norm}, training={"d_steps": 2}
    )
    objective, whole, single = build_objective(config.objective), make_state(config), make_state(config)
    inputs = next_inputs(whole, config, stream)
    expected = train_step(whole, config, objective, inputs=inputs)
    for batch in inputs:
        fake_images = generate(single.G, config, batch)
        found = discriminator_step(single, config, objective, batch=batch, fake_images=fake_images)
    found |= generator_step(single, config, objective, batch=batch, fake_images=fake_images)
    assert {name: value.item() for name, value in found.items()} == {
        name: value.item() for name, value in expected.items()
    }
    tensors = whole.tensors()
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in single.tensors().items())


def test_discriminator_step_leaves_g_and_generator_step_leaves_d(make_config, make_state, stream):
    config = make_config()
    objective, state = build_objective(config.objective), make_state(config)
    (batch,) = next_inputs(state, config, stream)
    fake_images = generate(state.G, config, batch)
    before = copy.deepcopy(state).tensors()

    def changed():
        return {name.split("/")[0] for name, tensor in state.tensors().items() if not torch.equal(tensor, before[name])}

    discriminator_step(state, config, objective, batch=batch, fake_images=fake_images)
    assert changed() == {"D", "d_optimizer"}
    before = copy.deepcopy(state).tensors()
    generator_step(state, config, objective, batch=batch, fake_images=fake_images)
    assert changed() == {"G", "g_optimizer"}


def test_classifier_factor_multiplies_the_weight_in_both_updates(make_config, make_state, stream):
    """Half the weight is the whole weight with a factor of a half; a factor of 0 is no classifier."""

    def weights_after(weight: float, factor: float | None):
        config = make_config(objective={"classifier_weight": weight})
        state = make_state(config)
        (batch,) = next_inputs(state, config, stream)
        batch = dataclasses.replace(batch, classifier_factor=None if factor is None else torch.tensor(factor))
        train_step(state, config, build_objective(config.objective), inputs=[batch])
        return torch.cat([each.detach().flatten() for net in (state.G, state.D) for each in net.parameters()])

    assert torch.equal(weights_after(0.5, None), weights_after(1.0, 0.5))
    assert torch.equal(weights_after(0.25, 0.0), weights_after(1.0, 0.0))
    assert not torch.equal(weights_after(1.0, 0.0), weights_after(1.0, 1.0))


def test_penalty_factor_multiplies_the_penalty(make_config, make_state, stream):
    config = make_config(objective={"r1_gamma": 1.0, "penalty_interval": 1})
    objective = build_objective(config.objective)
    reported = []
    for factor in (None, torch.tensor(0.25)):
        state = make_state(config)
        (batch,) = next_inputs(state, config, stream)
        batch = dataclasses.replace(batch, penalty_factor=factor)
        statistics = train_step(state, config, objective, inputs=[batch])
        reported.append(float(statistics["Loss/D/penalty"]))
    assert reported[1] == pytest.approx(0.25 * reported[0])
    assert reported[0] > 0
