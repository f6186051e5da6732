"""Atomic files, digests, manifests and locks: what everything that touches a disk stands on.

A file written here is complete or absent: it is written under a temporary name in the same folder, flushed, synced and
renamed, and the folder is synced after it. A folder of files is *committed* by its manifest, which names every file
with its size and sha256, is written last, and is checked on every load. Neither safetensors nor JSON notices a flipped
byte; the manifest does.

A committed folder is replaced in one step where the system can exchange two names (Linux, macOS). Where it cannot, the
old folder stands for a moment under a name that readers know (`find_committed`), so that one of the two is there at any
moment.

Whatever changes a disk goes through `Disk`, one method for each kind of change, so that they can be recorded, refused
and reordered on purpose (`make faults`).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import hashlib
import itertools
import json
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import filelock

from mnist_gan.errors import ArtifactError, RunBusyError, StorageError

MANIFEST_NAME: Final = "manifest.json"
MANIFEST_VERSION: Final = 1
MAX_MANIFEST_BYTES: Final = 1 << 20
TEMPORARY_PREFIX: Final = ".tmp-"
PREVIOUS_PREFIX: Final = f"{TEMPORARY_PREFIX}previous-"
"""What stands before the name of a folder that is just being replaced, on systems that cannot exchange two names."""
USE_ANOTHER: Final = "use another copy"

_NOT_SUPPORTED: Final = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM}


class Disk:
    """The changes that this module makes to a disk."""

    def make_directory(self, path: Path) -> None:
        """Make one folder."""
        path.mkdir()

    def write(self, path: Path, content: bytes) -> None:
        """Write a new file."""
        path.write_bytes(content)

    def sync_file(self, path: Path) -> None:
        """Make a file's content durable."""
        descriptor = os.open(path, os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def sync_directory(self, path: Path) -> None:
        """Make the names in a folder durable (POSIX; elsewhere a rename needs no such step)."""
        if os.name != "posix":
            return
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Give a file or folder another name; a file of that name is replaced in the same step."""
        source.replace(target)

    def exchange(self, one: Path, other: Path) -> bool:
        """Let two names change places in one step; False, and nothing done, where the system cannot do that."""
        swap = _swapper()
        return swap is not None and swap(one, other)

    def remove_file(self, path: Path) -> None:
        """Remove a file, if it is there."""
        path.unlink(missing_ok=True)

    def remove_tree(self, path: Path) -> None:
        """Remove a folder with all in it, as far as that is possible; of a link, the link."""
        if path.is_symlink() or path.is_file():
            path.unlink(missing_ok=True)
        else:
            shutil.rmtree(path, ignore_errors=True)


_disk = Disk()
_serial = itertools.count()


def sha256_bytes(content: bytes) -> str:
    """The sha256 of `content`, as 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def sha256_file(path: Path) -> str:
    """The sha256 of a file's content, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_directory(path: Path) -> None:
    """Make the names in a folder durable."""
    _disk.sync_directory(path)


def make_directories(path: Path) -> None:
    """Make a folder and those above it that are missing, each durable before something is put into it.

    Raises:
        OSError: the operating system refused.
    """
    if path.is_dir():
        return
    make_directories(path.parent)
    with contextlib.suppress(FileExistsError):
        _disk.make_directory(path)
    if not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
    _disk.sync_directory(path.parent)


def remove_tree(path: Path) -> None:
    """Remove a folder with all in it, as far as that is possible."""
    _disk.remove_tree(path)


def read_regular(path: Path, *, most: int | None = None) -> bytes:
    """The content of a regular file; a FIFO or a device, which could be read for ever, is refused.

    Args:
        path: links are followed.
        most: bytes that are read; a file that has more is refused.

    Raises:
        OSError: it is missing, cannot be read, is no regular file, or has more than `most` bytes.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        if most is not None and status.st_size > most:
            says = f"it has {status.st_size:,} bytes, more than the {most:,} that are read"
            raise OSError(errno.EFBIG, says, str(path))
        return file.read() if most is None else file.read(most)


@contextlib.contextmanager
def storage_errors(path: Path, *, needed_bytes: int | None = None) -> Iterator[None]:
    """Turn the operating system's refusal to write `path` into one sentence, with exit code 74."""
    try:
        yield
    except OSError as error:
        needs = f" ({needed_bytes:,} bytes are needed)" if needed_bytes is not None else ""
        raise StorageError(
            f"cannot write {path}: {error.strerror or error}{needs}; "
            "free some space or choose another folder, nothing that was there before is lost"
        ) from error


@contextlib.contextmanager
def atomic_path(path: Path, *, needed_bytes: int | None = None) -> Iterator[Path]:
    """Yield a temporary name beside `path`; when the block ends well it becomes `path`, else it is gone.

    The temporary name keeps `path`'s suffixes, for writers that choose a format by them. The permissions are those
    that a plain `open` would give.

    Raises:
        StorageError: the operating system refused a write (disk full, read-only folder).
    """
    with storage_errors(path, needed_bytes=needed_bytes):
        make_directories(path.parent)
        temporary = path.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{next(_serial)}-{path.name}")
        try:
            yield temporary
            _disk.sync_file(temporary)
            _disk.rename(temporary, path)
            _disk.sync_directory(path.parent)
        finally:
            with contextlib.suppress(OSError):  # what is wrong with the folder has been said
                _disk.remove_file(temporary)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file atomically and durably."""
    with atomic_path(path, needed_bytes=len(content)) as temporary:
        _disk.write(temporary, content)


def write_text(path: Path, text: str) -> None:
    """Write a whole UTF-8 file atomically and durably."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically and durably; NaN and infinities are refused."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False, sort_keys=False) + "\n")


def write_committed_directory(
    directory: Path, files: Mapping[str, bytes], *, unverified: Mapping[str, bytes] | None = None
) -> None:
    """Write `files` and then their manifest as the new folder `directory`, replacing one of that name.

    `unverified` files are written beside them but not named in the manifest: people may edit them.

    The folder is built under a temporary name, synced file by file, and renamed when its manifest is in it: whoever
    sees `directory` sees all of it. A crash in the middle leaves a temporary folder, which `remove_temporary` takes
    away.

    Raises:
        StorageError: the operating system refused; what was at `directory` before is still there.
    """
    manifest = (json.dumps(describe_files(files), indent=2) + "\n").encode()
    contents = {**files, **(unverified or {}), MANIFEST_NAME: manifest}
    total = sum(len(content) for content in contents.values())
    with storage_errors(directory, needed_bytes=total):
        make_directories(directory.parent)
        temporary = _temporary_directory(directory)
        try:
            for name, content in contents.items():
                _disk.write(temporary / name, content)
                _disk.sync_file(temporary / name)
            _disk.sync_directory(temporary)
            previous = _put_in_place(temporary, directory)
            _make_place_durable(directory, exchanged_with=temporary if previous == temporary else None)
        finally:
            _disk.remove_tree(temporary)  # after an exchange, it holds what was there before
        if previous is not None:
            _disk.remove_tree(previous)


def find_committed(directory: Path) -> Path | None:
    """Where the committed folder that belongs at `directory` lies: there, or where a crash left it; None if nowhere."""
    if (directory / MANIFEST_NAME).is_file():
        return directory
    if not directory.name:  # "." or "/", which nothing was ever put in the place of
        return None
    previous = directory.with_name(f"{PREVIOUS_PREFIX}{directory.name}")
    return previous if (previous / MANIFEST_NAME).is_file() else None


def describe_files(files: Mapping[str, bytes]) -> dict[str, Any]:
    """The manifest of `files`: format version, and for each name its size in bytes and sha256."""
    entries = {name: {"bytes": len(content), "sha256": sha256_bytes(content)} for name, content in files.items()}
    return {"version": MANIFEST_VERSION, "files": entries}


def read_committed_directory(directory: Path, *, most: Mapping[str, int] | None = None) -> dict[str, bytes]:
    """Read the files that the manifest of `directory` names, each checked against its size and sha256.

    Args:
        directory: a committed folder, or where one belongs that a crash left beside it (`find_committed`).
        most: name -> bytes that such a file can have; these files are read and no others. None reads all, of any size.

    Raises:
        ArtifactError: no manifest, one that does not parse or points outside its folder, or a file that is missing,
            too large, or differs from it.
    """
    directory = find_committed(directory) or directory
    entries = read_manifest(directory)
    names = list(entries) if most is None else list(most)
    missing = [name for name in names if name not in entries]
    if missing:
        raise ArtifactError(f"{directory} is damaged: its {MANIFEST_NAME} names no {missing[0]}; {USE_ANOTHER}")
    if most is not None:
        for name in names:
            _check_size(directory / name, entries[name]["bytes"], most=most[name])
    return {name: _read_verified(directory / name, entries[name]) for name in names}


def read_manifest(directory: Path) -> dict[str, dict[str, Any]]:
    """The `files` table of a folder's manifest: name -> {"bytes": size, "sha256": digest}.

    Raises:
        ArtifactError: it is missing, too large, malformed, of an unknown version, or names a path outside the folder.
    """
    path = directory / MANIFEST_NAME
    try:
        content = _read_own(path, most=MAX_MANIFEST_BYTES)
        if not content.endswith(b"\n"):  # with which every manifest ends
            raise ValueError("cut short")
        manifest = json.loads(content)
        version, entries = manifest["version"], dict(manifest["files"])
        well_formed = all(
            type(entry["bytes"]) is int and entry["bytes"] >= 0 and type(entry["sha256"]) is str
            for entry in entries.values()
        )
    except FileNotFoundError as error:
        raise ArtifactError(
            f"{directory} has no {MANIFEST_NAME}: it was never completed, or is not one of ours; {USE_ANOTHER}"
        ) from error
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror or error}; {USE_ANOTHER}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ArtifactError(f"{path} is damaged (it does not parse as a manifest); {USE_ANOTHER}") from error
    if type(version) is not int or version != MANIFEST_VERSION:
        raise ArtifactError(
            f"{path} has manifest version {_shown(version)}; this release reads version {MANIFEST_VERSION}: "
            "use the release of mnist-gan that wrote it"
        )
    if not well_formed or not all(_is_plain_name(name) for name in entries):
        raise ArtifactError(f"{path} names something outside its own folder, or no file at all; {USE_ANOTHER}")
    return entries


def _is_plain_name(name: str) -> bool:
    """Whether a name is that of a file right in the folder, on any system."""
    return name.isascii() and name.isprintable() and name not in {"", ".", ".."} and not set(name) & set('/\\:*?"<>|')


def _shown(value: object) -> str:
    """A value that a stranger wrote, short enough for a sentence."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


def _read_own(path: Path, *, most: int) -> bytes:
    """The content of a small regular file of ours; no links, which could lead anywhere.

    Raises:
        OSError: it is missing, a link, no regular file, or too large.
    """
    if path.is_symlink():
        raise OSError(errno.ELOOP, "it is a link, and must be a file", str(path))
    return read_regular(path, most=most)


def _check_size(path: Path, size: int, *, most: int) -> None:
    if size > most:
        raise ArtifactError(f"{path} has {size:,} bytes, and can have {most:,} at the most; {USE_ANOTHER}")


def _read_verified(path: Path, entry: Mapping[str, Any]) -> bytes:
    try:
        size = path.stat().st_size
        if size != entry["bytes"]:
            raise ArtifactError(
                f"{path} is damaged: it has {size:,} bytes, {entry['bytes']:,} were written; {USE_ANOTHER}"
            )
        content = _read_own(path, most=size)
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror or error}; {USE_ANOTHER}") from error
    if sha256_bytes(content) != entry["sha256"]:
        raise ArtifactError(f"{path} is damaged: its sha256 is not the one its manifest records; {USE_ANOTHER}")
    return content


def remove_temporary(directory: Path) -> None:
    """Take away what an earlier process that was killed left half written in `directory` and the folders in it.

    A folder that was set aside to be replaced, and never was, gets its name back.
    """
    inside = (child for child in directory.glob("*/") if not child.name.startswith(TEMPORARY_PREFIX))
    for folder in (directory, *inside):
        _remove_temporary(folder)


def _remove_temporary(directory: Path) -> None:
    for leftover in directory.glob(f"{TEMPORARY_PREFIX}*"):
        owner = leftover.with_name(leftover.name.removeprefix(PREVIOUS_PREFIX))
        if leftover.name.startswith(PREVIOUS_PREFIX) and find_committed(owner) == leftover:
            with storage_errors(owner):
                _disk.remove_tree(owner)
                _disk.rename(leftover, owner)
                _disk.sync_directory(directory)
        elif leftover.is_dir():
            _disk.remove_tree(leftover)
        else:
            _disk.remove_file(leftover)


@contextlib.contextmanager
def exclusive_lock(path: Path, *, busy: str, timeout: float = 0.0) -> Iterator[None]:
    """Hold the lock file `path` for the length of the block; it is released by the system if the process dies.

    Raises:
        RunBusyError: another process holds it after `timeout` seconds; its message is `busy`.
    """
    with storage_errors(path):
        make_directories(path.parent)
        if path.is_symlink():  # a lock file is emptied, and so would be whatever a link leads to
            raise OSError(errno.ELOOP, "the lock is a link, and must be a file", str(path))
        lock = filelock.FileLock(path, timeout=timeout)
        try:
            lock.acquire()
        except filelock.Timeout:
            raise RunBusyError(busy) from None
    try:
        yield
    finally:
        lock.release()


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock file at `path` just now."""
    if path.is_symlink() or not path.is_file():
        return False
    lock = filelock.FileLock(path, timeout=0)
    try:
        lock.acquire()
    except (filelock.Timeout, OSError) as error:
        return isinstance(error, filelock.Timeout)
    lock.release()
    return False


def _temporary_directory(directory: Path) -> Path:
    """A new folder beside `directory`, with the permissions that a plain `mkdir` would give."""
    while True:
        name = f"{TEMPORARY_PREFIX}{os.getpid()}-{next(_serial)}-{directory.name}"
        try:
            _disk.make_directory(directory.with_name(name))
        except FileExistsError:  # left by a process of the same number
            continue
        return directory.with_name(name)


def _put_in_place(source: Path, target: Path) -> Path | None:
    """Give the folder `source` the name `target`, in one step if the system can; returns where an old folder is now.

    Where two names cannot be exchanged, the old folder is first renamed to a name under which readers look for it. A
    crash in between leaves that one. It stays until its successor is durable.
    """
    if not os.path.lexists(target):
        _disk.rename(source, target)
        return None
    if _disk.exchange(source, target):
        return source
    previous = target.with_name(f"{PREVIOUS_PREFIX}{target.name}")
    _disk.remove_tree(previous)
    _disk.rename(target, previous)
    try:
        _disk.rename(source, target)
    except OSError:
        _disk.rename(previous, target)
        raise
    return previous


def _make_place_durable(directory: Path, *, exchanged_with: Path | None) -> None:
    """Sync the folder above; where that fails, the old folder gets its name back, since it is the durable one."""
    try:
        _disk.sync_directory(directory.parent)
    except OSError:
        if exchanged_with is not None:
            _disk.exchange(exchanged_with, directory)
        raise


@functools.cache
def _swapper() -> Callable[[Path, Path], bool] | None:
    """The system's call that exchanges two names; None where there is none."""
    try:
        library = ctypes.CDLL(None, use_errno=True)
    except (OSError, TypeError):  # Windows
        return None
    if sys.platform == "darwin" and hasattr(library, "renamex_np"):
        swap_flag = 2  # RENAME_SWAP
        return functools.partial(_swap, lambda one, other: library.renamex_np(one, other, swap_flag))
    if sys.platform.startswith("linux") and hasattr(library, "renameat2"):
        here, exchange_flag = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
        return functools.partial(_swap, lambda one, other: library.renameat2(here, one, here, other, exchange_flag))
    return None


def _swap(call: Callable[[bytes, bytes], int], one: Path, other: Path) -> bool:
    if call(os.fsencode(one), os.fsencode(other)) == 0:
        return True
    code = ctypes.get_errno()
    if code in _NOT_SUPPORTED:  # by this file system
        return False
    raise OSError(code, os.strerror(code), str(one), None, str(other))
