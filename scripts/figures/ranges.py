"""Figure of a training on real images in [-1, 1] and of one in [0, 1]."""

from __future__ import annotations

import dataclasses
from typing import Final, NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from scripts.figures.canvas import FAINT, FAKE, REAL, figure

from mnist_gan import experiment, presets
from mnist_gan.config import Config, DataConfig
from mnist_gan.data import load_dataset, to_float

NIMG: Final = 64_000
RANGES: Final[dict[str, tuple[float, float]]] = {
    "real images in [−1, 1]": (-1.0, 1.0),
    "real images in [0, 1]": (0.0, 1.0),
}


class Training(NamedTuple):
    """Results of a training."""

    seen: list[int]
    """Images seen at each tick."""
    right: list[float]
    """Accuracy of D on generated images at each tick."""
    pixels: np.ndarray
    """Pixels of generated images, in [-1, 1]."""


def ranges() -> Figure:
    """Plot pixel values of real and generated images on both scales, and the accuracy of D on generated images."""
    fig, panels = figure(height=2.75, columns=3)
    real = load_dataset(DataConfig(name="mnist")).images[:1000]
    bins = np.linspace(-1.05, 1.05, 43)
    for axes, (title, real_range) in zip(panels, RANGES.items(), strict=False):
        training = train_small(real_range)
        for pixels, colour, label in (
            (to_float(real, real_range=real_range).numpy().ravel(), REAL, "real"),
            (training.pixels, FAKE, "generated"),
        ):
            shares, _ = np.histogram(pixels, bins=bins, weights=np.full(len(pixels), 100 / len(pixels)))
            axes.stairs(shares, bins, color=colour, fill=True, alpha=0.55, label=label)
        axes.set(title=title, xlabel="pixel value", yscale="log", ylim=(0.02, 250), xticks=(-1, 0, 1))
        wrong = real_range[0] == 0
        style = {"color": FAKE if wrong else REAL, "label": "[0, 1]" if wrong else "[−1, 1]"}
        panels[2].plot([nimg / 1000 for nimg in training.seen], [100 * share for share in training.right], **style)
    panels[0].set_ylabel("% of pixels")
    panels[0].legend(loc="upper right")
    panels[2].axhline(50, color=FAINT, lw=0.8, ls=":")
    panels[2].set(title="D's accuracy on generated", xlabel="thousand images seen", ylabel="% of images", ylim=(0, 103))
    panels[2].legend(loc="lower left", title="real images in")
    return fig


def train_small(real_range: tuple[float, float]) -> Training:
    """Train a small fully connected GAN in memory."""
    seen, right = [], []
    for tick in experiment.train(small_config(real_range)):
        if tick.stats:
            seen.append(tick.cur_nimg)
            right.append(tick.stats["Score/fake_accuracy"])
    G = tick.state.G.eval()
    with torch.no_grad():
        images = G(torch.randn(1000, G.z_dim, generator=torch.Generator().manual_seed(0)))
    return Training(seen, right, images.numpy().ravel())


def small_config(real_range: tuple[float, float]) -> Config:
    """Return `classic-mlp` with narrower networks."""
    base = presets.classic_mlp()
    return dataclasses.replace(
        base,
        data=DataConfig(name="mnist", real_range=real_range),
        generator=dataclasses.replace(base.generator, channels=(128, 256)),
        discriminator=dataclasses.replace(base.discriminator, channels=(256, 128)),
        training=dataclasses.replace(
            base.training, total_nimg=NIMG, device="cpu", precision="float32", threads=1, batch_size=64
        ),
        run=dataclasses.replace(base.run, tick_nimg=2_000),
    )
