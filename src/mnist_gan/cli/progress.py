"""Progress of a training on standard error: a live display on a terminal, lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, ParamSpec

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from mnist_gan.cli.messages import show_messages
from mnist_gan.cli.terminal import Output, make_console, moves_cursor
from mnist_gan.evaluation import Diagnosis
from mnist_gan.experiment import Observer
from mnist_gan.experiment.speed import RecentSpeed
from mnist_gan.text import format_duration
from mnist_gan.training import Tick

P = ParamSpec("P")

LINE_SECONDS: Final = 10.0
"""Least seconds between two lines; the last line of an epoch or of the run is always printed."""
REFRESHES_PER_SECOND: Final = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """Progress of a training at a tick."""

    epoch: float
    epochs: float
    """Total; 0 before the first image."""
    share: float
    """Share of all images, in [0, 1]."""
    img_per_sec: float
    seconds_left: float | None
    """None before the first image."""
    losses: str
    scores: str
    """Accuracy of the discriminator, in words."""


class Clock:
    """Measures progress; predicts the time left from the recent speed, which includes evaluations and saving."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self._speed: RecentSpeed | None = None

    def measure(self, tick: Tick) -> Progress:
        """Return the progress at a tick."""
        now = self.now()
        if self._speed is None:
            self._speed = RecentSpeed(now - tick.seconds, tick.cur_nimg - tick.nimg)
        self._speed.add(now, tick.cur_nimg)
        speed = self._speed.img_per_sec
        nimg_left = tick.total_nimg - tick.cur_nimg
        epoch_nimg = tick.cur_nimg / tick.epoch if tick.epoch else None
        return Progress(
            epoch=tick.epoch,
            epochs=tick.total_nimg / epoch_nimg if epoch_nimg else 0.0,
            share=tick.cur_nimg / tick.total_nimg,
            img_per_sec=tick.nimg / tick.seconds if tick.seconds else 0.0,
            seconds_left=nimg_left / speed if speed else None,
            losses=describe_losses(tick.stats),
            scores=describe_scores(tick.stats),
        )


@contextlib.contextmanager
def show_training(stream: Output | None = None) -> Iterator[Observer]:
    """Show a training and the log messages inside the block; yield the observer to pass to the training.

    If the terminal is closed, or the reader of the pipe goes away, the training continues without a display.
    """
    stream = stream or sys.stderr
    display = LiveDisplay(stream) if moves_cursor(stream) else LineDisplay(stream)
    is_open = True

    def while_open(show: Callable[P, None]) -> Callable[P, None]:
        def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
            nonlocal is_open
            if is_open:
                try:
                    show(*args, **kwargs)
                except OSError:
                    is_open = False

        return guarded

    with show_messages(while_open(display.show_message)):
        try:
            yield Observer(tick=while_open(display.show_tick), judged=while_open(display.show_diagnosis))
        finally:
            with contextlib.suppress(OSError):
                display.close()


class LineDisplay:
    """Lines of plain text, for files and pipes."""

    def __init__(self, stream: Output, *, now: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock, self._last = stream, Clock(now), float("-inf")
        self._state: str | None = None

    def show_message(self, message: str) -> None:
        """Print a line."""
        print(message, file=self._stream, flush=True)

    def show_tick(self, tick: Tick) -> None:
        """Print a line, at most one in `LINE_SECONDS`."""
        progress = self._clock.measure(tick)
        now = self._clock.now()
        if not tick.stats or (now - self._last < LINE_SECONDS and tick.reason == "interval"):
            return
        self._last = now
        self.show_message(" | ".join(describe(progress)))

    def show_diagnosis(self, diagnosis: Diagnosis) -> None:
        """Print the diagnosis if its state changed."""
        if diagnosis.state != self._state:
            self._state = diagnosis.state
            self.show_message(str(diagnosis))

    def close(self) -> None:
        """Do nothing: every line is flushed."""


class LiveDisplay:
    """A bar and the lines below it, redrawn at every tick; the time left counts down in between."""

    def __init__(self, stream: Output) -> None:
        self._console = make_console(stream)
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
        """Print a message above the bar."""
        self._console.print(message)

    def show_tick(self, tick: Tick) -> None:
        """Redraw the bar."""
        progress = self._clock.measure(tick)
        if tick.stats or self._progress is None:
            self._progress = (progress, self._clock.now())
        if not self._live.is_started:
            self._live.start()
        self._live.refresh()

    def show_diagnosis(self, diagnosis: Diagnosis) -> None:
        """Show the diagnosis below the bar from the next tick on."""
        self._diagnosis = diagnosis

    def close(self) -> None:
        """Stop the refreshes; the last state stays on the screen."""
        self._live.stop()

    def _render(self) -> RenderableType:
        if self._progress is None:
            return Text("")
        progress, measured = self._progress
        shown = draw(progress, elapsed=self._clock.now() - measured)
        if self._diagnosis is None:
            return shown
        style = "dim" if self._diagnosis.state in {"healthy", "improving", "too early"} else "yellow"
        return Group(shown, Text(str(self._diagnosis), style=style))


def draw(progress: Progress, *, elapsed: float) -> RenderableType:
    """Draw the epoch, a bar and the time left; below them speed and losses; below them the discriminator's scores."""
    epoch, speed, left, *rest = describe(progress, elapsed=elapsed)
    bar = Table.grid(padding=(0, 1), expand=True)
    bar.add_column(no_wrap=True)
    bar.add_column(ratio=1)
    bar.add_column(no_wrap=True, justify="right")
    bar.add_row(Text(epoch, style="bold"), ProgressBar(total=1.0, completed=progress.share), left)
    lines = [" | ".join([speed, *rest[:1]]), *rest[1:]]
    return Group(bar, *(Text(line, style="dim") for line in lines))


def describe(progress: Progress, *, elapsed: float = 0.0) -> list[str]:
    """Return epoch, speed and time left; then losses and scores, if there are any yet.

    Args:
        progress: progress at a tick.
        elapsed: seconds since that tick.
    """
    left = None if progress.seconds_left is None else max(0.0, progress.seconds_left - elapsed)
    return [
        f"epoch {progress.epoch:.1f}/{progress.epochs:.1f}" if progress.epochs else "epoch 0",
        f"{progress.img_per_sec:,.0f} images/s" if progress.img_per_sec else "measuring the speed",
        "time left unknown" if left is None else f"{format_duration(left)} left",
        *filter(None, [progress.losses, progress.scores]),
    ]


def describe_losses(stats: Mapping[str, float]) -> str:
    """Return both losses as text; empty before the first step."""
    if "Loss/G/loss" not in stats:
        return ""
    return f"loss G {stats['Loss/G/loss']:.3f} D {stats['Loss/D/loss']:.3f}"


def describe_scores(stats: Mapping[str, float]) -> str:
    """Return the discriminator's accuracies, or the share of pairs that it orders correctly, whichever is defined."""
    if "Score/real_above_fake" in stats:
        return f"D scores real above generated {stats['Score/real_above_fake']:.0%}"
    if "Score/real_accuracy" in stats:
        real, fake = stats["Score/real_accuracy"], stats["Score/fake_accuracy"]
        return f"D is right on real {real:.0%}, on generated {fake:.0%}"
    return ""
