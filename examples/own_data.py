"""A plug-in with a data set from arrays: crosses and rings, drawn with NumPy.

    mnist-gan train shapes.drawn --plugin examples/own_data.py
    mnist-gan train quick --plugin examples/own_data.py --data.name shapes.crosses_and_rings

In Python, the object with the arrays can be passed directly: `mnist_gan.train(config, dataset=draw_shapes(7_000))`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mnist_gan import Config, Plugin, presets
from mnist_gan.config import DataConfig

plugin = Plugin("shapes")


@dataclass(frozen=True)
class Shapes:
    """One seventh of the images is held out, as there are no `held_out_images`; `labels` may be left out."""

    images: NDArray[np.uint8]  # [N, H, W]; [N, C, H, W] with colours
    labels: NDArray[np.int64]  # [N], from 0


def draw_shapes(n: int, resolution: int = 28) -> Shapes:
    """Draw `n` crosses (label 0) and rings (label 1) of random place and size, with soft edges."""
    random = np.random.default_rng(0)
    labels = np.arange(n) % 2
    y, x = np.mgrid[:resolution, :resolution]
    centre = random.uniform(0.35, 0.65, size=(n, 2, 1, 1)) * resolution
    size = random.uniform(0.2, 0.3, size=(n, 1, 1)) * resolution
    down, right = np.abs(y - centre[:, 0]), np.abs(x - centre[:, 1])
    cross = np.maximum(np.minimum(down, right), np.maximum(down, right) - size)
    ring = np.abs(np.hypot(down, right) - size)
    distance = np.where(labels[:, None, None] == 0, cross, ring)  # pixels from the line
    return Shapes(images=(255 * np.clip(2.5 - distance, 0, 1)).astype(np.uint8), labels=labels)


@plugin.dataset("crosses_and_rings")
def crosses_and_rings(config: DataConfig) -> Shapes:
    """7,000 images; `config.dir` could name a folder to read arrays from, with `numpy.load`."""
    return draw_shapes(7_000)


@plugin.preset("drawn")
def drawn() -> Config:
    """`quick` on crosses and rings."""
    base = presets.quick()
    return replace(base, data=DataConfig(name="shapes.crosses_and_rings"))
