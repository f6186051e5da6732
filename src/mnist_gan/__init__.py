"""Generative adversarial networks on MNIST: train, watch, evaluate, sample, score, explore and export.

    from mnist_gan import GAN, presets, train

    for tick in train(presets.quick()):        # in memory; writes nothing
        print(tick.epoch, tick.stats)

    gan = GAN.load("runs/my-run")              # a run, or a model directory
    images = gan.sample(16, digit=7, seed=0)   # uint8 (16, 1, 28, 28)

Names are imported when they are first used, so that `import mnist_gan` costs nothing.
"""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mnist_gan import presets
    from mnist_gan.artifacts.gan import GAN
    from mnist_gan.config import Config
    from mnist_gan.errors import MnistGanError
    from mnist_gan.experiment import Observer, resume, run, train

__all__ = ["GAN", "Config", "MnistGanError", "Observer", "presets", "resume", "run", "train"]

_HOMES = {
    "GAN": "mnist_gan.artifacts.gan",
    "Config": "mnist_gan.config",
    "MnistGanError": "mnist_gan.errors",
    "Observer": "mnist_gan.experiment",
    "resume": "mnist_gan.experiment",
    "run": "mnist_gan.experiment",
    "train": "mnist_gan.experiment",
}

# a library is silent unless the program that uses it configures logging
logging.getLogger(__name__).addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    if name == "presets":
        return importlib.import_module("mnist_gan.presets")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
