import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mnist_gan.cli import commands, help, main

GOLDEN = Path(__file__).parent / "golden" / "help.txt"


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mnist_gan", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_is_the_golden_page(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["--help"]) == 0
    assert capsys.readouterr().out == GOLDEN.read_text()


@pytest.mark.parametrize("width", [24, 30, 40, 60, 80, 100])
def test_help_fits_the_terminal(width):
    lines = help.help_page(width=width, styled=False).splitlines()
    longest_word = max(len(name) for name, _ in help.EXAMPLES) + 2
    assert max(map(len, lines)) <= max(width, longest_word)


def test_help_follows_the_width_of_the_terminal(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    assert main(["--help"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 40


LIGHT = """
import json, sys
from mnist_gan.cli import main
for line in json.loads(sys.argv[1]):
    main(line)
    heavy = {"torch", "numpy", "PIL", "matplotlib", "sklearn"} & sys.modules.keys()
    if heavy:
        sys.exit(f"{line} imported {heavy}")
"""


def test_help_and_config_import_neither_torch_nor_numpy():
    lines = [["--help"], ["--version"], ["nonsense"], ["train", "--print-config"]]
    lines += [[name, "--help"] for name in commands.names()]
    command = [sys.executable, "-c", LIGHT, json.dumps(lines)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_help_does_not_import_tyro():
    code = "import sys; from mnist_gan.cli import main; main(['--help']); sys.exit('tyro' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_help_page_has_bold_headings_only_if_styled():
    assert "\x1b" in help.help_page(width=80, styled=True)
    assert "\x1b" not in help.help_page(width=80, styled=False)


def test_version_is_that_of_the_package(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("mnist-gan 0.")


def test_help_is_the_error_of_a_missing_command(capsys):
    assert main([]) == 2
    assert "usage: mnist-gan" in capsys.readouterr().err


def test_help_of_the_module_is_that_of_the_program():
    result = run("--help", COLUMNS="80")
    assert (result.returncode, result.stdout, result.stderr) == (0, GOLDEN.read_text(), "")


def test_main_is_an_alias_of_train():
    assert commands.find("main") is commands.find("train")
    assert run("main", "--print-config").stdout == run("train", "--print-config").stdout != ""
