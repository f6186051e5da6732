"""A training's progress on standard error: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Final, Protocol, cast, runtime_checkable

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from mnist_gan.cli.messages import show_messages
from mnist_gan.cli.terminal import Output
from mnist_gan.evaluation import Diagnosis
from mnist_gan.experiment import Observer
from mnist_gan.training import Tick

LINE_SECONDS: Final = 10.0
"""Plain lines come no closer together than this, but for those that end an epoch's last tick or the run."""
REFRESHES_PER_SECOND: Final = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far a training is, as it is shown."""

    epoch: float
    epochs: float
    """Passes over the images: done, and to be done."""
    share: float
    """In [0, 1]."""
    img_per_sec: float
    seconds_left: float | None
    """None while it is not known."""
    losses: str
    opinion: str
    """What the discriminator says."""


class Clock:
    """Predicts the time left from the time that has passed, with whatever else the run does besides training."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self._began: tuple[float, int] | None = None

    def measure(self, tick: Tick) -> Progress:
        """The progress at a tick."""
        now = self.now()
        if self._began is None:
            self._began = (now - tick.seconds, tick.cur_nimg - tick.nimg)
        spent, seen = now - self._began[0], tick.cur_nimg - self._began[1]
        left = tick.total_nimg - tick.cur_nimg
        epoch_nimg = tick.cur_nimg / tick.epoch if tick.epoch else None
        return Progress(
            epoch=tick.epoch,
            epochs=tick.total_nimg / epoch_nimg if epoch_nimg else 0.0,
            share=tick.cur_nimg / tick.total_nimg,
            img_per_sec=tick.nimg / tick.seconds if tick.seconds else 0.0,
            seconds_left=left * spent / seen if seen else None,
            losses=describe_losses(tick.stats),
            opinion=describe_opinion(tick.stats),
        )


@runtime_checkable
class Display(Protocol):
    """Where progress is shown."""

    def show_message(self, message: str) -> None:
        """Show a log message."""

    def tick(self, tick: Tick) -> None:
        """Show how far the training is."""

    def judged(self, diagnosis: Diagnosis) -> None:
        """Show what an evaluation says of the training."""

    def close(self) -> None:
        """End the display."""


class Watcher:
    """An observer for the length of a `with` block; if its display can no longer be written to, the run goes on."""

    def __init__(self, stream: Output | None = None) -> None:
        stream = stream or sys.stderr
        self._display: Display | None = LiveDisplay(stream) if stream.isatty() else LineDisplay(stream)
        self.observer = Observer(tick=self._tick, judged=self._judged)
        self._messages = show_messages(self._show_message)

    def __enter__(self) -> Watcher:
        """Route log messages through the display."""
        self._messages.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave the terminal as it was."""
        self._show(lambda display: display.close())
        self._messages.__exit__(kind, error, traceback)

    def _show_message(self, message: str) -> None:
        self._show(lambda display: display.show_message(message))

    def _tick(self, tick: Tick) -> None:
        self._show(lambda display: display.tick(tick))

    def _judged(self, diagnosis: Diagnosis) -> None:
        self._show(lambda display: display.judged(diagnosis))

    def _show(self, action: Callable[[Display], None]) -> None:
        if self._display is None:
            return
        try:
            action(self._display)
        except OSError:  # the terminal was closed, or the pipe's reader went away
            self._display = None


class LineDisplay:
    """Lines of plain text, for files and pipes."""

    def __init__(self, stream: Output, *, now: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock, self._last = stream, Clock(now), float("-inf")
        self._state: str | None = None

    def show_message(self, message: str) -> None:
        """Write a line."""
        print(message, file=self._stream, flush=True)

    def tick(self, tick: Tick) -> None:
        """Write a line, unless the last one was a moment ago."""
        progress = self._clock.measure(tick)
        now = self._clock.now()
        if not tick.stats or (now - self._last < LINE_SECONDS and tick.reason == "interval"):
            return
        self._last = now
        self.show_message(" | ".join(describe(progress)))

    def judged(self, diagnosis: Diagnosis) -> None:
        """Write the diagnosis, if its state is another than before."""
        if diagnosis.state != self._state:
            self._state = diagnosis.state
            self.show_message(str(diagnosis))

    def close(self) -> None:
        """Nothing is held back."""


class LiveDisplay:
    """A bar and two lines below it that are drawn anew at every tick, and a time left that counts down in between."""

    def __init__(self, stream: Output) -> None:
        self._console = Console(file=cast(IO[str], stream))
        self._clock = Clock()
        self._progress: tuple[Progress, float] | None = None
        self._diagnosis: Diagnosis | None = None
        self._live = Live(
            console=self._console,
            get_renderable=self._render,
            refresh_per_second=REFRESHES_PER_SECOND,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def show_message(self, message: str) -> None:
        """Write the message above the bar."""
        self._console.print(message, markup=False, highlight=False)

    def tick(self, tick: Tick) -> None:
        """Draw the bar anew."""
        progress = self._clock.measure(tick)
        if tick.stats or self._progress is None:
            self._progress = (progress, self._clock.now())
        if not self._live.is_started:
            self._live.start()
        self._live.refresh()

    def judged(self, diagnosis: Diagnosis) -> None:
        """Keep the diagnosis below the bar."""
        self._diagnosis = diagnosis

    def close(self) -> None:
        """Leave the last state of the display on the screen."""
        with contextlib.suppress(OSError):
            self._live.stop()

    def _render(self) -> RenderableType:
        if self._progress is None:
            return Text("")
        progress, measured = self._progress
        shown = draw(progress, elapsed=self._clock.now() - measured)
        if self._diagnosis is None:
            return shown
        return Group(shown, Text(str(self._diagnosis), style=_style(self._diagnosis)))


def draw(progress: Progress, *, elapsed: float) -> RenderableType:
    """The live display: a bar with the epoch and the time left, then speed and losses, then the discriminator."""
    epoch, speed, left, *rest = describe(progress, elapsed=elapsed)
    bar = Table.grid(padding=(0, 1), expand=True)
    bar.add_column(no_wrap=True)
    bar.add_column(ratio=1)
    bar.add_column(no_wrap=True, justify="right")
    bar.add_row(Text(epoch, style="bold"), ProgressBar(total=1.0, completed=progress.share), left)
    lines = [" | ".join([speed, *rest[:1]]), *rest[1:]]
    return Group(bar, *(Text(line, style="dim") for line in lines))


def _style(diagnosis: Diagnosis) -> str:
    return "dim" if diagnosis.state in {"healthy", "too early"} else "yellow"


def describe(progress: Progress, *, elapsed: float = 0.0) -> list[str]:
    """Epoch, speed, time left, then losses and the discriminator's opinion where there are any yet."""
    left = None if progress.seconds_left is None else max(0.0, progress.seconds_left - elapsed)
    return [
        f"epoch {progress.epoch:.1f}/{progress.epochs:.1f}" if progress.epochs else "epoch 0",
        f"{progress.img_per_sec:,.0f} images/s" if progress.img_per_sec else "measuring the speed",
        "time left unknown yet" if left is None else f"{describe_duration(left)} left",
        *filter(None, [progress.losses, progress.opinion]),
    ]


def describe_duration(seconds: float) -> str:
    """A length of time in the units that people would say it in."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def describe_losses(stats: Mapping[str, float]) -> str:
    """Both losses, if there are any yet."""
    if "Loss/G/loss" not in stats:
        return ""
    return f"loss G {stats['Loss/G/loss']:.3f} D {stats['Loss/D/loss']:.3f}"


def describe_opinion(stats: Mapping[str, float]) -> str:
    """What the discriminator says of real and of generated images, by what its objective gives a meaning to."""
    if "Score/real_above_fake" in stats:
        return f"D scores real above generated {stats['Score/real_above_fake']:.0%}"
    if "Score/real_accuracy" in stats:
        real, fake = stats["Score/real_accuracy"], stats["Score/fake_accuracy"]
        return f"D is right on real {real:.0%}, on generated {fake:.0%}"
    return ""
