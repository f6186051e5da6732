"""The services and secrets of one server, which the handlers share."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.requests import Request

from mnist_gan.plugins import NO_PLUGIN, Plugin, load_plugin
from mnist_gan.runs import RunDirectory
from mnist_gan.studio.guard import Keys
from mnist_gan.studio.services.inference import Inference
from mnist_gan.studio.services.library import Library
from mnist_gan.studio.services.plane import Plane
from mnist_gan.studio.services.trainer import Trainer


@dataclass(kw_only=True)
class Studio:
    """State of one server."""

    library: Library
    trainer: Trainer
    inference: Inference
    plugin: Plugin = NO_PLUGIN
    """Its presets and parts can be chosen for a training."""
    plane: Plane = field(default_factory=Plane)
    keys: Keys = field(default_factory=Keys)
    closing: bool = False
    """True once the server is ending; event streams then end."""
    streams: int = 0
    """Event streams of runs that are open now."""


def make_studio(
    runs_dir: Path, *, named: RunDirectory | None = None, trainings: int = 1, plugin: Path | None = None
) -> Studio:
    """Create the services.

    Args:
        runs_dir: folder of the runs, and for new ones.
        named: run to show first; may be elsewhere.
        trainings: maximum number of simultaneous trainings.
        plugin: file of a plug-in, for models and runs made with it, and for new ones.
    """
    library, loaded = Library(runs_dir, named=named), None if plugin is None else load_plugin(plugin)
    return Studio(
        library=library,
        trainer=Trainer(library, at_once=trainings, plugin=plugin),
        inference=Inference(library.runs, plugin=loaded),
        plugin=loaded or NO_PLUGIN,
    )


def studio_of(request: Request) -> Studio:
    """State of the server that a request was sent to."""
    studio: Any = request.app.state.studio
    assert isinstance(studio, Studio)
    return studio
