"""The command line, `mnist-gan`: `app` dispatches and translates errors, `commands` has one module for each command.

Importing this package imports neither torch, numpy nor tyro, so that `mnist-gan --help` answers at once.
"""

from mnist_gan.cli.app import main

__all__ = ["main"]
