"""The runs: a table of them, one of them, two beside one another, and their pictures."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import shlex
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, NamedTuple, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mnist_gan import config as config_module
from mnist_gan.errors import MnistGanError
from mnist_gan.evaluation import diagnose
from mnist_gan.experiment.model import GRID_COLUMNS, GRID_ROWS
from mnist_gan.figures import DISTANCE_PREFIX, METRIC_PREFIX, Direction, figure_info
from mnist_gan.runs import comparison
from mnist_gan.runs.channel import read_json, read_live_status
from mnist_gan.runs.directory import RunDirectory, find_runs
from mnist_gan.runs.interventions import read_interventions
from mnist_gan.runs.metrics import read_rows
from mnist_gan.storage import is_locked
from mnist_gan.studio.bodies import whole_number_in_query
from mnist_gan.studio.context import studio_of
from mnist_gan.studio.problems import Problem
from mnist_gan.studio.security import REPORT_POLICY

T = TypeVar("T")

LISTING_SECONDS: Final = 0.5
"""How old a listing of the runs may be."""
MAX_NIMG: Final = 10**12
ACTIVE: Final = frozenset({"starting", "training", "paused", "stopping"})
"""States of a run that a process works on."""
ENDED: Final = frozenset({"finished", "failed", "stopped"})
"""States that a training leaves behind."""


class Library:
    """The runs in a folder, and one more that was named; looked up by id and never by a path."""

    def __init__(self, runs_dir: Path, *, named: RunDirectory | None = None) -> None:
        """List `runs_dir`, and `named`, which may lie elsewhere."""
        self.runs_dir, self.named = runs_dir, named
        self._lock = threading.Lock()
        self._listed: tuple[float, dict[str, RunDirectory]] | None = None

    def runs(self) -> dict[str, RunDirectory]:
        """Id -> run, the newest first; at most `LISTING_SECONDS` old."""
        with self._lock:
            now = time.monotonic()
            if self._listed is None or now - self._listed[0] > LISTING_SECONDS:
                self._listed = (now, self._list())
            return self._listed[1]

    def forget(self) -> None:
        """List anew when next asked: a run has come."""
        with self._lock:
            self._listed = None

    def find(self, run_id: str) -> RunDirectory:
        """The run of that id.

        Raises:
            Problem: there is none.
        """
        run = self.runs().get(run_id)
        if run is None:
            raise Problem(404, "there is no such run; the table of runs lists them")
        return run

    def id_of_named(self) -> str | None:
        """The id of the run that was named."""
        return next((name for name, run in self.runs().items() if run is self.named), None)

    def _list(self) -> dict[str, RunDirectory]:
        runs = {run.root.name: run for run in find_runs(self.runs_dir)}
        if self.named is None:
            return runs
        same = next((name for name, run in runs.items() if _same_folder(run.root, self.named.root)), None)
        name = same or _free_name(self.named.root.resolve().name, runs)
        return {name: self.named} | {other: run for other, run in runs.items() if other != name}


def _same_folder(one: Path, other: Path) -> bool:
    with contextlib.suppress(OSError):
        return one.samefile(other)
    return False


def _free_name(name: str, taken: Mapping[str, object]) -> str:
    return name if name not in taken else f"{name} (named)"


class Stamp(NamedTuple):
    """When a file was last written, and its size; zeros where there is none."""

    mtime_ns: int
    size: int
    inode: int


def stamp_of(path: Path) -> Stamp:
    """A file's stamp: another one means other content."""
    try:
        found = path.stat()
    except OSError:
        return Stamp(0, 0, 0)
    return Stamp(found.st_mtime_ns, found.st_size, found.st_ino)


class Memory(Generic[T]):
    """What was read of files, one content each, until they change: of the files asked for last."""

    def __init__(self, size: int) -> None:
        self._size, self._lock = size, threading.Lock()
        self._kept: OrderedDict[Path, tuple[Hashable, T]] = OrderedDict()

    def get(self, path: Path, stamp: Hashable, read: Callable[[], T]) -> T:
        """What `read` returns, or returned when the stamp was the same."""
        with self._lock:
            known = self._kept.get(path)
            if known is not None and known[0] == stamp:
                self._kept.move_to_end(path)
                return known[1]
        value = read()
        with self._lock:
            self._kept[path] = (stamp, value)
            self._kept.move_to_end(path)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
        return value


_rows: Final[Memory[Sequence[Mapping[str, Any]]]] = Memory(32)
_configs: Final[Memory[config_module.Config]] = Memory(256)
_summaries: Final[Memory[dict[str, Any]]] = Memory(1024)


def rows_of(run: RunDirectory) -> Sequence[Mapping[str, Any]]:
    """The rows of a run; read again when they have changed.

    Raises:
        ArtifactError: they are damaged.
    """
    stamp = stamp_of(run.metrics)
    return _rows.get(run.metrics, stamp, lambda: tuple(read_rows(run.metrics))) if stamp.mtime_ns else ()


def config_of(run: RunDirectory) -> config_module.Config:
    """A run's config; read again when it has changed.

    Raises:
        MnistGanError: it is damaged.
    """
    return _configs.get(run.config, stamp_of(run.config), run.read_config)


def summary_of(run: RunDirectory, *, floor: float | None) -> dict[str, Any]:
    """What a table shows of a run's rows; read again when they have changed.

    Raises:
        ArtifactError: they are damaged.
    """

    def summarize() -> dict[str, Any]:
        rows = rows_of(run)
        name = next((name for row in rows for name in row if name.startswith(DISTANCE_PREFIX)), "")
        distances = [row[name] for row in rows if name in row]
        return {
            "cur_nimg": rows[-1]["cur_nimg"] if rows else 0,
            "train_sec": sum(row.get("Timing/train_sec", 0.0) for row in rows),
            "distance": distances[-1] if distances else None,
            "best_distance": min(distances, default=None),
            "distance_name": name.removeprefix(METRIC_PREFIX) or None,
            "floor": floor,
            "verdict": diagnosis_of(rows, floor=floor),
        }

    return _summaries.get(run.metrics, (stamp_of(run.metrics), floor), summarize)


def floor_of(status: Mapping[str, Any] | None) -> float | None:
    """The distance of real digits, as the training found it."""
    floor = (status or {}).get("floor")
    return float(floor) if isinstance(floor, int | float) else None


def diagnosis_of(rows: Sequence[Mapping[str, Any]], *, floor: float | None) -> dict[str, Any] | None:
    """The diagnosis of a training; None without evaluations."""
    if not any(name.startswith(DISTANCE_PREFIX) for row in rows for name in row):
        return None
    return dataclasses.asdict(diagnose(rows, floor=floor))


def status_of(run: RunDirectory, *, finished: bool = False) -> dict[str, Any]:
    """What the training says of itself, put right where it can no longer say anything.

    `state` is `training` and the like only while a process holds the run.
    """
    status = read_live_status(run)
    state = status.get("state")
    if is_locked(run.lock):
        known = state in ACTIVE or state is None
        return status | {"state": (state or "training") if known else "stopping", "resumable": False}
    if finished:
        state = "finished"
    elif state not in ENDED:
        state = "stopped"
    resumable = state != "finished" and run.environment.exists()
    return status | {"state": state, "resumable": resumable}


@dataclass(frozen=True, kw_only=True)
class Facts:
    """One run, read."""

    run: RunDirectory
    config: config_module.Config
    summary: Mapping[str, Any]
    """Of its rows."""
    status: Mapping[str, Any]
    """With `state` and `resumable`, at the least."""

    @classmethod
    def of(cls, run: RunDirectory) -> Facts:
        """Read a run.

        Raises:
            MnistGanError: it is damaged.
        """
        config, summary = config_of(run), summary_of(run, floor=floor_of(read_live_status(run)))
        finished = summary["cur_nimg"] >= (config.training.total_nimg or 1)
        return cls(run=run, config=config, summary=summary, status=status_of(run, finished=finished))

    def to_dict(self, name: str) -> dict[str, Any]:
        """As a row of the table of runs."""
        config, status = self.config, self.status
        return {
            "run": name,
            "state": status["state"],
            "preset": config.preset,
            "data": config.data.name,
            "conditional": config.training.conditional,
            "total_nimg": config.training.total_nimg or 0,
            "updated": _updated(self.run),
            "has_model": self.run.has_model,
            "has_report": self.run.report.is_file(),
            "resumable": status["resumable"],
            "problem": status.get("message") if status["state"] == "failed" else None,
            **self.summary,
            "cur_nimg": max([self.summary["cur_nimg"], *_numbers(status, "cur_nimg")]),
        }


def _numbers(facts: Mapping[str, Any], name: str) -> list[int]:
    value = facts.get(name)
    return [value] if isinstance(value, int) else []


def _updated(run: RunDirectory) -> str:
    newest = max(stamp_of(path).mtime_ns for path in (run.metrics, run.config))
    return datetime.datetime.fromtimestamp(newest / 1e9).isoformat(timespec="seconds")


def describe(name: str, run: RunDirectory) -> dict[str, Any]:
    """A run as a row of the table; a damaged one says what is wrong with it."""
    try:
        return Facts.of(run).to_dict(name)
    except MnistGanError as error:
        return damaged(name, state="damaged", problem=str(error)) | {"updated": _updated(run)}


def damaged(name: str, *, state: str, problem: str | None, preset: str = "") -> dict[str, Any]:
    """A row of the table for a run of which nothing can be read (yet)."""
    nothing = ("distance", "best_distance", "distance_name", "floor", "verdict")
    return {
        "run": name,
        "state": state,
        "preset": preset,
        "data": "",
        "conditional": False,
        "cur_nimg": 0,
        "total_nimg": 0,
        "updated": datetime.datetime.now().isoformat(timespec="seconds"),
        "train_sec": 0.0,
        "has_model": False,
        "has_report": False,
        "resumable": False,
        **dict.fromkeys(nothing),
        "problem": problem,
    }


def sample_epochs(run: RunDirectory) -> dict[int, Path]:
    """Epoch -> the grid drawn after it."""
    found = {path.stem.removeprefix("epoch-"): path for path in run.samples.glob("epoch-*.png")}
    numbers = [epoch for epoch in found if epoch.isascii() and epoch.isdecimal() and len(epoch) < 10]
    return {int(epoch): found[epoch] for epoch in sorted(numbers, key=int)}


def get_runs(request: Request) -> Response:
    """The table of runs."""
    studio = studio_of(request)
    pending = studio.trainer.pending()
    listed = [describe(name, run) for name, run in studio.library.runs().items()]
    names = {row["run"] for row in listed}
    return JSONResponse({"runs": [*(row for row in pending if row["run"] not in names), *listed]})


def get_run(request: Request) -> Response:
    """One run."""
    studio, name = studio_of(request), request.path_params["run"]
    waiting = next((row for row in studio.trainer.pending() if row["run"] == name), None)
    if waiting is not None and name not in studio.library.runs():
        empty: dict[str, Any] = {"settings": {}, "epoch_nimg": None, "samples": [], "interventions": [], "commands": []}
        return JSONResponse(waiting | empty | {"status": None, "live": None})
    run = studio.library.find(name)
    facts = Facts.of(run)
    epochs = [row["cur_nimg"] / row["epoch"] for row in rows_of(run) if row.get("epoch")]
    return JSONResponse(
        facts.to_dict(name)
        | {
            "settings": comparison.flatten(config_module.to_dict(facts.config)),
            "epoch_nimg": round(epochs[-1]) if epochs else None,
            "samples": list(sample_epochs(run)),
            "interventions": [dataclasses.asdict(each) for each in read_interventions(run.interventions)],
            "status": dict(facts.status),
            "live": read_json(run.preview),
            "commands": _commands(run),
        }
    )


def _commands(run: RunDirectory) -> list[dict[str, str]]:
    """What to type to do the same elsewhere."""
    root = shlex.quote(str(run.root))
    repeated = f"mnist-gan train --config {shlex.quote(str(run.config))}"
    if run.interventions.exists():
        repeated += f" --interventions {shlex.quote(str(run.interventions))}"
    return [
        {"command": repeated, "purpose": "the same run again"},
        {"command": f"mnist-gan sample --run {root}", "purpose": "draw with its model"},
        {"command": f"mnist-gan evaluate {root}", "purpose": "judge it, and write its report"},
    ]


def get_rows(request: Request) -> Response:
    """A run's rows after a moment."""
    run = studio_of(request).library.find(request.path_params["run"])
    after = whole_number_in_query(request, "after", low=-1, high=MAX_NIMG, default=-1)
    rows = [dict(row) for row in rows_of(run) if row["cur_nimg"] > after]
    return JSONResponse({"rows": rows, "floor": floor_of(read_live_status(run))})


def get_samples(request: Request) -> Response:
    """After which epochs there is a grid."""
    run = studio_of(request).library.find(request.path_params["run"])
    epochs = [{"epoch": epoch} for epoch in sample_epochs(run)]
    return JSONResponse({"samples": epochs, "columns": GRID_COLUMNS, "rows": GRID_ROWS})


def get_sample(request: Request) -> Response:
    """The grid after an epoch."""
    run = studio_of(request).library.find(request.path_params["run"])
    pictures = {f"{epoch}.png": path for epoch, path in sample_epochs(run).items()}
    return _picture(pictures.get(request.path_params["picture"]))


def get_live_picture(request: Request) -> Response:
    """The newest grid of a training."""
    run = studio_of(request).library.find(request.path_params["run"])
    return _picture(run.preview_image)


def _picture(path: Path | None) -> Response:
    content = _read_plain(path) if path is not None else None
    if content is None:
        raise Problem(404, "there is no such picture (yet)")
    return Response(content, media_type="image/png")


def _read_plain(path: Path) -> bytes | None:
    """A file of a run; None where there is none, or only a link to one: that could lead anywhere."""
    try:
        return None if path.is_symlink() else path.read_bytes()
    except OSError:
        return None


def get_report(request: Request) -> Response:
    """A run's report, under a policy that lets nothing in it run."""
    run = studio_of(request).library.find(request.path_params["run"])
    content = _read_plain(run.report)
    if content is None:
        raise Problem(404, f"this run has no report yet; `mnist-gan evaluate {shlex.quote(str(run.root))}` writes one")
    headers = {"content-security-policy": REPORT_POLICY}
    return Response(content, media_type="text/html; charset=utf-8", headers=headers)


def get_comparison(request: Request) -> Response:
    """Two runs beside one another."""
    library = studio_of(request).library
    names = [request.query_params.get(side, "") for side in ("a", "b")]
    pair = [library.find(name) for name in names]
    found = comparison.compare(*pair)
    sides = [
        describe(name, run) | {"img_per_sec": figures.img_per_sec, "evaluations": figures.evaluations}
        for name, run, figures in zip(names, pair, found.runs, strict=True)
    ]
    return JSONResponse(
        {
            "runs": sides,
            "figures": compared_figures(found),
            "settings": [{"name": name, "a": a, "b": b} for name, (a, b) in found.differences.items()],
            "rows": [[dict(row) for row in rows] for rows in found.rows],
        }
    )


def compared_figures(found: comparison.Comparison) -> list[dict[str, Any]]:
    """What both runs came to, figure by figure: the newest values while training, then those of their models."""
    figures = []
    for said, sides in (
        ("newest", [_newest_metrics(run) for run in found.runs]),
        ("of its model", [dict(run.evaluations) for run in found.runs]),
    ):
        for name in dict.fromkeys(name for side in sides for name in side):
            info = figure_info(name)
            if info is None or "/" in name:
                continue
            a, b = (side.get(name) for side in sides)
            figures.append(
                {
                    "name": name,
                    "title": f"{info.title}, {said}",
                    "explanation": f"{info.meaning}; {name}",
                    "a": a,
                    "b": b,
                    "better": _better(a, b, info.better),
                }
            )
    return figures


def _newest_metrics(run: comparison.RunFigures) -> dict[str, float]:
    latest = run.status.latest
    return {name.removeprefix(METRIC_PREFIX): value for name, value in latest.items() if name.startswith(METRIC_PREFIX)}


def _better(a: float | None, b: float | None, direction: Direction) -> str | None:
    if a is None or b is None or a == b:
        return None
    off_a, off_b = (abs(value - 1.0) if direction == "like real" else value for value in (a, b))
    return "a" if (off_a < off_b) is (direction != "higher") else "b"


ROUTES: Final = [
    Route("/api/runs", get_runs),
    Route("/api/compare", get_comparison),
    Route("/api/runs/{run}", get_run),
    Route("/api/runs/{run}/rows", get_rows),
    Route("/api/runs/{run}/samples", get_samples),
    Route("/api/runs/{run}/samples/{picture}", get_sample),
    Route("/api/runs/{run}/live.png", get_live_picture),
    Route("/api/runs/{run}/report", get_report),
]
