"""docs/api.md lists the public names, and the documentation uses no others."""

from __future__ import annotations

import ast
import importlib
import inspect
import json

import pytest
from scripts import docpages, write_api
from scripts.docpages import ROOT

BLOCKS = [block.text for page in docpages.pages() for block in docpages.blocks(page) if block.language == "python"]
NOTEBOOK = json.loads((ROOT / "notebooks" / "quickstart.ipynb").read_text(encoding="utf-8"))
CELLS = ["".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]


def test_api_page_is_up_to_date() -> None:
    page = write_api.PAGE.read_text(encoding="utf-8")
    assert write_api.renew(page) == page, "run `python scripts/write_api.py`"


@pytest.mark.parametrize("name", write_api.PUBLIC)
def test_public_names_exist_and_have_docstrings(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__
    for public in write_api.public_names(module):
        value = getattr(module, public)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__doc__, f"{name}.{public}"


@pytest.mark.parametrize("source", [*BLOCKS, *CELLS])
def test_examples_import_public_names_only(source: str) -> None:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mnist_gan"):
            public = set(write_api.public_names(importlib.import_module(str(node.module))))
            modules = {name.rpartition(".")[2] for name in write_api.PUBLIC if name.rpartition(".")[0] == node.module}
            assert {alias.name for alias in node.names} <= public | modules
