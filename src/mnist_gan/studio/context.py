"""What the handlers of the studio share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.requests import Request

from mnist_gan.studio.security import Keys

if TYPE_CHECKING:
    from mnist_gan.studio.runs import Library
    from mnist_gan.studio.training import Trainer

MAX_STREAMS = 16
"""Event streams at once."""


@dataclass(kw_only=True)
class Studio:
    """One server's runs, trainings and secrets."""

    library: Library
    trainer: Trainer
    keys: Keys = field(default_factory=Keys)
    closing: bool = False
    """Whether the server ends; event streams look at it."""
    streams: int = 0
    """Event streams open now."""


def studio_of(request: Request) -> Studio:
    """The studio that a request is for."""
    studio: Any = request.app.state.studio
    if not isinstance(studio, Studio):
        raise TypeError("the application was not made by create_app")
    return studio
