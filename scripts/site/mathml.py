"""Sphinx extension: formulas as MathML, which browsers draw without a script."""

from __future__ import annotations

import re
from typing import Any, Final

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx

SIGN: Final = re.compile(r"(<mo[^>]*>(?:&#x0003D;|&#x00028;|,)</mo>)<mo>&#x02212;</mo>")
"""A minus after an equals sign, a comma or an opening parenthesis."""
FUNCTION: Final = re.compile(r"(<mi>(?:log|exp|tanh)</mi>)(?=<m[in]>)")
"""A function before its argument without parentheses."""


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def mathml(formula: str, *, display: str = "inline") -> str:
    """MathML of a formula in LaTeX, with the spaces that LaTeX sets around signs and functions."""
    converted = SIGN.sub(r'\1<mo form="prefix">&#x02212;</mo>', convert(formula, display=display))
    return FUNCTION.sub(r'\1<mspace width="0.17em" />', converted)


def _inline(translator: Any, node: nodes.math) -> None:
    translator.body.append(mathml(node.astext()))
    raise nodes.SkipNode


def _block(translator: Any, node: nodes.math_block) -> None:
    translator.body.append(f'<div class="formula">{mathml(node.astext(), display="block")}</div>')
    raise nodes.SkipNode
