"""Downloads of MNIST's files: from one mirror after the other, verified in memory, and only then written to the cache.

The cache never holds a file that was not verified: a download is inflated and hashed before it gets a name, and gets
it by a rename. Several processes may download at once; one does, under a lock, and the others wait and find the files.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import platformdirs

from mnist_gan import storage
from mnist_gan.data.idx import GZIP_MAGIC, parse_idx, read_idx
from mnist_gan.data.idx_set import check_published, dimensions_of, find_idx_file
from mnist_gan.data.mnist import MIRRORS, MNIST_FILES, PublishedFile
from mnist_gan.errors import DataError, RunBusyError

logger = logging.getLogger(__name__)

PATIENCE_S: Final = 20.0
"""Seconds that a mirror may stay silent."""
MIN_BYTES_PER_S: Final = 8_192
"""A transfer that is slower than this, after the patience, counts as stalled."""
LOCK_TIMEOUT_S: Final = 1_800.0
"""Seconds to wait for another process that downloads."""
BY_HAND: Final = (
    "put MNIST's four files in a folder and name it with --data.dir or MNIST_GAN_DATA, or try again with a connection"
)

_OVERHEAD_BYTES: Final = 1 << 16  # what a .gz file may have beyond the content it compresses
_CHUNK_BYTES: Final = 1 << 12


class DownloadError(DataError):
    """A file that no mirror gave."""


class _RefusedError(Exception):
    """What a mirror did that is not accepted, in words."""


def cache_dir() -> Path:
    """Where downloads are kept: the user's cache folder, as the operating system has it."""
    return Path(platformdirs.user_cache_path("mnist-gan", appauthor=False)) / "mnist"


def download_mnist(
    *,
    into: Path | None = None,
    mirrors: Sequence[str] = MIRRORS,
    files: Mapping[str, PublishedFile] = MNIST_FILES,
    patience_s: float = PATIENCE_S,
) -> dict[str, Path]:
    """Bring MNIST's files into the cache; what is there and verifies is kept.

    Args:
        into: the folder; None is `cache_dir()`.
        mirrors: addresses of folders of .gz files, tried in this order.
        files: name -> size and digest of what to bring.
        patience_s: seconds that a mirror may stay silent.

    Returns:
        File name -> path, for all of `files`.

    Raises:
        DownloadError: no mirror gave a file.
        DataError: a file in the cache is damaged; it is named and left as it is.
        StorageError: the cache cannot be written, or another process has been downloading into it for half an hour.
    """
    folder = cache_dir() if into is None else into
    order = list(mirrors)
    with _cache_lock(folder):
        storage.remove_temporary(folder)  # of a process that was killed: under the lock nobody else is writing
        return {
            name: _cached(folder, name, published)
            or _download(folder, name, published, mirrors=order, patience_s=patience_s)
            for name, published in files.items()
        }


def cache_remedy(folder: Path) -> str:
    """What to do about a damaged file in the cache, which is never deleted without being asked for."""
    return f"delete it from {folder}, and it will be downloaded again"


@contextlib.contextmanager
def _cache_lock(folder: Path) -> Iterator[None]:
    lock = folder / ".lock"
    busy = f"another process has held {lock} for {LOCK_TIMEOUT_S / 60:.0f} minutes; end it, or {BY_HAND}"
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(storage.exclusive_lock(lock, busy=busy))
        except RunBusyError:
            logger.info("another process is downloading MNIST; waiting for it")
            stack.enter_context(storage.exclusive_lock(lock, busy=busy, timeout=LOCK_TIMEOUT_S))
        yield


def _cached(folder: Path, name: str, published: PublishedFile) -> Path | None:
    path = find_idx_file(folder, name)
    if path is not None:
        remedy = cache_remedy(folder)
        check_published(read_idx(path, remedy=remedy), published, path=path, remedy=remedy)
    return path


def _download(
    folder: Path,
    name: str,
    published: PublishedFile,
    *,
    mirrors: list[str],
    patience_s: float,
) -> Path:
    """Fetch one file from the first mirror that gives it, which comes first from then on."""
    failures = []
    for mirror in tuple(mirrors):
        host = urlsplit(mirror).netloc
        logger.info(f"downloading {name}.gz ({published.download_bytes / 1e6:.1f} MB) from {host}")
        try:
            content = _fetch_verified(f"{mirror.rstrip('/')}/{name}.gz", name, published, patience_s=patience_s)
        except DataError as error:
            failures.append(f"{host}: {error}")
            logger.warning(f"the download from {host} failed: {error}")
            continue
        mirrors.remove(mirror)
        mirrors.insert(0, mirror)
        # a server may take the compression off on the way; the name says what the file is
        path = folder / (f"{name}.gz" if content.startswith(GZIP_MAGIC) else name)
        storage.write_bytes(path, content)
        return path
    raise DownloadError(f"{name} could not be downloaded ({'; '.join(failures) or 'there is no mirror'}); {BY_HAND}")


def _fetch_verified(url: str, name: str, published: PublishedFile, *, patience_s: float) -> bytes:
    content = _fetch(url, published, patience_s=patience_s)
    remedy = "it is not kept"
    file = parse_idx(content, name="what it sent", dimensions=dimensions_of(name), remedy=remedy)
    check_published(file, published, path="what it sent", remedy=remedy)
    return content


def _fetch(url: str, published: PublishedFile, *, patience_s: float) -> bytes:
    """The bytes at `url`, with a progress bar on a terminal.

    The transfer runs in a thread of its own, so that a name server, a handshake or a trickle of bytes that never ends
    can be left alone: time-outs on sockets do not catch these.

    Raises:
        DownloadError: the mirror refused, broke off, sent too much, or was too slow.
    """
    from tqdm import tqdm

    transfer = _Transfer(url, limit=published.content_bytes + _OVERHEAD_BYTES, patience_s=patience_s)
    began = time.monotonic()
    transfer.start()
    with (
        contextlib.closing(transfer),
        tqdm(total=published.download_bytes, unit="B", unit_scale=True, disable=None, leave=False) as bar,
    ):
        while transfer.is_alive():
            transfer.join(timeout=0.1)
            bar.update(len(transfer.content) - bar.n)
            allowed_s = patience_s + len(transfer.content) / MIN_BYTES_PER_S
            if time.monotonic() - began > allowed_s:
                raise DownloadError(f"it stalled after {len(transfer.content):,} bytes")
    if transfer.error is not None:
        raise DownloadError(_reason(transfer.error)) from transfer.error
    return bytes(transfer.content)


class _Transfer(threading.Thread):
    """One download with pooch into memory, which can be left alone: what it writes, it writes into itself."""

    def __init__(self, url: str, *, limit: int, patience_s: float) -> None:
        super().__init__(daemon=True, name=f"download {url}")
        self.content = bytearray()
        self.error: Exception | None = None
        self._url = url
        self._limit = limit
        self._patience_s = patience_s
        self._closed = False
        self._responses: list[Any] = []

    def run(self) -> None:
        import pooch

        fetch = pooch.HTTPDownloader(
            chunk_size=_CHUNK_BYTES,
            timeout=self._patience_s,
            headers={"Accept-Encoding": "identity"},  # the files are compressed already
            hooks={"response": self._check_response},
        )
        try:
            fetch(self._url, self, None)
        except Exception as error:  # whatever a mirror brings about, the next one is tried
            self.error = error
        finally:
            for response in self._responses:
                response.close()

    def close(self) -> None:
        """Have the transfer end at its next byte."""
        self._closed = True

    def write(self, piece: bytes) -> None:
        if self._closed:
            raise _RefusedError("it was too slow")
        if len(self.content) + len(piece) > self._limit:
            raise _RefusedError(f"it sent more than {self._limit:,} bytes")
        self.content += piece

    def flush(self) -> None:
        """Pooch flushes the file that it writes to."""

    def _check_response(self, response: Any, *_: Any, **__: Any) -> None:
        self._responses.append(response)
        if response.is_redirect:
            target = urljoin(response.url, response.headers["location"])
            if urlsplit(target).scheme != urlsplit(self._url).scheme:
                raise _RefusedError(f"it redirects to {target}, which leaves {urlsplit(self._url).scheme}")


def _reason(error: Exception) -> str:
    """Why a transfer failed, in words; requests' own messages are half a page long."""
    if isinstance(error, _RefusedError):
        return str(error)
    kind = type(error).__name__
    response = getattr(error, "response", None)
    if kind == "HTTPError" and response is not None:
        return f"it answered {response.status_code} {response.reason}"
    reasons = {
        "ConnectTimeout": "it does not answer",
        "ReadTimeout": "it does not answer",
        "ConnectionError": "it cannot be reached, or fell silent",
        "ChunkedEncodingError": "it broke off",
        "SSLError": "its certificate was refused",
        "ProxyError": "the proxy does not let us through",
        "TooManyRedirects": "it redirects in a circle",
    }
    return reasons.get(kind, f"the transfer failed ({kind})")
