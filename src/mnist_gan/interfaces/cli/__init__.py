"""The command line, `mnist-gan`: `app` dispatches and translates errors, `verbs` lists the commands.

Importing this package imports neither torch, numpy nor tyro, so that `mnist-gan --help` answers at once.
"""

from mnist_gan.interfaces.cli.app import main

__all__ = ["main"]
