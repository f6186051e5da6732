"""Half of a step on a copy."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from tests.support.tiny import tiny_config

from mnist_gan import training
from mnist_gan.experiment.setup import Setup, set_up


def weights(module: torch.nn.Module) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in module.parameters()]


def equal(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def try_half_step(setup: Setup, player: training.Player) -> training.TrainState:
    objective = setup.plugin.build_objective(setup.config.objective)
    return training.try_half_step(
        setup.state, setup.config, objective, setup.stream(), player=player, total_nimg=setup.total_nimg
    )


def advance(setup: Setup) -> None:
    """Take a whole step."""
    objective = setup.plugin.build_objective(setup.config.objective)
    inputs = training.next_inputs(setup.state, setup.config, setup.stream())
    training.advance(setup.state, setup.config, objective, inputs, total_nimg=setup.total_nimg)


def test_trial_of_d_has_the_bits_of_the_next_step_and_leaves_the_state_alone(idx_dir):
    with set_up(tiny_config(idx_dir)) as setup:
        advance(setup)
        before = {name: tensor.clone() for name, tensor in setup.state.tensors().items()}
        trial = try_half_step(setup, "D")
        after = setup.state.tensors()
        assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
        assert equal(weights(trial.G), weights(setup.state.G))
        assert equal(weights(trial.G_ema), weights(setup.state.G_ema))
        assert not equal(weights(trial.D), weights(setup.state.D))
        advance(setup)
        assert equal(weights(trial.D), weights(setup.state.D))


def test_trial_of_g_changes_g_and_its_average_alone(idx_dir):
    with set_up(tiny_config(idx_dir)) as setup:
        advance(setup)
        trial = try_half_step(setup, "G")
        assert equal(weights(trial.D), weights(setup.state.D))
        assert not equal(weights(trial.G), weights(setup.state.G))
        assert not equal(weights(trial.G_ema), weights(setup.state.G_ema))
        assert trial.counters() == setup.state.counters() | {"cur_nimg": setup.state.cur_nimg + 20}


@pytest.mark.parametrize("decay", ["constant", "linear"])
def test_trial_has_the_learning_rates_of_the_clock(idx_dir, decay):
    config = tiny_config(idx_dir, optimizer={"g_lr": 1e-3, "d_lr": 2e-3, "decay": decay})
    with set_up(config) as setup:
        setup.state.cur_nimg = 100  # of 200
        rates = try_half_step(setup, "D").learning_rates()
        assert rates == ((1e-3, 2e-3) if decay == "constant" else pytest.approx((5e-4, 1e-3)))
        assert dataclasses.replace(setup.state).learning_rates() == (1e-3, 2e-3)
