"""Errors for the user, each with an exit code.

The message is one sentence: what is wrong, where, and what to do. The CLI prints it and exits with `exit_code`;
users of the library catch `MnistGanError`.
"""

from __future__ import annotations

from typing import ClassVar


class MnistGanError(Exception):
    """Base class of the package's errors."""

    exit_code: ClassVar[int] = 1


class ConfigError(MnistGanError, ValueError):
    """An invalid setting or combination of settings."""

    exit_code = 2


class PluginError(ConfigError):
    """A plug-in that is missing, fails, or is not the one that a run or model was made with."""


class DataError(MnistGanError):
    """A missing, damaged or wrong data file or image."""

    exit_code = 3


class ArtifactError(MnistGanError):
    """A missing or damaged run, checkpoint or model, or one of an unknown format."""

    exit_code = 4


class DivergenceError(MnistGanError):
    """A non-finite loss, gradient or weight."""

    exit_code = 5


class StorageError(MnistGanError):
    """An I/O error of the operating system."""

    exit_code = 74


class RunBusyError(StorageError):
    """The run is locked by another process."""


class RankError(MnistGanError):
    """A rank of a training on several processes was lost; the run can be resumed from its last checkpoint."""

    exit_code = 75


EXIT_OK = 0
EXIT_USAGE = 2
EXIT_RESUMABLE = 75
EXIT_INTERRUPTED = 130
