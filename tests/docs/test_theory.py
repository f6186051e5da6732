"""The Theory page of the studio is that of docs/how-a-gan-works.md, and leads somewhere."""

from __future__ import annotations

import re

import pytest
from scripts import docpages, write_theory

PAGE = (write_theory.FOLDER / "theory.html").read_text(encoding="utf-8")


def test_theory_page_and_its_pictures_are_up_to_date() -> None:
    files = write_theory.render()
    stored = {path: path.read_bytes() for path in (write_theory.FOLDER / "images").iterdir()}
    stored[write_theory.FOLDER / "theory.html"] = PAGE.encode()
    assert stored == files, "run `python -m scripts.write_theory`"


def test_theory_page_has_all_sections_and_a_link_to_each() -> None:
    ids = re.findall(r'<h2 id="([^"]+)"', PAGE)
    assert {*ids} == docpages.anchors(write_theory.SOURCE) - {"how-a-gan-works"}
    assert re.findall(r'<li><a href="#([^"]+)"', PAGE) == ids


def test_theory_page_has_all_formulas_and_pictures_of_the_explanation() -> None:
    text = docpages.prose(write_theory.SOURCE)
    assert PAGE.count('<div class="formula scroll">') == text.count("$$") // 2
    assert PAGE.count("<img ") == text.count("![")
    assert not re.search(r"\$[^$<]+\$", PAGE.replace("<code>$ python", ""))


def test_theory_page_has_all_links_into_the_studio() -> None:
    played = [link.target for link in docpages.links(write_theory.SOURCE) if link.target.startswith(docpages.STUDIO)]
    for target in played:
        assert f'href="/{target.removeprefix(docpages.STUDIO)}"'.replace("&", "&amp;") in PAGE


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("[below](#the-task)", '<a href="#the-task">below</a>'),
        ("[it](http://127.0.0.1:8765/plane?data=ring8&limit=3)", '<a href="/plane?data=ring8&amp;limit=3">it</a>'),
        ("[options](commands.md#train)", '<a data-file="docs/commands.md#train">options</a>'),
        ("[test](../tests/conftest.py)", '<a data-file="tests/conftest.py">test</a>'),
        ("[`mlp`](../src/mnist_gan/models/mlp.py)", 'data-source="mnist_gan.models.mlp"><code>mlp</code></button>'),
        ("[`GAN.load`](../src/mnist_gan/artifacts/gan.py).", 'data-source="mnist_gan.artifacts.gan:GAN.load">'),
    ],
)
def test_link_leads_to_the_same_in_the_studio(markdown: str, html: str) -> None:
    assert html in write_theory.page(f"# Title\n\n## Section\n\n{markdown}\n")


def test_link_to_a_function_that_is_gone_is_an_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'gone'"):
        write_theory.page("# Title\n\n## Section\n\n[`gone`](../src/mnist_gan/models/mlp.py)\n")
