from __future__ import annotations

import os
from pathlib import Path

import pytest

from mnist_gan.artifacts.folders import new_folder
from mnist_gan.errors import ConfigError, StorageError
from mnist_gan.storage import write_committed_directory


def test_new_folder_appears_when_the_block_succeeds(tmp_path: Path) -> None:
    folder = tmp_path / "parent" / "out"
    with new_folder(folder) as new:
        (new / "a.txt").write_text("a")
        assert not folder.exists()
    assert (folder / "a.txt").read_text() == "a"
    assert [path.name for path in folder.parent.iterdir()] == ["out"]


def test_new_folder_is_removed_when_the_block_fails(tmp_path: Path) -> None:
    def write() -> None:
        with new_folder(tmp_path / "out") as new:
            (new / "a.txt").write_text("a")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_new_folder_replaces_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with new_folder(tmp_path / "out") as new:
        (new / "a.txt").write_text("a")
    assert (tmp_path / "out" / "a.txt").exists()


def test_new_folder_refuses_a_folder_with_files_and_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("keep me")
    for place in (tmp_path, tmp_path / "file"):
        with pytest.raises(ConfigError, match="exists and is not an empty folder"), new_folder(place):
            pass
    assert (tmp_path / "file").read_text() == "keep me"


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX")
def test_new_folder_has_the_default_permissions(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    with new_folder(tmp_path / "out"):
        pass
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_new_folder_below_a_file_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"), new_folder(tmp_path / "file" / "out"):
        pass


@pytest.mark.parametrize("write", ["new_folder", "write_committed_directory"])
def test_folders_that_a_killed_process_left_are_removed_after_a_day(tmp_path: Path, write: str) -> None:
    names = [".tmp-out-old", ".tmp-7-0-out", ".tmp-7-0-other", ".tmp-out-new", ".tmp-previous-out"]
    for name in names:
        (tmp_path / name).mkdir()
        if name != ".tmp-out-new":
            os.utime(tmp_path / name, (0, 0))
    if write == "new_folder":
        with new_folder(tmp_path / "out"):
            pass
    else:
        write_committed_directory(tmp_path / "out", {"a": b"a"})
    assert {path.name for path in tmp_path.iterdir()} == {"out", *names[2:]}
