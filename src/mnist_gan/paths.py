"""Paths from the user, and the user's cache folder."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import platformdirs

from mnist_gan.errors import StorageError


def user_path(path: str | os.PathLike[str]) -> Path:
    """Return a path from the user with a leading ~ expanded: no shell expands it in Python, a file, or `--out=~/x`."""
    try:
        return Path(path).expanduser()
    except RuntimeError:  # ~name of an unknown user, or no home
        return Path(path)


def cache_folder() -> Path:
    """Return the folder of this program in the user's cache; for a user without a home, one in the temporary folder.

    Raises:
        StorageError: the folder in the temporary folder belongs to another user.
    """
    try:
        return Path(platformdirs.user_cache_path("mnist-gan", appauthor=False))
    except RuntimeError:  # no HOME, and a user id without a name, as in a container
        folder = Path(tempfile.gettempdir()) / f"mnist-gan-{os.getuid()}"  # POSIX: Windows always names a folder
    if folder.is_symlink() or (folder.exists() and folder.stat().st_uid != os.getuid()):
        raise StorageError(f"the cache folder {folder} belongs to another user; set XDG_CACHE_HOME to a folder")
    return folder
