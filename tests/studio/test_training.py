"""Trainings from the page: what can be chosen, and a process of its own that outlives the server."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.studio.conftest import Running, end_trainings, serving, until

from mnist_gan import config as config_module
from mnist_gan import presets
from mnist_gan.errors import ConfigError
from mnist_gan.experiment import read_interventions
from mnist_gan.runs import channel
from mnist_gan.runs.comparison import flatten
from mnist_gan.runs.directory import RunDirectory
from mnist_gan.storage import is_locked
from mnist_gan.studio import training
from mnist_gan.studio.problems import Problem
from mnist_gan.studio.training import (
    BY_NAME,
    FIELDS,
    WIDTHS,
    catalogue,
    chosen_config,
    describe_preset,
)

SMALL: dict[str, Any] = {
    "data.name": "digits",
    "training.total_nimg": 20_000_000,
    "training.batch_size": 16,
    "generator.family": "mlp",
    "discriminator.family": "mlp",
}
"""Changes that make a training of small steps which does not end by itself."""


@pytest.fixture(autouse=True)
def hardly_nice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that run beside others are not to wait for all of them."""
    monkeypatch.setattr(training, "NICENESS", 1)


def test_the_catalogue_has_every_recipe_and_the_page_can_set_what_it_shows():
    found = catalogue()
    assert [each["name"] for each in found["presets"]] == list(presets.PRESETS)
    assert {each["name"] for each in found["presets"] if each["kind"] == "failure"} == set(presets.FAILURES)
    for preset in found["presets"]:
        assert set(preset["values"]) == set(BY_NAME)
        assert preset["summary"].endswith(".")
        for name, value in preset["values"].items():
            if value is not None:
                BY_NAME[name].read(value)
        same = chosen_config(
            preset["name"], {key: value for key, value in preset["values"].items() if value is not None}
        )
        assert same == presets.get(preset["name"])


def test_every_failure_says_what_to_look_at_and_its_cure_is_a_recipe():
    for name in presets.FAILURES:
        described = describe_preset(name)
        assert described["look_at"]
        assert described["cure"]
        cured = chosen_config(name, described["cure_changes"])
        assert (cured != presets.get(name)) is bool(described["cure_changes"])


def test_every_field_is_one_of_a_config():
    known = flatten(config_module.to_dict(presets.quick())) | {"training.epochs": None}
    for field in FIELDS:
        assert field.name in known
        assert field.explanation.endswith(".")


@pytest.mark.parametrize(
    ("preset", "changes", "said"),
    [
        ("none", {}, "preset"),
        (None, {}, "preset"),
        (["quick"], {}, "preset"),
        ("quick", [], "object"),
        ("quick", {"data.dir": "/etc"}, "data.dir"),
        ("quick", {"data.real_range": [0, 1]}, "data.real_range"),
        ("quick", {"generator.channels": [4096] * 9}, "generator.channels"),
        ("quick", {"run.checkpoints": 1}, "run.checkpoints"),
        ("quick", {"training.device": "cuda"}, "training.device"),
        ("quick", {"x" * 5000: 1}, "no field"),
        ("quick", {"objective.loss": "none"}, "Loss"),
        ("quick", {"objective.loss": 3}, "Loss"),
        ("quick", {"optimizer.g_lr": 0}, "Learning rate of G"),
        ("quick", {"optimizer.g_lr": 1e9}, "Learning rate of G"),
        ("quick", {"optimizer.g_lr": float("nan")}, "Learning rate of G"),
        ("quick", {"optimizer.g_lr": "much"}, "Learning rate of G"),
        ("quick", {"optimizer.g_lr": True}, "Learning rate of G"),
        ("quick", {"training.batch_size": 10**6}, "Batch size"),
        ("quick", {"training.batch_size": 10**400}, "Batch size"),
        ("quick", {"training.batch_size": 8.5}, "Batch size"),
        ("quick", {"training.total_nimg": 10**12}, "Length"),
        ("quick", {"training.d_steps": 1000}, "Steps of D"),
        ("quick", {"training.conditional": 1}, "digit"),
        ("quick", {"generator.z_dim": 10**9}, "Length of z"),
        ("quick", {"data.name": "idx"}, "Images"),
    ],
)
def test_what_is_out_of_bounds_is_refused_by_name(preset, changes, said):
    with pytest.raises(Problem, match=said) as error:
        chosen_config(preset, changes)
    assert error.value.status == 400


def test_what_does_not_go_together_is_refused_with_the_remedy():
    with pytest.raises(ConfigError, match=r"discriminator\.norm"):
        chosen_config("quick", {"discriminator.norm": "batch"})


def test_fields_that_hang_together_are_changed_together():
    config = chosen_config("quick", {"generator.norm": "none", "generator.family": "resnet", "data.name": "digits"})
    assert (config.generator.family, config.generator.channels) == ("resnet", WIDTHS["generator"]["resnet"])
    assert chosen_config("quick", {"training.total_nimg": 1000}).training.epochs is None


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"preset": "quick", "changes": {}, "more": 1},
        {"preset": "quick", "name": 3},
        {"preset": "quick", "name": "../up"},
        {"preset": "quick", "name": ".hidden"},
        {"preset": "quick", "name": ""},
        {"preset": "quick", "name": "x" * 200},
    ],
)
def test_a_start_that_makes_no_sense_starts_nothing(studio_server: Running, body):
    assert "error" in studio_server.post("/api/train", body, status=400)
    assert studio_server.studio.trainer.started() == {}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"command": "go"},
        {"command": ["stop"]},
        {"command": "pause", "more": 1},
        {"command": "step", "steps": 0},
        {"command": "step", "steps": 10**6},
        {"command": "speed", "steps_per_second": 0},
        {"command": "speed", "steps_per_second": "slow"},
        {"command": "learning_rates"},
        {"command": "learning_rates", "g_lr": 0},
        {"command": "learning_rates", "g_lr": 1e9},
    ],
)
def test_a_command_that_makes_no_sense_is_refused(shared_server: Running, body):
    assert "error" in shared_server.post("/api/runs/tiny/command", body, status=400)


@pytest.mark.parametrize("verb", ["pause", "resume", "step", "stop"])
def test_a_finished_run_takes_no_commands(shared_server: Running, verb):
    sentence = shared_server.post("/api/runs/tiny/command", {"command": verb}, status=409)["error"]
    assert "finished" in sentence
    shared_server.post("/api/runs/none/command", {"command": verb}, status=404)


@pytest.fixture
def spawned() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that outlive the server which began them, and are ended with the test."""
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


def told(running: Running, name: str, aim: str, **order: Any) -> None:
    running.post(f"/api/runs/{name}/command", order, status=202)
    until(lambda: state(running, name) == aim)


@pytest.mark.slow
def test_a_training_from_the_page(studio_runs: Path, spawned: list[subprocess.Popen[bytes]]):
    """Start, watch, pause, step, retune, slow down, stop, go on; and a server that comes later finds it."""
    with serving(studio_runs) as running:
        name = running.post("/api/train", {"preset": "quick", "changes": SMALL, "name": "mine"}, status=201)["run"]
        assert name == "mine"
        assert state(running, name) == "starting"
        assert running.get("/api/studio")["training"] == name
        again = running.post("/api/train", {"preset": "quick", "changes": SMALL}, status=409)["error"]
        assert name in again
        until(lambda: state(running, name) == "training")
        run = RunDirectory(studio_runs / name)
        process = running.studio.trainer.started()[name].process
        spawned.append(process)
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == 1
        assert os.getsid(process.pid) == process.pid  # Ctrl-C in the terminal is not meant for it
        told(running, name, "paused", command="pause")
        held = until(lambda: running.get(f"/api/runs/{name}")["status"])
        running.post(f"/api/runs/{name}/command", {"command": "step", "steps": 3}, status=202)
        until(lambda: running.get(f"/api/runs/{name}")["status"]["step"] == held["step"] + 3)
        order = {"command": "learning_rates", "g_lr": 1e-4}
        running.post(f"/api/runs/{name}/command", order, status=202)
        until(lambda: running.get(f"/api/runs/{name}")["status"]["g_lr"] == 1e-4)
        assert read_interventions(run.interventions)[-1].g_lr == 1e-4  # what the status says is already on record
        order = {"command": "speed", "steps_per_second": 50}
        running.post(f"/api/runs/{name}/command", order, status=202)
        told(running, name, "training", command="resume")
    assert is_locked(run.lock)  # the server has gone, the training has not
    with serving(studio_runs) as running:
        assert state(running, name) == "training"
        before = seen(running, name)
        until(lambda: seen(running, name) > before)
        told(running, name, "stopped", command="stop")
        at_stop = seen(running, name)
        assert running.get(f"/api/runs/{name}")["resumable"]
        until(lambda: running.client.post(f"/api/runs/{name}/command", json={"command": "resume"}).status_code == 202)
        until(lambda: state(running, name) == "training")
        until(lambda: seen(running, name) > at_stop)
        told(running, name, "stopped", command="stop")
        running.post(f"/api/runs/{name}/command", {"command": "resume"}, status=202)  # at once, as fast as a finger
        until(lambda: state(running, name) == "training")
        end_trainings(running.studio)
        assert state(running, name) == "stopped"
        assert not (studio_runs / ".studio").exists() or running.get("/api/runs")


@pytest.mark.slow
def test_a_training_that_cannot_begin_says_why(studio_server: Running, monkeypatch, tmp_path):
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("MNIST_GAN_DATA", str(tmp_path / "empty"))
    body = {"preset": "quick", "changes": {"data.name": "mnist"}, "name": "lost"}
    studio_server.post("/api/train", body, status=201)
    row = until(lambda: next((row for row in studio_server.get("/api/runs")["runs"] if row["state"] == "failed"), None))
    assert row["run"] == "lost"
    assert "empty" in row["problem"]
    assert len(row["problem"].splitlines()) == 1


@pytest.mark.slow
def test_a_run_of_the_command_line_is_watched_and_commanded(studio_server: Running, studio_runs: Path, tiny_config):
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
        told(studio_server, "typed", "paused", command="pause")
        studio_server.post("/api/runs/typed/command", {"command": "stop"}, status=202)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 75
        assert "resume" in said
    finally:
        process.kill()
        process.wait(20)


@pytest.mark.slow
def test_a_killed_training_is_seen_as_stopped(studio_server: Running):
    studio_server.post("/api/train", {"preset": "quick", "changes": SMALL, "name": "mine"}, status=201)
    until(lambda: state(studio_server, "mine") == "training")
    os.kill(studio_server.studio.trainer.started()["mine"].process.pid, signal.SIGKILL)
    until(lambda: state(studio_server, "mine") == "stopped")
    assert studio_server.get("/api/runs/mine")["resumable"]
