"""Figures and pictures of a trained run."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image
from scripts.figures.canvas import FAKE, INK, REAL, figure, save_picture

from mnist_gan import GAN
from mnist_gan.cli import main as mnist_gan
from mnist_gan.config import DataConfig
from mnist_gan.data import load_dataset

NIMG: Final = 1000
GREYS: Final = 16
COMMANDS: Final = (
    "sample --run {run} --classes 0123456789 --seed 1 --out digits.png",
    "interpolate --run {run} --classes 0123456789 --steps 3 --out interpolation.png",
    "score --run {run} --generate 10 --out verdicts.png",
    "curves {run} --out curves.png",
)
"""Commands that make the pictures of docs/commands.md."""
PICTURES: Final = (
    "digits.png",
    "interpolation.png",
    "verdicts.png",
    "curves.png",
    "epoch-first.png",
    "epoch-last.png",
    "training.webp",
)
"""Files of `save_pictures`."""


def logits(run: Path) -> Figure:
    """Plot the logits of held-out real and of generated images, and the calibrated probability."""
    gan = GAN.load(run)
    dataset = load_dataset(DataConfig(name="mnist"))
    real, labels = dataset.held_out_images[-NIMG:], dataset.held_out_labels[-NIMG:]
    given = labels if gan.conditional else None
    fake = gan.sample(NIMG, digit=labels.tolist() if gan.conditional else None, seed=1)
    real_logits, fake_logits = gan.logits(real, labels=given), gan.logits(fake, labels=given)
    both = torch.cat([real_logits, fake_logits]).numpy()
    low, high = np.percentile(both, [0.2, 99.8])
    bins = np.linspace(low, high, 41)
    fig, axes = figure(height=2.7)
    for values, colour, name in ((fake_logits, FAKE, "generated"), (real_logits, REAL, "real, held out")):
        axes.hist(values.numpy(), bins=bins, color=colour, alpha=0.55, label=name)
    axes.set(xlabel="logit", ylabel=f"images of {NIMG:,}", xlim=(low, high))
    chance = axes.twinx()
    x = torch.linspace(float(low), float(high), 200)
    chance.plot(x, 100 * gan.calibration.probability(x), color=INK, label="probability of real")
    chance.set(ylim=(0, 100), ylabel="probability of real, %")
    chance.spines["right"].set_visible(True)
    handles = [handle for part in (axes, chance) for handle in part.get_legend_handles_labels()[0]]
    fig.legend(handles=handles, loc="outside upper center", ncols=3)
    return fig


def save_pictures(run: Path, out: Path) -> None:
    """Run the commands of docs/commands.md and save their pictures with a small palette."""
    run, here = run.absolute(), Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "runs" / "my-run"
        shutil.copytree(run, copy)  # commands write into the run directory
        os.chdir(folder)
        try:
            for command in COMMANDS:
                if mnist_gan(command.format(run="my-run").split()) != 0:
                    raise SystemExit(f"`mnist-gan {command}` failed")
            mnist_gan(["animate", "my-run", "--out", "training.webp", "--frames", "9"])
            grids = sorted((copy / "samples").glob("epoch-*.png"))
            shutil.copy(grids[0], "epoch-first.png")
            shutil.copy(grids[-1], "epoch-last.png")
            for name in PICTURES:
                if name.endswith(".png"):
                    save_picture(Image.open(name), out / name, colours=64 if name == "curves.png" else GREYS)
                else:
                    shutil.copy(name, out / name)
        finally:
            os.chdir(here)
