"""Models in memory, and the queues that compute with them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch

from mnist_gan import storage
from mnist_gan.artifacts.gan import GAN, PLUGIN_NAME, SHIPPED, shipped_directory
from mnist_gan.artifacts.snapshots import Snapshot, list_snapshots, load_snapshot
from mnist_gan.config import DataConfig
from mnist_gan.data import Dataset, load_dataset
from mnist_gan.errors import ArtifactError
from mnist_gan.models import Generator
from mnist_gan.plugins import Plugin
from mnist_gan.runs import RunDirectory
from mnist_gan.sampling import Directions, find_directions
from mnist_gan.studio import api
from mnist_gan.studio.cache import Cache, Version, file_version
from mnist_gan.studio.errors import ConflictError, NotFoundError, UnavailableError
from mnist_gan.studio.services.queue import Queue
from mnist_gan.studio.services.searches import Searches

SHIPPED_NAME: Final = "the shipped model"
MAX_MODELS: Final = 4
MAX_GENERATORS: Final = 32
"""Snapshots in memory, of all models together."""
MAX_DATASETS: Final = 2
DIRECTION_COUNT: Final = 12
DIRECTION_SECONDS: Final = 120.0
RELOAD_SECONDS: Final = 0.2
"""Pause before a model that cannot be read is tried again: a training may have replaced it meanwhile."""


@dataclass(eq=False)
class Model:
    """A model in memory."""

    id: str
    gan: GAN
    run: RunDirectory | None
    """Run of the model; None for the shipped model."""
    directions: Directions | None = None
    """None until they are computed."""

    @property
    def name(self) -> str:
        """Name for users."""
        return SHIPPED_NAME if self.run is None else self.id

    def snapshots(self) -> list[Snapshot]:
        """Generators saved during training, in order."""
        return [] if self.run is None else list_snapshots(self.run.snapshots)


class Inference:
    """Models, and a queue each for pictures and for work of several seconds.

    Args:
        runs: returns the runs by id, the newest first. An id is looked up there, never used as a path.
    """

    def __init__(self, runs: Callable[[], Mapping[str, RunDirectory]], *, plugin: Plugin | None = None) -> None:
        self._runs, self._plugin = runs, plugin
        self.picture_queue = Queue("pictures")
        self.search_queue = Queue("searches", gradients=True)
        self.searches = Searches(self.search_queue)
        self._models: Cache[str, Model] = Cache(MAX_MODELS)
        self._generators: Cache[tuple[str, int], Generator] = Cache(MAX_GENERATORS)
        self._datasets: Cache[DataConfig, Dataset] = Cache(MAX_DATASETS)

    def close(self) -> None:
        """End both queues and all searches. Blocks for a few seconds at most."""
        self.searches.close()
        self.picture_queue.close()
        self.search_queue.close()

    def list_models(self) -> list[api.ModelRow]:
        """Id, name, kind and readiness of every model, the shipped one first. Loads none."""
        ready = _is_model(shipped_directory())
        return [
            api.ModelRow(id=SHIPPED, name=SHIPPED_NAME, kind="shipped", ready=ready),
            *(
                api.ModelRow(id=run_id, name=run_id, kind="run", ready=_is_model(run.model))
                for run_id, run in self._runs().items()
            ),
        ]

    def model(self, model_id: str) -> Model:
        """Return a model by its id, loaded again if it has changed on disk.

        Raises:
            NotFoundError: there is none.
            ConflictError: it draws points.
            UnavailableError: it cannot be loaded.
        """
        run, directory = self._find(model_id)
        version = _version(directory)
        if version is None:
            raise NotFoundError(f"{model_id} has no model yet; a training writes it after its first evaluation.")
        model = self._models.get(model_id, version, lambda: Model(model_id, _load(directory, self._plugin), run))
        if model.gan.shape.is_points:
            raise ConflictError(f"{model_id} draws points, and this page shows images; its samples are on Train.")
        return model

    def generator(self, model: Model, at: int | None) -> Generator:
        """Return the generator of the snapshot at `at` images, or of the model itself.

        Raises:
            NotFoundError: there is no such snapshot.
            UnavailableError: it cannot be read.
        """
        if at is None:
            return model.gan.G
        snapshot = next((snapshot for snapshot in model.snapshots() if snapshot.cur_nimg == at), None)
        version = None if snapshot is None else _version(snapshot.path)
        if snapshot is None or version is None:
            raise NotFoundError(f"{model.id} has no snapshot at {at:,} images; its page lists the snapshots.")

        def load() -> Generator:
            try:
                with torch.inference_mode(False):
                    return load_snapshot(snapshot, model.gan.G)
            except ArtifactError as error:
                raise UnavailableError(f"{error}.") from error

        return self._generators.get((model.id, at), version, load)

    async def directions(self, model_id: str, *, disconnected: Callable[[], Awaitable[bool]]) -> Directions:
        """Return the directions of a model, computed at the first call.

        Raises:
            NotFoundError: there is no such model.
            DeadlineError: it took longer than `DIRECTION_SECONDS`.
        """
        known = await self.picture_queue.run(lambda _: self.model(model_id).directions, disconnected=disconnected)
        if known is not None:
            return known
        return await self.search_queue.run(
            lambda _: self._compute_directions(model_id), disconnected=disconnected, seconds=DIRECTION_SECONDS
        )

    def _compute_directions(self, model_id: str) -> Directions:
        model = self.model(model_id)
        if model.directions is None:
            model.directions = find_directions(model.gan.G, count=DIRECTION_COUNT, classes=model.gan.classes)
        return model.directions

    def training_data(self, config: DataConfig) -> Dataset:
        """Return a data set on disk.

        Raises:
            DataError: they are not on this machine.
        """
        local = dataclasses.replace(config, download=False)
        return self._datasets.get(local, None, lambda: load_dataset(local))

    def _find(self, model_id: str) -> tuple[RunDirectory | None, Path]:
        if model_id == SHIPPED:
            return None, shipped_directory()
        run = self._runs().get(model_id)
        if run is None:
            raise NotFoundError("There is no such model; the Runs page lists all runs.")
        return run, run.model


def _version(directory: Path) -> Version | None:
    """Version of a committed folder; None if there is none."""
    committed = storage.find_committed(directory)
    return None if committed is None else file_version(committed / storage.MANIFEST_NAME)


def _is_model(directory: Path) -> bool:
    return _version(directory) is not None


def _load(directory: Path, plugin: Plugin | None) -> GAN:
    if plugin is not None and not (directory / PLUGIN_NAME).is_file():
        plugin = None  # a model without a plug-in
    for attempt in (1, 2):
        try:
            with torch.inference_mode(False):  # attribution needs gradients
                return GAN.load(directory, plugin=plugin)
        except ArtifactError as error:
            if attempt == 2:
                raise UnavailableError(f"{error}.") from error
            time.sleep(RELOAD_SECONDS)
    raise AssertionError("unreachable")
