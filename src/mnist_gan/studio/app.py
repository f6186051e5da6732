"""The application: pages, assets, and the handlers of every part under one guard."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from mnist_gan.errors import ArtifactError, ConfigError, MnistGanError, RunBusyError, StorageError
from mnist_gan.studio import draw, events, explore, runs, training
from mnist_gan.studio.assets import TYPES, Asset, load_assets
from mnist_gan.studio.context import Studio, studio_of
from mnist_gan.studio.documents import PAGES, TOKEN_PLACE, document
from mnist_gan.studio.models import Workbench
from mnist_gan.studio.problems import Problem
from mnist_gan.studio.security import Address, Guard

STATUSES: Final[dict[type[MnistGanError], int]] = {
    ConfigError: 400,
    ArtifactError: 404,
    RunBusyError: 409,
    StorageError: 503,
}
"""The status of an answer for what went wrong; 500 for anything else."""


def create_app(studio: Studio, *, address: Address, entered: Callable[[], None] = lambda: None) -> Starlette:
    """The studio as an ASGI application.

    Args:
        studio: its runs, trainings and secrets.
        address: where the server listens; the guard holds requests against it.
        entered: called when the one-time link for other machines was used.
    """
    assets = load_assets()
    workbench = Workbench(lambda: {name: run.root for name, run in studio.library.runs().items()})

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        studio.closing = True
        await run_in_threadpool(workbench.close)

    app = Starlette(
        routes=[
            Route("/", first_page),
            *(Route(f"/{page.name}", _page(document(page, assets))) for page in PAGES),
            Route("/assets/{path:path}", _asset(assets)),
            *runs.ROUTES,
            *training.ROUTES,
            *events.ROUTES,
            *explore.ROUTES,
            *draw.ROUTES,
        ],
        middleware=[Middleware(Guard, address=address, keys=studio.keys, entered=entered)],
        exception_handlers={HTTPException: not_found, MnistGanError: refused},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.studio, app.state.workbench = studio, workbench
    return app


async def first_page(request: Request) -> Response:
    """`/` leads to the training."""
    query = request.url.query
    return RedirectResponse("/train" + (f"?{query}" if query else ""), status_code=307)


def not_found(_: Request, error: Exception) -> Response:
    """Starlette's own refusals: no such address, or no such method there."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    sentences = {404: "there is nothing at this address", 405: "this is not done at this address"}
    sentence = sentences.get(status, HTTPStatus(status).phrase.lower())
    headers = error.headers if isinstance(error, HTTPException) else None
    return JSONResponse({"error": sentence}, status_code=status, headers=headers)


def refused(_: Request, error: Exception) -> Response:
    """What a handler said no to, or could not do."""
    if isinstance(error, Problem):
        return JSONResponse({"error": str(error)}, status_code=error.status, headers=error.headers)
    status = next((code for kind, code in STATUSES.items() if isinstance(error, kind)), 500)
    return JSONResponse({"error": str(error)}, status_code=status)


def _page(content: bytes) -> Callable[[Request], Response]:
    def page(request: Request) -> Response:
        own = content.replace(TOKEN_PLACE, studio_of(request).keys.token.encode())
        return Response(own, media_type=TYPES[".html"])

    return page


def _asset(assets: dict[str, Asset]) -> Callable[[Request], Response]:
    def asset(request: Request) -> Response:
        found = assets.get(request.path_params["path"])
        if found is None or request.path_params["path"].endswith(".html"):
            raise HTTPException(404)
        headers = {"etag": found.etag, "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == found.etag:
            return Response(status_code=304, headers=headers)
        return Response(found.content, media_type=found.media_type, headers=headers)

    return asset
