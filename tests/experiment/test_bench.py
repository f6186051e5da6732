"""Benchmark of a recipe."""

from __future__ import annotations

import dataclasses

import torch
from tests.support.tiny import tiny_config

from mnist_gan import presets
from mnist_gan.experiment.bench import PARTS, benchmark, measure_peak


def test_benchmark_measures_every_part_of_a_step(idx_dir):
    config = tiny_config(
        idx_dir, data={"limit": None}, objective=dataclasses.asdict(presets.quick().objective) | {"penalty_interval": 4}
    )
    measured = benchmark(config, seconds=0.2)
    assert set(measured.parts) == set(PARTS) - {"evaluation"}
    assert all(seconds >= 0 for seconds in measured.parts.values())
    step_seconds = measured.step_nimg / measured.img_per_sec
    assert 0.3 * step_seconds < sum(measured.parts.values()) < 3 * step_seconds
    assert 0 < measured.share_of_peak < 1
    assert measured.config.training.total_nimg == config.training.total_nimg


def test_measure_peak_is_independent_of_the_number_of_rounds():
    once = measure_peak(torch.device("cpu"), precision="float32", size=256, rounds=1)
    often = measure_peak(torch.device("cpu"), precision="float32", size=256, rounds=5)
    assert 0.1 < once / often < 10
