"""Models on the Hugging Face hub, in a repository with the files of a model folder; the extra `mnist-gan[hub]`.

Only the files of a model are fetched, none of which is a pickle or code. Their sizes are checked before they are
downloaded, and the manifest afterwards. A commit is downloaded once and kept in the user's cache.

The environment variable HF_ENDPOINT names another server than huggingface.co, and HF_TOKEN the user's token.
"""

from __future__ import annotations

import importlib
import logging
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from mnist_gan import storage
from mnist_gan.errors import ArtifactError, ConfigError
from mnist_gan.paths import cache_folder
from mnist_gan.storage import new_folder

PREFIX: Final = "hf://"
ADDRESS: Final = re.compile(r"hf://?(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?", re.ASCII)
METADATA: Final = ".cache"
"""Folder that huggingface_hub leaves beside downloaded files."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """A repository on the hub, as in `hf://user/name` or `hf://user/name@revision`."""

    repo: str
    """User or organization, and name."""
    revision: str | None = None
    """Branch, tag or commit; None for the newest commit."""

    def __str__(self) -> str:
        """The address."""
        return f"{PREFIX}{self.repo}" + (f"@{self.revision}" if self.revision else "")


def is_address(path: Path | str) -> bool:
    """True for an address of the hub, which is no path; a Path has turned its two slashes into one."""
    return str(path).startswith(("hf://", "hf:/"))


def parse_address(text: str) -> Address:
    """Split an address.

    Raises:
        ConfigError: it is not `hf://USER/NAME` or `hf://USER/NAME@REVISION`.
    """
    found = ADDRESS.fullmatch(text)
    if found is None:
        raise ConfigError(f"{text} is no address of the hub; write hf://USER/NAME or hf://USER/NAME@REVISION")
    return Address(repo=found["repo"], revision=found["revision"])


def fetch(address: Address, *, most: Mapping[str, int]) -> Path:
    """Folder of a model in the user's cache, downloaded if it is not there.

    Without a connection, the commit that was downloaded last is used.

    Args:
        address: of the repository.
        most: name -> size limit in bytes, for the files to fetch beside the manifest.

    Raises:
        ConfigError: the extra is missing.
        ArtifactError: the repository is missing, private, too large or not a model; or the hub cannot be reached.
        StorageError: the cache cannot be written.
    """
    library = import_library()
    kept = cache_folder() / "hub" / address.repo
    try:
        info = api(library).model_info(address.repo, revision=address.revision, files_metadata=True)
    except library.errors.HfHubHTTPError as error:
        raise ArtifactError(f"{address} cannot be loaded: {explain(error)}") from error
    except library.errors.HFValidationError as error:
        raise ConfigError(f"{address} is no address of the hub; write {PREFIX}USER/NAME") from error
    except (library.errors.HTTPError, OSError) as error:  # no connection
        return _newest(kept, address, error)
    folder: Path = kept / info.sha
    if storage.find_committed(folder) is None:
        _check_sizes(address, info, {**most, storage.MANIFEST_NAME: storage.MAX_MANIFEST_BYTES})
        _download(library, address, folder, sha=info.sha, most=most)
    return folder


def import_library() -> ModuleType:
    """Import huggingface_hub.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        importlib.import_module("huggingface_hub.errors")
        return importlib.import_module("huggingface_hub")
    except ImportError as error:
        raise ConfigError("the hub needs huggingface_hub; install it with `pip install 'mnist-gan[hub]'`") from error


def api(library: ModuleType) -> Any:
    """Client of the hub that HF_ENDPOINT names now."""
    return library.HfApi(endpoint=_endpoint())


def explain(error: Any) -> str:
    """Reason of an HTTP error of the hub, and the remedy."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in {401, 403}:
        return "the hub refused the access; log in with `hf auth login`, or set HF_TOKEN"
    if status == 404:
        return "the hub has no such repository or revision, or it is private; check the name, or set HF_TOKEN"
    return f"the hub answered {status}; try again later" if status else "the connection failed; try again later"


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT")


def _check_sizes(address: Address, info: Any, limits: Mapping[str, int]) -> None:
    sizes = {file.rfilename: file.size for file in info.siblings or ()}
    missing = [name for name in limits if name not in sizes]
    if missing:
        raise ArtifactError(f"{address} is not a model of mnist-gan: it has no {missing[0]}; name another repository")
    for name, limit in limits.items():
        if sizes[name] is None or sizes[name] > limit:
            raise ArtifactError(f"{address} is refused: {name} has {sizes[name]} bytes, above the limit of {limit:,}")


def _download(library: ModuleType, address: Address, folder: Path, *, sha: str, most: Mapping[str, int]) -> None:
    """Download a commit and verify it; the folder appears when it is complete."""
    logger.info("downloading %s", address)
    errors = library.errors
    with new_folder(folder) as new:
        try:
            library.snapshot_download(
                address.repo,
                revision=sha,
                local_dir=new,
                allow_patterns=[*most, storage.MANIFEST_NAME],
                endpoint=_endpoint(),
            )
        except (errors.HTTPError, errors.LocalEntryNotFoundError) as error:
            raise ArtifactError(f"{address} cannot be downloaded: {explain(error)}") from error
        shutil.rmtree(new / METADATA, ignore_errors=True)
        storage.read_committed_directory(new, most=most)


def _newest(kept: Path, address: Address, error: Exception) -> Path:
    """The commit that was downloaded last, if the hub cannot be reached."""
    commits = [folder for folder in kept.glob("*") if (folder / storage.MANIFEST_NAME).is_file()]
    usable = [folder for folder in commits if address.revision in {None, folder.name}]
    if not usable:
        raise ArtifactError(f"the hub cannot be reached for {address}: {error}; check the connection") from error
    newest = max(usable, key=lambda folder: folder.stat().st_mtime)
    logger.info("the hub cannot be reached; using the copy of %s from an earlier download", address)
    return newest
