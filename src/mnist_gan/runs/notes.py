"""note.txt: a text about a run, by its user."""

from __future__ import annotations

import unicodedata
from typing import Final

from mnist_gan.errors import ArtifactError, ConfigError
from mnist_gan.runs.directory import RunDirectory
from mnist_gan.storage import read_regular, storage_errors, sync_directory, write_text
from mnist_gan.text import pluralize

MAX_NOTE: Final = 2000
"""Characters of a note."""
MAX_BYTES: Final = 4 * MAX_NOTE + 1
"""A character has at most four bytes in UTF-8, and a line feed is last."""
BIDI: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that change the order of others."""


def read_note(run: RunDirectory) -> str:
    """Read the note of a run; empty if there is none. A file that cannot be read gives its problem, in parentheses."""
    try:
        return _clean(read_regular(run.note, most=MAX_BYTES).decode())
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        return f"({run.note.name} cannot be read: it is not UTF-8 text)"
    except OSError as error:
        return f"({run.note.name} cannot be read: {error.strerror})"


def write_note(run: RunDirectory, text: str) -> str:
    """Write the note of a run, atomically, and return it; an empty note removes the file.

    Raises:
        ArtifactError: the run is gone.
        ConfigError: it is too long.
        StorageError: the file cannot be written.
    """
    note = _clean(text)
    if len(note) > MAX_NOTE:
        raise ConfigError(f"The note has {pluralize(len(note), 'character')}; shorten it to {MAX_NOTE:,}.")
    if not run.root.is_dir():  # writing would make it again
        raise ArtifactError(f"{run.root} is not there any more; it was moved or deleted")
    if note:
        write_text(run.note, note + "\n")
        return note
    with storage_errors(run.note):
        run.note.unlink(missing_ok=True)
        sync_directory(run.root)
    return ""


def _clean(text: str) -> str:
    """The text without control characters, which could change a terminal, and without space at its ends."""
    lines = "\n".join(text.splitlines())
    kept = (c for c in lines if c == "\n" or (unicodedata.category(c) not in {"Cc", "Cs"} and c not in BIDI))
    return "".join(kept).strip()
