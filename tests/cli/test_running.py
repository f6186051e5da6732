import shlex
import shutil
import sys

import pytest
from tests.support.gans import tiny_gan

from mnist_gan.cli import main, running
from mnist_gan.experiment import Outcome
from mnist_gan.runs.directory import RunDirectory


def test_program_as_called_names_python_for_a_module(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/mnist_gan/__main__.py", "train"])
    monkeypatch.setattr(sys, "executable", "/opt/elsewhere/python3")
    assert running.program_as_called() == "/opt/elsewhere/python3 -m mnist_gan"


def test_program_as_called_is_relative_for_a_script_that_is_not_on_the_path(monkeypatch, workdir):
    script = workdir / "bin" / "mnist-gan"
    script.parent.mkdir()
    script.touch()
    monkeypatch.setattr(sys, "argv", [str(script)])
    assert running.program_as_called() == "bin/mnist-gan"
    monkeypatch.setattr(sys, "argv", ["mnist-gan"])
    assert running.program_as_called() == "mnist-gan"


def test_describe_end_lists_files_and_next_commands(trained_run):
    outcome = Outcome(directory=RunDirectory(trained_run), finished=True, cur_nimg=200)
    lines = running.describe_end(outcome, seconds=65, program="mnist-gan").splitlines()
    assert lines[0] == f"Done: {trained_run} (200 images seen; 1 min 05 s)"
    assert f"  movie     {trained_run}/training.gif" in lines
    assert f"  mnist-gan sample --run {trained_run} --classes 0123456789 --out digits.png" in lines[-3]


@pytest.mark.parametrize("classes", [0, 1, 3, 10])
def test_describe_end_prints_commands_that_work(trained_run, tmp_path, monkeypatch, capsys, classes):
    run = tmp_path / "a run"
    shutil.copytree(trained_run, run)
    shutil.rmtree(run / "model")
    tiny_gan(num_classes=classes).save(run / "model")
    monkeypatch.chdir(tmp_path)
    text = running.describe_end(
        Outcome(directory=RunDirectory(run), finished=True, cur_nimg=200), seconds=1, program="p"
    )
    for line in text.partition("What next:")[2].strip().splitlines():
        program, *command = shlex.split(line, comments=True)
        assert program == "p"
        assert main([*command, *(["--print-config"] if command[0] == "train" else [])]) == 0, capsys.readouterr().err
