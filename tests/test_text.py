import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import mnist_gan
from mnist_gan.text import decode_text, format_duration, format_numbers, parse_duration, pluralize, printable


@pytest.mark.parametrize(("count", "text"), [(0, "0 images"), (1, "1 image"), (2, "2 images"), (1200, "1,200 images")])
def test_pluralize_agrees_with_the_count(count: int, text: str) -> None:
    assert pluralize(count, "image") == text


def test_pluralize_takes_an_irregular_plural() -> None:
    assert (pluralize(1, "copy", "copies"), pluralize(3, "copy", "copies")) == ("1 copy", "3 copies")


def lengths_before_nouns(source: Path) -> Iterator[str]:
    """Texts such as f"{len(runs)} runs", which say "1 runs"."""
    strings = (node for node in ast.walk(ast.parse(source.read_text("utf-8"))) if isinstance(node, ast.JoinedStr))
    for string in strings:
        for value, text in itertools.pairwise(string.values):
            is_length = isinstance(value, ast.FormattedValue) and re.fullmatch(r"len\(.*\)", ast.unparse(value.value))
            if is_length and isinstance(text, ast.Constant) and re.match(r" ([a-z-]+ )?[a-z]+s\b", str(text.value)):
                yield f"{source.name}:{string.lineno}: {ast.unparse(string)}"


def test_lengths_before_nouns_are_pluralized() -> None:
    sources = Path(mnist_gan.__file__).parent.rglob("*.py")
    assert [found for source in sources for found in lengths_before_nouns(source)] == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (290, "4 min 50 s"),
        (3599.9, "1 h 00 min"),
        (8040, "2 h 14 min"),
    ],
)
def test_format_duration_takes_two_units(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("numbers", "text"), [([], ""), ([4], "4"), ([0, 1], "0, 1"), ([0, 3, 4, 5, 255], "0, 3 to 5, 255")]
)
def test_format_numbers_joins_runs(numbers: list[int], text: str) -> None:
    assert format_numbers(numbers) == text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_decode_text_reads_what_windows_writes(encoding: str) -> None:
    mark = "\ufeff" if encoding in {"utf-16-le", "utf-16-be"} else ""
    assert decode_text(f"{mark}dir = 'Zürich'\r\n".encode(encoding)) == "dir = 'Zürich'\r\n"


@pytest.mark.parametrize("content", [b"\xff", b"\xff\xfe\x00", b"a\xfc"])
def test_decode_text_refuses_other_bytes(content: bytes) -> None:
    with pytest.raises(UnicodeDecodeError):
        decode_text(content)


def test_printable_escapes_what_utf_8_cannot_store() -> None:
    assert printable("ü \udcff") == "ü \\udcff"


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("5min", 300), ("1.5h", 5400), (" .5 s", 0.5), ("2 min", 120)]
)
def test_parse_duration_reads_a_number_and_its_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "5", "min", "-1s", "0s", "5 minutes", "1e3s", "1d", "9999999h", "inf s", "1h30min"]
)
def test_parse_duration_refuses_what_is_not_a_duration(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)
