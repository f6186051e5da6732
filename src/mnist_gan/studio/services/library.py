"""The runs on disk: looked up by id, read through a cache."""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from mnist_gan.config import Config
from mnist_gan.errors import MnistGanError
from mnist_gan.evaluation import Diagnosis, diagnose
from mnist_gan.figures import DISTANCE_PREFIXES
from mnist_gan.runs import RunDirectory, Status
from mnist_gan.runs.directory import find_runs
from mnist_gan.runs.metrics import read_rows
from mnist_gan.runs.state import read_status
from mnist_gan.studio.cache import Cache, file_version
from mnist_gan.studio.errors import NotFoundError

logger = logging.getLogger(__name__)

LISTING_SECONDS: Final = 0.5
"""Maximum age of a listing of the runs."""

Rows: TypeAlias = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Quality:
    """Quality of a run's images, from its evaluations during training."""

    distance: float | None = None
    """Newest distance to real digits; None without evaluations."""
    best_distance: float | None = None
    floor: float | None = None
    """Distance of held-out real digits; None until the training has measured it."""
    diagnosis: Diagnosis | None = None


class Library:
    """The runs in a folder, and at most one run elsewhere. An id is looked up in a listing, never used as a path."""

    def __init__(self, runs_dir: Path, *, named: RunDirectory | None = None) -> None:
        """List `runs_dir`; `named` is listed first and may be elsewhere."""
        self.runs_dir, self.named = runs_dir, named
        self._lock = threading.Lock()
        self._listing: tuple[float, dict[str, RunDirectory]] | None = None
        self._listed_at: dict[str, float] = {}
        self._rows: Cache[Path, Rows] = Cache(32)
        self._configs: Cache[Path, Config] = Cache(256)
        self._qualities: Cache[Path, Quality] = Cache(1024)
        self._last_samples: Cache[Path, int | None] = Cache(1024)

    def runs(self) -> dict[str, RunDirectory]:
        """Runs by id, the newest first; at most `LISTING_SECONDS` old."""
        with self._lock:
            now = time.monotonic()
            if self._listing is None or now - self._listing[0] > LISTING_SECONDS:
                self._listing = (now, self._list())
                self._listed_at |= dict.fromkeys(self._listing[1], now)
            return self._listing[1]

    def has_listed(self, run_id: str, *, since: float) -> bool:
        """True if a listing made after the monotonic time `since` had the run, also if it was deleted afterwards."""
        with self._lock:
            return self._listed_at.get(run_id, -math.inf) >= since

    def refresh(self) -> None:
        """Discard the listing."""
        with self._lock:
            self._listing = None

    def find(self, run_id: str) -> RunDirectory:
        """Return a run by its id.

        Raises:
            NotFoundError: there is none.
        """
        run = self.runs().get(run_id)
        if run is None:
            raise NotFoundError("There is no such run; the Runs page lists all runs.")
        return run

    def named_id(self) -> str | None:
        """Id of the run named on the command line; None if none was named."""
        return next((run_id for run_id, run in self.runs().items() if run is self.named), None)

    def status(self, run: RunDirectory) -> Status:
        """Status of a run; a run that cannot be read is "damaged"."""
        try:
            return read_status(run, read_config=self.config, read_rows=self.rows)
        except Exception as error:  # one damaged run does not hide the others
            logger.exception(f"the run {run.root} cannot be read")
            return Status(name=run.name, path=str(run.root), state="damaged", updated="", problem=describe(error))

    def rows(self, run: RunDirectory) -> Rows:
        """Rows of metrics; empty before the first.

        Raises:
            ArtifactError: the file is damaged.
        """
        version = file_version(run.metrics)
        return () if version is None else self._rows.get(run.metrics, version, lambda: tuple(read_rows(run.metrics)))

    def config(self, run: RunDirectory) -> Config:
        """Config of a run.

        Raises:
            MnistGanError: the file is missing or damaged.
        """
        return self._configs.get(run.config, file_version(run.config), run.read_config)

    def quality(self, run: RunDirectory, *, floor: float | None) -> Quality:
        """Quality of a run, given the floor of its live status.

        Raises:
            ArtifactError: the rows are damaged.
        """
        version = (file_version(run.metrics), floor)
        return self._qualities.get(run.metrics, version, lambda: _quality(self.rows(run), floor=floor))

    def last_sample(self, run: RunDirectory) -> int | None:
        """Epoch of the newest sample grid; None before the first."""
        version = file_version(run.samples)  # a new file changes its folder
        return self._last_samples.get(run.samples, version, lambda: next(reversed(sample_epochs(run)), None))

    def _list(self) -> dict[str, RunDirectory]:
        runs = {run.name: run for run in find_runs(self.runs_dir)}
        if self.named is None:
            return runs
        name = self.named.name
        same = next((run_id for run_id, run in runs.items() if _same_folder(run.root, self.named.root)), None)
        run_id = same or (name if name not in runs else f"{name} (named)")
        return {run_id: self.named} | {other: run for other, run in runs.items() if other != run_id}


def describe(error: Exception) -> str:
    """Reason why a run is damaged, for the user."""
    return str(error) if isinstance(error, MnistGanError) else f"it cannot be read ({type(error).__name__}: {error})"


def sample_epochs(run: RunDirectory) -> dict[int, Path]:
    """Sample grids of a run by epoch, in order."""
    names = {path.stem.removeprefix("epoch-"): path for path in run.samples.glob("epoch-*.png")}
    epochs = [name for name in names if name.isascii() and name.isdecimal() and len(name) < 10]
    return {int(epoch): names[epoch] for epoch in sorted(epochs, key=int)}


def _quality(rows: Rows, *, floor: float | None) -> Quality:
    name = next((name for row in rows for name in row if name.startswith(DISTANCE_PREFIXES)), None)
    if name is None:
        return Quality(floor=floor)
    distances = [row[name] for row in rows if name in row]
    diagnosis = diagnose(rows, floor=floor)
    return Quality(distance=distances[-1], best_distance=min(distances), floor=floor, diagnosis=diagnosis)


def _same_folder(one: Path, other: Path) -> bool:
    with contextlib.suppress(OSError):
        return one.samefile(other)
    return False
