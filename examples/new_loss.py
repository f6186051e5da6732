"""A plug-in with a loss and a regularizer: relativistic average least squares, with a drift penalty.

    mnist-gan train ralsgan.digits --plugin examples/new_loss.py
    mnist-gan train quick --plugin examples/new_loss.py --objective.loss ralsgan.average

Copy the file, and change the three formulas.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from mnist_gan import Config, Plugin, presets
from mnist_gan.config import ObjectiveConfig
from mnist_gan.objectives import DecisionRule, Objective

plugin = Plugin("ralsgan")


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """(C(x) - mean C(G(z)) - 1)**2 + (C(G(z)) - mean C(x) + 1)**2: RaLSGAN, Jolicoeur-Martineau 2018, eq. 13."""
    return (real_logits - fake_logits.mean() - 1).square() + (fake_logits - real_logits.mean() + 1).square()


def generator_loss(fake_logits: Tensor, real_logits: Tensor | None) -> Tensor:
    """The same with real and generated exchanged; eq. 14."""
    assert real_logits is not None  # since generator_needs_real is set
    return discriminator_loss(fake_logits, real_logits)


@plugin.loss("average")
def average_least_squares(config: ObjectiveConfig) -> Objective:
    """Only differences of logits have a meaning, so there is no boundary between real and generated."""
    return Objective(
        discriminator_loss=discriminator_loss,
        generator_loss=generator_loss,
        generator_needs_real=True,
        decision_rule=DecisionRule(boundary=None),
    )


@plugin.regularizer("drift")
def drift(D: nn.Module, real_images: Tensor, fake_images: Tensor, labels: Tensor | None, *, mix: Tensor) -> Tensor:
    """C(x)**2, which keeps logits near 0: Karras et al. 2018 (progressive GAN), appendix A.1, with weight 0.001."""
    logits: Tensor = D(real_images, labels)
    return logits.square()


@plugin.preset("digits", title="Relativistic average")
def digits() -> Config:
    """`quick` with the relativistic average least-squares loss and the drift penalty."""
    base = presets.quick()
    objective = replace(base.objective, loss="ralsgan.average", regularizer="ralsgan.drift")
    return replace(base, objective=replace(objective, regularizer_weight=1e-3))
