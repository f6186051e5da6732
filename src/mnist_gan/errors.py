"""What can go wrong through a user's doing, and the exit code each of them has.

An error of this module carries one sentence that says what is wrong, where, and what to do. The command line prints
that sentence and exits with the class's `exit_code`; a library user catches `MnistGanError`.
"""

from __future__ import annotations

from typing import ClassVar


class MnistGanError(Exception):
    """Base of every error that this package raises on purpose."""

    exit_code: ClassVar[int] = 1


class ConfigError(MnistGanError, ValueError):
    """A setting, or a combination of settings, that cannot work."""

    exit_code = 2


class DataError(MnistGanError):
    """A data file or an image that is missing, damaged or not what it claims to be."""

    exit_code = 3


class ArtifactError(MnistGanError):
    """A run, checkpoint or model that is missing, damaged, or of an unknown format."""

    exit_code = 4


class DivergenceError(MnistGanError):
    """A loss, gradient or weight that is no longer finite."""

    exit_code = 5


class StorageError(MnistGanError):
    """A file that could not be written or read by the operating system."""

    exit_code = 74


class RunBusyError(StorageError):
    """Another process holds the run."""


EXIT_OK = 0
EXIT_USAGE = 2
EXIT_RESUMABLE = 75
EXIT_INTERRUPTED = 130
