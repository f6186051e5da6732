"""Append-only file."""

from __future__ import annotations

import os

import pytest

from mnist_gan.errors import StorageError
from mnist_gan.runs.append_only import AppendOnlyFile


def test_append_only_file_adds_to_the_end_of_an_existing_file(tmp_path):
    path = tmp_path / "new" / "file"
    for record in (b"one\n", b"two\n"):
        file = AppendOnlyFile(path)
        file.write(record)
        file.close()
    assert path.read_bytes() == b"one\ntwo\n"


def test_write_continues_after_a_partial_write(tmp_path, monkeypatch):
    real_write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real_write(descriptor, data[:3]))
    file = AppendOnlyFile(tmp_path / "file")
    file.write(b"a longer record\n")
    file.close()
    assert (tmp_path / "file").read_bytes() == b"a longer record\n"


def test_write_names_the_file_and_the_bytes_needed_on_a_full_disk(tmp_path, monkeypatch):
    def refuse(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    file = AppendOnlyFile(tmp_path / "file")
    monkeypatch.setattr(os, "write", refuse)
    with pytest.raises(StorageError, match=r"file: No space left on device \(6 bytes are needed\)"):
        file.write(b"record")


def test_close_can_be_called_twice(tmp_path):
    file = AppendOnlyFile(tmp_path / "file")
    file.close()
    file.close()


def test_append_only_file_in_the_place_of_a_folder_is_a_storage_error(tmp_path):
    with pytest.raises(StorageError):
        AppendOnlyFile(tmp_path)
