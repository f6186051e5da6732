"""Files of the pages, read once at the start. Requests are looked up in a table and never reach the disk."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath
from typing import Final

TYPES: Final = {
    "": "text/plain; charset=utf-8",  # licences
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}
"""Media types by suffix. Other files are not served."""
FRAME: Final = "frame.html"
TOKEN_PLACEHOLDER: Final = b"{{token}}"
"""Left in a document: every server has a token of its own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asset:
    """A static file."""

    content: bytes
    media_type: str
    etag: str
    """Digest of the content, quoted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A page: its content is `<name>.html`, its script `js/<name>.js`, its address `/<name>`."""

    name: str
    title: str
    description: str


PAGES: Final = (
    Page(name="train", title="Train", description="Watch a GAN learn to draw digits"),
    Page(name="lessons", title="Lessons", description="Eleven guided lessons, each with a real experiment"),
    Page(name="plane", title="Plane", description="The game on points of the plane, move by move"),
    Page(name="explore", title="Explore", description="Take a trained generator apart"),
    Page(name="draw", title="Draw", description="Draw a digit and have both networks judge it"),
    Page(name="runs", title="Runs", description="All runs, and two of them side by side"),
    Page(name="theory", title="Theory", description="How a GAN works: each formula, its function, and a game"),
)


def load_assets() -> dict[str, Asset]:
    """Read the folder `pages` and the files of `mnist_gan.web`; keys are paths in either, such as `js/train.js`."""
    folders = (resources.files("mnist_gan.studio") / "pages", resources.files("mnist_gan.web"))
    files = itertools.chain.from_iterable(_walk(folder, PurePosixPath()) for folder in folders)
    return {path: _load(file, TYPES[PurePosixPath(path).suffix]) for path, file in files}


def document(page: Page, assets: Mapping[str, Asset]) -> bytes:
    """Build the HTML of a page from the frame and its content; the token stays a placeholder."""
    values = {
        b"{{name}}": page.name.encode(),
        b"{{title}}": page.title.encode(),
        b"{{description}}": page.description.encode(),
        b"{{links}}": "\n          ".join(_link(to, current=to is page) for to in PAGES).encode(),
        b"{{content}}": assets[f"{page.name}.html"].content.strip(),
    }
    content = assets[FRAME].content
    for placeholder, value in values.items():
        content = content.replace(placeholder, value)
    return content


def _link(to: Page, *, current: bool) -> str:
    attribute = ' aria-current="page"' if current else ""
    return f'<a href="/{to.name}"{attribute}>{to.title}</a>'


def _walk(folder: Traversable, path: PurePosixPath) -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        below = path / entry.name
        if entry.is_dir():
            yield from _walk(entry, below)
        elif not entry.name.startswith(".") and below.suffix in TYPES:
            yield str(below), entry


def _load(file: Traversable, media_type: str) -> Asset:
    content = file.read_bytes()
    return Asset(content=content, media_type=media_type, etag=f'"{hashlib.sha256(content).hexdigest()[:32]}"')
