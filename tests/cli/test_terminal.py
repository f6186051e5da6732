import io

import pytest

from mnist_gan.cli.terminal import make_console, terminal_width, wants_style


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("columns", "width"), [("2", 24), ("24", 24), ("60", 60), ("100", 100), ("300", 100)])
def test_terminal_width_is_limited(monkeypatch, columns, width):
    monkeypatch.setenv("COLUMNS", columns)
    assert terminal_width() == width


def test_wants_style_on_a_terminal_unless_no_color_or_dumb(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert wants_style(Terminal())
    assert not wants_style(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not wants_style(Terminal())
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not wants_style(Terminal())


def test_make_console_prints_text_as_it_is():
    stream = io.StringIO()
    make_console(stream).print("look at [this] 12 'x' /path")
    assert stream.getvalue() == "look at [this] 12 'x' /path\n"
