"""The studio as an ASGI application: all routes behind the guard, and errors as JSON."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from mnist_gan.errors import ArtifactError, ConfigError, DivergenceError, MnistGanError, RunBusyError, StorageError
from mnist_gan.studio.assets import load_assets
from mnist_gan.studio.context import Studio
from mnist_gan.studio.errors import (
    ConflictError,
    DeadlineError,
    DisconnectedError,
    NotFoundError,
    OverloadedError,
    UnavailableError,
)
from mnist_gan.studio.guard import Address, Guard
from mnist_gan.studio.handlers import (
    draw,
    events,
    explore,
    inside,
    lessons,
    models,
    pages,
    plane,
    runs,
    theory,
    training,
)

STATUSES: Final[dict[type[MnistGanError], int]] = {
    ConfigError: 400,
    ArtifactError: 404,
    NotFoundError: 404,
    RunBusyError: 409,
    ConflictError: 409,
    DivergenceError: 409,
    OverloadedError: 429,
    DisconnectedError: 499,
    StorageError: 503,
    UnavailableError: 503,
    DeadlineError: 504,
}
"""HTTP status by error class; 500 for others. RunBusyError precedes its base class."""
NO_PAGE: Final = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>No such page · mnist_gan studio</title>'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    '<meta name="color-scheme" content="light dark"><link rel="stylesheet" href="/assets/css/style.css"></head>'
    "<body><main><h1>There is no such page</h1><p>The studio has nothing at this address. "
    '<a href="/train">To the page Train</a></p></main></body></html>'
)
"""Page for an address that the studio does not have."""
PASSING: Final = (OverloadedError, UnavailableError, DeadlineError)
"""Errors after which the same request may succeed in a moment."""


def opens_page(request: Request) -> bool:
    """True for a GET whose response a browser shows to a person."""
    path = request.url.path
    is_file = path.startswith(("/api/", "/assets/"))
    return request.method == "GET" and not is_file and "text/html" in request.headers.get("accept", "")


def create_app(studio: Studio, *, address: Address, on_enter: Callable[[], None] = lambda: None) -> Starlette:
    """Create the application.

    Args:
        studio: its services and secrets.
        address: where the server listens; the guard compares requests with it.
        on_enter: called when the one-time link has been used.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        studio.closing = True
        await run_in_threadpool(studio.inference.close)
        await run_in_threadpool(studio.plane.close)

    app = Starlette(
        routes=[
            *pages.routes(load_assets()),
            *runs.ROUTES,
            *training.ROUTES,
            *events.ROUTES,
            *models.ROUTES,
            *plane.ROUTES,
            *lessons.ROUTES,
            *theory.ROUTES,
            *explore.ROUTES,
            *inside.ROUTES,
            *draw.ROUTES,
        ],
        middleware=[Middleware(Guard, address=address, keys=studio.keys, on_enter=on_enter)],
        exception_handlers={HTTPException: error_response, MnistGanError: error_response},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.studio = studio
    return app


def error_response(request: Request, error: Exception) -> Response:
    """Answer with `{"error": message}`; with a page to a person who opens an address that there is not."""
    if isinstance(error, HTTPException):
        if error.status_code == 404 and opens_page(request):
            return HTMLResponse(NO_PAGE, status_code=404)
        return JSONResponse({"error": error.detail}, status_code=error.status_code, headers=error.headers)
    status = next((status for kind, status in STATUSES.items() if isinstance(error, kind)), 500)
    headers = {"retry-after": "1"} if isinstance(error, PASSING) else None
    return JSONResponse({"error": str(error)}, status_code=status, headers=headers)
