"""Atomic files, digests, manifests and locks.

A file is written under a temporary name in the same directory, fsynced and renamed, and the directory is fsynced: the
file is complete or absent. A directory of files is *committed* by its manifest, which records the size and sha256 of
every file, is written last and is checked on every load. Neither safetensors nor JSON detects a flipped byte.

Replacing a committed directory is atomic where the system can exchange two names (Linux, macOS). Elsewhere the old
directory is renamed to a name that readers know (`find_committed`), so that one of the two exists at any moment.

Every change of the disk is a method of `Disk`, so that the fault campaign can record, fail and reorder it.
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
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import filelock

from mnist_gan.errors import ArtifactError, ConfigError, RunBusyError, StorageError
from mnist_gan.text import printable

MANIFEST_NAME: Final = "manifest.json"
MANIFEST_VERSION: Final = 1
MAX_MANIFEST_BYTES: Final = 1 << 20
TEMPORARY_PREFIX: Final = ".tmp-"
PREVIOUS_PREFIX: Final = f"{TEMPORARY_PREFIX}previous-"
"""Prefix of a directory that is being replaced, on systems that cannot exchange two names."""
READ_FLAGS: Final = os.O_RDONLY | functools.reduce(
    lambda flags, name: flags | getattr(os, name, 0), ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"), 0
)
READERS_BLOCK: Final = os.name == "nt"
"""An open file cannot be replaced."""
SHARING_SECONDS: Final = 2.0
ABANDONED_SECONDS: Final = 86_400.0
"""Age of a temporary folder that no process can be writing any more."""
USE_ANOTHER: Final = "use another copy"
WRITE_REMEDIES: Final = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "free some space or choose another folder"),
    errno.EROFS: "choose a folder on a disk that is not read-only",
    **dict.fromkeys((errno.EACCES, errno.EPERM), "choose a folder that you may write to, or change its permissions"),
}
"""Remedy of a failed write by its error."""

_AT_FDCWD: Final = -100
_RENAME_EXCHANGE: Final = 2
_RENAME_SWAP: Final = 2
_NOT_SUPPORTED: Final = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM}


class Disk:
    """The operations of this module that change the disk."""

    def make_directory(self, path: Path) -> None:
        """Create one directory, without parents."""
        path.mkdir()

    def write(self, path: Path, content: bytes) -> None:
        """Write a file, neither atomically nor durably."""
        path.write_bytes(content)

    def sync_file(self, path: Path) -> None:
        """Fsync a file."""
        descriptor = os.open(path, os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def sync_directory(self, path: Path) -> None:
        """Fsync a directory on POSIX; elsewhere a rename is durable without it."""
        if os.name != "posix":
            return
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Rename a file or directory; an existing file is replaced atomically."""
        rename(source, target)

    def exchange(self, one: Path, other: Path) -> bool:
        """Exchange two names atomically; return False, without a change, if the system cannot."""
        exchange = _exchange_call()
        return exchange is not None and exchange(one, other)

    def remove_file(self, path: Path) -> None:
        """Remove a file, if present."""
        path.unlink(missing_ok=True)

    def remove_tree(self, path: Path) -> None:
        """Remove a directory tree, ignoring errors; for a symlink, remove only the link."""
        if path.is_symlink() or path.is_file():
            path.unlink(missing_ok=True)
        else:
            shutil.rmtree(path, ignore_errors=True)


_disk = Disk()
_serial = itertools.count()


def sha256_bytes(content: bytes) -> str:
    """The sha256 as 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def sync_directory(path: Path) -> None:
    """Fsync a directory, which makes its entries durable."""
    _disk.sync_directory(path)


def rename(source: Path, target: Path) -> None:
    """Rename a file or directory; an existing file is replaced atomically, but not durably.

    Windows refuses while another process reads the target, so the rename is repeated for a moment there.
    """
    deadline = time.monotonic() + SHARING_SECONDS
    while True:
        try:
            source.replace(target)
            return
        except PermissionError:
            if not READERS_BLOCK or time.monotonic() > deadline:
                raise
        time.sleep(0.01)


def make_directories(path: Path) -> None:
    """Create a directory and its missing parents. Each is durable before anything is created in it.

    Raises:
        OSError: a directory cannot be created.
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
    """Remove a directory tree, ignoring errors."""
    _disk.remove_tree(path)


def read_regular(path: Path, *, most: int) -> bytes:
    """Read a file of a run or a model, which may come from a stranger.

    Symlinks could lead to any file; FIFOs and devices could block or never end. Both are refused.

    Args:
        path: its folders may be symlinks.
        most: size limit in bytes.

    Raises:
        OSError: the file is missing, unreadable, a symlink, not regular, or larger than `most`.
    """
    if path.is_symlink():
        raise OSError(errno.ELOOP, "it is a symlink, not a file", str(path))
    descriptor = os.open(path, READ_FLAGS)  # refuses a symlink that appeared in between
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        if status.st_size > most:
            raise OSError(errno.EFBIG, f"it has {status.st_size:,} bytes, above the limit of {most:,}", str(path))
        return file.read(most)


def is_regular(path: Path) -> bool:
    """True for a regular file; False for a symlink, a FIFO, a device, a directory and a missing file."""
    return path.is_file() and not path.is_symlink()


@contextlib.contextmanager
def storage_errors(path: Path, *, needed_bytes: int | None = None) -> Iterator[None]:
    """Convert an OSError inside the block into a StorageError about writing `path`."""
    try:
        yield
    except OSError as error:
        size = f" ({needed_bytes:,} bytes are needed)" if needed_bytes is not None else ""
        remedy = WRITE_REMEDIES.get(error.errno or 0, "choose another folder")
        raise StorageError(
            f"cannot write {path}: {error.strerror or error}{size}; {remedy}; existing files are unchanged"
        ) from error


@contextlib.contextmanager
def atomic_path(path: Path, *, needed_bytes: int | None = None) -> Iterator[Path]:
    """Yield a temporary path beside `path`, renamed to `path` if the block succeeds and removed otherwise.

    The temporary name keeps the suffixes of `path`, for writers that choose a format by them.

    Raises:
        StorageError: the file cannot be written (disk full, read-only directory).
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
            with contextlib.suppress(OSError):  # the first error is reported
                _disk.remove_file(temporary)


def write_bytes(path: Path | str, content: bytes) -> None:
    """Write a file atomically and durably."""
    with atomic_path(Path(path), needed_bytes=len(content)) as temporary:
        _disk.write(temporary, content)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file atomically and durably; bytes of a file name that are not UTF-8 become escapes."""
    write_bytes(path, printable(text).encode())


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically and durably; NaN and infinities raise a ValueError."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def write_committed_directory(
    directory: Path, files: Mapping[str, bytes], *, unverified: Mapping[str, bytes] | None = None
) -> None:
    """Write `files` and their manifest as `directory`, replacing an existing one atomically.

    The directory is built under a temporary name, fsynced file by file, and renamed when it is complete. A crash leaves
    a temporary directory, which `remove_temporary` removes.

    Args:
        directory: path of the committed directory.
        files: name -> content.
        unverified: further files that are not in the manifest, so that the user may edit them.

    Raises:
        StorageError: the directory cannot be written; the previous one is unchanged.
    """
    manifest = (json.dumps(describe_files(files), indent=2) + "\n").encode()
    contents = {**files, **(unverified or {}), MANIFEST_NAME: manifest}
    total = sum(len(content) for content in contents.values())
    with storage_errors(directory, needed_bytes=total):
        make_directories(directory.parent)
        remove_abandoned(directory)
        temporary = _temporary_directory(directory)
        try:
            for name, content in contents.items():
                _disk.write(temporary / name, content)
                _disk.sync_file(temporary / name)
            _disk.sync_directory(temporary)
            previous = _move_into_place(temporary, directory)
            _sync_parent(directory, exchanged_with=temporary if previous == temporary else None)
        finally:
            _disk.remove_tree(temporary)  # after an exchange, this is the previous directory
        if previous is not None:
            _disk.remove_tree(previous)


def find_committed(directory: Path) -> Path | None:
    """The committed `directory`, or its previous version after an interrupted replacement; None if neither exists."""
    if (directory / MANIFEST_NAME).is_file():
        return directory
    if not directory.name:  # "." and "/" are never replaced
        return None
    previous = directory.with_name(f"{PREVIOUS_PREFIX}{directory.name}")
    return previous if (previous / MANIFEST_NAME).is_file() else None


def describe_files(files: Mapping[str, bytes]) -> dict[str, Any]:
    """The manifest of `files`: its format version, and the size in bytes and sha256 of each file."""
    entries = {name: {"bytes": len(content), "sha256": sha256_bytes(content)} for name, content in files.items()}
    return {"version": MANIFEST_VERSION, "files": entries}


def read_committed_directory(directory: Path, *, most: Mapping[str, int] | None = None) -> dict[str, bytes]:
    """Read the files of a committed directory, verified by size and sha256.

    Args:
        directory: a committed directory, also after an interrupted replacement (`find_committed`).
        most: name -> size limit in bytes, for the files to read. None reads all files, without limits.

    Raises:
        ArtifactError: the manifest is missing, damaged or names a path outside the directory; or a file is missing, too
            large, or does not match the manifest.
    """
    directory = find_committed(directory) or directory
    entries = read_manifest(directory)
    names = list(entries) if most is None else list(most)
    missing = [name for name in names if name not in entries]
    if missing:
        raise ArtifactError(f"{directory} is damaged: its {MANIFEST_NAME} has no {missing[0]}; {USE_ANOTHER}")
    if most is not None:
        for name, limit in most.items():
            if entries[name]["bytes"] > limit:
                size = f"{entries[name]['bytes']:,} bytes, above the limit of {limit:,}"
                raise ArtifactError(f"{directory / name} has {size}; {USE_ANOTHER}")
    return {name: _read_verified(directory / name, entries[name]) for name in names}


def read_manifest(directory: Path) -> dict[str, dict[str, Any]]:
    """The `files` table of a directory's manifest: name -> {"bytes": size, "sha256": digest}.

    Raises:
        ArtifactError: the manifest is missing, too large, malformed, of another version, or names a path outside the
            directory.
    """
    path = directory / MANIFEST_NAME
    try:
        content = read_regular(path, most=MAX_MANIFEST_BYTES)
        if not content.endswith(b"\n"):  # the last byte of every manifest
            raise ValueError("truncated")
        manifest = json.loads(content)
        version, entries = manifest["version"], dict(manifest["files"])
        well_formed = all(
            type(entry["bytes"]) is int and entry["bytes"] >= 0 and type(entry["sha256"]) is str
            for entry in entries.values()
        )
    except FileNotFoundError as error:
        raise ArtifactError(
            f"{directory} has no {MANIFEST_NAME}: it is incomplete, or not of mnist-gan; {USE_ANOTHER}"
        ) from error
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror or error}; {USE_ANOTHER}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ArtifactError(f"{path} is damaged: it is not a valid manifest; {USE_ANOTHER}") from error
    if type(version) is not int or version != MANIFEST_VERSION:
        raise ArtifactError(
            f"{path} has manifest version {_abbreviate(version)}; this release reads version {MANIFEST_VERSION}: "
            "use the release of mnist-gan that wrote it"
        )
    if not well_formed or not all(_is_plain_name(name) for name in entries):
        raise ArtifactError(f"{path} has a file name that is invalid or outside its folder; {USE_ANOTHER}")
    return entries


def _is_plain_name(name: str) -> bool:
    """True if the name is of a file directly in a directory, on every system."""
    return name.isascii() and name.isprintable() and name not in {"", ".", ".."} and not set(name) & set('/\\:*?"<>|')


def _abbreviate(value: object) -> str:
    """An untrusted value, shortened for a message."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


def _read_verified(path: Path, entry: Mapping[str, Any]) -> bytes:
    try:
        size = path.stat().st_size
        if size != entry["bytes"]:
            raise ArtifactError(f"{path} is damaged: it has {size:,} bytes, expected {entry['bytes']:,}; {USE_ANOTHER}")
        content = read_regular(path, most=size)
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror or error}; {USE_ANOTHER}") from error
    if sha256_bytes(content) != entry["sha256"]:
        raise ArtifactError(f"{path} is damaged: its sha256 differs from the manifest; {USE_ANOTHER}")
    return content


@contextlib.contextmanager
def new_folder(folder: Path | str) -> Iterator[Path]:
    """Yield an empty folder to write into. It becomes `folder` when the block succeeds, and is removed otherwise.

    Raises:
        ConfigError: `folder` exists and is not empty.
        StorageError: a file cannot be written.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} exists and is not an empty folder; choose another name or remove it")
    with storage_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(folder)
        temporary = Path(tempfile.mkdtemp(prefix=f"{TEMPORARY_PREFIX}{folder.name}-", dir=folder.parent))
        try:
            new = temporary / folder.name  # the temporary folder itself is readable by its owner only
            new.mkdir()
            yield new
            if folder.exists():
                folder.rmdir()
            new.replace(folder)
            sync_directory(folder.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def remove_abandoned(target: Path) -> None:
    """Remove temporary folders for `target` that a killed process left more than a day ago."""
    for leftover in target.parent.glob(f"{TEMPORARY_PREFIX}*"):
        name = leftover.name.removeprefix(TEMPORARY_PREFIX)
        ours = not leftover.name.startswith(PREVIOUS_PREFIX) and leftover.is_dir() and not leftover.is_symlink()
        if ours and (name.endswith(f"-{target.name}") or name.startswith(f"{target.name}-")):
            with contextlib.suppress(OSError):
                if time.time() - leftover.stat().st_mtime > ABANDONED_SECONDS:
                    _disk.remove_tree(leftover)


def remove_temporary(directory: Path) -> None:
    """Remove temporary files that killed processes left in `directory` and its subdirectories.

    The previous version of a directory is restored if its replacement was interrupted.
    """
    inside = (child for child in directory.glob("*/") if not child.name.startswith(TEMPORARY_PREFIX))
    for each in (directory, *inside):
        _remove_temporary(each)


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
    """Hold the lock file `path` inside the block. The system releases it if the process dies.

    Raises:
        RunBusyError: another process still holds it after `timeout` seconds; the message is `busy`.
        StorageError: the lock file cannot be created.
    """
    with storage_errors(path):
        make_directories(path.parent)
        if path.is_symlink():  # locking truncates the file, so it must not follow a symlink
            raise OSError(errno.ELOOP, "the lock is a symlink, not a file", str(path))
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
    """True if a process holds the lock file."""
    if not is_regular(path):
        return False
    lock = filelock.FileLock(path, timeout=0)
    try:
        lock.acquire()
    except (filelock.Timeout, OSError) as error:
        return isinstance(error, filelock.Timeout)
    lock.release()
    return False


def _temporary_directory(directory: Path) -> Path:
    """Create a temporary directory beside `directory`, with the default permissions."""
    while True:
        name = f"{TEMPORARY_PREFIX}{os.getpid()}-{next(_serial)}-{directory.name}"
        try:
            _disk.make_directory(directory.with_name(name))
        except FileExistsError:  # left by an earlier process with the same id
            continue
        return directory.with_name(name)


def _move_into_place(source: Path, target: Path) -> Path | None:
    """Rename the directory `source` to `target`; returns the new path of a replaced directory.

    If two names cannot be exchanged, the old directory is first renamed to a name that `find_committed` knows. The
    caller removes it when its replacement is durable.
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


def _sync_parent(directory: Path, *, exchanged_with: Path | None) -> None:
    """Fsync the parent directory; on failure, undo the exchange, because the old directory is the durable one."""
    try:
        _disk.sync_directory(directory.parent)
    except OSError:
        if exchanged_with is not None:
            _disk.exchange(exchanged_with, directory)
        raise


@functools.cache
def _exchange_call() -> Callable[[Path, Path], bool] | None:
    """The system call that exchanges two names; None if there is none."""
    try:
        library = ctypes.CDLL(None, use_errno=True)
    except (OSError, TypeError):  # Windows
        return None
    if sys.platform == "darwin" and hasattr(library, "renamex_np"):
        return functools.partial(_exchange, lambda one, other: library.renamex_np(one, other, _RENAME_SWAP))
    if sys.platform.startswith("linux") and hasattr(library, "renameat2"):
        return functools.partial(
            _exchange, lambda one, other: library.renameat2(_AT_FDCWD, one, _AT_FDCWD, other, _RENAME_EXCHANGE)
        )
    return None


def _exchange(call: Callable[[bytes, bytes], int], one: Path, other: Path) -> bool:
    if call(os.fsencode(one), os.fsencode(other)) == 0:
        return True
    code = ctypes.get_errno()
    if code in _NOT_SUPPORTED:  # by the file system
        return False
    raise OSError(code, os.strerror(code), str(one), None, str(other))
