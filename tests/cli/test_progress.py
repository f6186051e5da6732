import io
import logging
from typing import Any

import pytest
from rich.console import Console

from mnist_gan.cli.progress import Clock, LineDisplay, describe, describe_scores, draw, show_training
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
    made = Tick.__new__(Tick)  # a tick without a training state
    for name, value in (values | changes | {"state": None}).items():
        object.__setattr__(made, name, value)
    return made


def test_clock_counts_the_time_besides_training():
    time = Time()
    clock = Clock(time)
    clock.measure(tick(0, nimg=0, seconds=0.0, reason="start", stats={}))
    time.now += 2 * 2.0  # training took half of it
    measured = clock.measure(tick(1000))
    assert measured.img_per_sec == 500
    assert measured.seconds_left == pytest.approx(7 * 4.0)
    assert measured.share == 1 / 8
    assert (measured.epoch, measured.epochs) == (0.25, 2.0)


def test_clock_predicts_from_the_recent_speed():
    time = Time()
    clock = Clock(time)
    left = []
    for cur_nimg in range(100, 8001, 100):
        measured = clock.measure(tick(cur_nimg, nimg=100, seconds=1.0))
        left.append(measured.seconds_left)
        time.now += 100.0 if cur_nimg < 2000 else 10.0  # another program slows the first quarter
    assert left[-21] == pytest.approx(200, rel=0.1)
    assert left[-1] == 0


def test_clock_of_a_resumed_run_starts_at_its_first_tick():
    time = Time()
    measured = Clock(time).measure(tick(5000))
    assert measured.seconds_left == pytest.approx(3 * 2.0)


def test_line_display_prints_the_whole_progress_in_a_line():
    time, stream = Time(), io.StringIO()
    LineDisplay(stream, now=time).show_tick(tick(4000))
    assert stream.getvalue() == (
        "epoch 1.0/2.0 | 500 images/s | 8 s left | loss G 1.020 D 0.980 | D is right on real 81%, on generated 77%\n"
    )


def test_line_display_prints_at_most_one_line_in_ten_seconds_and_the_last():
    time, stream = Time(), io.StringIO()
    display = LineDisplay(stream, now=time)
    for cur_nimg in range(1000, 9000, 1000):
        display.show_tick(tick(cur_nimg, reason="finished" if cur_nimg == 8000 else "interval"))
        time.now += 4
    epochs = [line.split("/")[0] for line in stream.getvalue().splitlines()]
    assert epochs == ["epoch 0.2", "epoch 1.0", "epoch 1.8", "epoch 2.0"]


def test_describe_scores_of_a_relative_objective():
    line = describe_scores({"Score/real_above_fake": 0.934})
    assert line == "D scores real above generated 93%"


def test_describe_before_the_first_step():
    measured = Clock(Time()).measure(tick(0, nimg=0, seconds=0.0, reason="start", stats={}))
    assert describe(measured) == ["epoch 0", "measuring the speed", "time left unknown"]


@pytest.mark.parametrize("width", [30, 60, 100])
def test_draw_fits_the_terminal(width):
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(draw(Clock(Time()).measure(tick(4000)), elapsed=3.0))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= width
    assert "epoch 1.0/2.0" in text
    assert "5 s left" in text
    assert "on generated 77%" in " ".join(text.split())


def test_show_training_survives_a_closed_pipe():
    class Closed(io.StringIO):
        writes = 0

        def write(self, text: str) -> int:
            Closed.writes += 1
            raise BrokenPipeError

    with show_training(Closed()) as observer:
        logger.info("hello")
        observer.tick(tick(1000))
        logger.info("again")
    assert Closed.writes == 1


def test_show_training_prints_messages_without_markup():
    stream = io.StringIO()
    with show_training(stream):
        logger.info("look at [this] /path")
    assert stream.getvalue() == "look at [this] /path\n"


def test_live_display_leaves_its_last_state_on_the_terminal():
    stream = Terminal()
    with show_training(stream) as observer:
        logger.info("look at [this]")
        observer.tick(tick(0, nimg=0, seconds=0.0, reason="start", stats={}))
        observer.tick(tick(8000, reason="finished"))
    assert "look at [this]" in stream.getvalue()
    assert "epoch 2.0/2.0" in stream.getvalue()


def test_show_training_prints_a_diagnosis_with_evidence_and_remedy():
    trouble = Diagnosis(state="collapsing", evidence=("the 1s are all alike",), remedy="try --objective.r1-gamma 1")
    lines, live = io.StringIO(), Terminal()
    for stream in (lines, live):
        with show_training(stream) as observer:
            observer.judged(trouble)
            observer.tick(tick(4000))
    assert lines.getvalue().splitlines()[0] == "collapsing: the 1s are all alike. try --objective.r1-gamma 1"
    assert "collapsing: the 1s are all alike" in live.getvalue()
