"""Download MNIST's files from mirrors into the cache.

A download is decompressed and hashed in memory, then written atomically, so that the cache holds only verified files.
A lock serializes concurrent processes: one downloads, and the others wait and find the files.
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

from mnist_gan import storage
from mnist_gan.data.idx import GZIP_MAGIC, parse_idx, read_idx
from mnist_gan.data.idx_set import check_published, dimensions_of, find_idx_file
from mnist_gan.data.mnist import MIRRORS, MNIST_FILES, PublishedFile
from mnist_gan.errors import DataError, RunBusyError
from mnist_gan.paths import cache_folder
from mnist_gan.text import pluralize

logger = logging.getLogger(__name__)

TIMEOUT_S: Final = 20.0
"""Seconds that a mirror may take to respond."""
MIN_BYTES_PER_S: Final = 8_192
"""After the timeout, a slower transfer counts as stalled."""
LOCK_TIMEOUT_S: Final = 1_800.0
"""Seconds to wait for another process that downloads."""
PROVIDE_MNIST: Final = (
    "put MNIST's four files in a folder and set --data.dir or MNIST_GAN_DATA to it, or try again with a connection"
)

_OVERHEAD_BYTES: Final = 1 << 16  # size limit of a .gz file beyond its content
_CHUNK_BYTES: Final = 1 << 12


class DownloadError(DataError):
    """All mirrors failed for a file."""


class _RefusedError(Exception):
    """A response that is not accepted; the message is the reason."""


def cache_dir() -> Path:
    """Folder for downloads, in the operating system's cache folder of the user."""
    return cache_folder() / "mnist"


def download_mnist(
    *,
    into: Path | None = None,
    mirrors: Sequence[str] = MIRRORS,
    files: Mapping[str, PublishedFile] = MNIST_FILES,
    timeout_s: float = TIMEOUT_S,
) -> dict[str, Path]:
    """Download MNIST's files into the cache; verified files that are present are kept.

    Args:
        into: the folder; None is `cache_dir()`.
        mirrors: URLs of folders with .gz files, in the order of attempts.
        files: name -> size and digest of each file.
        timeout_s: seconds that a mirror may take to respond.

    Returns:
        File name -> path, for all of `files`.

    Raises:
        DownloadError: all mirrors failed for a file.
        DataError: a file in the cache is damaged; it is left unchanged.
        StorageError: the cache cannot be written, or another process has held its lock for half an hour.
    """
    folder = cache_dir() if into is None else into
    order = list(mirrors)
    with _cache_lock(folder):
        storage.remove_temporary(folder)  # left by killed processes; the lock excludes running ones
        return {
            name: _cached(folder, name, published)
            or _download(folder, name, published, mirrors=order, timeout_s=timeout_s)
            for name, published in files.items()
        }


def cache_remedy(folder: Path) -> str:
    """Advice for a damaged file in the cache. It is never deleted automatically."""
    return f"delete it from {folder} to have it downloaded again"


@contextlib.contextmanager
def _cache_lock(folder: Path) -> Iterator[None]:
    lock = folder / ".lock"
    busy = (
        f"another process has held {lock} for {LOCK_TIMEOUT_S / 60:.0f} minutes; end that process, or {PROVIDE_MNIST}"
    )
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
    timeout_s: float,
) -> Path:
    """Download one file from the first mirror that succeeds, and move that mirror to the front of `mirrors`."""
    failures = []
    for mirror in tuple(mirrors):
        host = urlsplit(mirror).netloc
        logger.info(f"downloading {name}.gz ({published.download_bytes / 1e6:.1f} MB) from {host}")
        try:
            content = _fetch_verified(f"{mirror.rstrip('/')}/{name}.gz", name, published, timeout_s=timeout_s)
        except DataError as error:
            failures.append(f"{host}: {error}")
            logger.warning(f"the download from {host} failed: {error}")
            continue
        mirrors.remove(mirror)
        mirrors.insert(0, mirror)
        # a server may send the file decompressed; the name must match the content
        path = folder / (f"{name}.gz" if content.startswith(GZIP_MAGIC) else name)
        storage.write_bytes(path, content)
        return path
    raise DownloadError(
        f"{name} could not be downloaded ({'; '.join(failures) or 'there are no mirrors'}); {PROVIDE_MNIST}"
    )


def _fetch_verified(url: str, name: str, published: PublishedFile, *, timeout_s: float) -> bytes:
    limit = published.content_bytes + _OVERHEAD_BYTES
    content = fetch(url, limit=limit, expected=published.download_bytes, timeout_s=timeout_s)
    remedy = "it was discarded"
    file = parse_idx(content, name="the response", dimensions=dimensions_of(name), remedy=remedy)
    check_published(file, published, path="the response", remedy=remedy)
    return content


def fetch(url: str, *, limit: int, expected: int | None = None, timeout_s: float = TIMEOUT_S) -> bytes:
    """Fetch up to `limit` bytes at `url`, with a progress bar on a terminal, to `expected` bytes if they are known.

    The transfer runs in its own thread, which is abandoned when it stalls: socket timeouts do not limit DNS, handshakes
    or a slow trickle of bytes.

    Raises:
        DownloadError: the transfer failed, stalled, or exceeded the size limit.
    """
    from tqdm import tqdm

    transfer = _Transfer(url, limit=limit, timeout_s=timeout_s)
    began = time.monotonic()
    transfer.start()
    with (
        contextlib.closing(transfer),
        tqdm(total=expected, unit="B", unit_scale=True, disable=None, leave=False) as bar,
    ):
        while transfer.is_alive():
            transfer.join(timeout=0.1)
            bar.update(len(transfer.content) - bar.n)
            allowed_s = timeout_s + len(transfer.content) / MIN_BYTES_PER_S
            if time.monotonic() - began > allowed_s:
                raise DownloadError(f"the transfer stalled after {pluralize(len(transfer.content), 'byte')}")
    if transfer.error is not None:
        raise DownloadError(_reason(transfer.error)) from transfer.error
    return bytes(transfer.content)


class _Transfer(threading.Thread):
    """A download with pooch into memory. It can be abandoned, because it writes only to itself."""

    def __init__(self, url: str, *, limit: int, timeout_s: float) -> None:
        super().__init__(daemon=True, name=f"download {url}")
        self.content = bytearray()
        self.error: Exception | None = None
        self._url = url
        self._limit = limit
        self._timeout_s = timeout_s
        self._closed = False
        self._responses: list[Any] = []

    def run(self) -> None:
        import pooch

        fetch = pooch.HTTPDownloader(
            chunk_size=_CHUNK_BYTES,
            timeout=self._timeout_s,
            headers={"Accept-Encoding": "identity"},  # the files are compressed already
            hooks={"response": self._check_response},
        )
        try:
            fetch(self._url, self, None)
        except Exception as error:  # any failure leads to the next mirror
            self.error = error
        finally:
            for response in self._responses:
                response.close()

    def close(self) -> None:
        """Abort the transfer at its next chunk."""
        self._closed = True

    def write(self, piece: bytes) -> None:
        if self._closed:
            raise _RefusedError("the transfer was aborted")
        if len(self.content) + len(piece) > self._limit:
            raise _RefusedError(f"the response exceeds {self._limit:,} bytes")
        self.content += piece

    def flush(self) -> None:
        """Do nothing; pooch flushes its output file."""

    def _check_response(self, response: Any, *_: Any, **__: Any) -> None:
        self._responses.append(response)
        if response.is_redirect:
            target = urljoin(response.url, response.headers["location"])
            if urlsplit(target).scheme != urlsplit(self._url).scheme:
                raise _RefusedError(f"redirect to {target} changes the scheme from {urlsplit(self._url).scheme}")


def _reason(error: Exception) -> str:
    """Short reason of a failed transfer, in place of the long messages of requests."""
    if isinstance(error, _RefusedError):
        return str(error)
    kind = type(error).__name__
    response = getattr(error, "response", None)
    if kind == "HTTPError" and response is not None:
        return f"HTTP {response.status_code} {response.reason}"
    reasons = {
        "ConnectTimeout": "connection timed out",
        "ReadTimeout": "response timed out",
        "ConnectionError": "connection failed",
        "ChunkedEncodingError": "connection closed before the end of the file",
        "SSLError": "invalid TLS certificate",
        "ProxyError": "the proxy refused the connection",
        "TooManyRedirects": "too many redirects",
    }
    return reasons.get(kind, f"transfer failed ({kind})")
