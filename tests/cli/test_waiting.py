import io
import logging

from mnist_gan.cli import waiting
from mnist_gan.cli.waiting import show_steps

logger = logging.getLogger("mnist_gan.data.download")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_show_steps_shows_log_messages_on_its_stream() -> None:
    stream = io.StringIO()
    with show_steps(stream):
        logger.info("look at [this] /path")
    assert stream.getvalue() == "look at [this] /path\n"


def test_show_steps_prints_a_line_per_step_into_a_file(monkeypatch) -> None:
    monkeypatch.setattr(waiting, "LINE_SECONDS", 0.0)
    stream = io.StringIO()
    with show_steps(stream) as show:
        for done in range(3):
            show("drawing [images]", done, 3)
        show("measuring", 0, 1)
    assert stream.getvalue() == "drawing [images] ...\nmeasuring ...\n"


def test_show_steps_prints_no_line_for_a_short_task() -> None:
    stream = io.StringIO()
    with show_steps(stream) as show:
        show("drawing", 0, 1)
    assert stream.getvalue() == ""


def test_show_steps_draws_a_bar_on_a_terminal(monkeypatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with show_steps(stream) as show:
        show("drawing", 1, 4)
    assert "drawing" in stream.getvalue()
    assert "25%" in stream.getvalue()
