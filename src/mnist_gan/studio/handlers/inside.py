"""Inside the networks: the layers of both for one picture, one channel, and one unit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mnist_gan.studio.context import studio_of
from mnist_gan.studio.handlers.explore import compute_directions, parse_view
from mnist_gan.studio.params import Query
from mnist_gan.studio.services.inside import MAX_MAPS, SIDES, Anatomy, Side
from mnist_gan.studio.services.queue import QueueEntry
from mnist_gan.studio.services.scene import Scene

T = TypeVar("T")
MAPS: Final = 16
"""Maps of each layer, unless the page asks for more."""
MAX_PLACE: Final = 1 << 20


async def get_inside(request: Request) -> Response:
    """Describe both networks at work on a view's picture."""
    maps = Query(request.query_params).whole("maps", low=1, high=MAX_MAPS) or MAPS
    return await _answer(request, lambda anatomy: anatomy.overview(maps=maps))


async def get_channel(request: Request) -> Response:
    """Describe a channel of a layer."""
    query = Query(request.query_params)
    side, layer, channel = _side(query), query.text("layer") or "", _place(query, "channel")
    return await _answer(request, lambda anatomy: anatomy.channel(side, layer, channel))


async def get_unit(request: Request) -> Response:
    """Describe the sum behind one number of a layer."""
    query = Query(request.query_params)
    side, layer, channel = _side(query), query.text("layer") or "", _place(query, "channel")
    y, x = _place(query, "y"), _place(query, "x")
    return await _answer(request, lambda anatomy: anatomy.unit(side, layer, channel, y=y, x=x))


def _side(query: Query) -> Side:
    return "G" if query.choice("network", SIDES) == "G" else "D"


def _place(query: Query, name: str) -> int:
    return query.whole(name, high=MAX_PLACE) or 0


async def _answer(request: Request, compute: Callable[[Anatomy], T]) -> Response:
    inference, query = studio_of(request).inference, Query(request.query_params)
    view = parse_view(query)
    await compute_directions(request, view, query)

    def work(entry: QueueEntry) -> T:
        return compute(Anatomy(Scene.open(view, inference, entry.check), inference))

    return JSONResponse(await inference.picture_queue.run(work, disconnected=request.is_disconnected))


ROUTES: Final = [
    Route("/api/inside", get_inside),
    Route("/api/inside/channel", get_channel),
    Route("/api/inside/unit", get_unit),
]
