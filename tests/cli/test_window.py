import sys

import pytest

from mnist_gan.cli import window


@pytest.fixture
def terminal(monkeypatch, tmp_path):
    """A Linux terminal with a display and a viewer."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    monkeypatch.setenv("DISPLAY", ":0")
    program = tmp_path / "xdg-open"
    program.write_text('#!/bin/sh\ncp "$1" "$1.shown"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return program


def test_viewer_is_the_command_of_the_system(terminal, monkeypatch):
    assert window.viewer() == [str(terminal)]
    monkeypatch.setattr(sys, "platform", "darwin")
    assert window.viewer() == ["open"]
    monkeypatch.setattr(sys, "platform", "win32")
    assert window.viewer() == ["cmd", "/c", "start", ""]


@pytest.mark.parametrize("reason", ["no display", "ssh", "no terminal", "no program"])
def test_viewer_is_none_without_a_display(terminal, monkeypatch, reason):
    match reason:
        case "no display":
            monkeypatch.delenv("DISPLAY")
            monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        case "ssh":
            monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1")
        case "no terminal":
            monkeypatch.setattr(sys.stdout, "isatty", lambda: False)
        case "no program":
            terminal.unlink()
            monkeypatch.setenv("PATH", str(terminal.parent))
    assert window.viewer() is None
    assert not window.show(terminal.parent / "a.png")
