"""The pages as files: nothing inline or external, an explanation of every term, and readable colours."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import pytest
from scripts.docpages import ROOT

import mnist_gan
from mnist_gan.figures import FIGURES
from mnist_gan.studio.assets import PAGES as DESCRIPTIONS
from mnist_gan.studio.assets import document, load_assets

PACKAGE = Path(str(mnist_gan.__file__)).parent
PAGES = PACKAGE / "studio" / "pages"
SHARED = PACKAGE / "web"
DOCUMENTS = {page.name: document(page, load_assets()).decode() for page in DESCRIPTIONS}
MODULES = sorted([*(PAGES / "js").glob("*.js"), *(SHARED / "js").glob("*.js")])
SHEET = (SHARED / "css" / "style.css").read_text(encoding="utf-8")
VENDOR = PAGES / "vendor" / "uplot"

TEXT = 4.5
"""Minimum contrast of text by WCAG 2.2 AA (1.4.3)."""
SHAPES = 3.0
"""Minimum contrast of the edges of controls and of charts (1.4.11)."""
ON_PAPER = ("--paper", "--sheet", "--raised")
CONTRASTS = [
    *((text, ground, TEXT) for ground in ON_PAPER for text in ("--ink", "--soft", "--accent")),
    *((text, "--paper", TEXT) for text in ("--real", "--generated", "--alarm")),
    ("--on-accent", "--accent", TEXT),
    ("--paper", "--ink", TEXT),
    *((shape, ground, SHAPES) for ground in ON_PAPER for shape in ("--edge", "--real", "--generated", "--accent")),
    *((shape, "--night", TEXT) for shape in ("--soft-by-night", "--real-by-night", "--generated-by-night")),
]


class Tags(HTMLParser):
    """The tags of a page with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(DOCUMENTS[page])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def is_asset(path: str) -> bool:
    """True if the studio serves a file from its own folder or from the shared one."""
    return any((folder / path).resolve().is_file() for folder in (PAGES, SHARED))


by_page = pytest.mark.parametrize("page", DOCUMENTS)


def test_pages_are_the_documents() -> None:
    assert DOCUMENTS.keys() == {"train", "lessons", "plane", "explore", "draw", "runs", "theory"}
    assert {path.stem for path in PAGES.glob("*.html")} == {*DOCUMENTS, "frame"}


@by_page
def test_document_leaves_only_the_token_open(page: str) -> None:
    assert re.findall(r"{{.*?}}", DOCUMENTS[page]) == ["{{token}}"]


@by_page
def test_document_has_nothing_inline_or_external(page: str) -> None:
    for tag, attributes in Tags(page).found:
        assert "style" not in attributes, tag
        assert not [name for name in attributes if name.startswith("on")], tag
        assert tag != "style"
        assert tag != "script" or attributes.get("src")
        for name in ("src", "href"):
            target = attributes.get(name) or ""
            assert not re.match(r"(https?:)?//", target), target
            if target.startswith("/assets/"):
                assert is_asset(target.removeprefix("/assets/")), target


@by_page
def test_document_describes_itself_to_screen_readers(page: str) -> None:
    tags = Tags(page).found
    assert ("html", {"lang": "en"}) in tags
    assert [attributes.get("href") for _, attributes in tags if attributes.get("aria-current") == "page"] == [
        f"/{page}"
    ]
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids)), "an id is used twice"
    for tag, attributes in tags:
        assert tag != "img" or "alt" in attributes
        assert tag != "label" or "for" not in attributes or attributes["for"] in ids
        for name in ("aria-labelledby", "aria-controls", "aria-describedby"):
            assert (attributes.get(name) or ids[0]) in ids, attributes


def test_terms_are_all_explained_and_explanations_all_used() -> None:
    words = (PAGES / "js" / "words.js").read_text(encoding="utf-8")
    explained = set(re.findall(r"^  (\w+):\s*\"", words, re.MULTILINE))
    figures = {name for name, info in FIGURES.items() if info.explanation}
    used = {attributes.get("data-term") for page in DOCUMENTS for _, attributes in Tags(page).found} - {None}
    assert explained <= used <= explained | figures


@by_page
def test_scripts_name_only_elements_of_their_page(page: str) -> None:
    ids = {attributes.get("id") for _, attributes in Tags(page).found}
    script = (PAGES / "js" / f"{page}.js").read_text(encoding="utf-8")
    named = set(re.findall(r'byId\("([\w-]+)"\)', script))
    assert named <= ids


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_modules_import_existing_files_and_build_no_code_from_text(module: Path) -> None:
    text = module.read_text(encoding="utf-8")
    for target in re.findall(r'from "([^"]+)"', text):
        assert target.startswith("."), target
        assert is_asset(f"js/{target.removeprefix('./')}"), target
    assert not re.search(r"\beval\(|new Function|innerHTML|outerHTML|insertAdjacentHTML|document\.write", text)
    assert not re.search(r"https?://", text)


def test_assets_refer_to_nothing_external():
    for path, asset in load_assets().items():
        if path.endswith((".html", ".css", ".js")) and not path.startswith("vendor/"):
            found = re.findall(rb"(?:src|href|url|from|import|fetch)\W{1,3}(?:https?:)?//", asset.content)
            assert not found, f"{path} refers to {found}"


# Colours


def colours(scheme: str) -> dict[str, str]:
    """Colours of the style sheet in the light or the dark scheme."""
    light, dark = re.findall(r":root \{(.*?)\}", SHEET, re.DOTALL)
    named = dict(re.findall(r"(--[\w-]+): (#[0-9a-f]{6});", light))
    return named | (dict(re.findall(r"(--[\w-]+): (#[0-9a-f]{6});", dark)) if scheme == "dark" else {})


def luminance(colour: str) -> float:
    """Relative luminance by WCAG 2.2."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    """Contrast ratio by WCAG 2.2, from 1 to 21."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_gives_known_values() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("front", "ground", "least"), CONTRASTS, ids=lambda value: str(value).strip("-"))
def test_colours_have_enough_contrast(scheme: str, front: str, ground: str, least: float) -> None:
    named = colours(scheme)
    assert contrast(named[front], named[ground]) >= least


def test_colours_are_defined_once_and_all_used() -> None:
    rules = SHEET[SHEET.index("*,\n") :]
    assert not re.search(r": [^;]*#[0-9a-fA-F]{3,8}\b", rules)
    used = set(re.findall(r"var\((--[\w-]+)", SHEET))
    scripted = {name for path in MODULES for name in re.findall(r'"(--[\w-]+)"', path.read_text(encoding="utf-8"))}
    defined = set(re.findall(r"^ +(--[\w-]+):", SHEET, re.MULTILINE))
    assert used | scripted == defined


def test_lines_of_a_chart_do_not_differ_by_colour_alone() -> None:
    charts = [
        block
        for path in MODULES
        for block in re.findall(r"new LineChart\(.*?series: \[(.*?)\],\n", path.read_text("utf-8"), re.DOTALL)
    ]
    assert len(charts) >= 4
    for series in charts:
        lines = re.findall(r"one\([^)]*\)|\{ name:[^}]*\}", series)
        assert sum("dash" not in line for line in lines) <= 1, series


# Vendored files


def test_plotting_library_has_the_recorded_digest() -> None:
    recorded = tomllib.loads((VENDOR / "vendored.toml").read_text(encoding="utf-8"))
    files = [path for path in VENDOR.iterdir() if path.suffix not in {".toml", ".ts"}]
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    assert found == recorded["sha256"]
    assert recorded["version"] in (VENDOR / "uPlot.esm.js").read_text(encoding="utf-8")[:400]
    assert "MIT" in (VENDOR / "LICENSE").read_text(encoding="utf-8")


def test_plotting_library_has_the_version_of_its_types() -> None:
    recorded = tomllib.loads((VENDOR / "vendored.toml").read_text(encoding="utf-8"))
    tools = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["devDependencies"]
    assert tools["uplot"] == recorded["version"]
