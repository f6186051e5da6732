"""The four pages as documents: the content of each in the frame that they share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mnist_gan.studio.assets import Asset

FRAME: Final = "frame.html"
TOKEN_PLACE: Final = b"{{token}}"
"""Stays open in a document: every start of the studio has its own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """One page of the studio; its content is `<name>.html`, what moves it `js/<name>.js`."""

    name: str
    """Its address, without the slash."""
    title: str
    description: str


PAGES: Final = (
    Page(name="train", title="Train", description="Watch a GAN learn to draw digits"),
    Page(name="explore", title="Explore", description="Take a trained generator apart"),
    Page(name="draw", title="Draw", description="Draw a digit and ask both networks about it"),
    Page(name="runs", title="Runs", description="All runs, and two of them side by side"),
)


def document(page: Page, assets: Mapping[str, Asset]) -> bytes:
    """The whole document of a page, but for the token."""
    values = {
        b"{{name}}": page.name.encode(),
        b"{{title}}": page.title.encode(),
        b"{{description}}": page.description.encode(),
        b"{{links}}": "\n          ".join(_link(to, here=page) for to in PAGES).encode(),
        b"{{content}}": assets[f"{page.name}.html"].content.strip(),
    }
    found = assets[FRAME].content
    for place, value in values.items():
        found = found.replace(place, value)
    return found


def _link(to: Page, *, here: Page) -> str:
    current = ' aria-current="page"' if to is here else ""
    return f'<a href="/{to.name}"{current}>{to.title}</a>'
