"""Configuration of Sphinx for the documentation site; see `python -m scripts.site`."""

from __future__ import annotations

import tomllib

from scripts.docpages import PACKAGE, ROOT

import mnist_gan

_project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = "mnist_gan"
author = _project["authors"][0]["name"]
copyright = author
version = release = mnist_gan.__version__
language = "en"

extensions = ["myst_parser", "scripts.site.mathml"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4

html_theme = "furo"
html_title = f"mnist_gan {version}"
html_favicon = str(PACKAGE / "studio" / "pages" / "icon.svg")
html_static_path = ["static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_use_index = False
html_show_sourcelink = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#4a3fb0", "color-brand-content": "#4a3fb0"},
    "dark_css_variables": {"color-brand-primary": "#b3aaff", "color-brand-content": "#b3aaff"},
}
