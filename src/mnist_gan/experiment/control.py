"""Between two steps of a training: what others ask of it, and what it says of itself."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mnist_gan.config import Config
from mnist_gan.errors import ConfigError, StorageError
from mnist_gan.experiment.setup import Setup
from mnist_gan.runs import channel
from mnist_gan.runs.directory import RunDirectory
from mnist_gan.runs.interventions import (
    Intervention,
    in_force,
    read_interventions,
    with_rates,
    write_interventions,
)

logger = logging.getLogger(__name__)

POLL_SECONDS: Final = 0.05
"""Commands are looked for no more often than this."""
NAP_SECONDS: Final = 0.02
PULSE_SECONDS: Final = 0.5
"""Between two words on how far it is, while somebody watches."""
UNWATCHED_PULSE_SECONDS: Final = 5.0
BEGINNING_SECONDS: Final = 60.0
LOOK_SECONDS: Final = (2.0, 5.0)
"""Between two looks, at the least: in the beginning, and later."""
LOOK_SHARE: Final = 0.08
"""The part of the time that looks may take."""
MAX_STEPS: Final = 1000
"""Single steps that can be asked for at once."""


@dataclass(slots=True)
class Pace:
    """Whether the next step may begin: a pause, single steps, a speed limit."""

    paused: bool = False
    steps_left: int = 0
    """Single steps to be done although paused."""
    steps_per_second: float | None = None
    """The speed limit."""
    next_at: float = 0.0
    """When the limit lets the next step begin."""

    @property
    def holds(self) -> bool:
        """Whether nothing goes on until somebody says so."""
        return self.paused and self.steps_left == 0

    def may_step(self, now: float) -> bool:
        """Whether a step may begin at `now`, in seconds; it counts as begun if so."""
        if self.paused:
            if self.steps_left == 0:
                return False
            self.steps_left -= 1
            return True
        if self.steps_per_second is None:
            return True
        if now < self.next_at:
            return False
        interval = 1 / self.steps_per_second
        self.next_at = interval + (
            self.next_at if now - self.next_at < interval else now
        )  # keep the beat, if it can be
        return True

    def obey(self, command: Mapping[str, Any]) -> bool:
        """Do as a command says; says whether it was about the pace, and could be understood."""
        steps, limit = command.get("steps", 1), command.get("steps_per_second")
        match command.get("command"):
            case "pause":
                self.paused, self.steps_left = True, 0
            case "resume":
                self.paused, self.steps_left = False, 0
            case "step" if type(steps) is int and 1 <= steps <= MAX_STEPS:
                self.steps_left = min(MAX_STEPS, self.steps_left + steps) if self.paused else steps
                self.paused = True
            case "speed" if limit is None or (type(limit) in {int, float} and limit > 0 and math.isfinite(limit)):
                self.steps_per_second, self.next_at = limit, 0.0
            case _:
                return False
        return True


class Rates:
    """The learning rates of a run: its config's, but for the interventions on record.

    Raises:
        ArtifactError: the record is damaged.
    """

    def __init__(self, setup: Setup, directory: RunDirectory) -> None:
        self._config, self._state = setup.config, setup.state
        self._path = directory.interventions
        self._record = read_interventions(self._path)
        self._standing: tuple[int, list[Intervention]] | None = None
        self._tuned: tuple[Intervention, Config] | None = None

    def config(self) -> Config:
        """The config of the step that begins now."""
        rollbacks, cur_nimg = self._state.rollbacks, self._state.cur_nimg
        if self._standing is None or self._standing[0] != rollbacks:
            self._standing = (rollbacks, in_force(self._record, rollbacks=rollbacks))
        current = next((each for each in reversed(self._standing[1]) if each.cur_nimg <= cur_nimg), None)
        if current is None:
            return self._config
        if self._tuned is None or self._tuned[0] is not current:
            self._tuned = (current, with_rates(self._config, g_lr=current.g_lr, d_lr=current.d_lr))
        return self._tuned[1]

    def change(self, *, g_lr: float | None, d_lr: float | None) -> None:
        """From the step that begins now on, learn at these rates; None leaves one as it is. On record when it returns.

        Raises:
            ConfigError: one is no learning rate.
            StorageError: it cannot be put on record; the rates stay what they were.
        """
        now, clock = self.config().optimizer, (self._state.rollbacks, self._state.cur_nimg)
        wanted = Intervention(
            cur_nimg=self._state.cur_nimg,
            rollbacks=self._state.rollbacks,
            g_lr=now.g_lr if g_lr is None else g_lr,
            d_lr=now.d_lr if d_lr is None else d_lr,
        )
        ahead = any(each.cur_nimg > wanted.cur_nimg for each in in_force(self._record, rollbacks=wanted.rollbacks))
        if (wanted.g_lr, wanted.d_lr) == (now.g_lr, now.d_lr) and not ahead:
            return
        before = [each for each in self._record if (each.rollbacks, each.cur_nimg) != clock]
        write_interventions(self._path, [*before, wanted])
        self._record, self._standing = [*before, wanted], None


class Control:
    """One training's ears and mouth. Nothing of the training depends on it but the learning rates, on record.

    Args:
        setup: what trains; its state is live.
        directory: of the run.
        look: takes a look at the state for whoever watches, and leaves it in the run's folder.

    Raises:
        ArtifactError: the record of interventions is damaged.
    """

    def __init__(self, setup: Setup, directory: RunDirectory, *, look: Callable[[], None]) -> None:
        self._setup, self._directory, self._state = setup, directory, setup.state
        self._look = look
        self.rates = Rates(setup, directory)
        self.pace = Pace()
        self.floor = _known_floor(directory)
        """The distance of real digits, once it is known."""
        self._stopping = False
        self._began = time.monotonic()
        self._next_poll = self._next_pulse = self._next_look = 0.0
        self._looked_at: tuple[int, int] | None = None
        self._pulse = Pulse(setup)
        channel.receive_commands(directory)  # what was meant for a process before this one
        self.publish("starting")

    def config(self) -> Config:
        """The config of the step that begins now."""
        return self.rates.config()

    def before_step(self, stop: Callable[[], bool]) -> bool:
        """Take commands, and wait while paused or too fast; says whether to stop, as `stop` or a command wants."""
        while True:
            now = time.monotonic()
            if now >= self._next_poll:
                self._next_poll = now + POLL_SECONDS
                self._poll(now)
            if stop() or self._stopping:
                return True
            if self.pace.may_step(now):
                return False
            time.sleep(NAP_SECONDS)

    def publish(self, state: str | None = None, *, activity: str | None = None, message: str | None = None) -> None:
        """Say how far the training is.

        Args:
            state: what it does, where that does not follow from the commands.
            activity: what it is busy with, if not with steps.
            message: one sentence, such as why it ended.
        """
        optimizer = self.config().optimizer
        clock = {"cur_nimg": self._state.cur_nimg, "total_nimg": self._setup.total_nimg}
        status = {
            "state": state or self._state_word(),
            "activity": activity,
            "message": message,
            **clock,
            "step": self._state.step,
            "epoch": self._state.cur_nimg / self._setup.epoch_nimg,
            "speed_limit": self.pace.steps_per_second,
            "g_lr": optimizer.g_lr,
            "d_lr": optimizer.d_lr,
            "factor": self._state.lr_factor(self.config(), total_nimg=self._setup.total_nimg),
            "floor": self.floor,
            "rollbacks": self._state.rollbacks,
            "time": time.time(),
        }
        channel.publish_json(self._directory.live_status, status | self._pulse.take())

    def _state_word(self) -> str:
        return "stopping" if self._stopping else "paused" if self.pace.holds else "training"

    def _poll(self, now: float) -> None:
        watched = channel.has_client(self._directory)
        commands = channel.receive_commands(self._directory)
        for command in commands:
            self._obey(command)
        if commands or now >= self._next_pulse:
            self._next_pulse = now + (PULSE_SECONDS if watched else UNWATCHED_PULSE_SECONDS)
            self.publish()
        elif watched:  # whoever comes does not wait for the slow pulse to end
            self._next_pulse = min(self._next_pulse, now + PULSE_SECONDS)
        if watched and not self._stopping:
            self._look_again(now)

    def _obey(self, command: Mapping[str, Any]) -> None:
        if self.pace.obey(command):
            return
        if command.get("command") == "stop":
            self._stopping = True
        elif command.get("command") == "learning_rates":
            try:
                self.rates.change(g_lr=_rate(command.get("g_lr")), d_lr=_rate(command.get("d_lr")))
            except (ConfigError, StorageError) as error:
                logger.warning(f"the learning rates are unchanged: {error}")

    def _look_again(self, now: float) -> None:
        """A look where one is due: after a while, or as soon as the training holds at another moment."""
        moment = (self._state.rollbacks, self._state.cur_nimg)
        if moment == self._looked_at or not (now >= self._next_look or self.pace.holds):
            return
        is_first, self._looked_at = self._looked_at is None, moment
        self._look()
        cost = 0.0 if is_first else time.monotonic() - now  # the first pays for what the others find ready
        least = LOOK_SECONDS[0] if now - self._began < BEGINNING_SECONDS else LOOK_SECONDS[1]
        self._next_look = now + max(least, cost / LOOK_SHARE)


class Pulse:
    """Means of the statistics, and the speed, since they were last taken; the training's own sums are only read."""

    def __init__(self, setup: Setup) -> None:
        self._state = setup.state
        self._read: tuple[dict[str, float], int] = ({}, 0)
        self._at = (time.monotonic(), self._state.cur_nimg)

    def take(self) -> dict[str, Any]:
        """`stats` and `img_per_sec`; no statistics, and None, where no step was made."""
        (before, steps_before), (sums, steps) = self._read, self._state.sums.read()  # waits for the device
        self._read = (sums, steps)
        if steps < steps_before:  # a tick cleared the sums in between
            before, steps_before = {}, 0
        now, (then, seen) = time.monotonic(), self._at
        self._at = (now, self._state.cur_nimg)
        steps, nimg = steps - steps_before, self._state.cur_nimg - seen
        means = {name: (value - before.get(name, 0.0)) / steps for name, value in sums.items()} if steps > 0 else {}
        if not all(map(math.isfinite, means.values())):
            means = {}
        speed = nimg / (now - then) if nimg > 0 and now > then else None
        return {"stats": means, "img_per_sec": speed}


def _known_floor(directory: RunDirectory) -> float | None:
    """The floor that a process before this one found; the data are the same."""
    floor = channel.read_live_status(directory).get("floor")
    return None if floor is None else float(floor)


def _rate(value: Any) -> float | None:
    """A learning rate out of a command.

    Raises:
        ConfigError: it is none.
    """
    if value is None:
        return None
    if type(value) not in {int, float}:
        raise ConfigError(f"{str(value)[:40]!r} is no learning rate")
    return float(value)
