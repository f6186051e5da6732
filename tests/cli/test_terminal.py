import io

import pytest

from mnist_gan.cli.terminal import make_console, moves_cursor, terminal_width, wants_style


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


@pytest.fixture
def terminal(monkeypatch):
    for name in ("NO_COLOR", "JPY_PARENT_PID", "COLAB_RELEASE_TAG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    return Terminal()


def test_make_console_with_no_color_prints_no_bold(terminal, monkeypatch):
    make_console(terminal).print("state", style="bold")
    assert "\x1b[1m" in terminal.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Terminal()
    make_console(plain).print("state", style="bold red")
    assert plain.getvalue() == "state\n"


def test_make_console_reports_a_closed_pipe_as_print_does():
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        make_console(Closed()).print("a row")


@pytest.mark.parametrize(
    ("variable", "value"), [("JPY_PARENT_PID", "12"), ("COLAB_RELEASE_TAG", "x"), ("TERM", "dumb")]
)
def test_moves_cursor_only_on_a_terminal_outside_a_notebook(terminal, monkeypatch, variable, value):
    assert moves_cursor(terminal)
    assert not moves_cursor(io.StringIO())
    monkeypatch.setenv(variable, value)
    assert not moves_cursor(terminal)
