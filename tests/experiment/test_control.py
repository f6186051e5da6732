"""A training that is watched, paused, stepped, slowed, retuned and stopped from outside, and none the worse for it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mnist_gan import config as config_module
from mnist_gan import experiment
from mnist_gan.artifacts.checkpoints import list_checkpoints
from mnist_gan.config import (
    Config,
    DataConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    OptimizerConfig,
    RunConfig,
    TrainingConfig,
)
from mnist_gan.errors import DivergenceError, StorageError
from mnist_gan.experiment import control, read_interventions
from mnist_gan.experiment.control import Throttle
from mnist_gan.experiment.setup import set_up
from mnist_gan.runs import channel
from mnist_gan.runs.directory import RunDirectory
from mnist_gan.storage import is_locked, sha256_bytes

STEP_NIMG = 20


@pytest.fixture
def config(idx_dir: Path) -> Config:
    """Sixty steps of twenty images, three epochs; a row every five, a checkpoint every twenty-five."""
    return Config(
        data=DataConfig(dir=str(idx_dir)),
        generator=GeneratorConfig(family="mlp", z_dim=4, channels=(16,), norm="batch"),
        discriminator=DiscriminatorConfig(family="mlp", channels=(16,)),
        optimizer=OptimizerConfig(g_lr=1e-3, d_lr=1e-3, decay="cosine", warmup_nimg=100),
        training=TrainingConfig(total_nimg=60 * STEP_NIMG, batch_size=STEP_NIMG, device="cpu", threads=1),
        run=RunConfig(
            evaluate=False,
            tick_nimg=100,
            checkpoint_nimg=25 * STEP_NIMG,
            checkpoints=1,
            snapshots=0,
            pictures=False,
            tensorboard=False,
        ),
    )


@pytest.fixture
def prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for commands before every step, so that a test knows at which one they are taken."""
    monkeypatch.setattr(control, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(control, "SLEEP_SECONDS", 0.001)


class MessageHook(logging.Handler):
    def __init__(self, action: Callable[[str], None]) -> None:
        super().__init__()
        self._action = action

    def emit(self, record: logging.LogRecord) -> None:
        self._action(record.getMessage())


@pytest.fixture
def on_message() -> Iterator[Callable[[Callable[[str], None]], None]]:
    """Registers an action that is called with each log message, in the thread that logs it."""
    logger, hooks = logging.getLogger("mnist_gan"), []
    logger.setLevel(logging.INFO)

    def register(action: Callable[[str], None]) -> None:
        hooks.append(MessageHook(action))
        logger.addHandler(hooks[-1])

    yield register
    for hook in hooks:
        logger.removeHandler(hook)
    logger.setLevel(logging.NOTSET)


class Script:
    """Sends commands when a run's clock stands where a test wants them: asked before every step, as `stop` is."""

    def __init__(self, directory: RunDirectory, orders: dict[int, dict[str, Any]], *, stop_at: int = -1) -> None:
        self.directory, self.orders, self.stop_at = directory, dict(orders), stop_at
        self.asked = 0

    def __call__(self) -> bool:
        order = self.orders.pop(self.asked, None)
        if order is not None:
            channel.send_command(self.directory, order)
        self.asked += 1
        return self.asked - 1 == self.stop_at


def rates(g_lr: float | None = None, d_lr: float | None = None) -> dict[str, Any]:
    return {"command": "learning_rates", "g_lr": g_lr, "d_lr": d_lr}


def state_of(directory: RunDirectory) -> tuple[str, str]:
    """The newest checkpoint's name and the digest of every tensor in it."""
    newest = list_checkpoints(directory.checkpoints)[0]
    return newest.name, sha256_bytes((newest / "state.safetensors").read_bytes())


def status_of(directory: RunDirectory) -> dict[str, Any]:
    return channel.read_live_status(directory)


def run(config: Config, name: str, place: Path, orders: dict[int, dict[str, Any]] | None = None) -> RunDirectory:
    directory = RunDirectory(place / name)
    script = Script(directory, orders or {})
    return experiment.run(config, name=name, runs_dir=place, stop=script).directory


@pytest.mark.usefixtures("prompt")
def test_changed_learning_rates_are_on_record_and_can_be_repeated(config, tmp_path):
    changed = run(config, "changed", tmp_path, {9: rates(5e-3, 2e-3), 30: rates(g_lr=1e-4), 50: rates(d_lr=3e-3)})
    record = read_interventions(changed.interventions)
    assert [(each.g_lr, each.d_lr) for each in record] == [(5e-3, 2e-3), (1e-4, 2e-3), (1e-4, 3e-3)]
    assert [each.cur_nimg for each in record] == [step * STEP_NIMG for step in (10, 31, 51)]
    again = experiment.run(changed.read_config(), name="again", runs_dir=tmp_path, interventions=record).directory
    assert state_of(again) == state_of(changed)
    assert read_interventions(again.interventions) == record
    assert state_of(run(config, "plain", tmp_path)) != state_of(changed)


@pytest.mark.usefixtures("prompt")
def test_the_rows_say_which_learning_rates_were_at_work(config, tmp_path):
    constant = dataclasses.replace(config, optimizer=OptimizerConfig(g_lr=1e-3, d_lr=1e-3))
    directory = run(constant, "run", tmp_path, {29: rates(5e-3)})
    rows = [json.loads(line) for line in directory.metrics.read_text().splitlines()]
    assert [row["Progress/g_lr"] for row in rows] == [1e-3] * 6 + [5e-3] * 6
    assert {row["Progress/d_lr"] for row in rows} == {1e-3}


@pytest.mark.usefixtures("prompt")
def test_changes_survive_a_stop_and_a_resumption(config, tmp_path):
    orders = {9: rates(5e-3), 30: rates(1e-4), 50: rates(2e-3)}
    whole = run(config, "whole", tmp_path, orders)
    directory = RunDirectory(tmp_path / "stopped")
    script = Script(directory, orders, stop_at=40)
    outcome = experiment.run(config, name="stopped", runs_dir=tmp_path, stop=script)
    assert not outcome.finished
    rest = Script(directory, {10: orders[50]})  # step 50 is the tenth after the fortieth
    assert experiment.resume(directory.root, stop=rest).finished
    assert read_interventions(directory.interventions) == read_interventions(whole.interventions)
    assert state_of(directory) == state_of(whole)


class Killed(BaseException):
    """Stands for a process that ends without a word."""


@pytest.mark.usefixtures("prompt")
@pytest.mark.parametrize("killed_at", [31, 48, 54])
def test_a_resumption_replays_the_changes_after_its_checkpoint(config, tmp_path, killed_at):
    orders = {9: rates(5e-3), 30: rates(1e-4)}
    whole = run(config, "whole", tmp_path, orders)
    directory, script = RunDirectory(tmp_path / "killed"), Script(RunDirectory(tmp_path / "killed"), orders)

    def stop() -> bool:
        if script.asked > killed_at:
            raise Killed
        return script()

    with pytest.raises(Killed):
        experiment.run(config, name="killed", runs_dir=tmp_path, stop=stop)
    assert experiment.resume(directory.root).finished
    assert state_of(directory) == state_of(whole)


@pytest.mark.usefixtures("prompt")
def test_a_training_that_was_taken_back_can_be_repeated(config, tmp_path, on_message):
    """The rates that blew it up are replayed too, and so is what was decided after it was taken back."""
    patient = dataclasses.replace(config, run=dataclasses.replace(config.run, rollbacks=2))
    wild = RunDirectory(tmp_path / "wild")

    def intervene(message: str) -> None:
        if "rollback 1" in message:
            channel.send_command(wild, rates(1e-3, 1e-3))

    on_message(intervene)
    stop = Script(wild, {40: rates(1e38, 1e38)})
    experiment.run(patient, name="wild", runs_dir=tmp_path, stop=stop)
    record = read_interventions(wild.interventions)
    assert {each.rollbacks for each in record} == {0, 1}
    again = experiment.run(wild.read_config(), name="again", runs_dir=tmp_path, interventions=record).directory
    assert state_of(again) == state_of(wild)


@pytest.mark.slow
def test_a_killed_training_goes_on_as_if_it_had_not_been(config, tmp_path):
    """A real process, killed after a change that no checkpoint has seen yet, and resumed by the command line."""
    long = dataclasses.replace(
        config,
        training=dataclasses.replace(config.training, total_nimg=600 * STEP_NIMG),
        run=dataclasses.replace(config.run, checkpoint_nimg=200 * STEP_NIMG),
    )
    file, directory = tmp_path / "config.toml", RunDirectory(tmp_path / "killed")
    file.write_text(config_module.to_toml(long))
    process = command("train", "--config", file, "--name", "killed", "--runs-dir", tmp_path)
    wait(lambda: status_of(directory).get("state"))
    channel.send_heartbeat(directory)
    channel.send_command(directory, {"command": "speed", "steps_per_second": 60})
    wait(lambda: status_of(directory)["cur_nimg"] > 205 * STEP_NIMG)
    channel.send_command(directory, rates(5e-3, 2e-3))
    wait(directory.interventions.exists)
    seen = status_of(directory)["cur_nimg"]
    wait(lambda: status_of(directory)["cur_nimg"] > seen)
    process.kill()
    process.wait(20)
    newest = int(list_checkpoints(directory.checkpoints)[0].name.removeprefix("nimg-"))
    assert newest < read_interventions(directory.interventions)[0].cur_nimg
    assert command("resume", directory.root).wait(180) == 0
    arguments = ("--config", directory.config, "--interventions", directory.interventions)
    assert command("train", *arguments, "--name", "again", "--runs-dir", tmp_path).wait(180) == 0
    assert state_of(RunDirectory(tmp_path / "again")) == state_of(directory)


def command(*arguments: str | Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    line = [sys.executable, "-m", "mnist_gan", *map(str, arguments)]
    return subprocess.Popen(line, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextlib.contextmanager
def training(config: Config, place: Path) -> Iterator[RunDirectory]:
    """A run that trains in a thread until the block ends; watched."""
    directory, ending = RunDirectory(place / "run"), threading.Event()
    endless = dataclasses.replace(config, training=dataclasses.replace(config.training, total_nimg=10**9))
    thread = threading.Thread(
        target=experiment.run, args=(endless,), kwargs={"name": "run", "runs_dir": place, "stop": ending.is_set}
    )
    thread.start()
    try:
        wait(directory.live_status.exists)
        channel.send_heartbeat(directory)
        wait(lambda: status_of(directory)["state"] == "training")
        yield directory
    finally:
        ending.set()
        thread.join(60)
        assert not thread.is_alive()


def wait(holds: Callable[[], Any], *, seconds: float = 180.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, "waited for nothing"
        time.sleep(0.005)
    return found


def told(directory: RunDirectory, order: dict[str, Any], state: str) -> dict[str, Any]:
    """The status after an order, once it is of that state."""
    channel.send_command(directory, order)
    wait(lambda: status_of(directory)["state"] == state and not waiting(directory))
    return status_of(directory)


def waiting(directory: RunDirectory) -> list[Path]:
    return list(directory.commands.glob("*.json"))


def test_a_pause_holds_and_steps_are_single(config, tmp_path):
    with training(config, tmp_path) as directory:
        paused = told(directory, {"command": "pause"}, "paused")
        time.sleep(0.2)
        assert status_of(directory)["step"] == paused["step"]
        for steps in (1, 3):
            before = status_of(directory)["step"]
            channel.send_command(directory, {"command": "step", "steps": steps})
            wait(lambda aim=before + steps: status_of(directory)["step"] == aim)  # type: ignore[misc]
            time.sleep(0.1)
            assert status_of(directory)["step"] == before + steps
            assert status_of(directory)["state"] == "paused"
        told(directory, {"command": "resume"}, "training")
        wait(lambda: status_of(directory)["step"] > before + 4)


def test_a_paused_training_is_looked_at_where_it_stands(config, tmp_path):
    with training(config, tmp_path) as directory:
        told(directory, {"command": "pause"}, "paused")
        channel.send_command(directory, {"command": "step", "steps": 1})
        aim = wait(lambda: (found := status_of(directory))["state"] == "paused" and not waiting(directory) and found)
        look = wait(lambda: (found := channel.read_json(directory.preview)) and found["step"] >= aim["step"] and found)
        assert sum(look["scores"]["real"]) == sum(look["scores"]["generated"]) == 100
        assert len(look["scores"]["edges"]) == 41
        assert look["digits"] is None  # made-up digits are none of MNIST's
        assert directory.preview_image.read_bytes().startswith(b"\x89PNG")


def test_a_speed_limit_is_kept(config, tmp_path):
    with training(config, tmp_path) as directory:
        told(directory, {"command": "speed", "steps_per_second": 20}, "training")
        began, before = time.monotonic(), status_of(directory)["step"]
        wait(lambda: status_of(directory)["step"] >= before + 30)
        speed = (status_of(directory)["step"] - before) / (time.monotonic() - began)
        assert 10 < speed < 25
        assert status_of(directory)["speed_limit"] == 20


def test_a_stop_leaves_a_run_that_can_go_on(config, tmp_path):
    with training(config, tmp_path) as directory:
        channel.send_command(directory, {"command": "stop"})
        wait(lambda: status_of(directory)["state"] == "stopped")
    assert not is_locked(directory.lock)
    newest = list_checkpoints(directory.checkpoints)[0]
    assert newest.name == f"nimg-{status_of(directory)['cur_nimg']:010d}"


def test_a_signal_ends_a_paused_training(config, tmp_path):
    with training(config, tmp_path) as directory:
        told(directory, {"command": "pause"}, "paused")
    assert status_of(directory)["state"] == "stopped"


ODD_ORDERS: list[dict[str, Any]] = [
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


@pytest.mark.usefixtures("prompt")
def test_orders_that_cannot_be_followed_change_nothing(config, tmp_path):
    directory = run(config, "told", tmp_path, dict(enumerate(ODD_ORDERS, start=5)))
    assert not directory.interventions.exists()
    assert not waiting(directory)
    assert status_of(directory)["cur_nimg"] == config.training.total_nimg
    assert state_of(directory) == state_of(run(config, "left-alone", tmp_path))


@pytest.mark.usefixtures("prompt")
def test_what_is_no_order_is_thrown_away(config, tmp_path, on_message):
    directory = RunDirectory(tmp_path / "told")

    def send_nonsense(message: str) -> None:
        if "training on" in message:
            directory.commands.mkdir(parents=True)
            for number, content in enumerate([b"", b"{", b"[]", b"\xff", b"x" * (2 << 20)]):
                (directory.commands / f"{number}-odd.json").write_bytes(content)

    on_message(send_nonsense)
    experiment.run(config, name="told", runs_dir=tmp_path)
    assert not list(directory.commands.iterdir())


@pytest.mark.usefixtures("prompt")
def test_orders_for_a_process_before_are_not_for_this_one(config, tmp_path):
    directory = RunDirectory(tmp_path / "run")
    experiment.run(config, name="run", runs_dir=tmp_path, stop=Script(directory, {}, stop_at=30))
    channel.send_command(directory, {"command": "stop"})
    assert experiment.resume(directory.root).finished


@pytest.mark.usefixtures("prompt")
def test_watching_changes_no_weight(config, tmp_path, monkeypatch):
    monkeypatch.setattr(control, "PREVIEW_SECONDS", (0.0, 0.0))
    monkeypatch.setattr(control, "PREVIEW_SHARE", 1e9)
    looks = []
    publish = channel.publish_json

    def counting(path: Path, value: Any) -> None:
        looks.append(path.name)
        publish(path, value)

    monkeypatch.setattr(channel, "publish_json", counting)
    alone = run(config, "alone", tmp_path)
    assert "preview.json" not in looks
    directory = RunDirectory(tmp_path / "watched")

    def stop() -> bool:
        channel.send_heartbeat(directory)
        return False

    watched = experiment.run(config, name="watched", runs_dir=tmp_path, stop=stop).directory
    assert looks.count("preview.json") > 30
    assert state_of(watched) == state_of(alone)
    assert (watched.model / "generator.safetensors").read_bytes() == (
        alone.model / "generator.safetensors"
    ).read_bytes()


@pytest.mark.usefixtures("prompt")
def test_a_look_that_fails_ends_no_training(config, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("mnist_gan.experiment.preview.draw_grid", lambda *_, **__: 1 / 0)

    def stop() -> bool:
        channel.send_heartbeat(RunDirectory(tmp_path / "run"))
        return False

    outcome = experiment.run(config, name="run", runs_dir=tmp_path, stop=stop)
    assert outcome.finished
    assert len([message for message in caplog.messages if "previews are disabled" in message]) == 1


def test_a_status_that_cannot_be_written_ends_no_training(config, tmp_path, on_message):
    directory = RunDirectory(tmp_path / "run")

    def block(message: str) -> None:
        if "training on" in message:
            directory.live.write_text("in the way")

    on_message(block)
    assert experiment.run(config, name="run", runs_dir=tmp_path).finished


def test_the_last_word_of_a_training_that_failed_is_why(config, tmp_path):
    wild = dataclasses.replace(config, optimizer=OptimizerConfig(g_lr=1e30, d_lr=1e30))
    with pytest.raises(DivergenceError) as error:
        run(wild, "wild", tmp_path)
    status = status_of(RunDirectory(tmp_path / "wild"))
    assert (status["state"], status["message"]) == ("failed", str(error.value))


@pytest.mark.parametrize("moved", [False, True])
def test_a_training_ends_soon_when_its_run_folder_is_deleted_or_moved(config, tmp_path, moved):
    directory, steps = RunDirectory(tmp_path / "run"), []
    endless = dataclasses.replace(config, training=dataclasses.replace(config.training, total_nimg=10**9))

    def stop() -> bool:
        steps.append(time.monotonic())
        if len(steps) == 20:
            directory.root.rename(tmp_path / "elsewhere")
            if not moved:
                shutil.rmtree(tmp_path / "elsewhere")
        return False

    with pytest.raises(StorageError, match=r"run was deleted or moved during the training; start the run again"):
        experiment.run(endless, name="run", runs_dir=tmp_path, stop=stop)
    assert time.monotonic() - steps[19] < 10
    assert not directory.root.exists()
    if moved:
        assert experiment.resume(tmp_path / "elsewhere", stop=lambda: True).cur_nimg == 0


def test_looking_for_orders_costs_next_to_nothing(config, tmp_path):
    """A step of the quick preset takes about 80 ms; asking before it takes a thousandth of that."""
    directory = run(config, "run", tmp_path)
    with set_up(directory.read_config()) as setup:
        asked = control.Control(setup, directory, render_preview=lambda: None)
        began = time.perf_counter()
        for _ in range(2000):
            asked.before_step(lambda: False)
            asked.config()
        assert (time.perf_counter() - began) / 2000 < 5e-4


class TestThrottle:
    def test_steps_are_counted_down(self):
        throttle = Throttle()
        assert throttle.execute({"command": "step", "steps": 2})
        assert [throttle.admit(0.0) for _ in range(3)] == [True, True, False]
        assert throttle.holding

    def test_a_limit_sthrottles_steps_out_and_makes_up_for_no_pause(self):
        throttle = Throttle()
        throttle.execute({"command": "speed", "steps_per_second": 10})
        begun = [moment for moment in range(0, 1000, 7) if throttle.admit(100 + moment / 1000)]
        assert len(begun) == 10
        assert [throttle.admit(200.0) for _ in range(3)] == [True, False, False]

    def test_a_resumption_ends_single_steps(self):
        throttle = Throttle()
        throttle.execute({"command": "step", "steps": 5})
        throttle.execute({"command": "resume"})
        assert all(throttle.admit(0.0) for _ in range(20))
