"""Named recipes: functions that return a whole config, each made from another by `replace`."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from mnist_gan.config import (
    Config,
    DiscriminatorConfig,
    GeneratorConfig,
    ObjectiveConfig,
    OptimizerConfig,
    TrainingConfig,
)
from mnist_gan.errors import ConfigError


def quick() -> Config:
    """About five minutes on two CPU cores: a compact conditional DCGAN, non-saturating loss, lazy R1, a classifier."""
    return Config(
        preset="quick",
        generator=GeneratorConfig(family="dcgan", z_dim=64, channels=(64, 32, 16), norm="batch"),
        discriminator=DiscriminatorConfig(family="dcgan", channels=(32, 64), norm="none", image_stride=2),
        objective=ObjectiveConfig(loss="non_saturating", r1_gamma=1.0, penalty_interval=8, classifier_weight=0.03),
        optimizer=OptimizerConfig(g_lr=2e-3, d_lr=2e-3, beta1=0.0, beta2=0.99, warmup_nimg=5_000, decay="cosine"),
        training=TrainingConfig(total_nimg=1_200_000, batch_size=64, conditional=True, ema_halflife_nimg=30_000.0),
    )


def standard() -> Config:
    """About 25 minutes on two CPU cores: wider inner layers than `quick`, and less that holds both networks back.

    A long training wants less of a penalty: at the gamma of `quick` the discriminator fades as the digits become good.
    With less it can tell digits apart itself, and a lighter classifier leaves them more of their variety.
    """
    base = quick()
    return replace(
        base,
        preset="standard",
        generator=replace(base.generator, channels=(96, 48, 16)),
        discriminator=replace(base.discriminator, channels=(48, 96)),
        objective=replace(base.objective, r1_gamma=0.3, classifier_weight=0.015),
        optimizer=replace(base.optimizer, g_lr=1.2e-3, d_lr=1.2e-3),
        training=replace(base.training, total_nimg=3_600_000, ema_halflife_nimg=100_000.0),
    )


def best() -> Config:
    """About half an hour on two CPU cores: `standard`, a third longer, with still less of both."""
    base = standard()
    return replace(
        base,
        preset="best",
        objective=replace(base.objective, r1_gamma=0.1, classifier_weight=0.01),
        training=replace(base.training, total_nimg=4_800_000),
    )


def classic_mlp() -> Config:
    """The fully connected GAN of the tutorials (Goodfellow et al. 2014, with the usual widths)."""
    return Config(
        preset="classic-mlp",
        generator=GeneratorConfig(family="mlp", z_dim=100, channels=(128, 256, 512, 1024), norm="batch"),
        discriminator=DiscriminatorConfig(family="mlp", channels=(512, 256), norm="none"),
        objective=ObjectiveConfig(loss="non_saturating"),
        optimizer=OptimizerConfig(g_lr=2e-4, d_lr=2e-4, beta1=0.5, beta2=0.999),
        training=TrainingConfig(total_nimg=3_000_000, batch_size=64, ema_halflife_nimg=0.0),
    )


def classic_dcgan() -> Config:
    """The convolutional GAN of the tutorials (Radford et al. 2016): BatchNorm in both networks."""
    base = classic_mlp()
    return replace(
        base,
        preset="classic-dcgan",
        generator=GeneratorConfig(family="dcgan", z_dim=100, channels=(128, 64, 32), norm="batch"),
        discriminator=DiscriminatorConfig(family="dcgan", channels=(32, 64, 128), norm="batch"),
        training=replace(base.training, total_nimg=1_200_000),
    )


def wgan_gp() -> Config:
    """Wasserstein loss with gradient penalty, five discriminator steps a generator step (Gulrajani et al. 2017)."""
    base = classic_dcgan()
    return replace(
        base,
        preset="wgan-gp",
        discriminator=replace(base.discriminator, norm="none"),
        objective=ObjectiveConfig(loss="wasserstein", gp_lambda=10.0),
        optimizer=OptimizerConfig(g_lr=2e-4, d_lr=2e-4, beta1=0.0, beta2=0.9),
        training=replace(base.training, d_steps=5),
    )


def hinge_sn() -> Config:
    """Hinge loss with spectral normalization in the discriminator (Miyato et al. 2018)."""
    base = classic_dcgan()
    return replace(
        base,
        preset="hinge-sn",
        discriminator=replace(base.discriminator, norm="spectral"),
        objective=ObjectiveConfig(loss="hinge"),
        optimizer=OptimizerConfig(g_lr=2e-4, d_lr=2e-4, beta1=0.0, beta2=0.9),
    )


def r3gan() -> Config:
    """Relativistic loss with R1 and R2 at every step, normalization-free residual networks (Huang et al. 2024)."""
    return Config(
        preset="r3gan",
        generator=GeneratorConfig(family="resnet", z_dim=64, channels=(64, 32, 16), norm="none"),
        discriminator=DiscriminatorConfig(family="resnet", channels=(16, 32, 64), norm="none"),
        objective=ObjectiveConfig(loss="relativistic", r1_gamma=1.0, r2_gamma=1.0),
        optimizer=OptimizerConfig(g_lr=5e-4, d_lr=5e-4, beta1=0.0, beta2=0.99, warmup_nimg=5_000, decay="cosine"),
        training=TrainingConfig(total_nimg=600_000, batch_size=64, conditional=True, ema_halflife_nimg=20_000.0),
    )


def wrong_range() -> Config:
    """Failure gallery: real images in [0, 255], where the generator cannot reach. The discriminator wins at once."""
    base = _failing(classic_dcgan(), "wrong-range")
    return replace(
        base,
        data=replace(base.data, real_range=(0.0, 255.0)),
        generator=replace(base.generator, channels=(64, 32, 16)),
        discriminator=replace(base.discriminator, channels=(16, 32, 64)),
    )


def d_too_strong() -> Config:
    """Failure gallery: the saturating minimax loss, no penalty, and a discriminator that learns ten times as fast."""
    base = _failing(_plain(), "d-too-strong")
    return replace(
        base,
        objective=ObjectiveConfig(loss="minimax"),
        optimizer=replace(base.optimizer, g_lr=2e-4, d_lr=2e-3, warmup_nimg=0, decay="constant"),
    )


def d_too_weak() -> Config:
    """Failure gallery: a discriminator of eight neurons that hardly learns can teach nothing."""
    base = _failing(_plain(), "d-too-weak")
    return replace(
        base,
        discriminator=DiscriminatorConfig(family="mlp", channels=(8,)),
        objective=ObjectiveConfig(loss="non_saturating"),
        optimizer=replace(base.optimizer, d_lr=2e-5, warmup_nimg=0, decay="constant"),
    )


def collapse() -> Config:
    """Failure gallery: a generator without BatchNorm that learns ten times as fast draws one picture, whatever z is."""
    base = _failing(classic_mlp(), "collapse")
    return replace(
        base,
        generator=replace(base.generator, norm="none"),
        optimizer=replace(base.optimizer, g_lr=2e-3, d_lr=2e-4),
    )


def no_penalty() -> Config:
    """Failure gallery: Wasserstein loss with nothing that keeps the discriminator Lipschitz. The scores run away."""
    base = _failing(_plain(), "no-penalty")
    return replace(
        base,
        objective=ObjectiveConfig(loss="wasserstein"),
        optimizer=replace(base.optimizer, beta1=0.5, warmup_nimg=0, decay="constant"),
    )


def _plain() -> Config:
    """What most of the gallery begins as: `quick` without its classifier, at full resolution, in larger batches."""
    base = quick()
    return replace(
        base,
        generator=replace(base.generator, channels=(64, 32, 16), image_stride=1),
        discriminator=replace(base.discriminator, channels=(16, 32, 64), image_stride=1),
        objective=replace(base.objective, classifier_weight=0.0),
        training=replace(base.training, batch_size=128, ema_halflife_nimg=15_000.0),
    )


def _failing(base: Config, preset: str) -> Config:
    """The frame of the failure gallery: unconditional, short, and looked at often."""
    return replace(
        base,
        preset=preset,
        training=replace(base.training, total_nimg=96_000, conditional=False),
        run=replace(base.run, tick_nimg=3_000, evaluate_nimg=6_000),
    )


FAILURES: Final[dict[str, Callable[[], Config]]] = {
    "collapse": collapse,
    "d-too-strong": d_too_strong,
    "d-too-weak": d_too_weak,
    "no-penalty": no_penalty,
    "wrong-range": wrong_range,
}
"""The failure gallery: recipes that really fail, each in its own way, within two minutes on two CPU cores."""

PRESETS: Final[dict[str, Callable[[], Config]]] = {
    "quick": quick,
    "standard": standard,
    "best": best,
    "classic-mlp": classic_mlp,
    "classic-dcgan": classic_dcgan,
    "wgan-gp": wgan_gp,
    "hinge-sn": hinge_sn,
    "r3gan": r3gan,
    **FAILURES,
}
"""Every recipe under the name that the command line knows it by."""


def get(name: str) -> Config:
    """The config of a named recipe.

    Raises:
        ConfigError: there is no recipe of that name.
    """
    if name not in PRESETS:
        near = difflib.get_close_matches(name, PRESETS, n=1)
        guess = f"did you mean {near[0]}? There are" if near else "choose one of"
        raise ConfigError(f"there is no preset {name!r}; {guess} {', '.join(PRESETS)}")
    return PRESETS[name]()
