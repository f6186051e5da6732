"""Command lines, options and requirements in every text of the package: the real parsers take them, and they work."""

from __future__ import annotations

import importlib
import re
import shlex
import shutil
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
from benchmarks import gallery
from packaging.requirements import Requirement
from scripts import write_options
from tests.support import messages
from tests.support.messages import QUOTED, UNQUOTED

from mnist_gan import config
from mnist_gan.cli import arguments, commands, main, options
from mnist_gan.cli.commands import doctor, train
from mnist_gan.config import TOY_NAMES, Config
from mnist_gan.errors import ConfigError
from mnist_gan.evaluation.diagnosis import REMEDIES

TEXTS: Final = messages.texts()
OTHER_PROGRAMS: Final = {
    "--nproc-per-node": "torchrun",
    "--rdzv-endpoint": "torchrun",
    "--head": "ray",
    "--no-optional-locks": "git",
    "--porcelain": "git",
    "--untracked-files": "git",
    "--force-reinstall": "pip",
}
GENERAL: Final = {"--help", "--version", "--debug"}
EXAMPLES: Final = {"--group.field", "--field", "--no-field", "--flag", "--my", "--settings"}
"""Of the parser's own texts, and an option whose name is a placeholder."""
VERBS: Final = {"is", "has", "or", "of", "to", "and", "give", "gives", "must", "FOLDER", QUOTED, "my"}
"""Words after an option that are no value of it."""
COMMAND_LINES: Final = sorted(
    {
        tuple(words)
        for text in TEXTS
        for words in messages.command_lines(text.text)
        if words and commands.find(words[0]) and words[1:] not in ([], ["--config"])
    }
)
RUN_ELSEWHERE: Final = {
    "evaluate": "tests/cli/commands/test_evaluate.py",
    "data": "tests/data/test_download.py, from mirrors on this machine",
    "judge": "tests/cli/commands/test_judge.py",
    "study": "tests/cli/commands/test_study.py",
}
"""Commands that take longer or need a network, with the tests that run them."""


def read(words: list[str]) -> None:
    """Parse a command line as the program does."""
    command, rest = commands.split(words)
    assert command is not None
    module = importlib.import_module(command.module)
    if options.wants_help(rest):
        return
    if hasattr(module, "read_options"):
        module.read_options(rest)
    else:
        options.parse(write_options.options_class(command.name), rest, command=command.name)


@pytest.fixture
def filled(trained_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Values for the placeholders of command lines, in a working folder with a finished run and its config."""
    shutil.copytree(trained_run, tmp_path / "runs" / "tiny")
    shutil.copy(trained_run / "config.toml", tmp_path / "recipe.toml")
    (tmp_path / "changes.jsonl").touch()
    monkeypatch.chdir(tmp_path)
    return {QUOTED: "runs/tiny", "NAME": "tiny", ".": "runs/tiny", f"--config {QUOTED}": "recipe.toml"}


def fill(words: tuple[str, ...], values: dict[str, str]) -> list[str]:
    pairs = zip(("", *words), words, strict=False)
    return [values.get(f"{before} {word}", values.get(word, word)) for before, word in pairs]


@pytest.mark.parametrize("words", COMMAND_LINES, ids=shlex.join)
def test_command_line_is_understood(words: tuple[str, ...], filled: dict[str, str]) -> None:
    assert UNQUOTED not in " ".join(words), "quote the path with shlex.quote"
    read(fill(words, filled))


def test_command_of_the_plane_trains_every_toy() -> None:
    script = (messages.PACKAGE / "studio/pages/js/plane.js").read_text("utf-8")
    found = re.search('ENDLESS = "(.+)"', script)
    assert found is not None
    for name in TOY_NAMES - {"points"}:
        read(["train", name, *found[1].split()])


def test_command_lines_in_prose_are_marked_as_code() -> None:
    found = {text.place: messages.bare_commands(text.text) for text in TEXTS if not text.text.startswith("<meta")}
    assert {place: names for place, names in found.items() if names} == {}


def test_commands_exist() -> None:
    unknown = [
        (text.place, words)
        for text in TEXTS
        for words in messages.command_lines(text.text)
        if words and re.fullmatch("[a-z-]+", words[0]) and not commands.find(words[0])
        if words[0] not in GENERAL | set(UNQUOTED.split())
    ]
    assert unknown == []


def test_options_exist_and_take_the_values_beside_them() -> None:
    others = GENERAL | EXAMPLES | OTHER_PROGRAMS.keys()
    for text in TEXTS:
        if text.place.endswith(".js"):  # names of CSS variables
            continue
        for option, value in messages.options(text.text):
            assert option in write_options.flags() | others, f"{text.place} names {option}, which no command has"
            if value and value not in VERBS and option not in others:
                assert takes(option, value.rstrip(".")), f"{text.place}: {option} does not take {value}"


@pytest.mark.parametrize("state", REMEDIES)
def test_options_of_a_remedy_are_those_of_train(state: Any) -> None:
    for option, text in gallery.OPTION.findall(REMEDIES[state]):
        words = [] if text.startswith(" to ") else text.split()
        switch = config.all_settings()[option.replace("-", "_")].hint is bool
        train.read_options([f"--{option}", *(words or ([] if switch else ["0.5"]))])


def test_requirements_are_those_of_the_package() -> None:
    project = tomllib.loads((write_options.ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert set(doctor.EXTRAS.values()) <= project["optional-dependencies"].keys()
    own = {Requirement(line).name: Requirement(line) for line in project["dependencies"]}
    named = [
        re.findall(r"""pip install (?:--[\w-]+ )?["']?([\w-]+(?:\[[\w ]+\])?[^"'`\s]*)""", text) for _, text in TEXTS
    ]
    for requirement in (Requirement(name) for names in named for name in names if UNQUOTED.split()[0] not in name):
        assert requirement.extras <= project["optional-dependencies"].keys()
        assert requirement.name == project["name"] or requirement.specifier == own[requirement.name].specifier


def takes(option: str, value: str) -> bool:
    """True if one of the commands with this option takes the value."""
    tables = [arguments.options_of(write_options.options_class(name)) for name in commands.names() if name != "main"]
    tables.append(arguments.options_of(Config))
    for table in tables:
        if option in table:
            try:
                arguments.parse([option, value], table, short={})
            except ConfigError:
                continue
            return True
    return False


@pytest.mark.slow
@pytest.mark.parametrize("words", [line for line in COMMAND_LINES if line[0] not in RUN_ELSEWHERE], ids=shlex.join)
def test_command_line_works(words: tuple[str, ...], filled: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """Run it; `train` prints its config instead."""
    line = fill(words, filled)
    assert main([*line, *(["--print-config"] if line[0] == "train" else [])]) == 0, capsys.readouterr().err
