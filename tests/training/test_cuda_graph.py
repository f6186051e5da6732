from __future__ import annotations

import dataclasses

import pytest
import torch

from mnist_gan import experiment, presets
from mnist_gan.config import Config, DataConfig, RunConfig
from mnist_gan.errors import ConfigError


def short(preset: str, idx_dir, *, device, capture: bool) -> Config:
    config = presets.get(preset)
    return dataclasses.replace(
        config,
        data=DataConfig(dir=str(idx_dir)),
        training=dataclasses.replace(
            config.training, total_nimg=2_400, batch_size=20, device=device, precision="float32", capture=capture
        ),
        run=RunConfig(tick_nimg=800, evaluate=False),
    )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("preset", ["quick", "wgan-gp", "hinge-sn"])
def test_captured_training_equals_one_launched_kernel_by_kernel(preset, idx_dir):
    def trained(*, capture: bool) -> list[dict[str, float]]:
        config = short(preset, idx_dir, device="cuda", capture=capture)
        return [tick.stats for tick in experiment.train(config) if tick.stats]

    for captured, launched in zip(trained(capture=True), trained(capture=False), strict=True):
        assert captured == pytest.approx(launched, rel=1e-4, abs=1e-6)


def test_capture_without_a_cuda_device_is_refused(idx_dir):
    with pytest.raises(ConfigError, match=r"training\.capture needs a CUDA device, and the training is on cpu"):
        list(experiment.train(short("quick", idx_dir, device="cpu", capture=True)))
