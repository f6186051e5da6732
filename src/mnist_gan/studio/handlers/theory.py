"""The Theory page: the sources of the functions that it names, and the address of the files that it mentions."""

from __future__ import annotations

import functools
import inspect
import pkgutil
import re
import textwrap
from importlib import metadata
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mnist_gan.studio import api
from mnist_gan.studio.assets import load_assets

NAMED: Final = re.compile(r'data-source="([\w.:]+)"')
DOCUMENTATION: Final = "Documentation, "
FIRST_PAGE: Final = "docs/README.md"


def get_theory(_: Request) -> Response:
    """Tell where the files of this release are."""
    return JSONResponse(api.TheoryInfo(files=files_address(_documentation())))


def get_source(request: Request) -> Response:
    """Show the source of a function, class or module that the page names; no other."""
    name = request.path_params["name"]
    if name not in named_objects():
        raise HTTPException(404, "The page Theory names no such function.")
    return JSONResponse(api.SourceText(source=textwrap.dedent(inspect.getsource(pkgutil.resolve_name(name)))))


@functools.cache
def named_objects() -> frozenset[str]:
    """`module` or `module:name` of every object that the page names."""
    return frozenset(NAMED.findall(load_assets()["theory.html"].content.decode()))


def files_address(documentation: str | None) -> str | None:
    """Address of the files of a release, by that of its documentation.

    None without an address: a package that is not from a release does not know it.
    """
    return None if documentation is None or "/OWNER/" in documentation else documentation.removesuffix(FIRST_PAGE)


def _documentation() -> str | None:
    """Address of the documentation in the metadata of the package."""
    try:
        urls = metadata.metadata("mnist_gan").get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        return None
    return next((url.removeprefix(DOCUMENTATION) for url in urls if url.startswith(DOCUMENTATION)), None)


ROUTES: Final = [Route("/api/theory", get_theory), Route("/api/theory/{name}", get_source)]
