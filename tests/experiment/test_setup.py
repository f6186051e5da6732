"""Setup: resolving a config, counting operations."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from tests.support.tiny import tiny_config
from torch.utils.flop_counter import FlopCounterMode

from mnist_gan import experiment, presets
from mnist_gan.config import Config, DataConfig, TrainingConfig
from mnist_gan.data import load_dataset
from mnist_gan.errors import ConfigError
from mnist_gan.experiment.setup import resolved, set_up, step_flops
from mnist_gan.models import ImageShape
from mnist_gan.objectives import build_objective
from mnist_gan.training import create_state, sample_inputs, train_step


def test_resolve_of_a_resolved_config_changes_nothing(idx_dir):
    config = dataclasses.replace(presets.quick(), data=DataConfig(dir=str(idx_dir)))
    dataset = load_dataset(config.data)
    resolved = experiment.resolve(config, dataset)
    assert experiment.resolve(resolved, dataset) == resolved


def test_resolve_turns_epochs_into_images_and_fills_in_intervals(idx_dir):
    config = tiny_config(
        idx_dir, training={"epochs": 2.5, "total_nimg": None, "threads": None}, run={"tick_nimg": None}
    )
    resolved_config = experiment.resolve(config, load_dataset(config.data))
    assert (resolved_config.training.total_nimg, resolved_config.training.epochs) == (250, None)
    assert resolved_config.training.threads == torch.get_num_threads()
    assert resolved_config.run.tick_nimg == 100  # an epoch of a small set
    assert resolved_config.run.checkpoint_nimg == 100
    assert resolved(resolved_config.run.evaluate_nimg) % 100 == 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
@pytest.mark.parametrize(
    ("training", "message"), [({"device": "cuda"}, "finds no such device"), ({"capture": True}, "CUDA")]
)
def test_resolve_refuses_a_device_that_is_missing(idx_dir, training, message):
    config = tiny_config(idx_dir, training=training)
    with pytest.raises(ConfigError, match=message):
        experiment.resolve(config, load_dataset(config.data))


def test_resolved_refuses_an_open_field():
    with pytest.raises(ConfigError, match="not resolved"):
        resolved(TrainingConfig(epochs=1, total_nimg=None).total_nimg)


def test_set_up_makes_an_initial_state_that_can_be_trained(idx_dir):
    with set_up(tiny_config(idx_dir)) as setup:
        assert (setup.state.cur_nimg, setup.epoch_nimg, setup.total_nimg) == (0, 100, 200)
        assert setup.shape == ImageShape(channels=1, resolution=28, num_classes=10)
        *_, last = setup.ticks(stop=lambda: False)
    assert (last.cur_nimg, setup.state.cur_nimg) == (200, 200)


def counted_flops(config: Config, shape: ImageShape) -> int:
    """Operations of one step, as counted by torch."""
    objective = build_objective(config.objective)
    state = create_state(config, shape, device=torch.device("cpu"))
    n = config.training.batch_size
    labels = torch.arange(n) % 10
    inputs = [
        sample_inputs(config, real_images=torch.rand(n, 1, 28, 28), labels=labels, position=i)
        for i in range(config.training.d_steps)
    ]
    with FlopCounterMode(display=False) as counter:
        train_step(state, config, objective, inputs=inputs)
    return int(counter.get_total_flops())


@pytest.mark.parametrize("name", ["quick", "classic-mlp", "classic-dcgan", "wgan-gp", "r3gan"])
def test_step_flops_equal_the_count_of_torch(name):
    config = presets.get(name)
    config = dataclasses.replace(
        config,
        objective=dataclasses.replace(config.objective, penalty_interval=1),
        training=dataclasses.replace(config.training, batch_size=8, precision="float32"),
    )
    shape = ImageShape(channels=1, resolution=28, num_classes=10 if config.training.conditional else 0)
    # torch leaves out unused gradients of images, and counts the padding
    assert step_flops(config, shape) == pytest.approx(counted_flops(config, shape), rel=0.15)
