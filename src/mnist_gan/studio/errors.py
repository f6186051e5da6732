"""Errors of the studio's services. The application translates them into HTTP responses.

An invalid value is a `ConfigError`.
"""

from __future__ import annotations

from mnist_gan.errors import MnistGanError


class NotFoundError(MnistGanError):
    """No such run, model, snapshot or search."""


class ConflictError(MnistGanError):
    """A request that the state of a run or the kind of a model does not allow."""


class OverloadedError(MnistGanError):
    """Too much work is waiting."""


class UnavailableError(MnistGanError):
    """The service is closing, or a file cannot be read at the moment."""


class DeadlineError(MnistGanError):
    """A request that took too long and was stopped."""


class DisconnectedError(MnistGanError):
    """The client has disconnected; nobody receives the response."""
