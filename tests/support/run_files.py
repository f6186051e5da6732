"""A run directory written by hand: a config and rows of metrics, without a training."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from mnist_gan import config as config_module
from mnist_gan import presets
from mnist_gan.runs import RunDirectory


def write_run(root: Path, *, g_lr: float = 2e-3, scale: float = 1.0, rows: int = 6) -> RunDirectory:
    run = RunDirectory(root)
    config = presets.quick()
    config = dataclasses.replace(config, optimizer=dataclasses.replace(config.optimizer, g_lr=g_lr))
    root.mkdir(parents=True)
    run.config.write_text(config_module.to_toml(config))
    lines = [
        {
            "cur_nimg": 100 * k,
            "step": k,
            "epoch": k / 2,
            "Loss/G/loss": scale / k,
            "Loss/D/loss": 1.0,
            "Timing/img_per_sec": 100.0 * k,
            "Timing/train_sec": 2.0,
            "Metric/fd2k_mnistnet": scale * abs(k - 4) + 1,
            "Metric/agreement": 0.1 * k,
        }
        for k in range(1, rows + 1)
    ]
    run.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return run
