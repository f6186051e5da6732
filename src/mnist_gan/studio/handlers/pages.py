"""The pages, their static files, and the explanations of figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from mnist_gan.figures import FIGURES
from mnist_gan.studio import api
from mnist_gan.studio.assets import PAGES, TOKEN_PLACEHOLDER, TYPES, Asset, document
from mnist_gan.studio.context import studio_of


def routes(assets: Mapping[str, Asset]) -> list[Route]:
    """Routes of the pages and of every asset."""
    return [
        Route("/", redirect_to_train),
        *(Route(f"/{page.name}", _page(document(page, assets))) for page in PAGES),
        Route("/assets/{path:path}", _asset(assets)),
        Route("/api/figures", get_figures),
    ]


async def redirect_to_train(request: Request) -> Response:
    """Redirect `/` to the Train page."""
    query = request.url.query
    return RedirectResponse("/train" + (f"?{query}" if query else ""), status_code=307)


def get_figures(_: Request) -> Response:
    """List title and explanation of every figure that the pages explain."""
    return JSONResponse(
        {
            name: api.FigureText(title=info.title, explanation=info.explanation)
            for name, info in FIGURES.items()
            if info.explanation
        }
    )


def _page(content: bytes) -> Callable[[Request], Response]:
    def page(request: Request) -> Response:
        token = studio_of(request).keys.token.encode()
        return Response(content.replace(TOKEN_PLACEHOLDER, token), media_type=TYPES[".html"])

    return page


def _asset(assets: Mapping[str, Asset]) -> Callable[[Request], Response]:
    def asset(request: Request) -> Response:
        path = request.path_params["path"]
        if path not in assets or path.endswith(".html"):
            raise HTTPException(404)
        found = assets[path]
        headers = {"etag": found.etag, "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == found.etag:
            return Response(status_code=304, headers=headers)
        return Response(found.content, media_type=found.media_type, headers=headers)

    return asset
