import io
import itertools
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from typing import Annotated

import pytest
import tyro

from mnist_gan.cli import commands, main, options
from mnist_gan.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Example:
    """An example."""

    files: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Files."""
    width: int = 3
    """Width in
    columns."""


@dataclass(frozen=True, kw_only=True)
class Single:
    """An example with one positional argument."""

    file: Annotated[str | None, tyro.conf.Positional] = None
    """A file."""


def page(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main([*arguments, "--help"]) == 0
    return capsys.readouterr().out


def text(page: str) -> str:
    """The words of a page without its boxes."""
    return " ".join(page.replace("│", " ").split())


def test_parse_fills_the_options_and_the_positional_field():
    assert options.parse(Example, ["a", "--width", "5", "b"], command="x") == Example(files=("a", "b"), width=5)
    assert options.parse(Single, ["a"], command="x") == Single(file="a")
    assert options.parse(Single, ["--file", "a"], command="x") == Single(file="a")
    assert options.parse(Single, [], command="x") == Single()


@pytest.mark.parametrize("arguments", [["a", "b"], ["b", "--file", "a"]])
def test_parse_refuses_a_surplus_argument_and_names_the_help(arguments):
    with pytest.raises(ConfigError) as caught:
        options.parse(Single, arguments, command="x")
    assert str(caught.value) == "unexpected argument 'b' (`mnist-gan x --help` lists the options)"


def test_command_runs_the_function_on_the_options():
    assert options.command("x", Example)(lambda chosen: chosen.width)(["--width", "7"]) == 7


def test_command_prints_the_help_with_texts_as_paragraphs(capsys):
    assert options.command("x", Example)(lambda chosen: 1)(["--help"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("usage: mnist-gan x [-h]")
    assert "\n  An example.\n" in printed
    assert "Width in columns. (default: 3)" in printed


@pytest.mark.parametrize("name", commands.names())
def test_help_of_a_command_explains_every_option_with_its_default(name, capsys):
    _, *blocks = re.split(r"\n  (?=--[a-z])", page(capsys, name).replace("│", " "))
    assert blocks
    assert [block for block in blocks if "(default:" not in " ".join(block.split())] == []


def test_help_of_train_shows_the_defaults_of_the_named_preset(capsys):
    words = text(page(capsys, "train", "wgan-gp"))
    assert "(default: wasserstein)" in words
    assert "(default: wgan-gp)" in words


def test_help_of_evaluate_names_the_least_number_of_images(capsys):
    assert "At least 100 images are needed." in text(page(capsys, "evaluate"))


@pytest.mark.parametrize(("no_color", "styled"), [("", True), ("1", False)])
def test_help_of_a_command_has_colour_on_a_terminal_unless_no_color(monkeypatch, no_color, styled):
    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    stream = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setattr(sys, "stdout", stream)
    options.print_help(Example, command="x")
    assert ("\x1b" in stream.getvalue()) == styled


@pytest.mark.parametrize("name", commands.names())
@pytest.mark.parametrize("width", [2, 30, 80, 200])
def test_help_of_a_command_has_a_least_and_a_greatest_width(monkeypatch, capsys, width, name):
    monkeypatch.setenv("COLUMNS", str(width))
    _usage, *lines = page(capsys, name).splitlines()
    assert max(map(len, lines)) <= max(options.MIN_WIDTH, min(width, 100))
    assert os.environ["COLUMNS"] == str(width)


@pytest.mark.parametrize("name", commands.names())
def test_help_of_a_command_keeps_words_whole_at_its_least_width(monkeypatch, capsys, name):
    words = set(re.findall(r"\w+", page(capsys, name)))
    monkeypatch.setenv("COLUMNS", "2")
    assert set(re.findall(r"\w+", page(capsys, name))) <= words


@pytest.mark.parametrize("width", ["60", "100"])
def test_help_text_of_an_option_flows_to_the_right_border(width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", width)
    lines = page(capsys, "train").splitlines()
    begin = next(index for index, line in enumerate(lines) if "--interventions" in line) + 1
    paragraph = list(
        itertools.takewhile(lambda line: not line.startswith("--"), (line.strip("│| ") for line in lines[begin:]))
    )
    room = int(width) - len("│       ") - len(" │")
    for line, following in itertools.pairwise(paragraph):
        assert len(line) + 1 + len(following.split()[0]) > room  # the next word would not have fitted


def test_help_of_a_command_works_without_utf8():
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "COLUMNS": "80"}
    command = [sys.executable, "-m", "mnist_gan", "runs", "--help"]
    result = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (0, b"")
    assert b"--runs-dir PATH" in result.stdout
    assert b"\\u" not in result.stdout
