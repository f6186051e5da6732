"""Notes: written whole, short, and read from regular files only."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mnist_gan.errors import ArtifactError, ConfigError
from mnist_gan.runs.directory import RunDirectory
from mnist_gan.runs.notes import MAX_NOTE, read_note, write_note


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("twice the rate\r\n\r\nbetter", "twice the rate\n\nbetter"),
        (" 7s look odd 🙂\n", "7s look odd 🙂"),
        ("\x1b[31mred\x00\u202e", "[31mred"),
    ],
)
def test_note_is_read_as_it_was_written(run: RunDirectory, text: str, kept: str) -> None:
    assert read_note(run) == ""
    assert write_note(run, text) == kept
    assert read_note(run) == kept
    assert [path.name for path in run.root.iterdir()] == ["note.txt"]


def test_empty_note_removes_the_file(run: RunDirectory) -> None:
    write_note(run, "something")
    assert write_note(run, " \n") == ""
    assert not any(run.root.iterdir())
    assert write_note(run, "") == ""


def test_note_has_a_length(run: RunDirectory) -> None:
    write_note(run, "🙂" * MAX_NOTE)
    assert len(read_note(run)) == MAX_NOTE
    with pytest.raises(ConfigError, match="shorten it to 2,000"):
        write_note(run, "x" * (MAX_NOTE + 1))
    assert len(read_note(run)) == MAX_NOTE


def test_note_of_a_folder_that_is_gone_cannot_be_written(run: RunDirectory) -> None:
    run.root.rmdir()
    with pytest.raises(ArtifactError, match="moved or deleted"):
        write_note(run, "late")
    assert not run.root.exists()


def test_note_is_never_read_through_a_link_or_a_pipe(
    run: RunDirectory, tmp_path_factory: pytest.TempPathFactory
) -> None:
    secret = tmp_path_factory.mktemp("other") / "secret.txt"
    secret.write_text("secret")
    run.note.symlink_to(secret)
    assert read_note(run) == "(note.txt cannot be read: it is a symlink, not a file)"
    write_note(run, "mine")  # replaces the link and not the file
    assert (read_note(run), secret.read_text()) == ("mine", "secret")
    run.note.unlink()
    os.mkfifo(run.note)
    assert read_note(run) == "(note.txt cannot be read: it is not a regular file)"
    run.note.unlink()
    run.note.write_bytes(b"\xff")
    assert read_note(run) == "(note.txt cannot be read: it is not UTF-8 text)"
    run.note.write_bytes(b"x" * 100_000)
    assert "above the limit" in read_note(run)
