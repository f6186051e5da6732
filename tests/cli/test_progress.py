import io
import logging
from typing import Any

import pytest
from rich.console import Console

from mnist_gan.cli import progress
from mnist_gan.cli.progress import Clock, LineDisplay, Watcher, describe, describe_duration, draw
from mnist_gan.evaluation import Diagnosis
from mnist_gan.training import Tick

logger = logging.getLogger("mnist_gan.training")

STATS = {"Loss/G/loss": 1.02, "Loss/D/loss": 0.98, "Score/real_accuracy": 0.81, "Score/fake_accuracy": 0.77}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Time:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def tick(cur_nimg: int, *, nimg: int = 1000, seconds: float = 2.0, **changes: Any) -> Tick:
    values: dict[str, Any] = {
        "reason": "interval",
        "cur_nimg": cur_nimg,
        "last_nimg": cur_nimg - nimg,
        "total_nimg": 8000,
        "step": cur_nimg // 10,
        "epoch": cur_nimg / 4000,
        "stats": STATS,
        "seconds": seconds,
        "nimg": nimg,
    }
    made = Tick.__new__(Tick)  # without a training state, which nothing here looks at
    for name, value in (values | changes | {"state": None}).items():
        object.__setattr__(made, name, value)
    return made


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (290, "4 min 50 s"),
        (3599.9, "1 h 00 min"),
        (8040, "2 h 14 min"),
    ],
)
def test_lengths_of_time_are_said_as_people_say_them(seconds, words):
    assert describe_duration(seconds) == words


def test_the_time_left_counts_what_the_run_does_besides_training():
    time = Time()
    clock = Clock(time)
    clock.measure(tick(0, nimg=0, seconds=0.0, reason="start", stats={}))
    time.now += 2 * 2.0  # training took half of it
    measured = clock.measure(tick(1000))
    assert measured.img_per_sec == 500
    assert measured.seconds_left == pytest.approx(7 * 4.0)
    assert measured.share == 1 / 8
    assert (measured.epoch, measured.epochs) == (0.25, 2.0)


def test_a_resumed_run_predicts_from_its_first_tick():
    time = Time()
    measured = Clock(time).measure(tick(5000))
    assert measured.seconds_left == pytest.approx(3 * 2.0)


def test_everything_is_said_in_a_line():
    time, stream = Time(), io.StringIO()
    LineDisplay(stream, now=time).tick(tick(4000))
    assert stream.getvalue() == (
        "epoch 1.0/2.0 | 500 images/s | 8 s left | loss G 1.020 D 0.980 | D is right on real 81%, on generated 77%\n"
    )


def test_lines_come_no_closer_than_ten_seconds_but_for_the_last():
    time, stream = Time(), io.StringIO()
    display = LineDisplay(stream, now=time)
    for cur_nimg in range(1000, 9000, 1000):
        display.tick(tick(cur_nimg, reason="finished" if cur_nimg == 8000 else "interval"))
        time.now += 4
    epochs = [line.split("/")[0] for line in stream.getvalue().splitlines()]
    assert epochs == ["epoch 0.2", "epoch 1.0", "epoch 1.8", "epoch 2.0"]


def test_objectives_without_a_boundary_have_their_own_words():
    line = progress.describe_opinion({"Score/real_above_fake": 0.934})
    assert line == "D scores real above generated 93%"


def test_before_the_first_statistics_nothing_is_made_up():
    measured = Clock(Time()).measure(tick(0, nimg=0, seconds=0.0, reason="start", stats={}))
    assert describe(measured) == ["epoch 0", "measuring the speed", "time left unknown yet"]


@pytest.mark.parametrize("width", [30, 60, 100])
def test_the_live_display_fits_the_terminal(width):
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(draw(Clock(Time()).measure(tick(4000)), elapsed=3.0))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= width
    assert "epoch 1.0/2.0" in text
    assert "5 s left" in text
    assert "on generated 77%" in " ".join(text.split())


def test_a_pipe_that_closes_does_not_end_the_run():
    class Closed(io.StringIO):
        writes = 0

        def write(self, text: str) -> int:
            Closed.writes += 1
            raise BrokenPipeError

    with Watcher(Closed()) as watcher:
        logger.info("hello")
        watcher.observer.tick(tick(1000))
        logger.info("again")
    assert Closed.writes == 1


def test_sentences_appear_as_they_are():
    stream = io.StringIO()
    with Watcher(stream):
        logger.info("look at [this] /path")
    assert stream.getvalue() == "look at [this] /path\n"


def test_the_terminal_has_its_last_state_left_on_it():
    stream = Terminal()
    with Watcher(stream) as watcher:
        logger.info("look at [this]")
        watcher.observer.tick(tick(0, nimg=0, seconds=0.0, reason="start", stats={}))
        watcher.observer.tick(tick(8000, reason="finished"))
    assert "look at [this]" in stream.getvalue()
    assert "epoch 2.0/2.0" in stream.getvalue()


def test_a_diagnosis_is_shown_with_its_evidence_and_remedy():
    trouble = Diagnosis(state="collapsing", evidence=("the 1s are all alike",), remedy="try --objective.r1-gamma 1")
    lines, live = io.StringIO(), Terminal()
    for stream in (lines, live):
        with Watcher(stream) as watcher:
            watcher.observer.judged(trouble)
            watcher.observer.tick(tick(4000))
    assert lines.getvalue().splitlines()[0] == "collapsing: the 1s are all alike. try --objective.r1-gamma 1"
    assert "collapsing: the 1s are all alike" in live.getvalue()
