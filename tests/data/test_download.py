from __future__ import annotations

import functools
import gzip
import http.server
import itertools
import json
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.live import wait_for

from mnist_gan.data.download import TIMEOUT_S, DownloadError, cache_dir, download_mnist
from mnist_gan.data.idx import idx_bytes, read_idx
from mnist_gan.data.mnist import FILE_NAMES, TRAIN_IMAGES, TRAIN_LABELS, PublishedFile
from mnist_gan.errors import DataError, StorageError

Published = dict[str, PublishedFile]


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers every request with the behaviour of its mirror."""

    def __init__(self, *arguments: Any, mirror: Mirror) -> None:
        self.mirror = mirror
        super().__init__(*arguments)

    def do_GET(self) -> None:
        self.mirror.requests.append(self.path)
        self.mirror.behaviour(self, self.mirror.files.get(self.path.lstrip("/"), b""))

    def log_message(self, *_: Any) -> None:
        pass


Behaviour = Callable[[Handler, bytes], None]


class Mirror:
    """An HTTP server on loopback."""

    def __init__(self, files: dict[str, bytes], behaviour: Behaviour) -> None:
        self.files, self.behaviour = files, behaviour
        self.requests: list[str] = []
        self.closing = threading.Event()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, mirror=self))
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        self.closing.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def send(handler: Handler, body: bytes, *, status: int = 200, length: int | None = None, **headers: str) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def good(handler: Handler, body: bytes) -> None:
    send(handler, body)


def missing(handler: Handler, _: bytes) -> None:
    send(handler, b"<Error>NoSuchKey</Error>", status=404)


def broken(handler: Handler, _: bytes) -> None:
    send(handler, b"", status=503)


def silent(handler: Handler, _: bytes) -> None:
    handler.mirror.closing.wait()


def silent_in_the_middle(handler: Handler, body: bytes) -> None:
    send(handler, body[: len(body) // 2], length=len(body))
    handler.wfile.flush()
    handler.mirror.closing.wait()


def trickling(handler: Handler, body: bytes) -> None:
    """Send a byte now and then, which no socket timeout detects."""
    send(handler, b"", length=len(body))
    pieces = itertools.takewhile(lambda _: not handler.mirror.closing.wait(0.05), range(len(body)))
    try:
        for i in pieces:
            handler.wfile.write(body[i : i + 1])
    except OSError:
        pass  # the client left


def cut_short(handler: Handler, body: bytes) -> None:
    send(handler, body[:-10], length=len(body))


def cut_short_and_lying_about_it(handler: Handler, body: bytes) -> None:
    send(handler, body[:-10])


def apologetic(handler: Handler, _: bytes) -> None:
    send(handler, b"<html>Please log in to this network</html>")


def altered(handler: Handler, body: bytes) -> None:
    content = bytearray(gzip.decompress(body))
    content[-1] ^= 1
    send(handler, gzip.compress(bytes(content)))


def endless(handler: Handler, _: bytes) -> None:
    handler.send_response(200)
    handler.end_headers()
    try:
        for _piece in range(10_000):
            handler.wfile.write(bytes(1 << 16))
    except OSError:
        pass  # the client left


def leaving_for_ftp(handler: Handler, _: bytes) -> None:
    send(handler, b"", status=302, Location="ftp://127.0.0.1/train")


def leaving_for_https(handler: Handler, _: bytes) -> None:
    send(handler, b"", status=301, Location="https://127.0.0.1:1/train")


def going_in_circles(handler: Handler, _: bytes) -> None:
    send(handler, b"", status=302, Location=handler.path)


def redirecting_on_the_same_scheme(handler: Handler, body: bytes) -> None:
    if handler.path.startswith("/moved/"):
        send(handler, body)
    else:
        send(handler, b"", status=302, Location=f"/moved{handler.path}")


BAD: dict[Behaviour, str] = {
    missing: "HTTP 404 Not Found",
    broken: "HTTP 503 Service Unavailable",
    silent: "timed out|stalled",
    silent_in_the_middle: "connection failed|stalled",
    trickling: "stalled",
    cut_short: "closed before the end",
    cut_short_and_lying_about_it: "truncated",
    apologetic: "the response is a web page, not the file itself",
    altered: "sha256",
    endless: "response exceeds",
    leaving_for_ftp: "redirect to ftp://127.0.0.1/train changes the scheme from http",
    leaving_for_https: "changes the scheme from http",
    going_in_circles: "too many redirects",
}


STALLING = (silent, silent_in_the_middle, trickling)


@pytest.fixture
def bodies(idx_arrays: dict[str, NDArray[np.uint8]]) -> dict[str, bytes]:
    packed = {f"{name}.gz": gzip.compress(idx_bytes(array)) for name, array in idx_arrays.items()}
    return packed | {f"moved/{name}": body for name, body in packed.items()}


@pytest.fixture
def serve(bodies: dict[str, bytes]) -> Iterator[Callable[[Behaviour], Mirror]]:
    mirrors: list[Mirror] = []

    def start(behaviour: Behaviour) -> Mirror:
        mirrors.append(Mirror(bodies, behaviour))
        return mirrors[-1]

    yield start
    for mirror in mirrors:
        mirror.close()


Serve = Callable[[Behaviour], Mirror]


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def test_cache_dir_is_a_folder_for_mnist_alone() -> None:
    assert cache_dir().name == "mnist"


def test_download_mnist_verifies_and_keeps_files(
    tmp_path: Path, serve: Serve, published: Published, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "mnist_gan")
    mirror = serve(good)
    paths = download_mnist(into=tmp_path, mirrors=[mirror.url], files=published)
    assert names_in(tmp_path) == sorted(f"{name}.gz" for name in FILE_NAMES)
    assert {name: read_idx(path).digest for name, path in paths.items()} == {
        name: file.digest for name, file in published.items()
    }
    assert len(caplog.messages) == 4
    assert all("127.0.0.1" in message for message in caplog.messages)


def test_download_mnist_fetches_only_missing_files(tmp_path: Path, serve: Serve, published: Published) -> None:
    mirror = serve(good)
    download_mnist(into=tmp_path, mirrors=[mirror.url], files=published)
    (tmp_path / f"{TRAIN_LABELS}.gz").unlink()
    (tmp_path / ".tmp-123-train-images-idx3-ubyte.gz").write_bytes(b"left by a process that was killed")
    mirror.requests.clear()
    download_mnist(into=tmp_path, mirrors=[mirror.url], files=published)
    assert mirror.requests == [f"/{TRAIN_LABELS}.gz"]
    assert names_in(tmp_path) == sorted(f"{name}.gz" for name in FILE_NAMES)


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.__name__)
def test_download_mnist_tries_the_next_mirror_after_a_failure(
    tmp_path: Path, serve: Serve, published: Published, bad: Behaviour, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = serve(bad), serve(good)
    labels = (
        {TRAIN_LABELS: published[TRAIN_LABELS]} if bad is not trickling else {TRAIN_IMAGES: published[TRAIN_IMAGES]}
    )
    timeout_s = 2.0 if bad in STALLING else TIMEOUT_S  # the second mirror has to answer in time on a busy machine
    download_mnist(into=tmp_path, mirrors=[first.url, second.url], files=labels, timeout_s=timeout_s)
    assert first.requests
    assert second.requests
    assert names_in(tmp_path) == [f"{name}.gz" for name in labels]
    assert any("failed" in message for message in caplog.messages)


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.__name__)
def test_download_mnist_keeps_nothing_and_names_the_reason_if_all_mirrors_fail(
    tmp_path: Path, serve: Serve, published: Published, bad: Behaviour
) -> None:
    timeout_s = 0.5 if bad in STALLING else TIMEOUT_S  # any other mirror has to answer in time on a busy machine
    began = time.monotonic()
    with pytest.raises(DownloadError, match=BAD[bad]) as caught:
        download_mnist(into=tmp_path, mirrors=[serve(bad).url], files=published, timeout_s=timeout_s)
    assert time.monotonic() - began < TIMEOUT_S
    assert names_in(tmp_path) == []
    message = str(caught.value)
    assert message.startswith(f"{TRAIN_IMAGES} could not be downloaded (127.0.0.1")
    assert "--data.dir or MNIST_GAN_DATA" in message
    assert "\n" not in message
    assert caught.value.exit_code == 3


def test_download_mnist_prefers_the_mirror_that_worked(tmp_path: Path, serve: Serve, published: Published) -> None:
    first, second = serve(missing), serve(good)
    download_mnist(into=tmp_path, mirrors=[first.url, second.url], files=published)
    assert (len(first.requests), len(second.requests)) == (1, 4)


def test_download_mnist_reports_a_refused_connection(tmp_path: Path, serve: Serve, published: Published) -> None:
    mirror = serve(good)
    mirror.server.socket.close()
    with pytest.raises(DownloadError, match="connection failed"):
        download_mnist(into=tmp_path, mirrors=[mirror.url], files=published, timeout_s=2)


def test_download_mnist_follows_a_redirect_of_the_same_scheme(
    tmp_path: Path, serve: Serve, published: Published
) -> None:
    mirror = serve(redirecting_on_the_same_scheme)
    download_mnist(into=tmp_path, mirrors=[mirror.url], files=published)
    assert len(names_in(tmp_path)) == 4


def test_download_mnist_accepts_a_decompressed_response(tmp_path: Path, serve: Serve, published: Published) -> None:
    mirror = serve(lambda handler, body: send(handler, body, Content_Encoding="gzip"))
    download_mnist(into=tmp_path, mirrors=[mirror.url], files=published)
    assert names_in(tmp_path) == sorted(FILE_NAMES), "named after what they are"
    assert read_idx(tmp_path / TRAIN_IMAGES).digest == published[TRAIN_IMAGES].digest


def test_download_mnist_names_and_keeps_a_damaged_cache_file(
    tmp_path: Path, serve: Serve, published: Published
) -> None:
    (tmp_path / f"{TRAIN_LABELS}.gz").write_bytes(b"damaged")
    with pytest.raises(
        DataError, match=f"{TRAIN_LABELS}.gz is damaged: .*; delete it from .* downloaded again"
    ) as caught:
        download_mnist(into=tmp_path, mirrors=[serve(good).url], files=published)
    assert not isinstance(caught.value, DownloadError)
    assert (tmp_path / f"{TRAIN_LABELS}.gz").read_bytes() == b"damaged"


def test_download_mnist_raises_a_storage_error_for_an_unwritable_cache(
    tmp_path: Path, serve: Serve, published: Published
) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="cannot write"):
        download_mnist(into=tmp_path / "file" / "cache", mirrors=[serve(good).url], files=published)


def test_download_mnist_in_threads_fetches_each_file_once(tmp_path: Path, serve: Serve, published: Published) -> None:
    mirror = serve(good)

    def fetch(_: int) -> dict[str, Path]:
        return download_mnist(into=tmp_path, mirrors=[mirror.url], files=published)

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(fetch, range(4)))
    assert all(result == results[0] for result in results)
    assert sorted(mirror.requests) == sorted(f"/{name}.gz" for name in FILE_NAMES)


PROGRAM = textwrap.dedent(
    """
    import json, logging, sys
    from pathlib import Path
    from mnist_gan.data.download import download_mnist
    from mnist_gan.data.mnist import PublishedFile

    logging.basicConfig(level=logging.INFO)
    folder, url, files = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    download_mnist(into=Path(folder), mirrors=[url], files={n: PublishedFile(**f) for n, f in files.items()})
    """
)


def start_process(folder: Path, mirror: Mirror, published: Published, *, log: Path) -> subprocess.Popen[bytes]:
    files = {
        name: {"content_bytes": f.content_bytes, "download_bytes": f.download_bytes, "digest": f.digest}
        for name, f in published.items()
    }
    with log.open("wb") as stream:
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(folder), mirror.url, json.dumps(files)], stderr=stream
        )


def test_download_mnist_in_processes_fetches_each_file_once(tmp_path: Path, serve: Serve, published: Published) -> None:
    logs, folder = [tmp_path / "first.log", tmp_path / "second.log"], tmp_path / "cache"

    def held_until_a_process_waits(handler: Handler, body: bytes) -> None:
        wait_for(lambda: any("waiting for it" in log.read_text() for log in logs))
        send(handler, body)

    mirror = serve(held_until_a_process_waits)
    processes = [start_process(folder, mirror, published, log=log) for log in logs]
    assert [process.wait(300) for process in processes] == [0, 0], [log.read_text() for log in logs]
    assert sorted(mirror.requests) == sorted(f"/{name}.gz" for name in FILE_NAMES)
    assert names_in(folder) == sorted(f"{name}.gz" for name in FILE_NAMES)


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_download_mnist_killed_leaves_only_verified_files_and_no_lock(
    tmp_path: Path, serve: Serve, published: Published
) -> None:
    reached = threading.Event()

    def silent_at_the_second(handler: Handler, body: bytes) -> None:
        if TRAIN_LABELS in handler.path:
            send(handler, body[:5], length=len(body))
            reached.set()
            handler.mirror.closing.wait()
        else:
            send(handler, body)

    folder = tmp_path / "cache"
    process = start_process(folder, serve(silent_at_the_second), published, log=tmp_path / "log")
    assert reached.wait(300), (tmp_path / "log").read_text()
    process.kill()
    process.wait()
    assert names_in(folder) == [f"{TRAIN_IMAGES}.gz"]
    mirror = serve(good)
    download_mnist(into=folder, mirrors=[mirror.url], files=published)
    assert f"/{TRAIN_IMAGES}.gz" not in mirror.requests
    assert names_in(folder) == sorted(f"{name}.gz" for name in FILE_NAMES)
