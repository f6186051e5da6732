"""Generative adversarial networks on MNIST: train, watch, evaluate, sample, score, explore and export.

    import mnist_gan
    from mnist_gan import GAN, presets, runs

    for tick in mnist_gan.train(presets.quick()):        # trains in memory, writes no files
        print(tick.epoch, tick.stats)

    mnist_gan.run(presets.quick(), name="my-run")        # trains and writes runs/my-run
    runs.status("runs/my-run")                           # state and progress
    runs.compare("runs/my-run", "runs/other")            # figures, and settings that differ
    mnist_gan.evaluate("runs/my-run")                    # also a model, or images

    gan = GAN.load("runs/my-run")                        # also a model folder, or "shipped"
    images = gan.sample(16, digit=7, seed=0)             # uint8 (16, 1, 28, 28)
    mnist_gan.score_images(gan, images)                  # real or fake

docs/api.md lists the public names. Names are imported on first use, so that `import mnist_gan` is fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mnist_gan import presets, runs
    from mnist_gan.artifacts.gan import GAN
    from mnist_gan.artifacts.scoring import score_images
    from mnist_gan.assessment import evaluate
    from mnist_gan.config import Config
    from mnist_gan.errors import MnistGanError
    from mnist_gan.experiment import Observer, resume, run, train
    from mnist_gan.plugins import Plugin, load_plugin

__all__ = [
    "GAN",
    "Config",
    "MnistGanError",
    "Observer",
    "Plugin",
    "evaluate",
    "load_plugin",
    "presets",
    "resume",
    "run",
    "runs",
    "score_images",
    "train",
]

__version__ = "0.1.0"

_MODULES: Final = frozenset({"presets", "runs"})
_HOMES: Final = {
    "GAN": "artifacts.gan",
    "Config": "config",
    "MnistGanError": "errors",
    "Observer": "experiment",
    "Plugin": "plugins",
    "evaluate": "assessment",
    "load_plugin": "plugins",
    "resume": "experiment",
    "run": "experiment",
    "score_images": "artifacts.scoring",
    "train": "experiment",
}
"""Module of each name that is not a module."""

# a library is silent unless the program that uses it configures logging


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
