"""The models that the pages work with: found by their id, loaded when first asked for, and kept for a while."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Generic, NamedTuple, TypeVar

import torch
from jaxtyping import Int64, UInt8
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from torch import Tensor

from mnist_gan import storage
from mnist_gan.artifacts.gan import GAN, SHIPPED, shipped_directory
from mnist_gan.artifacts.snapshots import Snapshot, list_snapshots, load_snapshot
from mnist_gan.config import DataConfig
from mnist_gan.data import load_dataset
from mnist_gan.errors import ArtifactError
from mnist_gan.models import Generator
from mnist_gan.runs.directory import RunDirectory
from mnist_gan.sampling import Directions, find_directions
from mnist_gan.studio.inference import Lane, Ticket
from mnist_gan.studio.jobs import Jobs
from mnist_gan.studio.problems import Problem

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

SHIPPED_NAME: Final = "the shipped model"
MODELS_KEPT: Final = 4
GENERATORS_KEPT: Final = 32
"""Generators of the way, of all models together."""
SETS_KEPT: Final = 2
DIRECTIONS: Final = 12
DIRECTIONS_SECONDS: Final = 120.0
RELOAD_SECONDS: Final = 0.2
"""After which a model that could not be read is tried once more: a training may just have replaced it."""

METHOD: Final = (
    "The directions of the random numbers along which the pixels change most, averaged over thousands of digits; "
    "each is named by the property that it changes most."
)


class Stamp(NamedTuple):
    """What tells one state of a model's folder from another without reading it."""

    changed_ns: int
    inode: int
    size: int


@dataclass
class Recent(Generic[K, V]):
    """A bounded dictionary that forgets what was not asked for longest."""

    capacity: int
    _values: OrderedDict[K, V] = field(default_factory=OrderedDict)

    def get(self, key: K) -> V | None:
        """The value, which counts as asked for."""
        if key not in self._values:
            return None
        self._values.move_to_end(key)
        return self._values[key]

    def put(self, key: K, value: V) -> None:
        """Keep a value; the oldest goes if there are too many."""
        self._values[key] = value
        self._values.move_to_end(key)
        while len(self._values) > self.capacity:
            self._values.popitem(last=False)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._values)


@dataclass(eq=False)
class Model:
    """A model in memory."""

    id: str
    gan: GAN
    stamp: Stamp
    run: RunDirectory | None
    """Where it is from; None for the shipped one."""
    directions: Directions | None = None
    """None until they are found."""

    def moments(self) -> list[Snapshot]:
        """The generators kept on the way, in order."""
        return [] if self.run is None else list_snapshots(self.run.snapshots)


class Workbench:
    """All that the pages compute with: the models, the two lanes, and the searches under way.

    Args:
        runs: run id -> its folder, the newest first; asked at every look-up, and the only way from an id to a path.
    """

    def __init__(self, runs: Callable[[], Mapping[str, Path]]) -> None:
        self._runs = runs
        self.pictures = Lane("pictures")
        self.searches = Lane("searches", gradients=True)
        self.jobs = Jobs(self.searches)
        self._lock = threading.RLock()
        self._models: Recent[str, Model] = Recent(MODELS_KEPT)
        self._generators: Recent[tuple[str, Stamp, int], Generator] = Recent(GENERATORS_KEPT)
        self._sets: Recent[DataConfig, tuple[UInt8[Tensor, "n c h w"], Int64[Tensor, "n"]]] = Recent(SETS_KEPT)

    def close(self) -> None:
        """End both lanes and all searches; blocks for a few seconds at most."""
        self.jobs.close()
        self.pictures.close()
        self.searches.close()

    def listing(self) -> list[dict[str, Any]]:
        """Every id, `shipped` first; nothing is loaded."""
        ready = _stamp(shipped_directory()) is not None
        shipped = {"id": SHIPPED, "name": SHIPPED_NAME, "kind": "shipped", "ready": ready}
        runs = [
            {"id": name, "name": name, "kind": "run", "ready": _stamp(RunDirectory(root).model) is not None}
            for name, root in self._runs().items()
        ]
        return [shipped, *runs]

    def open(self, model_id: str) -> Model:
        """The model of that id, from memory if it has not changed since.

        Raises:
            Problem: there is none (404), or it cannot be loaded (503).
        """
        run, directory = self._find(model_id)
        stamp = _stamp(directory)
        if stamp is None:
            raise Problem(404, f"{model_id} has no model yet; a training writes it after its first evaluation")
        with self._lock:
            known = self._models.get(model_id)
            if known is not None and known.stamp == stamp:
                return known
            model = Model(id=model_id, gan=_load(directory), stamp=stamp, run=run)
            self._models.put(model_id, model)
            return model

    def generator(self, model: Model, at: int | None) -> Generator:
        """The generator at a moment of its training; None is the model itself.

        Raises:
            Problem: no such moment was kept (404), or it cannot be read (503).
        """
        if at is None:
            return model.gan.G
        moment = next((one for one in model.moments() if one.cur_nimg == at), None)
        stamp = None if moment is None else _stamp(moment.path)
        if moment is None or stamp is None:
            raise Problem(404, f"{model.id} kept no generator at {at:,} images; its moments are listed with the model")
        with self._lock:
            known = self._generators.get((model.id, stamp, at))
            if known is not None:
                return known
            try:
                with torch.inference_mode(False):
                    G = load_snapshot(moment, model.gan.G)
            except ArtifactError as error:
                raise Problem(503, str(error)) from error
            self._generators.put((model.id, stamp, at), G)
            return G

    async def directions(self, request: Request, model_id: str) -> Directions:
        """The directions of a model, found now if they are not known.

        Raises:
            Problem: there is no such model, or it took too long.
        """
        found = await self.pictures.run(request, lambda _: self.open(model_id).directions)
        if found is not None:
            return found
        return await self.searches.run(request, lambda _: self._directions(model_id), seconds=DIRECTIONS_SECONDS)

    def _directions(self, model_id: str) -> Directions:
        model = self.open(model_id)
        if model.directions is None:  # else found while this stood in line
            model.directions = find_directions(model.gan.G, count=DIRECTIONS)
        return model.directions

    def training_images(self, config: DataConfig) -> tuple[UInt8[Tensor, "n c h w"], Int64[Tensor, "n"]]:
        """The images that a model has learned, from the disk.

        Raises:
            DataError: they are not on this machine.
        """
        wanted = dataclasses.replace(config, download=False)
        with self._lock:
            known = self._sets.get(wanted)
        if known is None:
            dataset = load_dataset(wanted)
            known = dataset.images, dataset.labels
            with self._lock:
                self._sets.put(wanted, known)
        return known

    def _find(self, model_id: str) -> tuple[RunDirectory | None, Path]:
        if model_id == SHIPPED:
            return None, shipped_directory()
        root = self._runs().get(model_id)
        if root is None:
            raise Problem(404, "there is no such model; /api/models lists them")
        run = RunDirectory(root)
        return run, run.model


def workbench_of(request: Request) -> Workbench:
    """The workbench that a request is for."""
    workbench: Any = request.app.state.workbench
    if not isinstance(workbench, Workbench):
        raise TypeError("app.state.workbench was not set")
    return workbench


def _stamp(directory: Path) -> Stamp | None:
    """The stamp of a committed folder; None if there is none."""
    place = storage.find_committed(directory)
    try:
        status = None if place is None else (place / storage.MANIFEST_NAME).stat()
    except OSError:
        return None
    return None if status is None else Stamp(status.st_mtime_ns, status.st_ino, status.st_size)


def _load(directory: Path) -> GAN:
    for attempt in (1, 2):
        try:
            with torch.inference_mode(False):  # its weights must be fit for gradients
                return GAN.load(directory)
        except ArtifactError as error:
            if attempt == 2:
                raise Problem(503, str(error)) from error
            time.sleep(RELOAD_SECONDS)
    raise AssertionError("unreachable")


async def get_models(request: Request) -> Response:
    """Every model, without loading any."""
    workbench = workbench_of(request)
    return JSONResponse({"models": await workbench.pictures.run(request, lambda _: workbench.listing())})


async def get_model(request: Request) -> Response:
    """One model: what it is, and the moments kept of its training."""
    workbench, model_id = workbench_of(request), request.path_params["model"]

    def describe(_: Ticket) -> dict[str, Any]:
        model = workbench.open(model_id)
        gan = model.gan
        cur_nimg = gan.facts.get("cur_nimg")
        return {
            "id": model.id,
            "name": SHIPPED_NAME if model.run is None else model.id,
            "kind": "shipped" if model.run is None else "run",
            "ready": True,
            "preset": gan.config.preset,
            "moment": gan.stage,
            "cur_nimg": cur_nimg if isinstance(cur_nimg, int) else None,
            "conditional": gan.conditional,
            "num_classes": gan.shape.num_classes,
            "channels": gan.shape.channels,
            "resolution": gan.shape.resolution,
            "z_dim": gan.G.z_dim,
            "metrics": gan.facts.get("metrics", {}),
            "moments": [
                {
                    "at": one.cur_nimg,
                    "epoch": one.epoch,
                    "words": f"epoch {one.epoch:.4g}, {one.cur_nimg:,} images seen",
                }
                for one in model.moments()
            ],
        }

    return JSONResponse(await workbench.pictures.run(request, describe))


async def get_directions(request: Request) -> Response:
    """The sliders of a model."""
    found = await workbench_of(request).directions(request, request.path_params["model"])
    described = [
        {
            "index": index,
            "name": found.names[index],
            "share": float(found.shares[index]),
            "range": [-3, 3],
            "step": 0.1,
            "effects": {name: round(effect, 3) for name, effect in found.effects[index].items()},
            "explanation": found.explanation(index),
        }
        for index in range(len(found))
    ]
    return JSONResponse({"directions": described, "method": METHOD, "share_total": float(found.shares.sum())})


ROUTES: Final = [
    Route("/api/models", get_models),
    Route("/api/models/{model}", get_model),
    Route("/api/models/{model}/directions", get_directions),
]
