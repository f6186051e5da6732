"""The Plane page: games on points of the plane, in single moves."""

from __future__ import annotations

import dataclasses
import json
import math
import struct
from collections.abc import Mapping
from typing import Any, Final, get_args

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mnist_gan.data.sketch import Stroke
from mnist_gan.experiment.game import Move
from mnist_gan.studio import api
from mnist_gan.studio.context import studio_of
from mnist_gan.studio.params import check_fields, number, read_json, whole_number
from mnist_gan.studio.services import plane
from mnist_gan.studio.services.plane import MAX_MOVES, Picture, Session, View
from mnist_gan.studio.services.queue import QueueEntry

MAX_STROKES: Final = 200
MAX_STROKE_POINTS: Final = 5_000
MAX_BODY_BYTES: Final = 256 << 10
BEGIN_SECONDS: Final = 60.0
"""Time limit for a new game: the first one of a server loads the data and parts of torch."""
KINDS: Final = get_args(api.MoveKind)
VIEW_FIELDS: Final = tuple(field.name for field in dataclasses.fields(View))


def get_plane(_: Request) -> Response:
    """List the data sets, and the settings of a game."""
    return JSONResponse(plane.describe())


async def post_game(request: Request) -> Response:
    """Begin a game."""
    body = await read_json(request, limit=MAX_BODY_BYTES)
    check_fields(body, *api.names_of(api.GameBody))
    config = plane.plane_config(
        body.get("data"), body.get("changes", {}), width=body.get("width"), limit=body.get("limit")
    )
    strokes, service = _strokes(body.get("strokes", [])), studio_of(request).plane

    def begin(_: QueueEntry) -> api.Begun:
        game_id, session = service.open(config, strokes=strokes)
        return {
            "id": game_id,
            "real": [(round(x, 4), round(y, 4)) for x, y in session.real_points().tolist()],
            "centre": list(session.scaling.centre),
            "scale": session.scaling.scale,
            "preset": config.preset,
        }

    begun = await service.queue.run(begin, disconnected=request.is_disconnected, seconds=BEGIN_SECONDS)
    return JSONResponse(begun, status_code=201)


async def post_moves(request: Request) -> Response:
    """Make moves, and return a picture of the game after them."""
    body = await read_json(request)
    check_fields(body, *api.names_of(api.MovesBody))
    kind, view, service = body.get("kind", "step"), _view(body.get("view", {})), studio_of(request).plane
    if kind not in KINDS:
        raise HTTPException(400, f"kind must be one of {', '.join(KINDS)}.")
    moves = whole_number(body.get("moves", 0), "moves", low=0, high=MAX_MOVES)
    session = service.find(request.path_params["game"])

    def play(entry: QueueEntry) -> Picture:
        session.play(kind, moves, check=entry.check)
        return session.picture(view)

    picture = await service.queue.run(play, disconnected=request.is_disconnected)
    return Response(encode(picture), media_type="application/octet-stream")


async def post_changes(request: Request) -> Response:
    """Change settings in the middle of a game; returns its record."""
    body = await read_json(request)
    check_fields(body, *api.names_of(api.ChangesBody))
    changes, service = plane.read_changes(body.get("changes")), studio_of(request).plane
    session = service.find(request.path_params["game"])
    record = await service.queue.run(lambda _: _change(session, changes), disconnected=request.is_disconnected)
    return JSONResponse(api.GameRecord(record=record))


def _change(session: Session, changes: Mapping[str, Any]) -> list[api.RecordedMove]:
    session.game.change(changes)
    return _record_json(session.game.record)


async def get_game(request: Request) -> Response:
    """Return the record of a game."""
    session = studio_of(request).plane.find(request.path_params["game"])
    return JSONResponse(api.GameRecord(record=_record_json(session.game.record)))


async def delete_game(request: Request) -> Response:
    """Close a game."""
    ended = studio_of(request).plane.end(request.path_params["game"])
    return JSONResponse(api.GameEnded(ended=ended))


def encode(picture: Picture) -> bytes:
    """A picture as bytes: the length of the header, the header as JSON, then all arrays as float32.

    All numbers are little-endian, and the header fills whole words of four bytes, so that a browser reads the arrays
    in place. The header has the figures, and the number of values of each array in order.
    """
    arrays = {name: array.contiguous().numpy() for name, array in picture.arrays.items()}
    figures = {
        name: value if value is None or math.isfinite(value) else None for name, value in picture.figures.items()
    }
    sizes = [[name, int(array.size)] for name, array in arrays.items()]
    header = json.dumps({"figures": figures, "arrays": sizes}, allow_nan=False).encode()
    header += b" " * (-len(header) % 4)
    return (
        struct.pack("<I", len(header)) + header + b"".join(array.astype("<f4").tobytes() for array in arrays.values())
    )


def _record_json(record: list[Move]) -> list[api.RecordedMove]:
    return [{"kind": move.kind, "count": move.count, "changes": dict(move.changes)} for move in record]


def _view(values: Any) -> View:
    if not isinstance(values, dict) or not all(isinstance(value, bool) for value in values.values()):
        raise HTTPException(400, "view must be an object of true and false.")
    check_fields(values, *VIEW_FIELDS)
    return View(**values)


def _strokes(values: Any) -> list[Stroke]:
    """Check the strokes of a drawing.

    Raises:
        HTTPException: 400 for anything else than lists of points, 413 for too many.
    """
    if not isinstance(values, list) or not all(isinstance(stroke, list) for stroke in values):
        raise HTTPException(400, "strokes must be a list of lists of points.")
    if len(values) > MAX_STROKES or sum(map(len, values)) > MAX_STROKE_POINTS:
        raise HTTPException(413, "The drawing has too many strokes. Clear it and draw with fewer.")
    return [[_point(point) for point in stroke] for stroke in values]


def _point(value: Any) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2:
        raise HTTPException(400, "A point of a stroke must be two numbers.")
    x, y = (number(each, "A coordinate", low=-1.0, high=1.0) for each in value)
    return x, y


ROUTES: Final = [
    Route("/api/plane", get_plane),
    Route("/api/plane", post_game, methods=["POST"]),
    Route("/api/plane/{game}", get_game),
    Route("/api/plane/{game}", delete_game, methods=["DELETE"]),
    Route("/api/plane/{game}/moves", post_moves, methods=["POST"]),
    Route("/api/plane/{game}/changes", post_changes, methods=["POST"]),
]
