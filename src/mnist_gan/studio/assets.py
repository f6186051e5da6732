"""The pages and what they need, read once at the start: requests are looked up in a table, never on the disk."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath
from typing import Final

TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".md": "text/plain; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
"""What is served, by suffix; a file of another kind is left out."""
PLAIN_TYPE: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True, kw_only=True, slots=True)
class Asset:
    """One file of the studio."""

    content: bytes
    media_type: str
    etag: str
    """A digest of the content, in quotes, as the header wants it."""


def load_assets() -> dict[str, Asset]:
    """Every file of the folder `pages`, by its path in it, such as `js/train.js`."""
    pages = resources.files("mnist_gan.studio") / "pages"
    return {path: asset for path, file in _walk(pages, PurePosixPath()) if (asset := _load(path, file)) is not None}


def _walk(folder: Traversable, path: PurePosixPath) -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir() if folder.is_dir() else ():
        below = path / entry.name
        if entry.is_dir():
            yield from _walk(entry, below)
        elif not entry.name.startswith("."):
            yield str(below), entry


def _load(path: str, file: Traversable) -> Asset | None:
    name = PurePosixPath(path)
    media_type = PLAIN_TYPE if name.name == "LICENSE" else TYPES.get(name.suffix)
    if media_type is None:
        return None
    content = file.read_bytes()
    return Asset(content=content, media_type=media_type, etag=f'"{hashlib.sha256(content).hexdigest()[:32]}"')
