from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mnist_gan import storage
from mnist_gan.errors import ArtifactError, ConfigError, RunBusyError, StorageError

UseDisk = Callable[[storage.Disk], None]


class PowerFailureError(Exception):
    """The machine stops here."""


class Failing(storage.Disk):
    """A disk that cannot exchange two names, and stops at its rename number `renames`."""

    def __init__(self, renames: int) -> None:
        self.left = renames

    def exchange(self, one: Path, other: Path) -> bool:
        return False

    def rename(self, source: Path, target: Path) -> None:
        if self.left == 0:
            raise PowerFailureError
        self.left -= 1
        super().rename(source, target)

    def remove_tree(self, path: Path) -> None:
        if self.left:  # after a power failure nothing is cleaned up
            super().remove_tree(path)


@pytest.fixture
def use_disk(monkeypatch: pytest.MonkeyPatch) -> UseDisk:
    return lambda disk: monkeypatch.setattr(storage, "_disk", disk)


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


# files


def test_sha256_bytes_is_the_sha256() -> None:
    assert storage.sha256_bytes(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_write_bytes_replaces_a_file_and_leaves_no_other(tmp_path: Path) -> None:
    storage.write_bytes(tmp_path / "new" / "file.png", b"old")
    storage.write_bytes(tmp_path / "new" / "file.png", b"new")
    assert (tmp_path / "new" / "file.png").read_bytes() == b"new"
    assert names_in(tmp_path / "new") == ["file.png"]


def test_write_text_is_utf_8_with_plain_line_ends(tmp_path: Path) -> None:
    storage.write_text(tmp_path / "file", "zwölf\n")
    assert (tmp_path / "file").read_bytes() == b"zw\xc3\xb6lf\n"


def test_write_json_is_readable_and_refuses_nan(tmp_path: Path) -> None:
    storage.write_json(tmp_path / "file", {"b": 1, "a": [2.5]})
    assert json.loads((tmp_path / "file").read_text()) == {"b": 1, "a": [2.5]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        storage.write_json(tmp_path / "file", {"b": float("nan")})
    assert json.loads((tmp_path / "file").read_text()) == {"b": 1, "a": [2.5]}


def test_write_bytes_syncs_the_file_before_the_rename_and_the_directory_after(
    tmp_path: Path, use_disk: UseDisk
) -> None:
    steps: list[str] = []

    class Recorder(storage.Disk):
        def write(self, path: Path, content: bytes) -> None:
            steps.append("write")
            super().write(path, content)

        def sync_file(self, path: Path) -> None:
            steps.append("sync file")
            super().sync_file(path)

        def rename(self, source: Path, target: Path) -> None:
            steps.append("rename")
            super().rename(source, target)

        def sync_directory(self, path: Path) -> None:
            steps.append(f"sync {path.name}")
            super().sync_directory(path)

    use_disk(Recorder())
    (tmp_path / "run").mkdir()
    storage.write_bytes(tmp_path / "run" / "file", b"content")
    assert steps == ["write", "sync file", "rename", "sync run"]


def test_make_directories_syncs_each_parent_before_it_is_used(tmp_path: Path, use_disk: UseDisk) -> None:
    """Without it, `checkpoints/` could be lost after its first checkpoint was committed."""
    synced: list[str] = []

    class Recorder(storage.Disk):
        def sync_directory(self, path: Path) -> None:
            synced.append(path.name)
            super().sync_directory(path)

    use_disk(Recorder())
    storage.write_bytes(tmp_path / "run" / "checkpoints" / "file", b"")
    assert synced == [tmp_path.name, "run", "checkpoints"]


def test_make_directories_refuses_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        storage.make_directories(tmp_path / "file" / "below")


def test_atomic_path_keeps_the_old_file_if_the_block_fails(tmp_path: Path) -> None:
    storage.write_bytes(tmp_path / "file", b"old")

    def fail() -> None:
        with storage.atomic_path(tmp_path / "file") as temporary:
            temporary.write_bytes(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (tmp_path / "file").read_bytes() == b"old"
    assert names_in(tmp_path) == ["file"]


def test_atomic_path_keeps_the_suffix_for_writers_that_choose_a_format(tmp_path: Path) -> None:
    with storage.atomic_path(tmp_path / "curves.png") as temporary:
        assert temporary.suffix == ".png"
        assert temporary.name.startswith(storage.TEMPORARY_PREFIX)
        temporary.write_bytes(b"")


def test_atomic_path_gives_two_writers_of_one_process_different_names(tmp_path: Path) -> None:
    with storage.atomic_path(tmp_path / "a") as one, storage.atomic_path(tmp_path / "a") as other:
        assert one != other
        one.write_bytes(b"one")
        other.write_bytes(b"other")
    assert names_in(tmp_path) == ["a"]


def test_write_bytes_reports_a_full_disk_with_the_size(tmp_path: Path, use_disk: UseDisk) -> None:
    class Full(storage.Disk):
        def write(self, path: Path, content: bytes) -> None:
            path.write_bytes(content[:1])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    storage.write_bytes(tmp_path / "file", b"old")
    use_disk(Full())
    with pytest.raises(
        StorageError, match=r"cannot write .*file: No space left on device \(3 bytes are needed\); free"
    ):
        storage.write_bytes(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert names_in(tmp_path) == ["file"]


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "free some space or choose another folder"),
        (errno.EROFS, "choose a folder on a disk that is not read-only"),
        (errno.EACCES, "choose a folder that you may write to"),
        (errno.EIO, "choose another folder"),
    ],
)
def test_storage_errors_name_the_remedy_of_their_cause(number: int, remedy: str) -> None:
    with pytest.raises(StorageError, match=f"; {remedy}"), storage.storage_errors(Path("file")):
        raise OSError(number, os.strerror(number))


def test_read_regular_reads_up_to_its_limit(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert storage.read_regular(tmp_path / "file", most=5) == b"12345"
    with pytest.raises(OSError, match="it has 5 bytes, above the limit of 4"):
        storage.read_regular(tmp_path / "file", most=4)


def test_read_regular_refuses_a_directory_and_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        storage.read_regular(tmp_path, most=5)
    with pytest.raises(FileNotFoundError):
        storage.read_regular(tmp_path / "nowhere", most=5)


@pytest.mark.parametrize("target", ["secret", "/dev/zero", "nowhere"])
def test_read_regular_refuses_a_symlink(tmp_path: Path, target: str) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / target)
    with pytest.raises(OSError, match="symlink"):
        storage.read_regular(tmp_path / "link", most=5)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_read_regular_does_not_wait_for_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        storage.read_regular(tmp_path / "pipe", most=5)


def test_remove_tree_removes_only_the_link_to_a_directory(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "file").write_bytes(b"precious")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    storage.remove_tree(tmp_path / "link")
    assert names_in(tmp_path) == ["target"]
    assert names_in(tmp_path / "target") == ["file"]


# committed directories


def commit(directory: Path, files: dict[str, bytes] | None = None) -> Path:
    storage.write_committed_directory(directory, files or {"a": b"content"})
    return directory


def test_write_committed_directory_is_read_back(tmp_path: Path) -> None:
    files = {"a": b"content", "b": b""}
    directory = commit(tmp_path / "above" / "model", files)
    assert storage.read_committed_directory(directory) == files
    assert storage.read_committed_directory(directory, most={"a": 7}) == {"a": b"content"}
    assert storage.read_manifest(directory)["a"] == {"bytes": 7, "sha256": hashlib.sha256(b"content").hexdigest()}
    assert names_in(tmp_path / "above") == ["model"]


def test_write_committed_directory_leaves_unverified_files_out_of_the_manifest(tmp_path: Path) -> None:
    storage.write_committed_directory(tmp_path / "model", {"a": b"content"}, unverified={"README.md": b"text"})
    (tmp_path / "model" / "README.md").write_bytes(b"edited")
    assert storage.read_committed_directory(tmp_path / "model") == {"a": b"content"}


@pytest.mark.skipif(sys.platform not in {"linux", "darwin"}, reason="cannot exchange two names")
@pytest.mark.parametrize(("blocks", "refusals"), [(True, 2), (False, 1)])
def test_rename_waits_for_a_reader_of_the_target_where_readers_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blocks: bool, refusals: int
) -> None:
    replace, left = Path.replace, refusals

    def refuse_at_first(path: Path, target: Path) -> Path:
        nonlocal left
        if left:
            left -= 1
            raise PermissionError(13, "the file is in use")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", refuse_at_first)
    monkeypatch.setattr(storage, "READERS_BLOCK", blocks)
    (tmp_path / "new").write_text("new")
    with contextlib.nullcontext() if blocks else pytest.raises(PermissionError):
        storage.rename(tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "old").exists() == blocks


def test_write_committed_directory_exchanges_the_old_one_without_a_rename(tmp_path: Path, use_disk: UseDisk) -> None:
    commit(tmp_path / "model", {"a": b"old"})
    use_disk(NoRename())
    commit(tmp_path / "model", {"a": b"new"})
    assert storage.read_committed_directory(tmp_path / "model") == {"a": b"new"}
    assert names_in(tmp_path) == ["model"]


class NoRename(storage.Disk):
    def rename(self, source: Path, target: Path) -> None:
        raise AssertionError(target)


def test_write_committed_directory_replaces_where_names_cannot_be_exchanged(tmp_path: Path, use_disk: UseDisk) -> None:
    use_disk(Failing(renames=9))
    for content in (b"old", b"new"):
        commit(tmp_path / "model", {"a": content})
        assert storage.read_committed_directory(tmp_path / "model") == {"a": content}
        assert names_in(tmp_path) == ["model"]


@pytest.mark.parametrize("renames", [0, 1])
def test_find_committed_finds_the_old_directory_at_any_moment(tmp_path: Path, use_disk: UseDisk, renames: int) -> None:
    directory = commit(tmp_path / "model", {"a": b"old"})
    use_disk(Failing(renames))
    with pytest.raises(PowerFailureError):
        commit(directory, {"a": b"new"})
    assert storage.find_committed(directory) is not None
    assert storage.read_committed_directory(directory) == {"a": b"old"}
    use_disk(storage.Disk())
    storage.remove_temporary(tmp_path)
    assert storage.read_committed_directory(directory) == {"a": b"old"}
    assert names_in(tmp_path) == ["model"]


def test_find_committed_is_none_without_a_manifest(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    assert storage.find_committed(tmp_path / "model") is None
    assert storage.find_committed(Path("/")) is None


def test_write_committed_directory_keeps_the_old_one_until_the_new_one_is_durable(
    tmp_path: Path, use_disk: UseDisk
) -> None:
    steps: list[str] = []

    class Recorder(storage.Disk):
        def sync_directory(self, path: Path) -> None:
            steps.append(f"sync {path.name}")
            super().sync_directory(path)

        def remove_tree(self, path: Path) -> None:
            steps.append("remove")
            super().remove_tree(path)

    directory = commit(tmp_path / "above" / "model", {"a": b"old"})
    use_disk(Recorder())
    commit(directory, {"a": b"new"})
    assert steps.index("sync above") < steps.index("remove")


@pytest.mark.skipif(sys.platform not in {"linux", "darwin"}, reason="cannot exchange two names")
def test_write_committed_directory_restores_the_old_one_if_the_parent_cannot_be_synced(
    tmp_path: Path, use_disk: UseDisk
) -> None:
    class Unsynced(storage.Disk):
        def sync_directory(self, path: Path) -> None:
            if path == tmp_path:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            super().sync_directory(path)

    directory = commit(tmp_path / "model", {"a": b"old"})
    use_disk(Unsynced())
    with pytest.raises(StorageError, match="cannot write"):
        commit(directory, {"a": b"new"})
    assert storage.read_committed_directory(directory) == {"a": b"old"}
    assert names_in(tmp_path) == ["model"]


def truncate(directory: Path) -> None:
    (directory / "a").write_bytes(b"conten")


def flip(directory: Path) -> None:
    (directory / "a").write_bytes(b"Content")


def remove(directory: Path) -> None:
    (directory / "a").unlink()


def link(directory: Path) -> None:
    (directory / "a").rename(directory / "b")
    (directory / "a").symlink_to(directory / "b")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncate, "a is damaged: it has 6 bytes, expected 7; use another copy"),
        (flip, "a is damaged: its sha256 differs from the manifest; use another copy"),
        (remove, "a cannot be read: No such file or directory; use another copy"),
        (link, "a cannot be read: it is a symlink, not a file; use another copy"),
    ],
)
def test_read_committed_directory_refuses_a_damaged_file(
    tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(commit(tmp_path / "model"))
    with pytest.raises(ArtifactError) as refusal:
        storage.read_committed_directory(tmp_path / "model")
    assert str(refusal.value) == f"{tmp_path / 'model'}/{message}"


def test_read_committed_directory_refuses_a_file_above_its_limit_or_not_listed(tmp_path: Path) -> None:
    directory = commit(tmp_path / "model")
    with pytest.raises(ArtifactError, match="a has 7 bytes, above the limit of 6; use another copy"):
        storage.read_committed_directory(directory, most={"a": 6})
    with pytest.raises(ArtifactError, match=r"its manifest\.json has no b; use another copy"):
        storage.read_committed_directory(directory, most={"b": 6})


ENTRY = {"bytes": 7, "sha256": "00"}


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ({"version": 2, "files": {}}, "has manifest version 2; this release reads version 1: use the release"),
        ({"version": True, "files": {}}, "has manifest version True"),
        ({"version": "x" * 99, "files": {}}, r"has manifest version 'x{39}\.\.\.; this"),
        ({"version": 1}, "is damaged: it is not a valid manifest"),
        ([], "is damaged: it is not a valid manifest"),
        ({"version": 1, "files": {"a": []}}, "is damaged: it is not a valid manifest"),
        ({"version": 1, "files": {"a": ENTRY | {"bytes": -1}}}, "is invalid or outside its folder"),
        ({"version": 1, "files": {"a": ENTRY | {"bytes": 1.5}}}, "is invalid or outside its folder"),
        ({"version": 1, "files": {"../a": ENTRY}}, "is invalid or outside its folder"),
        ({"version": 1, "files": {"C:a": ENTRY}}, "is invalid or outside its folder"),
        ({"version": 1, "files": {"..": ENTRY}}, "is invalid or outside its folder"),
        ({"version": 1, "files": {"ä": ENTRY}}, "is invalid or outside its folder"),
        ("x" * storage.MAX_MANIFEST_BYTES, "cannot be read: it has 1,048,579 bytes, above the limit of 1,048,576"),
    ],
)
def test_read_manifest_refuses_an_invalid_manifest(tmp_path: Path, manifest: Any, message: str) -> None:
    (tmp_path / storage.MANIFEST_NAME).write_text(json.dumps(manifest) + "\n")
    with pytest.raises(ArtifactError, match=message):
        storage.read_manifest(tmp_path)


def test_read_manifest_refuses_a_directory_without_one(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"has no manifest\.json: it is incomplete"):
        storage.read_manifest(tmp_path)


def test_read_manifest_detects_every_truncation(tmp_path: Path) -> None:
    manifest = commit(tmp_path / "model") / storage.MANIFEST_NAME
    content = manifest.read_bytes()
    for length in range(len(content)):
        manifest.write_bytes(content[:length])
        with pytest.raises(ArtifactError, match="damaged"):
            storage.read_manifest(tmp_path / "model")


def test_remove_temporary_clears_a_directory_and_its_subdirectories(tmp_path: Path) -> None:
    for name in ("", "samples", "checkpoints"):
        (tmp_path / name / ".tmp-123-4-half").mkdir(parents=True)
        (tmp_path / name / ".tmp-123-5-file.png").write_bytes(b"half")
    storage.remove_temporary(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["checkpoints", "samples"]


# locks


def test_exclusive_lock_excludes_another_holder_until_it_is_released(tmp_path: Path) -> None:
    lock = tmp_path / "run" / ".lock"
    assert not storage.is_locked(lock)
    with storage.exclusive_lock(lock, busy="in training"):
        assert storage.is_locked(lock)
        with pytest.raises(RunBusyError, match="in training"), storage.exclusive_lock(lock, busy="in training"):
            pass
    assert not storage.is_locked(lock)
    with storage.exclusive_lock(lock, busy="in training"):
        pass


def test_exclusive_lock_is_released_when_its_process_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from mnist_gan import storage\n"
        "with storage.exclusive_lock(Path(sys.argv[1]), busy=''):\n"
        "    print('held', flush=True); time.sleep(60)"
    )
    lock = tmp_path / ".lock"
    with subprocess.Popen([sys.executable, "-c", code, str(lock)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert storage.is_locked(lock)
        process.kill()
    assert not storage.is_locked(lock)


def test_exclusive_lock_does_not_truncate_the_target_of_a_symlink(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"precious")
    (tmp_path / ".lock").symlink_to(tmp_path / "file")
    with pytest.raises(StorageError, match="symlink"), storage.exclusive_lock(tmp_path / ".lock", busy="busy"):
        pass
    assert not storage.is_locked(tmp_path / ".lock")
    assert (tmp_path / "file").read_bytes() == b"precious"


def test_write_text_escapes_a_file_name_that_is_not_utf_8(tmp_path):
    storage.write_text(tmp_path / "page.html", "drawn by d\udcff")
    assert (tmp_path / "page.html").read_text() == r"drawn by d\udcff"


def test_new_folder_appears_when_the_block_succeeds(tmp_path: Path) -> None:
    folder = tmp_path / "parent" / "out"
    with storage.new_folder(folder) as new:
        (new / "a.txt").write_text("a")
        assert not folder.exists()
    assert (folder / "a.txt").read_text() == "a"
    assert [path.name for path in folder.parent.iterdir()] == ["out"]


def test_new_folder_is_removed_when_the_block_fails(tmp_path: Path) -> None:
    def write() -> None:
        with storage.new_folder(tmp_path / "out") as new:
            (new / "a.txt").write_text("a")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_new_folder_replaces_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with storage.new_folder(tmp_path / "out") as new:
        (new / "a.txt").write_text("a")
    assert (tmp_path / "out" / "a.txt").exists()


def test_new_folder_refuses_a_folder_with_files_and_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("keep me")
    for place in (tmp_path, tmp_path / "file"):
        with pytest.raises(ConfigError, match="exists and is not an empty folder"), storage.new_folder(place):
            pass
    assert (tmp_path / "file").read_text() == "keep me"


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX")
def test_new_folder_has_the_default_permissions(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    with storage.new_folder(tmp_path / "out"):
        pass
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_new_folder_below_a_file_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"), storage.new_folder(tmp_path / "file" / "out"):
        pass


@pytest.mark.parametrize("write", ["new_folder", "write_committed_directory"])
def test_folders_that_a_killed_process_left_are_removed_after_a_day(tmp_path: Path, write: str) -> None:
    names = [".tmp-out-old", ".tmp-7-0-out", ".tmp-7-0-other", ".tmp-out-new", ".tmp-previous-out"]
    for name in names:
        (tmp_path / name).mkdir()
        if name != ".tmp-out-new":
            os.utime(tmp_path / name, (0, 0))
    if write == "new_folder":
        with storage.new_folder(tmp_path / "out"):
            pass
    else:
        storage.write_committed_directory(tmp_path / "out", {"a": b"a"})
    assert {path.name for path in tmp_path.iterdir()} == {"out", *names[2:]}
