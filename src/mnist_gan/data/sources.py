"""Search for MNIST: MNIST_GAN_DATA, the cache, the mirrors; and the status of each location."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from mnist_gan.data.download import PROVIDE_MNIST, DownloadError, cache_dir, cache_remedy, download_mnist
from mnist_gan.data.idx import GET_AGAIN, read_idx
from mnist_gan.data.idx_set import (
    IdxSet,
    check_published,
    count_published,
    dimensions_of,
    find_idx_file,
    locate_idx_folder,
    missing_remedy,
    read_idx_set,
)
from mnist_gan.data.mnist import FILE_NAMES, MIRRORS, MNIST_FILES
from mnist_gan.errors import DataError
from mnist_gan.paths import user_path

DATA_VARIABLE: Final = "MNIST_GAN_DATA"
INSTALL_DIGITS: Final = 'pip install "mnist-gan[digits]"'


class MnistNotFoundError(DataError):
    """MNIST is not on disk, and downloading is disabled or failed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FileStatus:
    """Status of one of MNIST's four files in one location."""

    name: str
    path: str | None
    """None if it is missing."""
    state: Literal["verified", "damaged", "other", "missing"]
    """verified: MNIST's digest matches; damaged: not a valid IDX file; other: valid, but of another data set."""
    detail: str
    """The problem and its remedy; empty if verified."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DataLocation:
    """Status of one data location."""

    role: Literal["--data.dir", "MNIST_GAN_DATA", "cache", "digits"]
    path: str | None
    """The folder; None if the variable is unset, and for scikit-learn's digits."""
    files: tuple[FileStatus, ...]
    verifies: bool
    """True if the location is complete and verified."""
    remedy: str
    """Advice to make it verify; empty if it does."""

    @property
    def is_mnist(self) -> bool:
        """Holds MNIST with the right digests."""
        return self.verifies and self.role != "digits"

    @property
    def state(self) -> str:
        """The state in a word or two: ok, damaged, empty, incomplete, another data set, not set, not installed."""
        if self.verifies:
            return "ok"
        if self.role == "digits":
            return "not installed"
        if self.path is None:
            return "not set"
        states = {file.state for file in self.files}
        if states == {"missing"}:
            return "empty"
        if "damaged" in states:
            return "damaged"
        return "another data set" if states == {"other"} else "incomplete"


def mnist_in_environment() -> Path | None:
    """The folder in MNIST_GAN_DATA, or None if unset."""
    value = os.environ.get(DATA_VARIABLE, "").strip()
    return user_path(value) if value else None


def find_mnist(
    *,
    download: bool,
    cache: Path | None = None,
    mirrors: Sequence[str] = MIRRORS,
) -> IdxSet:
    """Verified MNIST from MNIST_GAN_DATA, the cache or the mirrors, in this order.

    Raises:
        MnistNotFoundError: MNIST is not on disk, and downloading is disabled or failed.
        DataError: a file is damaged, or MNIST_GAN_DATA holds another data set.
        StorageError: the cache cannot be written.
    """
    folder = mnist_in_environment()
    if folder is not None:
        return _read_environment(folder)
    cache = cache_dir() if cache is None else cache
    if not _complete(cache):
        if not download:
            raise MnistNotFoundError(
                f"MNIST is not on disk (neither {DATA_VARIABLE} nor {cache}), downloads are disabled; {PROVIDE_MNIST}"
            )
        try:
            download_mnist(into=cache, mirrors=mirrors)
        except DownloadError as error:
            raise MnistNotFoundError(str(error)) from error
    return _read_cache(cache)


def check_all_mnist(idx_set: IdxSet, *, remedy: str = GET_AGAIN) -> None:
    """Check the digests of all four files.

    Raises:
        DataError: a file is not MNIST's; the message names the first.
    """
    for name, published in MNIST_FILES.items():
        check_published(idx_set.files[name], published, path=idx_set.paths[name], remedy=remedy)


def data_status(*, folder: Path | None = None, cache: Path | None = None) -> list[DataLocation]:
    """Status of every data location, in search order. Reads only.

    Args:
        folder: the value of `--data.dir`, if set.
        cache: the cache folder; None is the user's.
    """
    cache = cache_dir() if cache is None else cache
    environment = mnist_in_environment()
    locations = [] if folder is None else [_location("--data.dir", folder, remedy=GET_AGAIN)]
    if environment is None:
        unset = f"set {DATA_VARIABLE} to the folder of MNIST's four files, if you have them"
        locations.append(DataLocation(role="MNIST_GAN_DATA", path=None, files=(), verifies=False, remedy=unset))
    else:
        locations.append(_location("MNIST_GAN_DATA", environment, remedy=GET_AGAIN))
    locations.append(_location("cache", cache, remedy=cache_remedy(cache)))
    return [*locations, _digits_location()]


def _read_environment(folder: Path) -> IdxSet:
    try:
        idx_set = read_idx_set(folder)
    except DataError as error:
        raise DataError(f"{DATA_VARIABLE}: {error}") from error
    if count_published(idx_set.digests) == 0:
        raise DataError(
            f"{DATA_VARIABLE} is {folder}, which holds another data set than MNIST; "
            f"use --data.dir {folder} for it, and unset {DATA_VARIABLE}"
        )
    check_all_mnist(idx_set)
    return idx_set


def _complete(cache: Path) -> bool:
    """True if the cache has all four files. If some are missing, the others are checked first.

    Raises:
        DataError: a file is damaged; it is not replaced without the user's consent.
    """
    paths = {name: find_idx_file(cache, name) for name in FILE_NAMES}
    if all(paths.values()):
        return True  # checked on reading
    for name, path in paths.items():
        if path is not None:
            _check_file(path, name, remedy=cache_remedy(cache))
    return False


def _read_cache(cache: Path) -> IdxSet:
    remedy = cache_remedy(cache)
    idx_set = read_idx_set(cache, remedy=remedy)
    check_all_mnist(idx_set, remedy=remedy)
    return idx_set


def _check_file(path: Path, name: str, *, remedy: str) -> None:
    file = read_idx(path, dimensions=dimensions_of(name), remedy=remedy)
    check_published(file, MNIST_FILES[name], path=path, remedy=remedy)


def _location(role: Literal["--data.dir", "MNIST_GAN_DATA", "cache"], folder: Path, *, remedy: str) -> DataLocation:
    try:
        place = folder if role == "cache" else locate_idx_folder(folder)
    except DataError as error:
        return DataLocation(role=role, path=str(folder), files=_missing_files(), verifies=False, remedy=str(error))
    files = tuple(_file_status(place, name, remedy=remedy) for name in FILE_NAMES)
    verifies = all(file.state == "verified" for file in files)
    return DataLocation(
        role=role, path=str(place), files=files, verifies=verifies, remedy=_location_remedy(role, place, files)
    )


def _missing_files() -> tuple[FileStatus, ...]:
    return tuple(FileStatus(name=name, path=None, state="missing", detail="missing") for name in FILE_NAMES)


def _location_remedy(role: str, folder: Path, files: Sequence[FileStatus]) -> str:
    states = {file.state for file in files}
    if states == {"verified"}:
        return ""
    if states == {"other"}:
        return "" if role == "--data.dir" else f"this is another data set; use --data.dir {folder} for it"
    wrong = next((file.detail for file in files if file.state in {"damaged", "other"}), None)
    if wrong is not None:
        return wrong
    missing = next(file.name for file in files if file.state == "missing")
    return "run `mnist-gan data --download`" if role == "cache" else missing_remedy(folder, missing)


def _file_status(folder: Path, name: str, *, remedy: str) -> FileStatus:
    path = find_idx_file(folder, name)
    if path is None:
        return FileStatus(name=name, path=None, state="missing", detail="missing")
    try:
        file = read_idx(path, dimensions=dimensions_of(name), remedy=remedy)
    except DataError as error:
        return FileStatus(name=name, path=str(path), state="damaged", detail=str(error))
    try:
        check_published(file, MNIST_FILES[name], path=path, remedy=remedy)
    except DataError as error:
        return FileStatus(name=name, path=str(path), state="other", detail=str(error))
    return FileStatus(name=name, path=str(path), state="verified", detail="")


def _digits_location() -> DataLocation:
    installed = importlib.util.find_spec("sklearn") is not None
    return DataLocation(
        role="digits", path=None, files=(), verifies=installed, remedy="" if installed else INSTALL_DIGITS
    )
