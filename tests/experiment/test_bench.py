from __future__ import annotations

import dataclasses

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from mnist_gan import presets
from mnist_gan.config import Config, DataConfig, DiscriminatorConfig, GeneratorConfig, RunConfig, TrainingConfig
from mnist_gan.experiment.bench import PARTS, benchmark, measure_peak
from mnist_gan.experiment.setup import step_flops
from mnist_gan.models import ImageShape
from mnist_gan.objectives import build_objective
from mnist_gan.training import create_state, sample_inputs, train_step


def counted_flops(config: Config, shape: ImageShape) -> int:
    """What torch itself counts in one step."""
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
def test_step_flops_are_what_torch_counts(name):
    config = presets.get(name)
    config = dataclasses.replace(
        config,
        objective=dataclasses.replace(config.objective, penalty_interval=1),
        training=dataclasses.replace(config.training, batch_size=8, precision="float32"),
    )
    shape = ImageShape(channels=1, resolution=28, num_classes=10 if config.training.conditional else 0)
    # torch leaves out the gradient with respect to images that nobody learns from, and counts the padding
    assert step_flops(config, shape) == pytest.approx(counted_flops(config, shape), rel=0.15)


def test_bench_times_every_part_of_a_step(idx_dir):
    config = Config(
        data=DataConfig(dir=str(idx_dir)),
        generator=GeneratorConfig(family="mlp", z_dim=4, channels=(16,), norm="batch"),
        discriminator=DiscriminatorConfig(family="mlp", channels=(16,)),
        objective=dataclasses.replace(presets.quick().objective, penalty_interval=4),
        training=TrainingConfig(batch_size=20, conditional=True, device="cpu", threads=1, precision="float32"),
        run=RunConfig(evaluate=False),
    )
    measured = benchmark(config, seconds=0.2)
    assert set(measured.parts) == set(PARTS) - {"evaluation"}
    assert all(seconds >= 0 for seconds in measured.parts.values())
    step_seconds = measured.step_nimg / measured.img_per_sec
    assert 0.3 * step_seconds < sum(measured.parts.values()) < 3 * step_seconds
    assert 0 < measured.share_of_peak < 1
    assert measured.config.training.total_nimg == config.training.total_nimg


def test_the_peak_grows_with_the_matrix_not_with_the_rounds():
    once = measure_peak(torch.device("cpu"), precision="float32", size=256, rounds=1)
    often = measure_peak(torch.device("cpu"), precision="float32", size=256, rounds=5)
    assert 0.1 < once / often < 10
