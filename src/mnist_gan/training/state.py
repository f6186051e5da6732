"""Mutable state of a training."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mnist_gan.config import Config, OptimizerConfig
from mnist_gan.models import Discriminator, Generator, ImageShape
from mnist_gan.plugins import NO_PLUGIN, Plugin
from mnist_gan.schedules import learning_rate_factor
from mnist_gan.training.adam import STATE, Adam
from mnist_gan.training.statistics import StatisticSums, statistic_names

COUNTERS = ("cur_nimg", "step", "last_tick_nimg", "lr_scale", "rollbacks")


@dataclass(kw_only=True, slots=True)
class TrainState:
    """All mutable state: networks, weight average, optimizers, counters, and sums of statistics since the last tick.

    Random numbers are derived from the seed and the counters, so this is all that exact resuming needs.
    """

    G: Generator
    D: Discriminator
    G_ema: Generator
    g_optimizer: Adam
    d_optimizer: Adam
    sums: StatisticSums
    cur_nimg: int = 0
    """Real images that the discriminator has seen: the clock of every schedule."""
    step: int = 0
    """Generator updates so far."""
    last_tick_nimg: int = 0
    """`cur_nimg` at the last tick."""
    lr_scale: float = 1.0
    """Extra learning-rate factor, halved at each rollback."""
    rollbacks: int = 0
    """Rollbacks to an earlier checkpoint so far."""

    @property
    def device(self) -> torch.device:
        """Device of the networks."""
        return self.sums.totals.device

    def lr_factor(self, config: Config, *, total_nimg: int) -> float:
        """Factor of both learning rates at the current clock: the schedule times `lr_scale`."""
        return learning_rate_factor(config.optimizer, cur_nimg=self.cur_nimg, total_nimg=total_nimg) * self.lr_scale

    def set_learning_rates(self, config: Config, *, total_nimg: int) -> None:
        """Set both optimizers' learning rates for the current clock."""
        factor = self.lr_factor(config, total_nimg=total_nimg)
        self.use_learning_rates(g_lr=config.optimizer.g_lr * factor, d_lr=config.optimizer.d_lr * factor)

    def use_learning_rates(self, *, g_lr: float, d_lr: float) -> None:
        """Set both optimizers' learning rates."""
        self.g_optimizer.lr, self.d_optimizer.lr = g_lr, d_lr

    def learning_rates(self) -> tuple[float, float]:
        """Learning rates of G and of D, as they were set last. Waits for a CUDA device."""
        return float(self.g_optimizer.lr), float(self.d_optimizer.lr)

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by name, contiguous and on the CPU, as a checkpoint stores them."""
        named: dict[str, Tensor] = {"sums": self.sums.totals}
        for prefix, module in self._modules().items():
            named |= {f"{prefix}/{name}": tensor for name, tensor in module.state_dict().items()}
        for prefix, optimizer in self._optimizers().items():
            named |= {f"{prefix}/{name}": tensor for name, tensor in _adam_tensors(optimizer).items()}
        return {name: tensor.detach().cpu().contiguous() for name, tensor in named.items()}

    def counters(self) -> dict[str, Any]:
        """All numbers that are not tensors, by name."""
        return {name: getattr(self, name) for name in COUNTERS}

    @torch.no_grad()
    def restore(self, tensors: dict[str, Tensor], counters: dict[str, Any]) -> None:
        """Load what `tensors` and `counters` returned, bit for bit and in place.

        Raises:
            ValueError: a tensor is missing, unexpected, or of another shape or type.
        """
        self._check_layout(tensors)
        self.sums.totals.copy_(tensors["sums"])
        for prefix, module in self._modules().items():
            module.load_state_dict(_without_prefix(tensors, prefix))
        for prefix, optimizer in self._optimizers().items():
            saved = _without_prefix(tensors, prefix)
            for name, tensor in _adam_tensors(optimizer).items():
                tensor.copy_(saved[name])
        for name in COUNTERS:
            setattr(self, name, counters[name])

    def _check_layout(self, tensors: dict[str, Tensor]) -> None:
        own = self.tensors()
        if own.keys() != tensors.keys():
            odd = sorted(own.keys() ^ tensors.keys())
            raise ValueError(f"tensor {odd[0]} is {'missing' if odd[0] in own else 'unexpected'}")
        for name, tensor in tensors.items():
            if tensor.shape != own[name].shape or tensor.dtype != own[name].dtype:
                raise ValueError(f"tensor {name} is {tensor.dtype} {tuple(tensor.shape)}")

    def _modules(self) -> dict[str, torch.nn.Module]:
        return {"G": self.G, "D": self.D, "G_ema": self.G_ema}

    def _optimizers(self) -> dict[str, Adam]:
        return {"g_optimizer": self.g_optimizer, "d_optimizer": self.d_optimizer}


def create_state(config: Config, shape: ImageShape, *, device: torch.device, plugin: Plugin = NO_PLUGIN) -> TrainState:
    """Initial state of a training. The weights depend on the seed only, not on the device.

    Args:
        config: the recipe.
        shape: shape of the images.
        device: device of the training.
        plugin: has the parts that the config names.
    """
    G, D = plugin.build_networks(config, shape, seed=config.training.seed)
    for module in (G, D):
        module.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return TrainState(
        G=G,
        D=D,
        G_ema=copy.deepcopy(G).eval().requires_grad_(False),
        g_optimizer=_adam(G, config.optimizer, lr=config.optimizer.g_lr),
        d_optimizer=_adam(D, config.optimizer, lr=config.optimizer.d_lr),
        sums=StatisticSums(statistic_names(config, plugin=plugin), device=device),
    )


def _adam(module: torch.nn.Module, config: OptimizerConfig, *, lr: float) -> Adam:
    return Adam(module.parameters(), lr=lr, betas=(config.beta1, config.beta2), eps=config.eps)


def _adam_tensors(optimizer: Adam) -> dict[str, Tensor]:
    return {
        f"{index}/{name}": optimizer.state[weight][name]
        for index, weight in enumerate(optimizer.weights)
        for name in STATE
    }


def _without_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    start = f"{prefix}/"
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}
