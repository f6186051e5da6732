"""The documentation site: it builds without warnings, every link leads somewhere, and it needs no network."""

from __future__ import annotations

import functools
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import pytest
from scripts.docpages import ROOT, STUDIO
from scripts.site import stage
from scripts.site.mathml import mathml

DOCS = ROOT / "docs"
LOADING = {"src", "srcset", "poster", "data"}
"""Attributes that make a browser load their address."""


class Page(NamedTuple):
    """References of a page of the site, and the names that others can refer to."""

    links: list[str]
    loaded: list[str]
    ids: set[str]


@functools.cache
def parse(file: Path) -> Page:
    page = Page([], [], set())

    class Parser(HTMLParser):
        def handle_starttag(self, tag, attrs):
            values = {name: value for name, value in attrs if value}
            page.ids.update(values[name] for name in ("id", "name") if name in values)
            page.loaded.extend(values[name] for name in LOADING & values.keys())
            if "href" in values:
                (page.links if tag == "a" else page.loaded).append(values["href"])

    Parser().feed(file.read_text(encoding="utf-8"))
    return page


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("docs") / "site"
    command = [sys.executable, "-m", "scripts.site", "--out", str(out)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    return out


def local(page, address):
    """The file and the anchor of a link; None for another site."""
    parts = urlsplit(address)
    if parts.scheme:
        return None
    return (page.parent / unquote(parts.path)).resolve() if parts.path else page, unquote(parts.fragment)


def reachable(site):
    found, open_pages = set(), [site / "index.html"]
    while open_pages:
        page = open_pages.pop()
        if page not in found and page.suffix == ".html":
            found.add(page)
            open_pages += [target[0] for link in parse(page).links if (target := local(page, link))]
    return found


def test_every_page_of_the_documentation_is_in_an_index():
    listed = {
        stage.local_target(index, entry["target"])
        for index in (stage.INDEX, DOCS / "decisions" / "README.md")
        for line in index.read_text(encoding="utf-8").splitlines()
        if (entry := stage.ENTRY.match(line))
    }
    assert [page.name for page in stage.markdown_pages() if page not in listed | {stage.INDEX}] == []


def test_formula_has_the_spaces_of_latex():
    assert '<mo>&#x0003D;</mo><mo form="prefix">&#x02212;</mo><mi>log</mi><mspace' in mathml(r"L = -\log x")


@pytest.mark.slow
def test_site_links_lead_to_files_and_headings(site):
    broken = []
    for page in sorted(reachable(site)):
        for link in parse(page).links:
            target = local(page, link)
            if target is None:
                assert link.startswith(("https://", STUDIO)), f"{page.name}: {link}"
            elif not target[0].is_file() or (target[1] and target[1] not in parse(target[0]).ids):
                broken.append(f"{page.relative_to(site)}: {link}")
    assert broken == []


@pytest.mark.slow
def test_site_reaches_every_page_from_its_first(site):
    pages = {page for page in site.rglob("*.html") if page.name != "shipped.html"}
    assert {page.relative_to(site).as_posix() for page in pages - reachable(site)} <= {"404.html", "search.html"}
    assert len(pages) > 50


@pytest.mark.slow
def test_site_loads_nothing_from_elsewhere(site):
    for page in site.rglob("*.html"):
        for address in parse(page).loaded:
            target = local(page, address)
            assert address.startswith("data:") or (target and target[0].is_file()), f"{page.name} loads {address}"


@pytest.mark.slow
def test_site_draws_formulas_and_embeds_the_page_of_the_shipped_model(site):
    lesson = (site / "how-a-gan-works.html").read_text(encoding="utf-8")
    assert lesson.count("<math") > 50
    assert not re.search(r"\$[^$<]+\$", lesson)
    assert "shipped.html" in parse(site / "export.html").loaded
    assert "mnistGan" in (site / "shipped.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_site_is_not_built_with_a_broken_link(tmp_path):
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "index.md").write_text("# Title\n\n[a](missing.md), [b](#nowhere)\n", encoding="utf-8")
    folders = ", ".join(f"Path({str(tmp_path / name)!r})" for name in ("pages", "site"))
    code = f"from pathlib import Path\nfrom scripts.site.sphinx import build\nraise SystemExit(build({folders}))"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "missing.md" in result.stderr
    assert "nowhere" in result.stderr
