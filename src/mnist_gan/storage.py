"""Atomic files, digests, manifests and locks: what everything that touches a disk stands on.

A file written here is complete or absent: it is written under a temporary name in the same folder, flushed, synced and
renamed, and the folder is synced after it. A folder of files is *committed* by its manifest, which names every file
with its size and sha256, is written last, and is checked on every load. Neither safetensors nor JSON notices a flipped
byte; the manifest does.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import filelock

from mnist_gan.errors import ArtifactError, RunBusyError, StorageError

MANIFEST_NAME: Final = "manifest.json"
MANIFEST_VERSION: Final = 1
MAX_MANIFEST_BYTES: Final = 1 << 20
TEMPORARY_PREFIX: Final = ".tmp-"


def sha256_bytes(content: bytes) -> str:
    """The sha256 of `content`, as 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def sha256_file(path: Path) -> str:
    """The sha256 of a file's content, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_directory(path: Path) -> None:
    """Make the names in a folder durable (POSIX; elsewhere a rename needs no such step)."""
    if os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Make a file's content durable."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{path.name}")
        try:
            yield temporary
            sync_file(temporary)
            temporary.replace(path)
            sync_directory(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file atomically and durably."""
    with atomic_path(path, needed_bytes=len(content)) as temporary:
        temporary.write_bytes(content)


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
    total = sum(len(content) for content in files.values())
    with storage_errors(directory, needed_bytes=total):
        directory.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f"{TEMPORARY_PREFIX}{directory.name}-", dir=directory.parent))
        try:
            temporary.chmod(0o777 & ~_umask())
            for name, content in {**files, **(unverified or {})}.items():
                (temporary / name).write_bytes(content)
                sync_file(temporary / name)
            manifest = json.dumps(describe_files(files), indent=2) + "\n"
            (temporary / MANIFEST_NAME).write_text(manifest)
            sync_file(temporary / MANIFEST_NAME)
            sync_directory(temporary)
            _replace_directory(temporary, directory)
            sync_directory(directory.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def describe_files(files: Mapping[str, bytes]) -> dict[str, Any]:
    """The manifest of `files`: format version, and for each name its size in bytes and sha256."""
    entries = {name: {"bytes": len(content), "sha256": sha256_bytes(content)} for name, content in files.items()}
    return {"version": MANIFEST_VERSION, "files": entries}


def read_committed_directory(directory: Path) -> dict[str, bytes]:
    """Read every file that the manifest of `directory` names, each checked against its size and sha256.

    Raises:
        ArtifactError: no manifest, one that does not parse or points outside its folder, or a file that is missing or
            differs from it.
    """
    entries = read_manifest(directory)
    return {name: _read_verified(directory / name, entry) for name, entry in entries.items()}


def read_manifest(directory: Path) -> dict[str, dict[str, Any]]:
    """The `files` table of a folder's manifest: name -> {"bytes": size, "sha256": digest}.

    Raises:
        ArtifactError: it is missing, too large, malformed, of an unknown version, or names a path outside the folder.
    """
    path = directory / MANIFEST_NAME
    try:
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise ArtifactError(f"{path} is larger than a manifest can be; the folder is not one of ours")
        manifest = json.loads(path.read_bytes())
        version, entries = manifest["version"], manifest["files"]
        well_formed = all(
            isinstance(entry["bytes"], int) and isinstance(entry["sha256"], str) for entry in entries.values()
        )
    except FileNotFoundError as error:
        raise ArtifactError(
            f"{directory} has no {MANIFEST_NAME}: it was never completed, or is not one of ours"
        ) from error
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ArtifactError(f"{path} is damaged (it does not parse as a manifest); use another copy") from error
    if version != MANIFEST_VERSION:
        raise ArtifactError(f"{path} has manifest version {version!r}; this release reads version {MANIFEST_VERSION}")
    if not well_formed or any(Path(name).name != name or name in {"", ".", ".."} for name in entries):
        raise ArtifactError(f"{path} names something outside its own folder; it is refused")
    return dict(entries)


def _read_verified(path: Path, entry: Mapping[str, Any]) -> bytes:
    try:
        size = path.stat().st_size
        if size != entry["bytes"] or path.is_symlink():
            raise ArtifactError(f"{path} is damaged: it has {size:,} bytes, {entry['bytes']:,} were written")
        content = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror or error}") from error
    if sha256_bytes(content) != entry["sha256"]:
        raise ArtifactError(f"{path} is damaged: its sha256 is not the one its manifest records")
    return content


def remove_temporary(directory: Path) -> None:
    """Take away what an earlier process that was killed left half written in `directory`."""
    for leftover in directory.glob(f"{TEMPORARY_PREFIX}*"):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


@contextlib.contextmanager
def exclusive_lock(path: Path, *, busy: str, timeout: float = 0.0) -> Iterator[None]:
    """Hold the lock file `path` for the length of the block; it is released by the system if the process dies.

    Raises:
        RunBusyError: another process holds it after `timeout` seconds; its message is `busy`.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
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
    if not path.exists():
        return False
    lock = filelock.FileLock(path, timeout=0)
    try:
        lock.acquire()
    except (filelock.Timeout, OSError) as error:
        return isinstance(error, filelock.Timeout)
    lock.release()
    return False


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _replace_directory(source: Path, target: Path) -> None:
    """Rename `source` to `target`; a folder already there is moved aside first, and removed after."""
    if not target.exists():
        source.replace(target)
        return
    aside = Path(tempfile.mkdtemp(prefix=f"{TEMPORARY_PREFIX}old-", dir=target.parent))
    target.replace(aside / target.name)
    try:
        source.replace(target)
    except OSError:
        (aside / target.name).replace(target)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
