"""Folders that appear only when they are complete."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mnist_gan.errors import ConfigError
from mnist_gan.storage import TEMPORARY_PREFIX, remove_abandoned, storage_errors, sync_directory


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
