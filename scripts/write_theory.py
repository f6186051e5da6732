"""Write the Theory page of the studio from docs/how-a-gan-works.md, with its pictures.

    python -m scripts.write_theory          # update the page
    python -m scripts.write_theory --check  # exit 1 if a file is out of date

Formulas become MathML, which browsers draw without a script. Links into the studio become relative, and the name of a
function becomes a button that shows its source. A link to another file is completed by the page, if the package knows
the address of its release.
"""

from __future__ import annotations

import itertools
import os
import pkgutil
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin
from PIL import Image
from scripts import docpages
from scripts.docpages import PACKAGE, ROOT, STUDIO
from scripts.site.mathml import mathml

SOURCE: Final = ROOT / "docs" / "how-a-gan-works.md"
FOLDER: Final = PACKAGE / "studio" / "pages"
PUNCTUATION: Final = tuple(".,:;)")
WORD_JOINER: Final = "\u2060"
"""Keeps a button and the punctuation after it on one line."""
PLAY: Final = "*Play it:*"
IN_STUDIO: Final = {"docs/commands.md#presets": "/train"}
"""Addresses in the studio that show the same as a section of the documentation."""
HEAD: Final = """\
<!-- Written by scripts.write_theory from docs/how-a-gan-works.md. -->
<header class="head">
  <h1>{title}</h1>
  <p class="lead">From nothing to the relativistic loss: each formula with its function and a game to play.</p>
  <details class="guide">
    <summary>How to use this page</summary>
    <ol>
      <li>You need to know what a neural network and a gradient are; the rest is here.</li>
      <li>The name of a function is a button: it shows the source below the paragraph.</li>
      <li><b>Play it</b> opens the formula with its settings, most as a game on points of the plane.</li>
      <li><a href="/lessons">Eleven lessons</a> ask about it; each names its section of this page.</li>
    </ol>
  </details>
</header>
<div class="split">
  <nav aria-label="Sections">
    <ol class="course contents">
{contents}
    </ol>
  </nav>
  <article class="prose">
{body}
  </article>
</div>
"""


def main() -> int:
    """Update the files, or check them."""
    changed = {path: content for path, content in render().items() if not _equals(path, content)}
    for path, content in changed.items():
        if "--check" in sys.argv:
            print(f"{path.name} is out of date; run `python -m scripts.write_theory`")
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
    return int("--check" in sys.argv and bool(changed))


def render() -> dict[Path, bytes]:
    """Content of the page and of its pictures, by path."""
    text = SOURCE.read_text(encoding="utf-8")
    pictures = re.findall(r"\]\((images/[^)]+)\)", text)
    files = {FOLDER / picture: (SOURCE.parent / picture).read_bytes() for picture in pictures}
    return {FOLDER / "theory.html": page(text).encode(), **files}


def page(text: str) -> str:
    """The page of a text in Markdown: a list of its sections, and the sections."""
    markdown = _markdown()
    tokens = markdown.parse(text)
    title = tokens[1].content
    first = next(k for k, token in enumerate(tokens) if token.type == "heading_open" and token.tag == "h2")
    tokens = tokens[first:]  # the introduction and its contents are for readers of the file
    contents = "\n".join(f'      <li><a href="#{at}">{escapeHtml(name)}</a></li>' for at, name in _prepare(tokens))
    return HEAD.format(title=title, contents=contents, body=markdown.renderer.render(tokens, markdown.options, {}))


def _markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark").enable("table").use(dollarmath_plugin)
    for rule in (_math_inline, _math_block, _fence, _picture):
        kind = "image" if rule is _picture else rule.__name__.removeprefix("_")
        markdown.add_render_rule(kind, rule)
    return markdown


def _prepare(tokens: Sequence[Token]) -> Iterator[tuple[str, str]]:
    """Set anchors, classes and links. Yields the anchor and the text of each section."""
    for before, token in itertools.pairwise(tokens):
        if token.type != "inline" or token.children is None:
            continue
        if before.type == "heading_open":
            before.attrs["id"] = docpages.anchor(token.content)
            yield str(before.attrs["id"]), token.content
        elif token.content.startswith(PLAY):
            before.attrs["class"] = "play"
        _relink(token.children)


def _relink(children: Sequence[Token]) -> None:
    tag = ""
    for token, following in zip(children, [*children[1:], None], strict=True):
        if token.type == "link_open":
            tag, token.attrs = _linked(str(token.attrs["href"]), following.content if following else "")
            token.tag = tag
        elif token.type == "link_close":
            token.tag = tag
            if tag == "button" and following and following.content[:1] in PUNCTUATION:
                following.content = WORD_JOINER + following.content


def _linked(target: str, text: str) -> tuple[str, dict[str, str | int | float]]:
    """Tag and attributes of a link."""
    if target.startswith("#"):
        return "a", {"href": target}
    if target.startswith(STUDIO):
        return "a", {"href": f"/{target.removeprefix(STUDIO)}"}
    file = Path(os.path.normpath(SOURCE.parent / target.partition("#")[0]))
    within = file.relative_to(ROOT)
    if within.parts[:2] == ("src", PACKAGE.name) and file.suffix == ".py":
        return "button", {
            "type": "button",
            "class": "code",
            "aria-expanded": "false",
            "data-source": _object_name(within, text),
        }
    place = f"{within.as_posix()}{''.join(target.partition('#')[1:])}"
    return "a", {"href": IN_STUDIO[place]} if place in IN_STUDIO else {"data-file": place}


def _object_name(file: Path, text: str) -> str:
    """`module` or `module:name` of what a link to a module names; an error if there is none."""
    module = ".".join(file.with_suffix("").parts[1:])
    name = module if text == file.stem else f"{module}:{text}"
    pkgutil.resolve_name(name)
    return name


def _math_inline(_: RendererHTML, tokens: Sequence[Token], k: int, *__: Any) -> str:
    return mathml(tokens[k].content)


def _math_block(_: RendererHTML, tokens: Sequence[Token], k: int, *__: Any) -> str:
    return f'<div class="formula scroll">{mathml(tokens[k].content.strip(), display="block")}</div>\n'


def _fence(_: RendererHTML, tokens: Sequence[Token], k: int, *__: Any) -> str:
    return f'<pre class="scroll source" tabindex="0"><code>{escapeHtml(tokens[k].content)}</code></pre>\n'


def _picture(_: RendererHTML, tokens: Sequence[Token], k: int, *__: Any) -> str:
    source = str(tokens[k].attrs["src"])
    with Image.open(SOURCE.parent / source) as image:
        width, height = image.size
    alternative = escapeHtml(tokens[k].content)
    return f'<img src="/assets/{source}" width="{width}" height="{height}" alt="{alternative}" loading="lazy" />'


def _equals(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


if __name__ == "__main__":
    sys.exit(main())
