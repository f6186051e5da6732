"""Run every command line and every Python snippet of the documentation, each block in a fresh folder."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from scripts import docpages
from scripts.docpages import ROOT, Block
from tests.support.fake_hub import TOKEN, fake_hub

from mnist_gan.cli import commands, main

SHELL = [block for page in docpages.pages() for block in docpages.blocks(page) if block.language in {"sh", "bash"}]
PYTHON = [block for page in docpages.pages() for block in docpages.blocks(page) if block.language == "python"]

EXIT_CODES = {"data": {0, 3}}
"""Exit codes other than 0 that an example may have: `data` exits with 3 without MNIST."""
SHORT = "0.1"
"""Seconds for `bench --seconds`."""
SERVES = {"studio"}
"""Commands that run until they are stopped."""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")  # in huggingface_hub itself
@pytest.mark.parametrize("block", SHELL, ids=lambda block: block.name)
def test_command_lines_succeed(block: Block, world: Path, hub: None, capsys: pytest.CaptureFixture[str]) -> None:
    for words in docpages.commands(block):
        arguments = docpages.arguments(words)
        if arguments is None:
            check_other_program(words)
        elif not SERVES & set(arguments):
            remove_outputs(arguments)
            code = main(shorten(arguments))
            assert code in EXIT_CODES.get(arguments[0], {0}), (words, capsys.readouterr().err)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")  # in huggingface_hub itself
@pytest.mark.parametrize("block", PYTHON, ids=lambda block: block.name)
def test_python_snippets_run(block: Block, world: Path, hub: None) -> None:
    for form in ("onnx", "torch"):
        if f"shipped-{form}/" in block.text:
            assert main(["export", "shipped", "--to", form]) == 0
    exec(compile(block.text, block.name, "exec"), {"__name__": "example"})


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Answer requests to the Hugging Face hub on this machine."""
    monkeypatch.setattr("mnist_gan.artifacts.hub.cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)  # the fake has git-LFS alone
    with fake_hub() as served:
        monkeypatch.setenv("HF_ENDPOINT", served.url)
        yield


def shorten(arguments: list[str]) -> list[str]:
    """Let `bench` measure for a moment only."""
    return [SHORT if option == "--seconds" else word for option, word in zip(("", *arguments), arguments, strict=False)]


def remove_outputs(arguments: list[str]) -> None:
    """Remove the run or folder that an example creates."""
    for option, name in itertools.pairwise(arguments):
        place = {"--name": Path("runs") / name, "--out": Path(name)}.get(option)
        if place is not None and place.is_dir():
            shutil.rmtree(place)


def check_other_program(words: list[str]) -> None:
    """Check that the parts of a command line that is not run exist."""
    match words:
        case ["make", target, *_]:
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), words
        case ["python" | ".venv/bin/python", script, *_] if script.endswith(".py"):
            assert (ROOT / script).is_file(), words
        case ["python", "-m", ("venv" | "scripts.figures"), *_] | ["tensorboard", "--logdir", _] | ["cd" | "git", *_]:
            pass
        case [pip, "install", *rest] if Path(pip).name == "pip":
            extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
            named = [name for word in rest for found in re.findall(r"\[([\w,-]+)\]", word) for name in found.split(",")]
            assert set(named) <= set(extras), words
        case ["uvx", "--torch-backend", "cpu", "mnist-gan", *rest] | ["pipx", "run", "mnist-gan", *rest]:
            assert commands.find(rest[0]), words
        case ["docker", "build" | "run", *_]:
            pass
        case ["torchrun", *rest]:  # tests/experiment/test_ranks.py runs it
            assert commands.find(rest[rest.index("mnist_gan") + 1]), words
        case _:
            pytest.fail(f"no rule checks this line: {' '.join(words)}")


def test_examples_are_found() -> None:
    pages = {block.page.name for block in SHELL}
    assert {"README.md", "commands.md"} <= pages
    assert {"README.md", "python.md"} <= {block.page.name for block in PYTHON}
    assert os.sep not in "".join(pages)
