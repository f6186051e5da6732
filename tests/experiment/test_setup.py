"""Setup: resolving a config, counting operations."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from tests.support.tiny import small_arrays, tiny_config
from torch.utils.flop_counter import FlopCounterMode

from mnist_gan import experiment, presets
from mnist_gan.config import Config, DataConfig, TrainingConfig
from mnist_gan.data import load_dataset
from mnist_gan.data.idx_set import write_idx_set
from mnist_gan.errors import ConfigError, DataError
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
    assert (resolved_config.training.total_nimg, resolved_config.training.epochs) == (260, None)  # 13 steps of 20
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


def test_set_up_replaces_a_budget_by_a_length_and_begins_untrained(idx_dir):
    config = tiny_config(idx_dir, training={"budget": "2s"})
    with set_up(config) as setup:
        settings = setup.config.training
        weights = setup.state.tensors()
    assert settings.budget is None
    assert resolved(settings.total_nimg) > 1000
    with set_up(setup.config) as again:
        assert again.config == setup.config
        assert all(torch.equal(weights[name], tensor) for name, tensor in again.state.tensors().items())


def test_set_up_gives_a_larger_budget_a_longer_training(idx_dir):
    lengths = []
    for budget in ("2s", "20s"):
        with set_up(tiny_config(idx_dir, training={"budget": budget})) as setup:
            lengths.append(setup.total_nimg)
    assert lengths[1] > 2 * lengths[0]  # ten times on a machine of constant speed


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


@pytest.mark.parametrize(
    ("training", "length"),
    [
        ({"total_nimg": 600, "batch_size": 64}, 640),
        ({"total_nimg": 640, "batch_size": 64}, 640),
        ({"total_nimg": 600, "batch_size": 64, "d_steps": 3}, 768),
        ({"total_nimg": 1, "batch_size": 64}, 64),
        ({"epochs": 0.01, "batch_size": 64}, 64),
    ],
)
def test_resolve_rounds_the_length_up_to_whole_steps_and_logs_it(idx_dir, caplog, training, length):
    config = tiny_config(idx_dir, training=training)
    dataset = load_dataset(config.data)
    with caplog.at_level("INFO", logger="mnist_gan"):
        once = experiment.resolve(config, dataset)
    assert once.training.total_nimg == length
    assert ("rounded up from" in caplog.text) == (training.get("total_nimg") != length)
    assert experiment.resolve(once, dataset) == once
    kept = experiment.resolve(config, dataset, whole_steps=False)
    assert kept.training.total_nimg == training.get("total_nimg", 1)


@pytest.mark.parametrize(("n", "held_out"), [(1, 5), (5, 1), (1, 1)])
def test_resolve_refuses_evaluations_with_too_few_images(tmp_path, n, held_out):
    write_idx_set(tmp_path / "data", small_arrays(n, held_out))
    config = tiny_config(tmp_path / "data", run={"evaluate": True})
    words = rf"too few images .*: {n} training images? and {held_out} held out; at least 2 of each are needed"
    with pytest.raises(DataError, match=words):
        experiment.resolve(config, load_dataset(config.data))
    without = tiny_config(tmp_path / "data", run={"evaluate": False})
    assert experiment.resolve(without, load_dataset(without.data)).data.name == "idx"


@pytest.mark.parametrize(
    ("threads", "batch_size", "shards"), [(1, 20, 1), (2, 20, 2), (3, 20, 2), (16, 20, 4), (2, 3, 1)]
)
def test_resolve_chooses_as_many_shards_as_threads_that_divide_the_batch(idx_dir, threads, batch_size, shards):
    config = tiny_config(idx_dir, training={"threads": threads, "batch_size": batch_size, "shards": None})
    settings = experiment.resolve(config, load_dataset(config.data)).training
    assert (settings.threads, settings.shards) == (threads, shards)


def test_resolve_keeps_the_shards_of_a_config(idx_dir):
    config = tiny_config(idx_dir, training={"threads": 2, "shards": 1})
    assert experiment.resolve(config, load_dataset(config.data)).training.shards == 1
