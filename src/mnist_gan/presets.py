"""Recipes: named functions that return a whole config, and the texts that describe them to users."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from mnist_gan.config import (
    Config,
    DataConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    ObjectiveConfig,
    OptimizerConfig,
    TrainingConfig,
)
from mnist_gan.errors import ConfigError
from mnist_gan.registry import is_plugin_name

DEFAULT: Final = "quick"


@dataclass(frozen=True, kw_only=True, slots=True)
class Lesson:
    """Symptom and cure of a recipe that fails on purpose."""

    look_at: str
    """The visible symptom."""
    cure: str
    changes: Mapping[str, str | float | bool | tuple[float, ...]]
    """Config fields, such as `optimizer.g_lr`, and their values in the cure."""
    diagnosis: str
    """State that `evaluation.diagnose` finds in the end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """A preset with its description, read by the command line, the studio and the documentation."""

    name: str
    """Name on the command line."""
    make: Callable[[], Config]
    title: str
    summary: str
    minutes: float | None = None
    """Approximate training time on two CPU cores; None if it depends on the data."""
    lesson: Lesson | None = None
    """Only in the failure gallery: recipes that fail on purpose."""


def quick() -> Config:
    """Compact conditional DCGAN: non-saturating loss, lazy R1, auxiliary classifier, cosine decay.

    The dense layer lets D see what the form of the whole digit is, and the overshoot lets G draw exactly black.
    """
    return Config(
        preset="quick",
        generator=GeneratorConfig(family="dcgan", z_dim=64, channels=(64, 32, 16), norm="batch", overshoot=1.05),
        discriminator=DiscriminatorConfig(
            family="dcgan", channels=(32, 64), norm="none", image_stride=2, dense_width=128
        ),
        objective=ObjectiveConfig(loss="non_saturating", r1_gamma=1.0, penalty_interval=8, classifier_weight=0.03),
        optimizer=OptimizerConfig(g_lr=2e-3, d_lr=2e-3, beta1=0.0, beta2=0.99, warmup_nimg=5_000, decay="cosine"),
        training=TrainingConfig(
            total_nimg=1_100_000,
            batch_size=64,
            conditional=True,
            ema_halflife_nimg=30_000.0,
            fit_latent_scale=True,
        ),
    )


def flash() -> Config:
    """`quick` with higher learning rates, above all of G, and a heavier classifier, for a minute on this machine."""
    base = quick()
    return replace(
        base,
        preset="flash",
        objective=replace(base.objective, classifier_weight=0.1),
        optimizer=replace(base.optimizer, g_lr=8e-3, d_lr=4e-3),
        training=replace(base.training, budget="60s", ema_halflife_nimg=15_000.0, fit_latent_scale=False),
    )


def standard() -> Config:
    """`quick` with wider inner layers, trained three times as long, with a weaker penalty and classifier.

    At the gamma of `quick`, a long training makes the discriminator fade as the digits improve. With less, the
    discriminator can tell digits apart by itself, and a lighter classifier costs less variety.
    """
    base = quick()
    return replace(
        base,
        preset="standard",
        generator=replace(base.generator, channels=(96, 48, 16)),
        discriminator=replace(base.discriminator, channels=(48, 96), dense_width=256),
        objective=replace(base.objective, r1_gamma=0.3, classifier_weight=0.015),
        optimizer=replace(base.optimizer, g_lr=1.2e-3, d_lr=1.2e-3),
        training=replace(base.training, total_nimg=3_600_000, ema_halflife_nimg=100_000.0),
    )


def best() -> Config:
    """`standard`, trained a third longer, with a still weaker penalty and classifier."""
    base = standard()
    return replace(
        base,
        preset="best",
        objective=replace(base.objective, r1_gamma=0.1, classifier_weight=0.01),
        training=replace(base.training, total_nimg=4_800_000),
    )


def stacked() -> Config:
    """`quick` without labels on stacked MNIST: three digits as three channels, 1,000 modes.

    In the same time, small networks see more images and do better than wide ones, as does a strong penalty.
    """
    base = quick()
    return replace(
        base,
        preset="stacked",
        data=DataConfig(name="stacked-mnist"),
        generator=replace(base.generator, z_dim=128, overshoot=1.0),
        discriminator=replace(base.discriminator, dense_width=256),
        objective=replace(base.objective, classifier_weight=0.0, r1_gamma=3.0),
        training=replace(base.training, total_nimg=4_000_000, conditional=False, ema_halflife_nimg=100_000.0),
    )


def classic_mlp() -> Config:
    """Fully connected GAN with the usual widths (Goodfellow et al. 2014)."""
    return Config(
        preset="classic-mlp",
        generator=GeneratorConfig(family="mlp", z_dim=100, channels=(128, 256, 512, 1024), norm="batch"),
        discriminator=DiscriminatorConfig(family="mlp", channels=(512, 256), norm="none"),
        objective=ObjectiveConfig(loss="non_saturating"),
        optimizer=OptimizerConfig(g_lr=2e-4, d_lr=2e-4, beta1=0.5, beta2=0.999),
        training=TrainingConfig(total_nimg=3_000_000, batch_size=64, ema_halflife_nimg=0.0),
    )


def classic_dcgan() -> Config:
    """Convolutional GAN with BatchNorm in both networks (Radford et al. 2016)."""
    base = classic_mlp()
    return replace(
        base,
        preset="classic-dcgan",
        generator=GeneratorConfig(family="dcgan", z_dim=100, channels=(128, 64, 32), norm="batch"),
        discriminator=DiscriminatorConfig(family="dcgan", channels=(32, 64, 128), norm="batch"),
        training=replace(base.training, total_nimg=1_200_000),
    )


def wgan_gp() -> Config:
    """Wasserstein loss with gradient penalty, five discriminator steps per generator step (Gulrajani et al. 2017)."""
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
    """Relativistic loss with R1 and R2 at every step, residual networks without normalization (Huang et al. 2024)."""
    return Config(
        preset="r3gan",
        generator=GeneratorConfig(family="resnet", z_dim=64, channels=(64, 32, 16), norm="none"),
        discriminator=DiscriminatorConfig(family="resnet", channels=(16, 32, 64), norm="none"),
        objective=ObjectiveConfig(loss="relativistic", r1_gamma=1.0, r2_gamma=1.0),
        optimizer=OptimizerConfig(g_lr=5e-4, d_lr=5e-4, beta1=0.0, beta2=0.99, warmup_nimg=5_000, decay="cosine"),
        training=TrainingConfig(total_nimg=600_000, batch_size=64, conditional=True, ema_halflife_nimg=20_000.0),
    )


def points() -> Config:
    """Fully connected networks for points of the plane, in the file that `data.file` names.

    The generator is deep and narrow: to jump from mode to mode it must be steep, and every layer multiplies its slope.
    Without R1, some seeds lose modes. In bfloat16, D would see the outer modes of `grid25` on a lattice of 0.4 of their
    standard deviations.
    """
    return Config(
        preset="points",
        data=DataConfig(name="points"),
        generator=GeneratorConfig(family="mlp", z_dim=2, channels=(64,) * 10, norm="none"),
        discriminator=DiscriminatorConfig(family="mlp", channels=(128, 128, 128), norm="none"),
        objective=ObjectiveConfig(loss="non_saturating", r1_gamma=1e-3, penalty_interval=4),
        optimizer=OptimizerConfig(g_lr=2e-3, d_lr=2e-3, beta1=0.0, beta2=0.99, warmup_nimg=25_000, decay="cosine"),
        training=TrainingConfig(
            total_nimg=1_000_000, batch_size=256, ema_halflife_nimg=20_000.0, shards=1, precision="float32"
        ),
    )


def ring8() -> Config:
    """`points` on eight Gaussians on a circle, with an R1 that begins stronger and falls to 0.

    The strong R1 keeps all modes at the beginning; at the end it would leave samples between them.
    """
    base = toy("ring8")
    return replace(base, objective=replace(base.objective, r1_gamma=1e-2, penalty_decay="cosine"))


def grid25() -> Config:
    """`points` on a grid of 25 Gaussians, with the R1 of `ring8`, trained two and a half times as long."""
    base = toy("grid25")
    return replace(
        base,
        objective=ring8().objective,
        training=replace(base.training, total_nimg=2_500_000),
    )


def swiss_roll() -> Config:
    """`points` on a spiral."""
    return toy("swiss-roll")


def two_moons() -> Config:
    """`points` on two half circles."""
    return toy("two-moons")


def checkerboard() -> Config:
    """`points` on every second square of a board."""
    return toy("checkerboard")


def toy(name: str) -> Config:
    """`points` on another data set, without the changes of its preset."""
    return replace(points(), preset=name, data=DataConfig(name=name))


def collapse() -> Config:
    """No penalty, and Adam with much momentum in both networks."""
    base = _gallery_base("collapse")
    return replace(
        base,
        objective=replace(base.objective, r1_gamma=0.0),
        optimizer=replace(base.optimizer, beta1=0.75),
    )


def d_too_strong() -> Config:
    """Saturating minimax loss without a penalty, and a discriminator that learns ten times as fast."""
    base = _gallery_base("d-too-strong")
    return replace(
        base,
        objective=replace(base.objective, loss="minimax", r1_gamma=0.0),
        optimizer=replace(base.optimizer, g_lr=1e-3, d_lr=1e-2),
    )


def d_too_weak() -> Config:
    """An R1 penalty 500 times as strong as usual, without labels."""
    base = _gallery_base("d-too-weak")
    return replace(
        base,
        objective=replace(base.objective, r1_gamma=500.0, penalty_interval=1),
        training=replace(base.training, conditional=False),
    )


def no_penalty() -> Config:
    """Wasserstein loss with nothing that bounds the discriminator's slope, and Adam's usual momentum."""
    base = _gallery_base("no-penalty")
    return replace(
        base,
        objective=replace(base.objective, loss="wasserstein", r1_gamma=0.0, penalty_interval=1),
        optimizer=replace(base.optimizer, beta1=0.9),
    )


def wrong_range() -> Config:
    """Real images in [0, 255], outside the range of the generator."""
    base = _gallery_base("wrong-range")
    return replace(
        base,
        data=replace(base.data, real_range=(0.0, 255.0)),
        optimizer=replace(base.optimizer, g_lr=1e-3, d_lr=1e-3),
    )


def _gallery_base(preset: str) -> Config:
    """`quick` without its classifier and with simpler networks, at a constant learning rate, for 32,000 images.

    That is half a minute on one core. D judges small patches, as the networks of most tutorials do.
    """
    base = quick()
    return replace(
        base,
        preset=preset,
        generator=replace(base.generator, overshoot=1.0),
        discriminator=replace(base.discriminator, dense_width=0),
        objective=replace(base.objective, classifier_weight=0.0),
        optimizer=replace(base.optimizer, warmup_nimg=0, decay="constant"),
        training=replace(base.training, total_nimg=32_000, ema_halflife_nimg=3_000.0, fit_latent_scale=False, shards=1),
        run=replace(base.run, tick_nimg=4_000, evaluate_nimg=4_000),
    )


PRESETS: Final = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="quick",
            make=quick,
            title="Quick",
            summary="Small convolutional networks with labels, which draw all ten digits. Start here.",
            minutes=6,
        ),
        Recipe(
            name="flash",
            make=flash,
            title="Flash",
            summary="The networks of quick, trained for one minute, however fast the machine is.",
            minutes=1,
        ),
        Recipe(
            name="standard",
            make=standard,
            title="Standard",
            summary="Wider networks and a longer training: better digits.",
            minutes=30,
        ),
        Recipe(
            name="best",
            make=best,
            title="Best",
            summary="The longest training, with the weakest penalty: the best digits.",
            minutes=40,
        ),
        Recipe(
            name="stacked",
            make=stacked,
            title="Stacked MNIST",
            summary="Three digits as three colours, without labels: 1,000 combinations, of which a generator with mode "
            "collapse misses many.",
            minutes=40,
        ),
        Recipe(
            name="classic-mlp",
            make=classic_mlp,
            title="Classic, fully connected",
            summary="The GAN of the first paper and of most tutorials: fully connected layers, no penalty, no labels.",
            minutes=8,
        ),
        Recipe(
            name="classic-dcgan",
            make=classic_dcgan,
            title="Classic DCGAN",
            summary="The convolutional GAN of most tutorials, with batch normalization (BatchNorm) in both networks.",
            minutes=20,
        ),
        Recipe(
            name="wgan-gp",
            make=wgan_gp,
            title="WGAN-GP",
            summary="The Wasserstein loss, which measures the distance between real and generated images. A gradient "
            "penalty bounds the discriminator's slope; it takes five steps per generator step.",
            minutes=25,
        ),
        Recipe(
            name="hinge-sn",
            make=hinge_sn,
            title="Hinge and spectral norm",
            summary="The hinge loss, which ignores images that are judged well enough, and spectral normalization, "
            "which bounds every layer of the discriminator.",
            minutes=20,
        ),
        Recipe(
            name="r3gan",
            make=r3gan,
            title="R3GAN",
            summary="A loss that compares each real image with a generated one, R1 and R2 penalties at every step, and "
            "residual networks without normalization.",
            minutes=20,
        ),
        Recipe(
            name="ring8",
            make=ring8,
            title="Ring of eight",
            summary="Eight small Gaussians on a circle in the plane. A good generator finds all modes.",
            minutes=0.5,
        ),
        Recipe(
            name="grid25",
            make=grid25,
            title="Grid of 25",
            summary="A grid of 25 small Gaussians in the plane, the usual test of mode collapse.",
            minutes=1,
        ),
        Recipe(
            name="swiss-roll",
            make=swiss_roll,
            title="Swiss roll",
            summary="Points of the plane on a spiral.",
            minutes=0.5,
        ),
        Recipe(
            name="two-moons",
            make=two_moons,
            title="Two moons",
            summary="Points of the plane on two interleaving half circles.",
            minutes=0.5,
        ),
        Recipe(
            name="checkerboard",
            make=checkerboard,
            title="Checkerboard",
            summary="Points of the plane in every second square of a board, with sharp edges.",
            minutes=0.5,
        ),
        Recipe(
            name="points",
            make=points,
            title="Points of a file",
            summary="Your own points of the plane (CSV, .npy), or a mixture of Gaussians (TOML), named by --data.file.",
        ),
        Recipe(
            name="collapse",
            make=collapse,
            title="Mode collapse",
            summary="No penalty, and much momentum in Adam (beta1 0.75). The generator (G) gets random numbers, z, and "
            "a digit's label. It learns one drawing of each digit that passes, and ignores z.",
            minutes=0.5,
            lesson=Lesson(
                look_at="All drawings in a column are the same, whatever z is. Many pass as digits, but they change "
                "together: when the discriminator learns to reject a drawing, the generator moves on to another. The "
                "variety stays well below that of real digits.",
                cure="Add an R1 penalty, which keeps the discriminator (D) smooth, and turn momentum off (beta1 0).",
                changes={"objective.r1_gamma": 1.0, "optimizer.beta1": 0.0},
                diagnosis="collapsing",
            ),
        ),
        Recipe(
            name="d-too-strong",
            make=d_too_strong,
            title="Discriminator too strong",
            summary="The discriminator learns ten times as fast as the generator. The saturating minimax loss, without "
            "a penalty, stops teaching when the discriminator is sure.",
            minutes=0.5,
            lesson=Lesson(
                look_at="The two histograms of scores separate at once and stay apart. The discriminator is nearly "
                "always right, and so confident that the generator's gradient vanishes: the drawings never become "
                "digits.",
                cure="Use the non-saturating loss, an R1 penalty, and the generator's learning rate for both networks.",
                changes={"objective.loss": "non_saturating", "objective.r1_gamma": 1.0, "optimizer.d_lr": 1e-3},
                diagnosis="discriminator too strong",
            ),
        ),
        Recipe(
            name="d-too-weak",
            make=d_too_weak,
            title="Discriminator too weak",
            summary="An R1 penalty of 500 holds the discriminator flat: it gives every image nearly the same score. "
            "There are no labels to help it.",
            minutes=0.5,
            lesson=Lesson(
                look_at="The two histograms of scores soon lie on each other, and both are next to 0, yet the drawings "
                "are blots. Overlapping histograms are a good sign only if the discriminator can tell blots from "
                "digits.",
                cure="Lower the R1 penalty to 1, and give both networks the labels.",
                changes={"objective.r1_gamma": 1.0, "training.conditional": True},
                diagnosis="discriminator too weak",
            ),
        ),
        Recipe(
            name="no-penalty",
            make=no_penalty,
            title="No penalty on D",
            summary="The Wasserstein loss compares the mean scores of real and of generated images. Nothing bounds the "
            "slope of the discriminator (D), and Adam keeps its usual momentum (beta1 0.9).",
            minutes=0.5,
            lesson=Lesson(
                look_at="The scores grow into the thousands: without a penalty, this loss rewards a discriminator that "
                "only scales its output up. The digits break into stripes or swell to blots.",
                cure="Add a gradient penalty, which holds the slope near 1, and turn momentum off (beta1 0).",
                changes={"objective.gp_lambda": 10.0, "optimizer.beta1": 0.0},
                diagnosis="diverging",
            ),
        ),
        Recipe(
            name="wrong-range",
            make=wrong_range,
            title="Images in the wrong range",
            summary="The most common mistake: real images are left in [0, 255], which the generator cannot reach.",
            minutes=0.5,
            lesson=Lesson(
                look_at="The discriminator is right from the first steps on. Real images lie in [0, 255] and generated "
                "ones in [-1, 1], so brightness alone separates them, and the drawings never become digits.",
                cure="Scale real images to [-1, 1], as every other recipe does.",
                changes={"data.real_range": (-1.0, 1.0)},
                diagnosis="discriminator too strong",
            ),
        ),
    )
}
"""Every recipe, by name."""

FAILURES: Final = {name: recipe for name, recipe in PRESETS.items() if recipe.lesson is not None}
"""The failure gallery: recipes that fail on purpose, each in its own way."""


def get(name: str, *, recipes: Mapping[str, Recipe] | None = None) -> Config:
    """Return the config of a preset.

    Args:
        name: of the preset.
        recipes: presets of a plug-in, by full name, besides the built-in ones.

    Raises:
        ConfigError: there is no preset of that name.
    """
    known = {**PRESETS, **(recipes or {})}
    if name not in known:
        if is_plugin_name(name) and not recipes:
            raise ConfigError(f"the preset {name} is of a plug-in; name its file with --plugin FILE")
        near = difflib.get_close_matches(name, known, n=1)
        guess = f"did you mean {near[0]}? The presets are" if near else "choose one of"
        raise ConfigError(f"there is no preset {name!r}; {guess} {', '.join(known)}")
    return known[name].make()
