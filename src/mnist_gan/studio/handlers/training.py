"""The Train page: recipes, starting a training, and commands to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_args

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mnist_gan import __version__
from mnist_gan.experiment.control import MAX_STEPS
from mnist_gan.studio import api
from mnist_gan.studio.context import Studio, studio_of
from mnist_gan.studio.params import check_fields, number, read_json, whole_number
from mnist_gan.studio.services import form, pair
from mnist_gan.training import Player

PLAYERS: Final = get_args(Player)
SIDES: Final = api.names_of(api.PairBody)


def get_studio(request: Request) -> Response:
    """Describe the server: version, folder and current training."""
    studio = studio_of(request)
    training = studio.trainer.training()
    info: api.StudioInfo = {
        "version": __version__,
        "runs_dir": str(studio.library.runs_dir),
        "run": studio.library.named_id(),
        "training": training[0] if training else None,
        "trainings_at_once": studio.trainer.at_once,
    }
    return JSONResponse(info)


def get_presets(request: Request) -> Response:
    """List the recipes, and the settings that the page may change."""
    return JSONResponse(form.describe(studio_of(request).plugin))


async def post_train(request: Request) -> Response:
    """Start a training."""
    body = await read_json(request)
    check_fields(body, *api.names_of(api.TrainBody))
    name = body.get("name")
    if name is not None and not isinstance(name, str):
        raise HTTPException(400, "name must be a text.")
    studio = studio_of(request)
    config = form.chosen_config(body.get("preset"), body.get("changes", {}), plugin=studio.plugin)
    run = await run_in_threadpool(studio.trainer.start, config, name=name)
    return JSONResponse(api.Started(run=run), status_code=201)


async def post_pair(request: Request) -> Response:
    """Start two runs that differ, or a second one beside a run that exists."""
    body = await read_json(request)
    check_fields(body, *api.names_of(api.PairBody))
    started = await run_in_threadpool(_start_pair, studio_of(request), body)
    return JSONResponse(started, status_code=201)


def _start_pair(studio: Studio, body: Mapping[str, Any]) -> api.Pair:
    sides = (pair.read_side(body.get(each), library=studio.library, plugin=studio.plugin) for each in SIDES)
    first, second = pair.matched(*sides)
    changed = pair.settings_that_differ(first.config, second.config)
    stem = pair.stem_of(first.config, second.config)
    if first.is_new:
        a, b = studio.trainer.start_pair(first.config, second.config, second_stem=stem)
    else:
        a, b = str(first.base), studio.trainer.start(second.config, name=None, stem=stem)
    return {"a": a, "b": b, "difference": pair.describe_difference(changed)}


async def post_command(request: Request) -> Response:
    """Send a command to a training."""
    command = parse_command(await read_json(request))
    await run_in_threadpool(studio_of(request).trainer.command, request.path_params["run"], command)
    return JSONResponse(api.Accepted(accepted=True), status_code=202)


def parse_command(body: Mapping[str, Any]) -> dict[str, Any]:
    """Check a command and its values.

    Raises:
        HTTPException: 400 for an unknown command or a value out of bounds.
    """
    name = body.get("command")
    match name:
        case "pause" | "resume" | "stop":
            check_fields(body, "command")
            return {"command": name}
        case "step":
            check_fields(body, "command", "steps")
            return {"command": name, "steps": whole_number(body.get("steps", 1), "steps", low=1, high=MAX_STEPS)}
        case "trial":
            check_fields(body, "command", "player")
            if body.get("player") not in PLAYERS:
                raise HTTPException(400, "player must be D or G.")
            return {"command": name, "player": body["player"]}
        case "speed":
            check_fields(body, "command", "steps_per_second")
            limit = body.get("steps_per_second")
            if limit is not None:
                limit = number(limit, "steps_per_second", low=0.01, high=1000.0)
            return {"command": name, "steps_per_second": limit}
        case "learning_rates":
            check_fields(body, "command", "g_lr", "d_lr")
            rates = {key: form.BY_NAME[f"optimizer.{key}"].read(body[key]) for key in ("g_lr", "d_lr") if key in body}
            if not rates:
                raise HTTPException(400, "learning_rates needs g_lr, d_lr, or both.")
            return {"command": name, **rates}
        case _:
            raise HTTPException(400, "The command must be pause, resume, step, trial, stop, speed or learning_rates.")


ROUTES: Final = [
    Route("/api/studio", get_studio),
    Route("/api/presets", get_presets),
    Route("/api/train", post_train, methods=["POST"]),
    Route("/api/pair", post_pair, methods=["POST"]),
    Route("/api/runs/{run}/command", post_command, methods=["POST"]),
]
