from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from mnist_gan.data.foreign import HEAD_BYTES, recognize, recognize_file

NOISE = np.random.default_rng(0).bytes(4096)
LONG_NOISE = np.random.default_rng(0).bytes(HEAD_BYTES)


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"\xef\xbb\xbf\r\n<!DOCTYPE HTML>", "web page"),
        (b"<html lang='en'>", "web page"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "web page"),
        (b"PK\x03\x04" + NOISE, "ZIP archive"),
        (b"BZh9" + NOISE, "bzip2"),
        (NOISE.replace(b"\n", b"\r\n"), "line ends were converted"),
        (gzip.compress(NOISE, mtime=0).replace(b"\n", b"\r\n"), "line ends were converted"),
        (LONG_NOISE.replace(b"\r\n", b"\n"), "line ends were converted"),
        (b"\x89PNG\r\n\x1a\n".replace(b"\r\n", b"\n") + NOISE, "line ends were converted"),
    ],
)
def test_recognize_names_the_content_and_a_remedy(head: bytes, words: str) -> None:
    found = recognize(head)
    assert found is not None
    assert words in found.clause
    assert found.remedy


@pytest.mark.parametrize(
    "head",
    [
        b"",
        NOISE,
        LONG_NOISE,
        b"\x89PNG\r\n\x1a\n" + NOISE,
        gzip.compress(NOISE, mtime=0),
        b"a,b\r\n" * 20,
        b"text\n" * 20,
        b"\r\n" * 3,
    ],
)
def test_recognize_finds_nothing_in_other_content(head: bytes) -> None:
    assert recognize(head) is None


def test_recognize_accepts_a_zip_where_one_is_expected() -> None:
    assert recognize(b"PK\x03\x04" + NOISE, is_archive=True) is None


def test_recognize_file_of_a_missing_file_is_none(tmp_path: Path) -> None:
    assert recognize_file(tmp_path / "missing") is None
