"""Rehearsal of a plug-in: its parts run once on a few made-up images, so that a mistake ends the start and no run."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor

from mnist_gan import rng
from mnist_gan.config import Config
from mnist_gan.errors import PluginError
from mnist_gan.objectives import Objective
from mnist_gan.plugins import Plugin
from mnist_gan.registry import place_of
from mnist_gan.training import TrainState

N: Final = 4
"""Images of the rehearsal."""


def rehearse(state: TrainState, config: Config, plugin: Plugin) -> None:
    """Draw and score images, and compute the losses and the regularizer; the state is not changed.

    Raises:
        PluginError: a part returned another shape, or numbers that are not finite.
    """
    objective, parts = plugin.build_objective(config.objective), config.plugin_parts
    modes = [(network, network.training) for network in (state.G, state.D)]
    for network, _ in modes:
        network.eval()
    try:
        with rng.seeded(config.training.seed, "rehearsal", device=state.device):
            _rehearse_networks(state, config, objective)
    finally:
        for network, mode in modes:
            network.train(mode)
    if "objective.loss" in parts:
        _rehearse_losses(objective, parts["objective.loss"])


def _rehearse_networks(state: TrainState, config: Config, objective: Objective) -> None:
    G, D, device, parts = state.G, state.D, state.device, config.plugin_parts
    labels = torch.zeros(N, dtype=torch.int64, device=device) if G.shape.num_classes else None
    with torch.no_grad():
        images = G(torch.randn(N, G.z_dim, device=device), labels)
        _check(images, parts.get("generator.family"), getattr(G, "network", G))
        scores = (
            D.score_and_classify(images, labels)[0] if config.classifies and labels is not None else D(images, labels)
        )
        _check(scores, parts.get("discriminator.family"), getattr(D, "network", D))
    if objective.regularizer is not None:
        mix = torch.rand(N, device=device)
        penalty = objective.regularizer(D, images, images.flip(0), labels, mix=mix)
        _check(penalty, parts.get("objective.regularizer"), objective.regularizer)


def _rehearse_losses(objective: Objective, name: str) -> None:
    real, fake = torch.linspace(-3, 3, N), torch.linspace(2, -2, N)
    _check(objective.discriminator_loss(real, fake), name, objective.discriminator_loss)
    loss = objective.generator_loss(fake, real if objective.generator_needs_real else None)
    _check(loss, name, objective.generator_loss)


def _check(values: Tensor, name: str | None, part: Any) -> None:
    if not bool(values.isfinite().all()):
        where = "" if name is None else f"{place_of(part)}: {name} returned "
        raise PluginError(f"{where}numbers that are not finite, before the training; correct it")
