"""Mirrors that fail, stall, lie and lead elsewhere; several processes that download at once."""

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
from pathlib import Path
from typing import Any, Final

from tests.campaign.tally import Row, Scale, Tally
from tests.campaign.victims import Victim, fork
from tests.campaign.world import make_data

from mnist_gan.data.download import DownloadError, download_mnist
from mnist_gan.data.idx import read_idx
from mnist_gan.data.mnist import FILE_NAMES, PublishedFile
from mnist_gan.errors import DataError, MnistGanError

Handler = http.server.BaseHTTPRequestHandler
AT_ONCE: Final = 8
PATIENCE_S: Final = 1.5


def _send(handler: Handler, body: bytes, *, status: int = 200, length: int | None = None, **headers: str) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def _altered(body: bytes) -> bytes:
    content = bytearray(gzip.decompress(body))
    content[-1] ^= 1
    return gzip.compress(bytes(content))


def _stall(handler: Handler, body: bytes) -> None:
    _send(handler, body[: len(body) // 2], length=len(body))
    handler.wfile.flush()
    time.sleep(3 * PATIENCE_S)


def _trickle(handler: Handler, body: bytes) -> None:
    _send(handler, b"", length=len(body) + 1000)
    for _ in range(40):
        handler.wfile.write(b"\x1f")
        time.sleep(0.1)


def _endless(handler: Handler, _: bytes) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _piece in range(10_000):
        handler.wfile.write(bytes(1 << 16))


BOMB: Final = gzip.compress(bytes(64 << 20))
"""64 MB in 64 kB."""

BEHAVIOURS: Final[dict[str, Callable[[Handler, bytes], None]]] = {
    "answers 404": lambda handler, body: _send(handler, b"gone", status=404),
    "answers 503": lambda handler, body: _send(handler, b"", status=503),
    "says nothing": lambda handler, body: time.sleep(3 * PATIENCE_S),
    "stalls": _stall,
    "trickles": _trickle,
    "breaks off": lambda handler, body: _send(handler, body[:-10], length=len(body)),
    "cuts and lies about it": lambda handler, body: _send(handler, body[:-10]),
    "sends a page of its own": lambda handler, body: _send(handler, b"<html>Please log in</html>"),
    "sends other content": lambda handler, body: _send(handler, _altered(body)),
    "sends without end": _endless,
    "sends a gzip bomb": lambda handler, body: _send(handler, BOMB),
    "says a bomb is encoded": lambda handler, body: _send(handler, BOMB, Content_Encoding="gzip"),
    "leads to ftp": lambda handler, body: _send(handler, b"", status=302, Location="ftp://127.0.0.1/x"),
    "leads to a file": lambda handler, body: _send(handler, b"", status=302, Location="file:///etc/passwd"),
    "leads to https": lambda handler, body: _send(handler, b"", status=301, Location="https://127.0.0.1:1/x"),
    "leads in a circle": lambda handler, body: _send(handler, b"", status=302, Location=handler.path),
    "is gone": lambda handler, body: handler.connection.close(),
}


def play(tally: Tally, scale: Scale, folder: Path) -> None:
    """Each bad mirror alone and before a good one; eight processes at once, some of them killed."""
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
    quick = {"answers 404", "cuts and lies about it", "sends other content", "sends a gzip bomb", "leads to a file"}
    for what in BEHAVIOURS if not scale.short else sorted(quick):
        _behaviour(tally, folder / "cache", bodies, published, what)
    choice = random.Random(0)
    for _ in range(scale.count("FAULTS_DOWNLOADS", full=20, short=1)):
        _at_once(tally, folder / "cache", bodies, published, choice)


@contextlib.contextmanager
def serving(bodies: dict[str, bytes], behave: Callable[[Handler, bytes], None]) -> Iterator[str]:
    """A mirror in a process of its own; its address."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=64)

    class Answer(Handler):
        def do_GET(self) -> None:  # noqa: N802 - the base class looks for this name
            with contextlib.suppress(OSError):  # whoever asked has left
                behave(self, bodies.get(self.path.lstrip("/"), b""))

        def log_message(self, *_: Any) -> None:
            pass

    def serve() -> None:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer, bind_and_activate=False)
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


def _good(handler: Handler, body: bytes) -> None:
    _send(handler, body)


def _behaviour(
    tally: Tally, cache: Path, bodies: dict[str, bytes], published: dict[str, PublishedFile], what: str
) -> None:
    with serving(bodies, BEHAVIOURS[what]) as bad, serving(bodies, _good) as good:
        ended = fork(_fetch(cache, [bad], published))
        problems = [] if (ended.value or "").startswith(DownloadError.__name__) else [f"{ended.value}: {ended.said}"]
        problems += unverified(cache, published)
        if cache.exists() and _names(cache):
            problems.append(f"the cache holds {_names(cache)}")
        tally.check(not problems, f"a mirror that {what}, alone: {'; '.join(problems)}")
        ended = fork(_fetch(cache, [bad, good], published, timeout_s=4 * PATIENCE_S))
        problems = [] if ended.value == "" else [f"{ended.value}: {ended.said}"]
        problems += unverified(cache, published)
        if len(_names(cache)) != len(published):
            problems.append(f"the cache holds {_names(cache)}")
        tally.check(not problems, f"a mirror that {what}, before a good one: {'; '.join(problems)}")
    shutil.rmtree(cache, ignore_errors=True)


def _at_once(
    tally: Tally, cache: Path, bodies: dict[str, bytes], published: dict[str, PublishedFile], choice: random.Random
) -> None:
    """Eight processes; two of them are killed somewhere on the way, and the others finish."""

    def slow(handler: Handler, body: bytes) -> None:
        time.sleep(0.05)
        _send(handler, body)

    with serving(bodies, slow) as mirror:
        victims = [Victim(_fetch(cache, [mirror], published, timeout_s=10.0)) for _ in range(AT_ONCE)]
        for victim in victims[:2]:
            time.sleep(choice.uniform(0, 0.2))
            victim.send(signal.SIGKILL)
            problems = unverified(cache, published)
        ended = [victim.wait() for victim in victims]
    problems += [f"{one.value}: {one.said}" for one in ended[2:] if one.value != ""]
    problems += unverified(cache, published)
    if len(_names(cache)) != len(published) or any(name.startswith(".tmp-") for name in _names(cache)):
        problems.append(f"the cache holds {_names(cache)}")
    tally.check(not problems, f"{AT_ONCE} at once: {'; '.join(problems)}")
    shutil.rmtree(cache, ignore_errors=True)


def _fetch(
    cache: Path, mirrors: list[str], published: dict[str, PublishedFile], *, timeout_s: float = PATIENCE_S
) -> Callable[[], str]:
    """The action that downloads; returns the error's kind and sentence, or nothing."""

    def call() -> str:
        try:
            download_mnist(into=cache, mirrors=mirrors, files=published, timeout_s=timeout_s)
        except MnistGanError as error:
            return f"{type(error).__name__}: {error}"
        return ""

    return call


def unverified(cache: Path, published: dict[str, PublishedFile]) -> list[str]:
    """Files under a name that a reader takes, which are not what was published."""
    found = []
    for name in published:
        for path in (cache / name, cache / f"{name}.gz"):
            try:
                if path.exists() and read_idx(path).digest != published[name].digest:
                    found.append(f"the cache holds another {path.name}")
            except DataError as error:
                found.append(f"the cache holds a damaged file: {error}")
    return found


def _names(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir() if path.name != ".lock")


ROW = Row(
    name="mirrors",
    provoked="a mirror that answers 404, stalls, truncates, lies, sends a bomb or leads elsewhere, alone and "
    "before a good "
    "one; eight processes at once, two of them killed",
    holds="the next mirror is asked, or all is refused; the cache never holds a file that was not verified",
    play=play,
)
