"""Command line `mnist-gan`: `app` dispatches and reports errors; `commands` has one module per command.

Importing this package imports neither torch, numpy nor tyro, so that `mnist-gan --help` starts fast.
"""

from mnist_gan.cli.app import main

__all__ = ["main"]
