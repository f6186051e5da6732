"""Control of a training by commands: pause, steps, speed, stop, learning rates."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tests.support.live import (
    CommandScript,
    learning_rates,
    newest_state,
    pending_commands,
    run_with_commands,
    send_and_wait,
    training_in_thread,
    wait_for,
)
from tests.support.tiny import BATCH_SIZE

from mnist_gan import config as config_module
from mnist_gan import experiment, runs
from mnist_gan.artifacts.checkpoints import list_checkpoints
from mnist_gan.config import Config, OptimizerConfig
from mnist_gan.errors import DivergenceError, StorageError
from mnist_gan.experiment import control, launch, read_interventions
from mnist_gan.experiment.control import PreviewSchedule, Throttle
from mnist_gan.experiment.setup import set_up
from mnist_gan.runs import RunDirectory, channel
from mnist_gan.runs.channel import read_live_status
from mnist_gan.storage import is_locked


@pytest.mark.usefixtures("poll_every_step")
def test_learning_rates_command_is_recorded_and_repeatable(config, tmp_path):
    changed = run_with_commands(
        config,
        "changed",
        tmp_path,
        {9: learning_rates(5e-3, 2e-3), 30: learning_rates(g_lr=1e-4), 50: learning_rates(d_lr=3e-3)},
    )
    record = read_interventions(changed.interventions)
    assert [(each.g_lr, each.d_lr) for each in record] == [(5e-3, 2e-3), (1e-4, 2e-3), (1e-4, 3e-3)]
    assert [each.cur_nimg for each in record] == [step * BATCH_SIZE for step in (10, 31, 51)]
    again = experiment.run(changed.read_config(), name="again", runs_dir=tmp_path, interventions=record).directory
    assert newest_state(again) == newest_state(changed)
    assert read_interventions(again.interventions) == record
    assert newest_state(run_with_commands(config, "plain", tmp_path)) != newest_state(changed)


def test_trial_steps_change_no_bit_of_the_training(config, tmp_path):
    """The training is paused for the trials, and goes on from before them."""
    alone = run_with_commands(config, "alone", tmp_path)
    directory, trials = RunDirectory(tmp_path / "tried"), list[dict[str, Any]]()

    def tried(player: str) -> dict[str, Any]:
        known = (channel.read_json(directory.trial) or {}).get("version")
        channel.send_command(directory, {"command": "trial", "player": player})
        wait_for(lambda: (channel.read_json(directory.trial) or {}).get("version") not in {None, known})
        return channel.read_json(directory.trial) or {}

    def client() -> None:
        wait_for(lambda: read_live_status(directory).get("state") == "paused")
        trials.extend(tried(player) for player in ("D", "G", "D"))
        channel.send_command(directory, {"command": "resume"})

    thread = threading.Thread(target=client)
    thread.start()
    script = CommandScript(directory, {20: {"command": "pause"}})
    experiment.run(config, name="tried", runs_dir=tmp_path, stop=script)
    thread.join(60)
    assert [trial["player"] for trial in trials] == ["D", "G", "D"]
    assert newest_state(directory) == newest_state(alone)
    d_step, g_step, again = trials
    assert d_step["before"] == g_step["before"] == again["before"]
    assert d_step["after"] == again["after"] != d_step["before"]


@pytest.mark.usefixtures("poll_every_step")
def test_trial_step_of_a_training_that_is_not_paused_is_not_made(config, tmp_path):
    directory = run_with_commands(config, "run", tmp_path, {5: {"command": "trial", "player": "D"}})
    assert not directory.trial.exists()


@pytest.mark.parametrize("player", ["D", "G"])
def test_trial_step_is_drawn_before_and_after(config, tmp_path, player):
    with training_in_thread(config, tmp_path) as directory:
        send_and_wait(directory, {"command": "pause"}, "paused")
        channel.send_command(directory, {"command": "trial", "player": player})
        trial = wait_for(lambda: channel.read_json(directory.trial))
        before, after = (directory.trial_image(when).read_bytes() for when in ("before", "after"))
        assert trial["step"] == read_live_status(directory)["step"]
        assert (before == after) is (player == "D")  # D's step changes no drawing


@pytest.mark.usefixtures("poll_every_step")
def test_learning_rates_in_effect_are_in_the_rows(config, tmp_path):
    constant = dataclasses.replace(config, optimizer=OptimizerConfig(g_lr=1e-3, d_lr=1e-3))
    directory = run_with_commands(constant, "run", tmp_path, {29: learning_rates(5e-3)})
    rows = [json.loads(line) for line in directory.metrics.read_text().splitlines()]
    assert [row["Progress/g_lr"] for row in rows] == [1e-3] * 6 + [5e-3] * 6
    assert {row["Progress/d_lr"] for row in rows} == {1e-3}


@pytest.mark.usefixtures("poll_every_step")
def test_learning_rates_survive_stop_and_resume(config, tmp_path):
    commands = {9: learning_rates(5e-3), 30: learning_rates(1e-4), 50: learning_rates(2e-3)}
    whole = run_with_commands(config, "whole", tmp_path, commands)
    directory = RunDirectory(tmp_path / "stopped")
    script = CommandScript(directory, commands, stop_at=40)
    outcome = experiment.run(config, name="stopped", runs_dir=tmp_path, stop=script)
    assert not outcome.finished
    rest = CommandScript(directory, {10: commands[50]})  # step 50 is the tenth after the fortieth
    assert experiment.resume(directory.root, stop=rest).finished
    assert read_interventions(directory.interventions) == read_interventions(whole.interventions)
    assert newest_state(directory) == newest_state(whole)


class Killed(BaseException):
    """Simulates a killed process."""


@pytest.mark.usefixtures("poll_every_step")
@pytest.mark.parametrize("killed_at", [31, 48, 54])
def test_learning_rates_after_the_checkpoint_are_replayed_on_resume(config, tmp_path, killed_at):
    commands = {9: learning_rates(5e-3), 30: learning_rates(1e-4)}
    whole = run_with_commands(config, "whole", tmp_path, commands)
    directory, script = RunDirectory(tmp_path / "killed"), CommandScript(RunDirectory(tmp_path / "killed"), commands)

    def stop() -> bool:
        if script.polls > killed_at:
            raise Killed
        return script()

    with pytest.raises(Killed):
        experiment.run(config, name="killed", runs_dir=tmp_path, stop=stop)
    assert experiment.resume(directory.root).finished
    assert newest_state(directory) == newest_state(whole)


@pytest.mark.usefixtures("poll_every_step")
def test_learning_rates_before_and_after_a_rollback_are_repeatable(config, tmp_path, on_message):
    """A repetition includes the change that led to the divergence and the one after the rollback."""
    patient = dataclasses.replace(config, run=dataclasses.replace(config.run, rollbacks=2))
    wild = RunDirectory(tmp_path / "wild")

    def intervene(message: str) -> None:
        if "rollback 1" in message:
            channel.send_command(wild, learning_rates(1e-3, 1e-3))

    on_message(intervene)
    stop = CommandScript(wild, {40: learning_rates(1e38, 1e38)})
    experiment.run(patient, name="wild", runs_dir=tmp_path, stop=stop)
    record = read_interventions(wild.interventions)
    assert {each.rollbacks for each in record} == {0, 1}
    again = experiment.run(wild.read_config(), name="again", runs_dir=tmp_path, interventions=record).directory
    assert newest_state(again) == newest_state(wild)


def start_program(*arguments: str | Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    line = [sys.executable, "-m", "mnist_gan", *map(str, arguments)]
    return subprocess.Popen(line, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.mark.slow
def test_learning_rates_survive_a_kill_of_the_process(config, tmp_path):
    """A process that is killed after a change and before the next checkpoint, then resumed."""
    file, directory = tmp_path / "config.toml", RunDirectory(tmp_path / "killed")
    file.write_text(config_module.to_toml(config))
    process = start_program("train", "--config", file, "--name", "killed", "--runs-dir", tmp_path)
    wait_for(lambda: read_live_status(directory).get("state"))  # it loads its data now
    channel.send_heartbeat(directory)
    send_and_wait(directory, {"command": "pause"}, "paused")
    for steps, command in ((30, {}), (1, learning_rates(5e-3, 2e-3))):
        aim = read_live_status(directory)["step"] + steps
        if command:
            send_and_wait(directory, command, "paused")
        channel.send_command(directory, {"command": "step", "steps": steps})
        wait_for(lambda aim=aim: read_live_status(directory)["step"] == aim)  # type: ignore[misc]
    process.kill()
    process.wait(20)
    newest = int(list_checkpoints(directory.checkpoints)[0].name.removeprefix("nimg-"))
    record = read_interventions(directory.interventions)
    assert newest < record[0].cur_nimg
    experiment.resume(directory.root)
    again = experiment.run(directory.read_config(), name="again", runs_dir=tmp_path, interventions=record).directory
    assert newest_state(again) == newest_state(directory)


def test_control_pauses_and_takes_single_steps(config, tmp_path):
    with training_in_thread(config, tmp_path) as directory:
        paused = send_and_wait(directory, {"command": "pause"}, "paused")
        time.sleep(0.2)
        assert read_live_status(directory)["step"] == paused["step"]
        for steps in (1, 3):
            before = read_live_status(directory)["step"]
            channel.send_command(directory, {"command": "step", "steps": steps})
            wait_for(lambda aim=before + steps: read_live_status(directory)["step"] == aim)  # type: ignore[misc]
            time.sleep(0.1)
            assert read_live_status(directory)["step"] == before + steps
            assert read_live_status(directory)["state"] == "paused"
        send_and_wait(directory, {"command": "resume"}, "training")
        wait_for(lambda: read_live_status(directory)["step"] > before + 4)


@pytest.mark.usefixtures("poll_every_step")
def test_control_keeps_a_speed_limit(watched):
    asked, _, directory, _ = watched
    channel.send_command(directory, {"command": "speed", "steps_per_second": 100})
    began = time.monotonic()
    for _ in range(11):
        asked.before_step(lambda: False)
    assert time.monotonic() - began >= 0.1
    assert read_live_status(directory)["speed_limit"] == 100


def test_control_stop_leaves_a_checkpoint_of_the_last_step(config, tmp_path):
    with training_in_thread(config, tmp_path) as directory:
        channel.send_command(directory, {"command": "stop"})
        wait_for(lambda: read_live_status(directory)["state"] == "stopped")
    assert not is_locked(directory.lock)
    newest = list_checkpoints(directory.checkpoints)[0]
    assert newest.name == f"nimg-{read_live_status(directory)['cur_nimg']:010d}"


def test_control_ends_a_paused_training_on_stop(config, tmp_path):
    with training_in_thread(config, tmp_path) as directory:
        send_and_wait(directory, {"command": "pause"}, "paused")
    assert read_live_status(directory)["state"] == "stopped"


INVALID_COMMANDS: list[dict[str, Any]] = [
    {"command": "step", "steps": 0},
    {"command": "step", "steps": "many"},
    {"command": "speed", "steps_per_second": -1},
    {"command": "speed", "steps_per_second": True},
    {"command": "learning_rates", "g_lr": "much"},
    {"command": "learning_rates", "g_lr": -1.0},
    {"command": "learning_rates", "g_lr": float("nan")},
    {"command": ["stop"]},
    {"command": "format the disk"},
    {},
]


@pytest.mark.usefixtures("poll_every_step")
def test_control_ignores_invalid_commands(config, tmp_path):
    directory = run_with_commands(config, "send_and_wait", tmp_path, dict(enumerate(INVALID_COMMANDS, start=5)))
    assert not directory.interventions.exists()
    assert not pending_commands(directory)
    assert read_live_status(directory)["cur_nimg"] == config.training.total_nimg
    assert newest_state(directory) == newest_state(run_with_commands(config, "left-alone", tmp_path))


@pytest.mark.usefixtures("poll_every_step")
def test_control_deletes_files_that_are_no_commands(config, tmp_path, on_message):
    directory = RunDirectory(tmp_path / "send_and_wait")

    def send_nonsense(message: str) -> None:
        if "training on" in message:
            directory.commands.mkdir(parents=True)
            for number, content in enumerate([b"", b"{", b"[]", b"\xff", b"x" * (2 << 20)]):
                (directory.commands / f"{number}-odd.json").write_bytes(content)

    on_message(send_nonsense)
    experiment.run(config, name="send_and_wait", runs_dir=tmp_path)
    assert not list(directory.commands.iterdir())


@pytest.mark.usefixtures("poll_every_step")
def test_control_executes_commands_sent_while_the_data_load(config, tmp_path, monkeypatch):
    """The status is "starting" from the lock on, also after the final status of an earlier process."""
    directory = RunDirectory(tmp_path / "run")
    experiment.run(config, name="run", runs_dir=tmp_path, stop=CommandScript(directory, {}, stop_at=30))
    states: list[str] = []

    def set_up_slowly(config: Config, **options: Any) -> Any:
        states.append(runs.status(directory).state)
        channel.send_command(directory, {"command": "stop"})
        return set_up(config, **options)

    monkeypatch.setattr(launch, "set_up", set_up_slowly)
    assert runs.status(directory).state == "stopped"
    outcome = experiment.resume(directory.root)
    assert states == ["starting"]
    assert (outcome.finished, outcome.cur_nimg) == (False, 30 * BATCH_SIZE)


@pytest.mark.usefixtures("poll_every_step")
def test_control_discards_commands_to_an_earlier_process(config, tmp_path):
    directory = RunDirectory(tmp_path / "run")
    experiment.run(config, name="run", runs_dir=tmp_path, stop=CommandScript(directory, {}, stop_at=30))
    channel.send_command(directory, {"command": "stop"})
    assert experiment.resume(directory.root).finished


def test_control_status_that_cannot_be_written_does_not_end_the_training(config, tmp_path, on_message):
    directory = RunDirectory(tmp_path / "run")

    def block(message: str) -> None:
        if "training on" in message:
            directory.live.write_text("in the way")

    on_message(block)
    assert experiment.run(config, name="run", runs_dir=tmp_path).finished


def test_control_publishes_the_error_of_a_failed_training(config, tmp_path):
    wild = dataclasses.replace(config, optimizer=OptimizerConfig(g_lr=1e30, d_lr=1e30))
    with pytest.raises(DivergenceError) as error:
        run_with_commands(wild, "wild", tmp_path)
    status = read_live_status(RunDirectory(tmp_path / "wild"))
    assert (status["state"], status["message"]) == ("failed", str(error.value))


@pytest.mark.parametrize("moved", [False, True])
def test_control_ends_the_training_when_its_run_folder_is_deleted_or_moved(config, tmp_path, moved):
    directory, steps = RunDirectory(tmp_path / "run"), itertools.count(1)
    endless = dataclasses.replace(config, training=dataclasses.replace(config.training, total_nimg=10**9))

    def stop() -> bool:
        if next(steps) == 20:
            directory.root.rename(tmp_path / "elsewhere")
            if not moved:
                shutil.rmtree(tmp_path / "elsewhere")
        return False

    with pytest.raises(StorageError, match=r"run was deleted or moved during the training; start the run again"):
        experiment.run(endless, name="run", runs_dir=tmp_path, stop=stop)
    assert not directory.root.exists()
    if moved:
        assert experiment.resume(tmp_path / "elsewhere", stop=lambda: True).cur_nimg == 0


def test_control_costs_under_half_a_millisecond_per_step(config, tmp_path):
    """A step of the preset quick takes about 80 ms."""
    directory = run_with_commands(config, "run", tmp_path)
    with set_up(directory.read_config()) as setup:
        asked = control.Control(setup, directory, render_preview=lambda: None, try_half_step=lambda *_: None)
        began = time.thread_time()
        for _ in range(2000):
            asked.before_step(lambda: False)
            asked.config()
        assert (time.thread_time() - began) / 2000 < 5e-4


class TestPreviewSchedule:
    def test_schedule_is_not_silenced_by_a_preview_that_was_held_up(self):
        schedule = PreviewSchedule(0.0)
        schedule.record((0, 64), 30.0, cost=0.5)
        schedule.record((0, 128), 130.0, cost=0.3)  # took 30 s of elapsed time
        assert not schedule.is_due((0, 192), 134.9, at_once=False)
        assert schedule.is_due((0, 192), 135.1, at_once=False)

    def test_schedule_spends_a_share_of_the_processor_time_within_bounds(self):
        schedule = PreviewSchedule(0.0)
        schedule.record((0, 0), 100.0, cost=9.0)
        for number, (cost, interval) in enumerate([(0.1, 5.0), (0.8, 10.0), (60.0, 15.0)], start=1):
            schedule.record((0, number), 200.0, cost=cost)
            assert not schedule.is_due((0, 9), 199.9 + interval, at_once=False)
            assert schedule.is_due((0, 9), 200.1 + interval, at_once=False)

    def test_schedule_hurries_for_a_minute_after_the_start_and_on_demand(self):
        schedule = PreviewSchedule(0.0)
        schedule.record((0, 0), 1.0, cost=0.0)
        assert schedule.is_due((0, 1), 3.1, at_once=False)
        schedule.record((0, 1), 100.0, cost=0.0)
        assert not schedule.is_due((0, 2), 103.0, at_once=False)
        schedule.hurry(103.0)
        assert schedule.is_due((0, 2), 103.0, at_once=False)
        schedule.record((0, 2), 103.0, cost=0.0)
        assert schedule.is_due((0, 3), 105.1, at_once=False)

    def test_schedule_renders_no_position_twice(self):
        schedule = PreviewSchedule(0.0)
        schedule.record((0, 64), 1.0, cost=0.0)
        assert not schedule.is_due((0, 64), 99.0, at_once=True)
        assert schedule.is_due((1, 64), 1.0, at_once=True)


@pytest.fixture
def watched(config, tmp_path):
    """Control of a training that a client watches, and the images seen at each of its previews."""
    directory = run_with_commands(config, "run", tmp_path)
    with set_up(directory.read_config()) as setup:
        seen: list[int] = []
        asked = control.Control(
            setup,
            directory,
            render_preview=lambda: seen.append(setup.state.cur_nimg),
            try_half_step=lambda *_: None,
        )
        channel.send_heartbeat(directory)
        yield asked, setup.state, directory, seen


@pytest.mark.usefixtures("poll_every_step")
@pytest.mark.parametrize(("limit", "previews"), [(8, 5), (9, 1), (None, 1)])
def test_control_previews_every_step_at_slow_speeds(watched, limit, previews):
    asked, state, directory, seen = watched
    channel.send_command(directory, {"command": "speed", "steps_per_second": limit})
    for _ in range(5):
        asked.before_step(lambda: False)
        state.cur_nimg += BATCH_SIZE
    assert len(seen) == previews


def test_control_counts_the_processor_time_of_a_preview_and_not_its_waiting(watched, monkeypatch):
    asked, *_ = watched
    costs: list[float] = []
    monkeypatch.setattr(control.PreviewSchedule, "record", lambda *_, cost: costs.append(cost))
    monkeypatch.setattr(asked, "_render_preview", lambda: time.sleep(0.3))
    asked.before_step(lambda: False)
    (cost,) = costs
    assert cost < 0.2


@pytest.mark.usefixtures("poll_every_step")
def test_control_previews_at_once_after_a_change_of_learning_rates(watched):
    asked, state, directory, seen = watched
    asked.before_step(lambda: False)
    state.cur_nimg += BATCH_SIZE
    asked.before_step(lambda: False)
    assert len(seen) == 1
    channel.send_command(directory, learning_rates(5e-3))
    asked.before_step(lambda: False)
    assert seen == [state.cur_nimg - BATCH_SIZE, state.cur_nimg]


class TestThrottle:
    def test_throttle_counts_single_steps_down(self):
        throttle = Throttle()
        assert throttle.execute({"command": "step", "steps": 2})
        assert [throttle.admit(0.0) for _ in range(3)] == [True, True, False]
        assert throttle.holding

    def test_throttle_spaces_steps_and_does_not_catch_up_after_a_gap(self):
        throttle = Throttle()
        throttle.execute({"command": "speed", "steps_per_second": 10})
        begun = [moment for moment in range(0, 1000, 7) if throttle.admit(100 + moment / 1000)]
        assert len(begun) == 10
        assert [throttle.admit(200.0) for _ in range(3)] == [True, False, False]

    def test_throttle_resume_ends_single_steps(self):
        throttle = Throttle()
        throttle.execute({"command": "step", "steps": 5})
        throttle.execute({"command": "resume"})
        assert all(throttle.admit(0.0) for _ in range(20))
