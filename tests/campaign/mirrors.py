"""Faulty mirrors, and several processes that download at once."""

from __future__ import annotations

import contextlib
import gzip
import http.server
import random
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.campaign.tally import Row, Scale, Tally
from tests.campaign.victims import Victim, fork
from tests.campaign.workspace import make_data

from mnist_gan.data.download import DownloadError, download_mnist
from mnist_gan.data.idx import read_idx
from mnist_gan.data.mnist import FILE_NAMES, PublishedFile
from mnist_gan.errors import DataError, MnistGanError

Handler = http.server.BaseHTTPRequestHandler
Respond = Callable[[Handler, bytes], None]
"""Responds to a request for a file with that content."""
AT_ONCE: Final = 8
TIMEOUT_S: Final = 1.5
BOMB: Final = gzip.compress(bytes(64 << 20))
"""64 MB in 64 kB."""


def _send(handler: Handler, body: bytes, *, status: int = 200, length: int | None = None, **headers: str) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def _alter(body: bytes) -> bytes:
    content = bytearray(gzip.decompress(body))
    content[-1] ^= 1
    return gzip.compress(bytes(content))


def _stall(handler: Handler, body: bytes) -> None:
    _send(handler, body[: len(body) // 2], length=len(body))
    handler.wfile.flush()
    time.sleep(3 * TIMEOUT_S)


def _trickle(handler: Handler, body: bytes) -> None:
    _send(handler, b"", length=len(body) + 1000)
    for _ in range(40):
        handler.wfile.write(b"\x1f")
        time.sleep(0.1)


def _send_endlessly(handler: Handler, _: bytes) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _piece in range(10_000):
        handler.wfile.write(bytes(1 << 16))


def _redirect(location: str | None, *, status: int = 302) -> Respond:
    """Redirect to an address; None redirects to the requested one."""
    return lambda handler, body: _send(handler, b"", status=status, Location=location or handler.path)


FAULTS: Final[dict[str, Respond]] = {
    "answers 404": lambda handler, body: _send(handler, b"gone", status=404),
    "answers 503": lambda handler, body: _send(handler, b"", status=503),
    "does not answer": lambda handler, body: time.sleep(3 * TIMEOUT_S),
    "stalls": _stall,
    "trickles": _trickle,
    "breaks off": lambda handler, body: _send(handler, body[:-10], length=len(body)),
    "truncates and gives the wrong length": lambda handler, body: _send(handler, body[:-10]),
    "sends a login page": lambda handler, body: _send(handler, b"<html>Please log in</html>"),
    "sends other content": lambda handler, body: _send(handler, _alter(body)),
    "sends endlessly": _send_endlessly,
    "sends a gzip bomb": lambda handler, body: _send(handler, BOMB),
    "sends a bomb as encoded content": lambda handler, body: _send(handler, BOMB, Content_Encoding="gzip"),
    "redirects to ftp": _redirect("ftp://127.0.0.1/x"),
    "redirects to a file": _redirect("file:///etc/passwd"),
    "redirects to https": _redirect("https://127.0.0.1:1/x", status=301),
    "redirects in a circle": _redirect(None),
    "closes the connection": lambda handler, body: handler.connection.close(),
}
QUICK: Final = (
    "answers 404",
    "redirects to a file",
    "sends a gzip bomb",
    "sends other content",
    "truncates and gives the wrong length",
)


@dataclass(frozen=True)
class Download:
    """Files of the mirrors and a cache to download them into."""

    cache: Path
    bodies: dict[str, bytes]
    published: dict[str, PublishedFile]

    def action(self, mirrors: list[str], *, timeout_s: float = TIMEOUT_S) -> Callable[[], str]:
        """Action that downloads; it returns the error with its type, or ""."""

        def call() -> str:
            try:
                download_mnist(into=self.cache, mirrors=mirrors, files=self.published, timeout_s=timeout_s)
            except MnistGanError as error:
                return f"{type(error).__name__}: {error}"
            return ""

        return call

    def cached(self) -> list[str]:
        """File names in the cache, without the lock."""
        return sorted(path.name for path in self.cache.iterdir() if path.name != ".lock") if self.cache.exists() else []

    def problems(self, *, complete: bool) -> list[str]:
        """Problems of the cache: files that are not as published, and missing or extra ones."""
        found = self.unverified()
        names = self.cached()
        expected = len(self.published) if complete else 0
        if len(names) != expected or any(name.startswith(".tmp-") for name in names):
            found.append(f"the cache holds {names}")
        return found

    def unverified(self) -> list[str]:
        """One sentence for each file that a reader would open and that is not as published."""
        found = []
        for name in self.published:
            for path in (self.cache / name, self.cache / f"{name}.gz"):
                try:
                    if path.exists() and read_idx(path).digest != self.published[name].digest:
                        found.append(f"the cache holds another {path.name}")
                except DataError as error:
                    found.append(f"the cache holds a damaged file: {error}")
        return found


def inject(tally: Tally, scale: Scale, folder: Path) -> None:
    """Try each faulty mirror alone and before a good one, then download in several processes at once."""
    data = make_data(folder / "data")
    bodies = {f"{name}.gz": (data / f"{name}.gz").read_bytes() for name in FILE_NAMES}
    published = {
        name: PublishedFile(
            content_bytes=len(gzip.decompress(bodies[f"{name}.gz"])),
            download_bytes=len(bodies[f"{name}.gz"]),
            digest=read_idx(data / f"{name}.gz").digest,
        )
        for name in FILE_NAMES
    }
    download = Download(folder / "cache", bodies, published)
    for fault in FAULTS if not scale.short else QUICK:
        _use_faulty_mirror(tally, download, fault)
    choice = random.Random(0)
    for _ in range(scale.count("FAULTS_DOWNLOADS", full=20, short=1)):
        _download_at_once(tally, download, choice)


@contextlib.contextmanager
def serving(bodies: dict[str, bytes], respond: Respond) -> Iterator[str]:
    """Serve a mirror in its own process; yield its address."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=64)

    class MirrorHandler(Handler):
        def do_GET(self) -> None:  # noqa: N802 - the base class calls this name
            with contextlib.suppress(OSError):  # the client has disconnected
                respond(self, bodies.get(self.path.lstrip("/"), b""))

        def log_message(self, *_: Any) -> None:
            pass

    def serve() -> None:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), MirrorHandler, bind_and_activate=False)
        server.socket.close()
        server.socket = listening
        server.serve_forever()

    victim = Victim(serve)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    finally:
        victim.send(signal.SIGKILL)
        victim.wait()
        listening.close()


def _use_faulty_mirror(tally: Tally, download: Download, fault: str) -> None:
    with serving(download.bodies, FAULTS[fault]) as bad, serving(download.bodies, _send) as good:
        result = fork(download.action([bad]))
        refused = (result.value or "").startswith(DownloadError.__name__)
        problems = [] if refused else [f"{result.value}: {result.last_line}"]
        tally.check_problems(f"a mirror that {fault}, alone", problems + download.problems(complete=False))
        result = fork(download.action([bad, good], timeout_s=4 * TIMEOUT_S))
        problems = [] if result.value == "" else [f"{result.value}: {result.last_line}"]
        tally.check_problems(f"a mirror that {fault}, before a good one", problems + download.problems(complete=True))
    shutil.rmtree(download.cache, ignore_errors=True)


def _download_at_once(tally: Tally, download: Download, choice: random.Random) -> None:
    """Download in eight processes and kill two of them; the others must finish."""

    def respond_slowly(handler: Handler, body: bytes) -> None:
        time.sleep(0.05)
        _send(handler, body)

    problems = list[str]()
    with serving(download.bodies, respond_slowly) as mirror:
        victims = [Victim(download.action([mirror], timeout_s=10.0)) for _ in range(AT_ONCE)]
        for victim in victims[:2]:
            time.sleep(choice.uniform(0, 0.2))
            victim.send(signal.SIGKILL)
            problems += download.unverified()
        results = [victim.wait() for victim in victims]
    problems += [f"{result.value}: {result.last_line}" for result in results[2:] if result.value != ""]
    tally.check_problems(f"{AT_ONCE} at once", problems + download.problems(complete=True))
    shutil.rmtree(download.cache, ignore_errors=True)


ROW = Row(
    name="mirrors",
    provoked="a mirror that answers 404, stalls, truncates, sends wrong content or a bomb, or redirects elsewhere, "
    "alone and before a good one; eight processes at once, two of them killed",
    holds="the next mirror is used, or the download is refused; the cache never holds an unverified file",
    inject=inject,
)
