"""Whole runs from the command line: trained, stopped, resumed, looked at."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mnist_gan.cli import main

SMALL = shlex.split(
    "classic-mlp --generator.channels 16 --generator.z-dim 8 --discriminator.channels 16 --training.batch-size 20 "
    "--training.device cpu --training.threads 1 --run.no-evaluate"
)


@pytest.fixture
def place(tmp_path, monkeypatch, idx_dir):
    """An empty working folder, and made-up digits for MNIST_GAN_DATA's place."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def small(idx_dir):
    return ["train", *SMALL, "--data.dir", str(idx_dir)]


def rows(run: Path) -> list[dict[str, float]]:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    kept = [json.loads(line) for line in lines]
    return [{name: value for name, value in row.items() if not name.startswith("Timing/")} for row in kept]


def weights(run: Path) -> bytes:
    newest = sorted((run / "checkpoints").glob("nimg-*"))[-1]
    return (newest / "state.safetensors").read_bytes()


def start(arguments: list[str], **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "mnist_gan", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )


def wait_for(condition, *, process: subprocess.Popen[str], seconds: float = 300.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.02)


def test_a_run_ends_with_where_things_lie_and_what_to_do_next(place, small, capsys):
    assert main([*small, "--epochs", "1", "--name", "first"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("Done: runs/first (400 images seen;")
    assert "samples   runs/first/samples/epoch-0001.png" in captured.out
    assert "model     runs/first/model" in captured.out
    _, _, commands = captured.out.partition("What next:\n")
    assert len(commands.splitlines()) == 3
    assert "sample --run runs/first --out digits.png" in commands
    assert "the run is runs/first" in captured.err
    assert "epoch 1.0/1.0" in captured.err
    assert "D is right on real" in captured.err
    for named in ("samples/epoch-0000.png", "samples/epoch-0001.png", "model/manifest.json", "config.toml"):
        assert (place / "runs" / "first" / named).is_file()


def test_the_commands_that_are_named_next_work(place, small, capsys):
    assert main([*small, "--training.conditional", "--epochs", "1", "--name", "first"]) == 0
    _, _, commands = capsys.readouterr().out.partition("What next:\n")
    named = commands.splitlines()[0].split("#")[0].split()
    assert main(named[named.index("sample") :]) == 0
    assert (place / "digits.png").is_file()


def test_a_run_is_not_overwritten(place, small, capsys):
    assert main([*small, "--epochs", "1", "--name", "first"]) == 0
    before = weights(place / "runs" / "first")
    assert main([*small, "--epochs", "1", "--name", "first", "--seed", "1"]) == 2
    assert "runs/first exists and is not overwritten" in capsys.readouterr().err
    assert weights(place / "runs" / "first") == before


def test_the_config_of_a_run_gives_the_same_run(place, small):
    assert main([*small, "--epochs", "2", "--name", "first"]) == 0
    assert main(["train", "--config", "runs/first/config.toml", "--name", "again"]) == 0
    first, again = place / "runs" / "first", place / "runs" / "again"
    assert rows(first) == rows(again)
    assert weights(first) == weights(again)
    assert (first / "config.toml").read_text() == (again / "config.toml").read_text()


def test_a_dry_run_predicts_and_writes_nothing(place, small, capsys, monkeypatch):
    from mnist_gan import experiment

    whole = experiment.dry_run
    monkeypatch.setattr(experiment, "dry_run", lambda config: whole(config, seconds=0.2))
    assert main([*small, "--epochs", "1000", "--dry-run"]) == 0
    output = capsys.readouterr().out
    assert "images/s on cpu" in output
    assert "400,000 images in about" in output
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["resume"], 4, "there is no run in runs"),
        (["resume", "nowhere"], 4, "there is no run nowhere"),
        (["resume", "a", "b"], 2, "'b' is one word too many"),
        (["train", "--data.dir", "nowhere"], 3, "nowhere"),
        (["train", "--data.name", "idx"], 2, "--data.dir"),
        (["train", "--name", "../out", "--data.name", "digits"], 2, "cannot name a run"),
    ],
)
def test_what_cannot_be_begun_is_one_sentence(place, capsys, words, code, sentence):
    assert main(words) == code
    message = capsys.readouterr().err
    assert sentence in message
    assert "Traceback" not in message


def test_a_run_that_diverges_says_at_which_step(place, small, capsys):
    words = ["--optimizer.g-lr", "1e30", "--optimizer.d-lr", "1e30", "--objective.loss", "wasserstein"]
    assert main([*small, *words, "--epochs", "5", "--name", "wild"]) == 5
    assert "not finite at step" in capsys.readouterr().err
    assert (place / "runs" / "wild" / "checkpoints" / "nimg-0000000000" / "manifest.json").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
def test_a_stopped_run_says_how_to_go_on_and_ends_as_if_never_stopped(place, small, capsys, number, code):
    words = [*small, "--epochs", "4", "--training.batch-size", "4", "--run.tick-nimg", "100"]
    process = start([*words, "--name", "stopped"])
    metrics = place / "runs" / "stopped" / "metrics.jsonl"
    wait_for(lambda: metrics.exists() and metrics.stat().st_size > 0, process=process)
    process.send_signal(number)
    output, message = process.communicate(timeout=300)
    assert process.returncode == code, message
    assert output == ""
    assert "resume runs/stopped`" in message
    assert "Traceback" not in message

    assert main(["resume", "stopped"]) == 0
    assert "Done: runs/stopped (1,600 images seen" in capsys.readouterr().out
    assert main([*words, "--name", "whole"]) == 0
    assert rows(place / "runs" / "stopped") == rows(place / "runs" / "whole")
    assert weights(place / "runs" / "stopped") == weights(place / "runs" / "whole")


@pytest.mark.slow
def test_a_run_that_another_process_trains_is_refused(place, small, capsys):
    process = start([*small, "--epochs", "100000", "--name", "busy"])
    try:
        wait_for(lambda: (place / "runs" / "busy" / "metrics.jsonl").exists(), process=process)
        assert main(["resume", "busy"]) == 74
        assert "another process is training runs/busy" in capsys.readouterr().err
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=300)
    assert process.returncode == 75


def test_the_newest_run_is_resumed_where_none_is_named(place, small, capsys):
    assert main([*small, "--epochs", "1", "--name", "older"]) == 0
    assert main([*small, "--epochs", "1", "--name", "newer"]) == 0
    os.utime(place / "runs" / "older" / "metrics.jsonl", (1, 1))
    capsys.readouterr()
    assert main(["resume"]) == 0
    assert "runs/newer" in capsys.readouterr().out
