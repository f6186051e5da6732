"""Recognition of files that hold something else than their name says, from their content.

Downloads and copies often leave a small text in place of a data file: the pointer of Git LFS, or the web page of an
error. Text-mode transfers convert line ends. Each has its own remedy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HEAD_BYTES: Final = 1 << 20
"""Size of the part of a file that is examined."""
MIN_LINE_FEEDS: Final = 4
"""Line feeds that must all follow a carriage return; in intact binary data, four do once in 256**4 files."""

MIN_MISSING_PAIRS: Final = 10.0
"""Expected number of carriage returns before a line feed that makes their absence no chance (1 in 20,000 files)."""

_PNG_WITHOUT_CARRIAGE_RETURN: Final = b"\x89PNG\n\x1a\n"
"""A PNG begins with a pair of both for this purpose (W3C PNG, section 5.2)."""
_ARCHIVES: Final = {
    b"PK\x03\x04": "a ZIP archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
    b"\x28\xb5\x2f\xfd": "a zstd file",
}
PICKLE_REMEDY: Final = (
    "reading one can run any code: convert it with numpy.savez where you trust it, and import the .npz"
)
_PICKLE: Final = re.compile(rb"\x80[\x02-\x05]")
"""Beginning of a pickle: its protocol, from 2 on."""
_PAGES: Final = (b"<!doctype html", b"<html", b"<head", b"<body", b"<?xml")


@dataclass(frozen=True, kw_only=True, slots=True)
class Foreign:
    """A recognized content: a clause such as "is a web page, not the file", and the remedy."""

    clause: str
    remedy: str


def recognize(head: bytes, *, is_archive: bool = False) -> Foreign | None:
    """Recognize a Git LFS pointer, a web page, a pickle, an archive or converted line ends; None for anything else.

    Args:
        head: the first bytes of the file.
        is_archive: the format itself is a ZIP archive, as `.npz` is.
    """
    text = head[:1024].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(b"version https://git-lfs.github.com/"):
        return Foreign(
            clause="is a Git LFS pointer, not the file itself",
            remedy="run `git lfs pull` in its repository, or download the file itself",
        )
    if text.startswith(_PAGES):
        return Foreign(
            clause="is a web page, not the file itself",
            remedy="its download failed: open its link in a browser to see why, and download it again",
        )
    if _PICKLE.match(head):
        return Foreign(clause="is a pickle", remedy=PICKLE_REMEDY)
    archive = next((name for magic, name in _ARCHIVES.items() if head.startswith(magic)), None)
    if archive is not None and not is_archive:
        return Foreign(clause=f"is {archive}", remedy="unpack it first")
    if _has_converted_line_ends(head):
        return Foreign(
            clause="is damaged: its line ends were converted, as by a text-mode transfer or by git",
            remedy="copy it again in binary mode, and mark such files as binary in .gitattributes",
        )
    return None


def recognize_file(path: Path, *, is_archive: bool = False) -> Foreign | None:
    """`recognize` the content of a file; None if it cannot be read."""
    try:
        with path.open("rb") as file:
            return recognize(file.read(HEAD_BYTES), is_archive=is_archive)
    except OSError:
        return None


def _has_converted_line_ends(head: bytes) -> bool:
    """True for binary data in which all line feeds, or none of many, follow a carriage return."""
    if head.startswith(_PNG_WITHOUT_CARRIAGE_RETURN):
        return True
    if not any(byte < 9 for byte in head[:1024]):  # text
        return False
    line_feeds, pairs = head.count(b"\n"), head.count(b"\r\n")
    if pairs:
        return pairs == line_feeds >= MIN_LINE_FEEDS
    return line_feeds * head.count(b"\r") >= MIN_MISSING_PAIRS * len(head)
