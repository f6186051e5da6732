"""Trainings as processes that outlive the server, and commands to them."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.studio.conftest import Running, end_trainings, serving, until
from tests.support.plugins import write_plugin

from mnist_gan import config as config_module
from mnist_gan import experiment
from mnist_gan.experiment import read_interventions
from mnist_gan.runs import channel
from mnist_gan.runs.directory import RunDirectory
from mnist_gan.storage import ABANDONED_SECONDS, is_locked
from mnist_gan.studio.services import trainer
from mnist_gan.studio.services.library import Library

SMALL: dict[str, Any] = {
    "data.name": "digits",
    "training.total_nimg": 20_000_000,
    "training.batch_size": 16,
    "generator.family": "mlp",
    "discriminator.family": "mlp",
}
"""Changes for a training with short steps that does not end by itself."""


@pytest.fixture(autouse=True)
def raised_priority(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not let the trainings of a test wait for other processes."""
    monkeypatch.setattr(trainer, "NICENESS", 1)


@pytest.fixture
def spawned() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that outlive their server; they are ended with the test."""
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait(60)


def state(running: Running, name: str) -> str:
    return str(running.get(f"/api/runs/{name}")["state"])


def seen(running: Running, name: str) -> int:
    return int(running.get(f"/api/runs/{name}")["cur_nimg"])


def command_until(running: Running, name: str, aim: str, **command: Any) -> None:
    running.post(f"/api/runs/{name}/command", command, status=202)
    until(lambda: state(running, name) == aim)


def test_train_with_a_plug_in_makes_a_run_that_the_pages_can_use(
    tmp_path: Path, spawned: list[subprocess.Popen[bytes]]
) -> None:
    changes = SMALL | {
        "training.total_nimg": 320,
        "objective.loss": "ideas.margin",
        "generator.family": "ideas.dropped",
    }
    with serving(tmp_path / "runs", plugin=write_plugin(tmp_path)) as running:
        running.post("/api/train", {"preset": "ideas.short", "changes": changes, "name": "own"}, status=201)
        spawned.append(running.studio.trainer.processes()["own"].process)
        until(lambda: running.get("/api/runs")["runs"] and state(running, "own") in {"finished", "failed", "stopped"})
        assert state(running, "own") == "finished"
        assert (tmp_path / "runs" / "own" / "plugin.py").is_file()
        model = running.get("/api/models")["models"][0]
        assert running.get(f"/api/models/{model['id']}")


@pytest.mark.slow
def test_trainer_trains_a_pair_at_the_same_time_with_the_bits_of_either_alone(
    studio_runs: Path, spawned: list[subprocess.Popen[bytes]]
) -> None:
    short = SMALL | {"training.total_nimg": 320}
    first, second = (
        {"preset": "quick", "changes": short},
        {"preset": "quick", "changes": short | {"optimizer.beta1": 0.9}},
    )
    with serving(studio_runs) as running:
        made = running.post("/api/pair", {"first": first, "second": second}, status=201)
        spawned += [each.process for each in running.studio.trainer.processes().values()]
        assert made["difference"] == "One difference. Adam beta1: 0 and 0.9."
        assert made["b"].startswith("quick-beta1-0.9-")
        assert sorted(running.studio.trainer.training()) == sorted([made["a"], made["b"]])
        assert made["a"] in running.post("/api/pair", {"first": first, "second": second}, status=409)["error"]
        assert running.get(f"/api/runs/{made['b']}/moments") == {"moments": []}  # it is starting
        runs = [RunDirectory(studio_runs / made[side]) for side in ("a", "b")]
        until(lambda: all(run.config.exists() and state(running, run.name) == "finished" for run in runs))
        compared = running.get("/api/compare", a=made["a"], b=made["b"])
        assert compared["difference"] == made["difference"]
        clocks = [
            [moment["cur_nimg"] for moment in running.get(f"/api/runs/{run.name}/moments")["moments"]] for run in runs
        ]
        assert clocks[0] == clocks[1] == [0, 320]
    for run in runs:
        alone = experiment.run(run.read_config(), name=f"{run.name}-alone", runs_dir=studio_runs).directory
        weights = [each.model / "generator.safetensors" for each in (run, alone)]
        assert weights[0].read_bytes() == weights[1].read_bytes()


@pytest.mark.slow
def test_trainer_starts_commands_and_resumes_a_training(studio_runs: Path, spawned: list[subprocess.Popen[bytes]]):
    """Start, pause, step, change rates and speed, stop and resume; a later server finds the training."""
    with serving(studio_runs) as running:
        name = running.post("/api/train", {"preset": "quick", "changes": SMALL, "name": "mine"}, status=201)["run"]
        assert name == "mine"
        assert state(running, name) == "starting"
        assert running.get("/api/studio")["training"] == name
        again = running.post("/api/train", {"preset": "quick", "changes": SMALL}, status=409)["error"]
        assert name in again
        until(lambda: state(running, name) == "training")
        run = RunDirectory(studio_runs / name)
        process = running.studio.trainer.processes()[name].process
        spawned.append(process)
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == 1
        assert os.getsid(process.pid) == process.pid  # Ctrl-C in the terminal does not reach it
        early = running.post(f"/api/runs/{name}/command", {"command": "trial", "player": "G"}, status=409)
        assert "Pause" in early["error"]
        command_until(running, name, "paused", command="pause")
        running.post(f"/api/runs/{name}/command", {"command": "trial", "player": "G"}, status=202)
        until(lambda: run.trial.exists())
        for when in ("before", "after"):
            assert running.client.get(f"/api/runs/{name}/trial/{when}.png").content.startswith(b"\x89PNG")
        held = until(lambda: running.get(f"/api/runs/{name}")["status"])
        running.post(f"/api/runs/{name}/command", {"command": "step", "steps": 3}, status=202)
        until(lambda: running.get(f"/api/runs/{name}")["status"]["step"] == held["step"] + 3)
        command = {"command": "learning_rates", "g_lr": 1e-4}
        running.post(f"/api/runs/{name}/command", command, status=202)
        until(lambda: running.get(f"/api/runs/{name}")["status"]["g_lr"] == 1e-4)
        assert read_interventions(run.interventions)[-1].g_lr == 1e-4  # recorded before the status is published
        command = {"command": "speed", "steps_per_second": 50}
        running.post(f"/api/runs/{name}/command", command, status=202)
        command_until(running, name, "training", command="resume")
    assert is_locked(run.lock)  # the training outlives the server
    with serving(studio_runs) as running:
        assert state(running, name) == "training"
        before = seen(running, name)
        until(lambda: seen(running, name) > before)
        command_until(running, name, "stopped", command="stop")
        at_stop = seen(running, name)
        assert running.get(f"/api/runs/{name}")["resumable"]
        until(lambda: running.client.post(f"/api/runs/{name}/command", json={"command": "resume"}).status_code == 202)
        until(lambda: state(running, name) == "training")
        until(lambda: seen(running, name) > at_stop)
        command_until(running, name, "stopped", command="stop")
        running.post(f"/api/runs/{name}/command", {"command": "resume"}, status=202)  # at once
        until(lambda: state(running, name) == "training")
        end_trainings(running.studio)
        assert state(running, name) == "stopped"
        assert not (studio_runs / ".studio").exists() or running.get("/api/runs")


def test_trainer_removes_what_a_killed_studio_left_long_ago(studio_runs: Path):
    scratch, old = studio_runs / trainer.SCRATCH, time.time() - 2 * ABANDONED_SECONDS
    scratch.mkdir()
    for name in ("gone.log", "gone.toml", "tiny.log", "new.log"):
        (scratch / name).touch()
        os.utime(scratch / name, None if name == "new.log" else (old, old))
    with RunDirectory(studio_runs / "tiny").locked():
        trainer.Trainer(Library(studio_runs))
    assert {path.name for path in scratch.iterdir()} == {"new.log", "tiny.log"}, "the run tiny is training"


@pytest.mark.slow
def test_trainer_reports_why_a_training_could_not_start(studio_server: Running, monkeypatch, tmp_path):
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("MNIST_GAN_DATA", str(tmp_path / "empty"))
    body = {"preset": "quick", "changes": {"data.name": "mnist"}, "name": "lost"}
    studio_server.post("/api/train", body, status=201)
    row = until(lambda: next((row for row in studio_server.get("/api/runs")["runs"] if row["state"] == "failed"), None))
    assert row["run"] == "lost"
    assert "empty" in row["problem"]
    assert len(row["problem"].splitlines()) == 1


@pytest.mark.slow
def test_trainer_ends_a_training_whose_folder_was_deleted(studio_server: Running, studio_runs: Path):
    """The process is frozen, so that it cannot notice the deletion by itself."""
    studio_server.post("/api/train", {"preset": "quick", "changes": SMALL, "name": "mine"}, status=201)
    until(lambda: state(studio_server, "mine") == "training")
    process = studio_server.studio.trainer.processes()["mine"].process
    os.kill(process.pid, signal.SIGSTOP)
    shutil.rmtree(studio_runs / "mine")
    until(lambda: studio_server.get("/api/runs")["runs"][0]["state"] == "stopping")
    assert studio_server.get("/api/studio")["training"] is None
    studio_server.post("/api/runs/mine/command", {"command": "stop"}, status=202)
    studio_server.post("/api/train", {"preset": "quick", "changes": SMALL, "name": "next"}, status=201)
    os.kill(process.pid, signal.SIGCONT)
    process.wait(60)
    assert not (studio_runs / "mine").exists()


@pytest.mark.slow
def test_trainer_stops_a_training_that_has_no_folder_yet(studio_server: Running):
    cure = SMALL | {"data.real_range": "-1 to 1"}
    name = studio_server.post("/api/train", {"preset": "wrong-range", "changes": cure}, status=201)["run"]
    assert name.startswith("wrong-range-cured-")
    process = studio_server.studio.trainer.processes()[name].process
    studio_server.post(f"/api/runs/{name}/command", {"command": "stop"}, status=202)
    process.wait(60)
    studio_server.post("/api/train", {"preset": "quick", "changes": SMALL, "name": name}, status=201)


@pytest.mark.slow
def test_trainer_commands_a_run_of_the_command_line(studio_server: Running, studio_runs: Path, tiny_config):
    endless = dataclasses.replace(
        tiny_config, training=dataclasses.replace(tiny_config.training, epochs=None, total_nimg=10**8)
    )
    file = studio_runs.parent / "config.toml"
    file.write_text(config_module.to_toml(endless))
    line = ["train", "--config", str(file), "--name", "typed", "--runs-dir", str(studio_runs)]
    process = subprocess.Popen(
        [sys.executable, "-m", "mnist_gan", *line], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        until(lambda: any(row["run"] == "typed" for row in studio_server.get("/api/runs")["runs"]))
        until(lambda: state(studio_server, "typed") == "training")
        channel.send_heartbeat(RunDirectory(studio_runs / "typed"))
        until(lambda: studio_server.client.get("/api/runs/typed/live.png").status_code == 200)
        busy = studio_server.post("/api/train", {"preset": "quick", "changes": SMALL}, status=409)["error"]
        assert "typed" in busy
        command_until(studio_server, "typed", "paused", command="pause")
        studio_server.post("/api/runs/typed/command", {"command": "stop"}, status=202)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 75
        assert "resume" in said
    finally:
        process.kill()
        process.wait(20)


@pytest.mark.slow
def test_trainer_sees_a_killed_training_as_stopped(studio_server: Running):
    studio_server.post("/api/train", {"preset": "quick", "changes": SMALL, "name": "mine"}, status=201)
    until(lambda: state(studio_server, "mine") == "training")
    os.kill(studio_server.studio.trainer.processes()["mine"].process.pid, signal.SIGKILL)
    until(lambda: state(studio_server, "mine") == "stopped")
    assert studio_server.get("/api/runs/mine")["resumable"]
