import io
import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mnist_gan.cli import commands, help, main
from mnist_gan.cli.terminal import wants_style

GOLDEN = Path(__file__).parent / "golden" / "help.txt"


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mnist_gan", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_is_the_stored_page(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["--help"]) == 0
    assert capsys.readouterr().out == GOLDEN.read_text()


@pytest.mark.parametrize("width", [24, 30, 40, 60, 80, 100])
def test_help_fits_the_terminal(width):
    lines = help.help_page(width=width, styled=False).splitlines()
    longest_word = max(len(name) for name, _ in help.EXAMPLES) + 2
    assert max(map(len, lines)) <= max(width, longest_word)


def test_a_narrow_terminal_gets_a_narrow_page(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    assert main(["--help"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 40


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["nonsense"],
        ["train", "--print-config"],
        *([verb, "--help"] for verb in commands.names() if verb != "main"),
    ],
)
def test_help_and_config_import_neither_torch_nor_numpy(arguments):
    code = (
        "import sys\n"
        "from mnist_gan.cli import main\n"
        "main(sys.argv[1:])\n"
        "heavy = {'torch', 'numpy', 'PIL', 'matplotlib', 'sklearn'} & sys.modules.keys()\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    result = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_top_level_help_does_not_import_tyro_either():
    code = "import sys; from mnist_gan.cli import main; main(['--help']); sys.exit('tyro' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_headings_are_bold_on_a_terminal_unless_no_color(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert wants_style(Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not wants_style(Terminal())
    assert "\x1b" in help.help_page(width=80, styled=True)
    assert "\x1b" not in help.help_page(width=80, styled=False)


def test_version_is_the_installed_one(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("mnist-gan 0.")


def test_no_command_shows_the_help_as_an_error(capsys):
    assert main([]) == 2
    assert "usage: mnist-gan" in capsys.readouterr().err


def test_the_module_is_the_program():
    result = run("--help", COLUMNS="80")
    assert (result.returncode, result.stdout, result.stderr) == (0, GOLDEN.read_text(), "")


def test_main_is_an_alias_of_train():
    assert commands.find("main") is commands.find("train")
    assert run("main", "--print-config").stdout == run("train", "--print-config").stdout != ""


@pytest.mark.parametrize("verb", [name for name in commands.names() if name != "main"])
def test_every_verb_explains_every_option_with_its_default(verb, capsys):
    assert main([verb, "--help"]) == 0
    page = capsys.readouterr().out.replace("│", " ")
    _, *blocks = re.split(r"\n  (?=--[a-z])", page)
    assert blocks
    assert [block for block in blocks if "(default:" not in " ".join(block.split())] == []


def test_help_of_train_shows_the_defaults_of_the_preset_asked_for(capsys):
    assert main(["train", "wgan-gp", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "that the two networks minimize. (default: wasserstein)" in text
    assert "(default: wgan-gp)" in text


def test_help_of_a_verb_has_no_colour_with_no_color():
    assert "\x1b" not in run("train", "--help", NO_COLOR="1").stdout


@pytest.mark.parametrize("width", ["60", "100"])
def test_the_text_of_an_option_flows_to_the_right_border(width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", width)
    assert main(["train", "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    begin = next(index for index, line in enumerate(lines) if "--interventions" in line) + 1
    text = []
    for line in lines[begin:]:
        if line.strip("│| ").startswith("--"):
            break
        text.append(line.strip("│| "))
    room = int(width) - len("│       ") - len(" │")
    for line, following in itertools.pairwise(text):
        assert len(line) + 1 + len(following.split()[0]) > room  # the next word would not have fitted
