"""Control of a training by its clients: commands, status and learning rates between two steps."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

from mnist_gan.config import Config
from mnist_gan.errors import ConfigError, StorageError
from mnist_gan.experiment.setup import Setup
from mnist_gan.experiment.speed import RecentSpeed
from mnist_gan.runs import channel
from mnist_gan.runs.directory import RunDirectory
from mnist_gan.runs.interventions import (
    Intervention,
    effective_interventions,
    read_interventions,
    with_learning_rates,
    write_interventions,
)
from mnist_gan.runs.state import State
from mnist_gan.training import Player, TrainState

logger = logging.getLogger(__name__)

POLL_SECONDS: Final = 0.05
"""Minimum seconds between two polls for commands."""
SLEEP_SECONDS: Final = 0.02
"""Seconds between two checks while a pause or a speed limit holds the training."""
STATUS_SECONDS: Final = 0.5
"""Seconds between status updates while a client is connected."""
IDLE_STATUS_SECONDS: Final = 5.0
"""Seconds between status updates without a client."""
EARLY_SECONDS: Final = 60.0
PREVIEW_SECONDS: Final = (2.0, 5.0)
"""Minimum seconds between two previews: in the first `EARLY_SECONDS`, and later."""
MAX_PREVIEW_SECONDS: Final = 15.0
"""Maximum seconds between two previews."""
PREVIEW_SHARE: Final = 0.08
"""Share of the processor time that is spent on previews, unless `MAX_PREVIEW_SECONDS` requires more."""
SLOW_STEPS_PER_SECOND: Final = 8.0
"""Up to this speed limit, there is a preview of every step."""
MAX_STEPS: Final = 1000
"""Maximum number of single steps in one command."""


@dataclass(slots=True)
class Throttle:
    """Decides if the next step may begin: pause, single steps, speed limit."""

    paused: bool = False
    steps_left: int = 0
    """Single steps still to be taken while paused."""
    steps_per_second: float | None = None
    """Speed limit; None is unlimited."""
    next_at: float = 0.0
    """Earliest time of the next step under the speed limit."""

    @property
    def holding(self) -> bool:
        """True while no step begins without a further command."""
        return self.paused and self.steps_left == 0

    @property
    def is_slow(self) -> bool:
        """True under a speed limit that lets a user watch single steps."""
        return self.steps_per_second is not None and self.steps_per_second <= SLOW_STEPS_PER_SECOND

    def admit(self, now: float) -> bool:
        """Return True if a step may begin at `now`, in seconds, and count it."""
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
        on_time = now - self.next_at < interval
        self.next_at = interval + (self.next_at if on_time else now)  # a late step does not speed up the next ones
        return True

    def execute(self, command: Mapping[str, Any]) -> bool:
        """Execute pause, resume, step or speed; return False if the command is none of them or is invalid."""
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


class PreviewSchedule:
    """Decides when the next preview is due. Positions are compared, so that none is rendered twice."""

    def __init__(self, now: float) -> None:
        self._previewed: tuple[int, int] | None = None
        self.hurry(now)

    def hurry(self, now: float) -> None:
        """Make a preview due at once, and previews frequent for `EARLY_SECONDS`."""
        self._next, self._early_until = float("-inf"), now + EARLY_SECONDS

    def is_due(self, position: tuple[int, int], now: float, *, at_once: bool) -> bool:
        """True if `position` has no preview and the interval has passed, or need not pass (`at_once`)."""
        return position != self._previewed and (at_once or now >= self._next)

    def record(self, position: tuple[int, int], now: float, *, cost: float) -> None:
        """Record a preview that was completed at `now` for `cost` seconds of processor time.

        Elapsed time would not do: after a preview that other programs held up, the next would be minutes away.
        """
        is_first, self._previewed = self._previewed is None, position
        minimum = PREVIEW_SECONDS[0] if now < self._early_until else PREVIEW_SECONDS[1]
        wanted = 0.0 if is_first else cost / PREVIEW_SHARE  # the first preview also loads the judge
        self._next = now + min(MAX_PREVIEW_SECONDS, max(minimum, wanted))


class LearningRates:
    """Learning rates of a run: those of its config, changed by the recorded interventions.

    Raises:
        ArtifactError: the record of interventions is damaged.
    """

    def __init__(self, setup: Setup, directory: RunDirectory) -> None:
        self._config, self._state = setup.config, setup.state
        self._path = directory.interventions
        self._record = read_interventions(self._path)
        self._effective: tuple[int, list[Intervention]] | None = None
        self._changed: tuple[Intervention, Config] | None = None

    def config(self) -> Config:
        """Return the config of the next step."""
        rollbacks, cur_nimg = self._state.rollbacks, self._state.cur_nimg
        if self._effective is None or self._effective[0] != rollbacks:
            self._effective = (rollbacks, effective_interventions(self._record, rollbacks=rollbacks))
        current = next((each for each in reversed(self._effective[1]) if each.cur_nimg <= cur_nimg), None)
        if current is None:
            return self._config
        if self._changed is None or self._changed[0] is not current:
            self._changed = (current, with_learning_rates(self._config, g_lr=current.g_lr, d_lr=current.d_lr))
        return self._changed[1]

    def change(self, *, g_lr: float | None, d_lr: float | None) -> None:
        """Change the learning rates from the next step on; None keeps one. The change is durable on return.

        Raises:
            ConfigError: a learning rate is invalid.
            StorageError: the change cannot be recorded; the learning rates stay as they are.
        """
        now, clock = self.config().optimizer, (self._state.rollbacks, self._state.cur_nimg)
        wanted = Intervention(
            cur_nimg=self._state.cur_nimg,
            rollbacks=self._state.rollbacks,
            g_lr=now.g_lr if g_lr is None else g_lr,
            d_lr=now.d_lr if d_lr is None else d_lr,
        )
        effective = effective_interventions(self._record, rollbacks=wanted.rollbacks)
        ahead = any(each.cur_nimg > wanted.cur_nimg for each in effective)
        if (wanted.g_lr, wanted.d_lr) == (now.g_lr, now.d_lr) and not ahead:
            return
        before = [each for each in self._record if (each.rollbacks, each.cur_nimg) != clock]
        write_interventions(self._path, [*before, wanted])
        self._record, self._effective = [*before, wanted], None


class Control:
    """Receives commands and publishes status. Affects training only through recorded learning-rate changes.

    Args:
        setup: the training; its state is live.
        directory: the run.
        render_preview: renders a preview of the state into the run folder.
        try_half_step: publishes what an update of D or of G alone would change, and changes nothing.

    Raises:
        ArtifactError: the record of interventions is damaged.
    """

    def __init__(
        self,
        setup: Setup,
        directory: RunDirectory,
        *,
        render_preview: Callable[[], None],
        try_half_step: Callable[[Config, Player], None],
    ) -> None:
        self._setup, self._directory, self._train_state = setup, directory, setup.state
        self._render_preview, self._try_half_step = render_preview, try_half_step
        self.learning_rates = LearningRates(setup, directory)
        self.throttle = Throttle()
        self.floor: float | None = channel.read_live_status(directory).get("floor")
        """Distance of held-out real images; None until it is known. A resumed run reads it from its last status."""
        self._stopping = False
        self._next_poll = self._next_status = 0.0
        self._previews = PreviewSchedule(time.monotonic())
        self._recent = RecentStatistics(setup.state)
        self.publish("starting")

    def config(self) -> Config:
        """Return the config of the next step."""
        return self.learning_rates.config()

    def before_step(self, stop: Callable[[], bool]) -> bool:
        """Execute commands, then wait for the throttle; return True if `stop` or a command ends the training.

        Raises:
            StorageError: the run folder was deleted.
        """
        while True:
            now = time.monotonic()
            if now >= self._next_poll:
                self._next_poll = now + POLL_SECONDS
                self._poll(now)
            if stop() or self._stopping:
                return True
            if self.throttle.admit(now):
                return False
            time.sleep(SLEEP_SECONDS)

    def publish(self, state: State | None = None, *, activity: str | None = None, message: str | None = None) -> None:
        """Publish the status of the training.

        Args:
            state: default: as the commands imply.
            activity: current activity other than training steps.
            message: one sentence, such as an error message.
        """
        optimizer = self.config().optimizer
        clock = {"cur_nimg": self._train_state.cur_nimg, "total_nimg": self._setup.total_nimg}
        status = {
            "state": state or self._current_state(),
            "activity": activity,
            "message": message,
            **clock,
            "step": self._train_state.step,
            "epoch": self._train_state.cur_nimg / self._setup.epoch_nimg,
            "speed_limit": self.throttle.steps_per_second,
            "g_lr": optimizer.g_lr,
            "d_lr": optimizer.d_lr,
            "factor": self._train_state.lr_factor(self.config(), total_nimg=self._setup.total_nimg),
            "floor": self.floor,
            "rollbacks": self._train_state.rollbacks,
            "time": time.time(),
        }
        channel.publish_json(self._directory.live_status, status | self._recent.read())

    def _current_state(self) -> State:
        return "stopping" if self._stopping else "paused" if self.throttle.holding else "training"

    def _poll(self, now: float) -> None:
        self.check_run_exists()
        connected = channel.has_client(self._directory)
        commands = channel.receive_commands(self._directory)
        for command in commands:
            self._execute(command)
        if commands or now >= self._next_status:
            self._next_status = now + (STATUS_SECONDS if connected else IDLE_STATUS_SECONDS)
            self.publish()
        elif connected:  # a new client does not wait out the slow interval
            self._next_status = min(self._next_status, now + STATUS_SECONDS)
        if connected and not self._stopping:
            self._preview_if_due(now)

    def check_run_exists(self) -> None:
        """Check that the run folder is still there; without it, further training would be lost.

        Raises:
            StorageError: the folder was deleted or moved.
        """
        try:
            self._directory.config.stat()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise StorageError(
                f"{self._directory.root} was deleted or moved during the training; "
                "start the run again, or move the folder back and resume it"
            ) from error
        except OSError:  # a network drive may be unreachable for a moment
            pass

    def _execute(self, command: Mapping[str, Any]) -> None:
        if self.throttle.execute(command):
            self._recent.restart_speed()
            return
        if command.get("command") == "stop":
            self._stopping = True
        elif command.get("command") == "trial":
            player: Any = command.get("player")
            if self.throttle.holding and player in get_args(Player):
                self._try_half_step(self.config(), player)
        elif command.get("command") == "learning_rates":
            try:
                g_lr, d_lr = (_learning_rate(command.get(name)) for name in ("g_lr", "d_lr"))
                self.learning_rates.change(g_lr=g_lr, d_lr=d_lr)
                self._previews.hurry(time.monotonic())
            except (ConfigError, StorageError) as error:
                logger.warning(f"the learning rates are unchanged: {error}")

    def record_preview(self, *, cost: float) -> None:
        """Record that the state has a preview, rendered for `cost` seconds of processor time."""
        self._previews.record(self._position, time.monotonic(), cost=cost)

    def _preview_if_due(self, now: float) -> None:
        """Render a preview of a new position: after an interval, or at once while single steps are watched."""
        if self._previews.is_due(self._position, now, at_once=self.throttle.holding or self.throttle.is_slow):
            before = time.thread_time()
            self._render_preview()
            self.record_preview(cost=time.thread_time() - before)

    @property
    def _position(self) -> tuple[int, int]:
        return self._train_state.rollbacks, self._train_state.cur_nimg


def announce_start(directory: RunDirectory) -> None:
    """Publish that a process holds the run and loads its data; discard commands to an earlier process."""
    channel.receive_commands(directory)
    started = {"state": "starting", "activity": None, "message": None, "time": time.time()}
    channel.publish_json(directory.live_status, channel.read_live_status(directory) | started)


class RecentStatistics:
    """Means of the statistics since the last read, and the recent speed. The sums of the training are not changed."""

    def __init__(self, state: TrainState) -> None:
        self._state = state
        self._sums: tuple[dict[str, float], int] = ({}, 0)
        self._speed = RecentSpeed(time.monotonic(), state.cur_nimg)

    def restart_speed(self) -> None:
        """Measure the speed anew, after a pause or a change of the speed limit."""
        self._speed.restart(time.monotonic(), self._state.cur_nimg)

    def read(self) -> dict[str, Any]:
        """Return `stats`, empty without new steps, and `img_per_sec`, None before the first images."""
        (before, steps_before), (sums, steps) = self._sums, self._state.sums.read()  # waits for the device
        self._sums = (sums, steps)
        if steps < steps_before:  # a tick cleared the sums in between
            before, steps_before = {}, 0
        steps -= steps_before
        means = {name: (value - before.get(name, 0.0)) / steps for name, value in sums.items()} if steps > 0 else {}
        if not all(map(math.isfinite, means.values())):
            means = {}
        self._speed.add(time.monotonic(), self._state.cur_nimg)
        return {"stats": means, "img_per_sec": self._speed.img_per_sec}


def _learning_rate(value: Any) -> float | None:
    """Check the type of a learning rate in a command.

    Raises:
        ConfigError: the value is not a number.
    """
    if value is None:
        return None
    if type(value) not in {int, float}:
        raise ConfigError(f"{str(value)[:40]!r} is not a learning rate; use a number above 0")
    return float(value)
