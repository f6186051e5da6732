"""The Runs page: the table of runs, one run and its files, and a comparison of two."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, cast
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mnist_gan import config as config_module
from mnist_gan.evaluation.diagnosis import Diagnosis
from mnist_gan.experiment.model import GRID_COLUMNS, GRID_ROWS
from mnist_gan.figures import METRIC_PREFIX, Direction, figure_info
from mnist_gan.runs import Comparison, RunDirectory, Status, comparison
from mnist_gan.runs.channel import read_json
from mnist_gan.runs.interventions import Intervention, read_interventions
from mnist_gan.runs.notes import write_note
from mnist_gan.storage import is_regular, read_regular
from mnist_gan.studio import api
from mnist_gan.studio.context import Studio, studio_of
from mnist_gan.studio.guard import REPORT_POLICY
from mnist_gan.studio.params import Query, check_fields
from mnist_gan.studio.params import read_json as read_body
from mnist_gan.studio.services import pair
from mnist_gan.studio.services.library import Quality, describe, sample_epochs

MAX_NIMG: Final = 10**12
MAX_FILE_BYTES: Final = 1 << 26
"""Largest picture or report that is sent."""


def run_json(
    run_id: str, status: Status, *, quality: Quality, has_report: bool = False, last_sample: int | None = None
) -> api.RunRow:
    """A run as a row of the table."""
    return {
        "run": run_id,
        "state": status.state,
        "active": status.active,
        "preset": status.preset,
        "data": status.data,
        "conditional": status.conditional,
        "cur_nimg": status.cur_nimg,
        "total_nimg": status.total_nimg,
        "updated": status.updated,
        "has_model": status.has_model,
        "has_report": has_report,
        "resumable": status.resumable,
        "problem": status.problem or None,
        "distance": quality.distance,
        "best_distance": quality.best_distance,
        "floor": quality.floor,
        "diagnosis": None if quality.diagnosis is None else diagnosis_json(quality.diagnosis),
        "note": status.note,
        "last_sample": last_sample,
    }


def diagnosis_json(diagnosis: Diagnosis) -> api.Diagnosis:
    """State of a training at one moment."""
    return {"state": diagnosis.state, "evidence": list(diagnosis.evidence), "remedy": diagnosis.remedy}


def damaged(status: Status, error: Exception) -> Status:
    """Status of a run of which a part cannot be read."""
    return dataclasses.replace(status, state="damaged", problem=describe(error), resumable=False)


def describe_run(studio: Studio, run_id: str, run: RunDirectory) -> api.RunRow:
    """Read a run as a row of the table. A damaged run is described by its error."""
    status = studio.library.status(run)
    try:
        quality = studio.library.quality(run, floor=status.live.get("floor"))
    except Exception as error:  # one damaged run does not hide the others
        quality = Quality()
        if status.state != "damaged":
            status = damaged(status, error)
    return run_json(
        run_id, status, quality=quality, has_report=is_regular(run.report), last_sample=studio.library.last_sample(run)
    )


def status_json(status: Status) -> api.RunStatus:
    """State and progress of a run, with all that its training has published."""
    progress = {"cur_nimg": status.cur_nimg, "total_nimg": status.total_nimg}
    message = status.problem or status.live.get("message")
    state = {"state": status.state, "active": status.active, "resumable": status.resumable, "message": message}
    return cast(api.RunStatus, progress | status.live | state)


def get_runs(request: Request) -> Response:
    """List all runs, those that are starting first."""
    studio = studio_of(request)
    pending = [run_json(run_id, status, quality=Quality()) for run_id, status in studio.trainer.pending().items()]
    listed = [describe_run(studio, run_id, run) for run_id, run in studio.library.runs().items()]
    ids = {row["run"] for row in listed}
    return JSONResponse(api.RunList(runs=[*(row for row in pending if row["run"] not in ids), *listed]))


def get_run(request: Request) -> Response:
    """Describe one run: settings, sample grids, interventions, status and preview."""
    studio, run_id = studio_of(request), request.path_params["run"]
    status, run = studio.trainer.status(run_id), studio.library.runs().get(run_id)
    if run is None:
        details: api.RunDetails = {
            **run_json(run_id, status, quality=Quality()),
            "settings": {},
            "samples": [],
            "interventions": [],
            "live": None,
            "commands": [],
            "status": status_json(status),
        }
    else:
        details = {
            **describe_run(studio, run_id, run),
            "settings": comparison.flatten(config_module.to_dict(studio.library.config(run))),
            "samples": list(sample_epochs(run)),
            "interventions": [intervention_json(each) for each in read_interventions(run.interventions)],
            "live": read_preview(run),
            "commands": _commands(run),
            "status": status_json(status),
        }
    return JSONResponse(details)


def intervention_json(intervention: Intervention) -> api.Intervention:
    """Change of the learning rates."""
    return {
        "cur_nimg": intervention.cur_nimg,
        "rollbacks": intervention.rollbacks,
        "g_lr": intervention.g_lr,
        "d_lr": intervention.d_lr,
    }


def read_preview(run: RunDirectory) -> api.Preview | None:
    """Newest preview that the training of a run has published."""
    return cast(api.Preview | None, read_json(run.preview))


def _commands(run: RunDirectory) -> list[api.CommandLine]:
    """Commands that do the same outside the studio."""
    root = shlex.quote(str(run.root))
    repeat = f"mnist-gan train --config {shlex.quote(str(run.config))}"
    if run.interventions.exists():
        repeat += f" --interventions {shlex.quote(str(run.interventions))}"
    return [
        {"command": repeat, "purpose": "Repeat the run"},
        {"command": f"mnist-gan sample --run {root}", "purpose": "Draw with its model"},
        {"command": f"mnist-gan evaluate {root}", "purpose": "Evaluate it, and write a report"},
    ]


async def post_note(request: Request) -> Response:
    """Write the note of a run."""
    body = await read_body(request)
    check_fields(body, *api.names_of(api.NoteBody))
    note = body.get("note")
    if not isinstance(note, str):
        raise HTTPException(400, "note must be a text.")
    run = studio_of(request).library.find(request.path_params["run"])
    return JSONResponse(api.NoteBody(note=await run_in_threadpool(write_note, run, note)))


def get_rows(request: Request) -> Response:
    """List the rows of metrics of a run after `after` images."""
    library = studio_of(request).library
    run = library.find(request.path_params["run"])
    after = Query(request.query_params).whole("after", low=-1, high=MAX_NIMG)
    rows = [dict(row) for row in library.rows(run) if after is None or row["cur_nimg"] > after]
    return JSONResponse(api.Rows(rows=rows, floor=library.status(run).live.get("floor")))


def get_samples(request: Request) -> Response:
    """List the epochs with a sample grid."""
    run = studio_of(request).library.find(request.path_params["run"])
    epochs = [api.Epoch(epoch=epoch) for epoch in sample_epochs(run)]
    return JSONResponse(api.Samples(samples=epochs, columns=GRID_COLUMNS, rows=GRID_ROWS))


def get_sample(request: Request) -> Response:
    """Return the sample grid of an epoch."""
    run = studio_of(request).library.find(request.path_params["run"])
    grids = {f"{epoch}.png": path for epoch, path in sample_epochs(run).items()}
    return _png(grids.get(request.path_params["picture"]))


def get_moments(request: Request) -> Response:
    """List the moments of a run with drawings: its kept previews, or its sample grids."""
    studio, run_id = studio_of(request), request.path_params["run"]
    run = studio.library.runs().get(run_id)
    if run is None and studio.trainer.status(run_id):
        return JSONResponse(api.Moments(moments=[]))  # it is starting
    return JSONResponse(api.Moments(moments=_moments(studio, run_id, studio.library.find(run_id))))


def _moments(studio: Studio, run_id: str, run: RunDirectory) -> list[api.Moment]:
    address = f"/api/runs/{quote(run_id, safe='')}"
    kept = {cur_nimg: read_json(file) for cur_nimg, file in run.kept_previews().items()}
    if kept:
        return [
            {"cur_nimg": cur_nimg, "picture": f"{address}/previews/{cur_nimg}.png", "scores": preview.get("scores")}
            for cur_nimg, preview in kept.items()
            if preview is not None
        ]
    rows = studio.library.rows(run)
    if not rows or not rows[-1].get("epoch"):
        return []
    last = rows[-1]["cur_nimg"]
    epoch_nimg = last / rows[-1]["epoch"]
    return [
        {"cur_nimg": min(last, round(epoch * epoch_nimg)), "picture": f"{address}/samples/{epoch}.png", "scores": None}
        for epoch in sample_epochs(run)
    ]


def get_kept_preview(request: Request) -> Response:
    """Return the sample grid of a kept preview."""
    run = studio_of(request).library.find(request.path_params["run"])
    grids = {f"{cur_nimg}.png": file.with_suffix(".png") for cur_nimg, file in run.kept_previews().items()}
    return _png(grids.get(request.path_params["picture"]))


def get_preview(request: Request) -> Response:
    """Return the newest sample grid of a training."""
    return _png(studio_of(request).library.find(request.path_params["run"]).preview_image)


def _png(path: Path | None) -> Response:
    content = _read(path) if path is not None else None
    if content is None:
        raise HTTPException(404, "There is no such picture.")
    return Response(content, media_type="image/png")


def _read(path: Path) -> bytes | None:
    """Read a file of a run; None without a regular file of at most `MAX_FILE_BYTES`."""
    try:
        return read_regular(path, most=MAX_FILE_BYTES)
    except OSError:
        return None


def get_trial(request: Request) -> Response:
    """Return the sample grid before or after the newest trial step."""
    run = studio_of(request).library.find(request.path_params["run"])
    grids = {"before.png": run.trial_image("before"), "after.png": run.trial_image("after")}
    return _png(grids.get(request.path_params["picture"]))


def get_report(request: Request) -> Response:
    """Return the report of a run, under a policy that runs no script."""
    run = studio_of(request).library.find(request.path_params["run"])
    content = _read(run.report)
    if content is None:
        command = f"mnist-gan evaluate {shlex.quote(str(run.root))}"
        raise HTTPException(404, f"This run has no report yet; `{command}` writes one.")
    headers = {"content-security-policy": REPORT_POLICY}
    return Response(content, media_type="text/html; charset=utf-8", headers=headers)


def get_comparison(request: Request) -> Response:
    """Compare the runs `a` and `b`."""
    studio = studio_of(request)
    ids = [request.query_params.get(side, "") for side in ("a", "b")]
    runs = [studio.library.find(run_id) for run_id in ids]
    compared = comparison.compare(*runs)
    answer: api.Comparison = {
        "runs": [describe_run(studio, run_id, run) for run_id, run in zip(ids, runs, strict=True)],
        "difference": pair.describe_difference(pair.settings_that_differ(*map(studio.library.config, runs))),
        "figures": _figures_json(compared),
        "settings": [{"name": name, "a": a, "b": b} for name, (a, b) in compared.differences.items()],
        "rows": [[dict(row) for row in rows] for rows in compared.rows],
    }
    return JSONResponse(answer)


def _figures_json(compared: Comparison) -> list[api.FigureRow]:
    """Figures of both runs: the newest of the training, then those of `mnist-gan evaluate`."""
    newest = [
        {name: value for name, value in run.status.latest.items() if name.startswith(METRIC_PREFIX)}
        for run in compared.runs
    ]
    evaluated = [run.evaluations for run in compared.runs]
    return [*_rows_json(newest, source="latest"), *_rows_json(evaluated, source="full evaluation")]


def _rows_json(sides: Sequence[Mapping[str, float]], *, source: str) -> list[api.FigureRow]:
    rows = list[api.FigureRow]()
    for key in dict.fromkeys(key for side in sides for key in side):
        name = key.removeprefix(METRIC_PREFIX)
        info = figure_info(name)
        if info is None or "/" in name:
            continue
        a, b = (side.get(key) for side in sides)
        rows.append(
            {
                "name": name,
                "title": f"{info.title} ({source})",
                "explanation": f"{info.explanation or info.meaning}; {name}",
                "a": a,
                "b": b,
                "better": _better(a, b, info.better),
            }
        )
    return rows


def _better(a: float | None, b: float | None, direction: Direction) -> Literal["a", "b"] | None:
    if a is None or b is None or a == b or direction == "neither":
        return None
    cost_a, cost_b = (abs(value - 1.0) if direction == "like real" else value for value in (a, b))
    return "a" if (cost_a < cost_b) is (direction != "higher") else "b"


ROUTES: Final = [
    Route("/api/runs", get_runs),
    Route("/api/compare", get_comparison),
    Route("/api/runs/{run}", get_run),
    Route("/api/runs/{run}/note", post_note, methods=["POST"]),
    Route("/api/runs/{run}/rows", get_rows),
    Route("/api/runs/{run}/samples", get_samples),
    Route("/api/runs/{run}/samples/{picture}", get_sample),
    Route("/api/runs/{run}/moments", get_moments),
    Route("/api/runs/{run}/previews/{picture}", get_kept_preview),
    Route("/api/runs/{run}/live.png", get_preview),
    Route("/api/runs/{run}/trial/{picture}", get_trial),
    Route("/api/runs/{run}/report", get_report),
]
