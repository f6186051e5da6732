import sys

from mnist_gan.cli import running
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
    assert f"  mnist-gan sample --run {trained_run} --digits 0123456789 --out digits.png" in lines[-3]
