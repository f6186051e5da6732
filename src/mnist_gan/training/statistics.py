"""Statistics of a training step by name, and their sums over the steps since the last tick."""

from __future__ import annotations

from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from mnist_gan.config import Config
from mnist_gan.plugins import NO_PLUGIN, Plugin

Statistics: TypeAlias = dict[str, Float[Tensor, ""]]
"""Scalars on the device, by name."""


def statistic_names(config: Config, *, plugin: Plugin = NO_PLUGIN) -> tuple[str, ...]:
    """Names of the statistics that a training records, in the order in which a checkpoint stores their sums.

    Args:
        config: the recipe.
        plugin: has the parts that the config names.
    """
    rule = plugin.build_objective(config.objective).decision_rule
    penalty = ("Loss/D/penalty",) if config.objective.penalizes else ()
    classifier = ("Loss/D/classifier",) if config.classifies else ()
    return (
        "Loss/G/loss",
        "Loss/D/loss",
        *penalty,
        *classifier,
        "Loss/scores/real",
        "Loss/scores/fake",
        *rule.statistic_names,
    )


class StatisticSums:
    """Sums of named statistics and the number of steps summed, in one tensor on the device."""

    def __init__(self, names: tuple[str, ...], *, device: torch.device) -> None:
        self.names = names
        precise = torch.float32 if device.type == "mps" else torch.float64
        self.totals: Float[Tensor, "names_and_steps"] = torch.zeros(len(names) + 1, dtype=precise, device=device)

    def add(self, statistics: Statistics) -> None:
        """Add one step's statistics; others than `names` are ignored. Never synchronizes with the host."""
        values = [statistics[name] for name in self.names]
        self.totals += torch.stack([*values, torch.ones_like(values[0])]).to(self.totals.dtype)

    def read(self) -> tuple[dict[str, float], int]:
        """Sums by name, and the number of steps. Waits for the device."""
        *sums, steps = self.totals.tolist()
        return dict(zip(self.names, sums, strict=True)), int(steps)

    def clear(self) -> None:
        """Start anew."""
        self.totals.zero_()
