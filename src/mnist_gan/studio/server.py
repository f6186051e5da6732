"""The server: one port of this machine, until Ctrl-C."""

from __future__ import annotations

import errno
import logging
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Final

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from mnist_gan.errors import ConfigError, StorageError
from mnist_gan.runs.directory import RunDirectory
from mnist_gan.studio.app import create_app
from mnist_gan.studio.context import Studio
from mnist_gan.studio.runs import Library
from mnist_gan.studio.security import Address
from mnist_gan.studio.training import Trainer

logger = logging.getLogger(__name__)

DEFAULT_PORT: Final = 8765
REQUEST_SECONDS: Final = 15.0
"""In which a request must have arrived, counted from when the connection could have sent it."""
WATCH_SECONDS: Final = 3.0
CLOSING_SECONDS: Final = 2
MAX_CONNECTIONS: Final = 256


def open_port(host: str, port: int | None) -> socket.socket:
    """Listen at a port.

    Args:
        host: an address or a name of this machine.
        port: None takes `DEFAULT_PORT`, or any free one where that is taken; 0 takes any free one.

    Raises:
        ConfigError: the port is taken, or is no port, or the host is not this machine's.
        StorageError: the system refused.
    """
    try:
        return _listen(host, DEFAULT_PORT if port is None else port)
    except OSError as error:
        if port is None and error.errno == errno.EADDRINUSE:
            return open_port(host, 0)
        raise _explained(error, host, port) from error
    except OverflowError as error:
        raise ConfigError(f"--port {port} is no port; it must be from 0 (any free one) to 65535") from error


def _explained(error: OSError, host: str, port: int | None) -> ConfigError | StorageError:
    if error.errno == errno.EADDRINUSE:
        return ConfigError(
            f"port {port} is taken, perhaps by a studio that is open already; "
            "choose another --port, or --port 0 for any free one"
        )
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return ConfigError(f"--host {host} is no address of this machine; leave it out to stay on 127.0.0.1")
    if error.errno == errno.EACCES:
        return ConfigError(f"port {port} may not be opened here; choose a --port of 1024 or more")
    return StorageError(f"cannot listen at {host}, port {port}: {error.strerror or error}")


def _listen(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listening = socket.socket(family, kind, protocol)
    try:
        if hasattr(signal, "SIGHUP"):  # elsewhere than on Windows, where it lets two servers share a port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(place)
        listening.listen(128)
    except OSError:
        listening.close()
        raise
    return listening


class PatientlyButNotForever(H11Protocol):
    """HTTP/1.1 that closes a connection whose request does not arrive."""

    def connection_made(self, transport: Any) -> None:
        """Begin to watch the connection."""
        super().connection_made(transport)
        self._waiting_since: float | None = self.loop.time()
        self._last_cycle: object = None
        self.loop.call_later(WATCH_SECONDS, self._watch)

    def _watch(self) -> None:
        if self.transport.is_closing():
            return
        now, arriving = self.loop.time(), self.conn.their_state in {h11.IDLE, h11.SEND_BODY}
        if not arriving:
            self._waiting_since = None
        elif self._waiting_since is None or self.cycle is not self._last_cycle:  # or it came and went in between
            self._waiting_since, self._last_cycle = now, self.cycle
        elif now - self._waiting_since > REQUEST_SECONDS:
            self.transport.abort()
            return
        self.loop.call_later(WATCH_SECONDS, self._watch)


class StudioServer(uvicorn.Server):
    """uvicorn, which tells when it answers, and ends at the first signal without raising it again."""

    def __init__(self, app: ASGIApp, studio: Studio, *, started: Callable[[], None] = lambda: None) -> None:
        """Serve `app`; `started` is called when requests are answered."""
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # the guard reports what goes wrong
        super().__init__(
            uvicorn.Config(
                app,
                http=PatientlyButNotForever,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=MAX_CONNECTIONS,
                timeout_keep_alive=10,
                timeout_graceful_shutdown=CLOSING_SECONDS,
            )
        )
        self._studio, self._on_started = studio, started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and say so."""
        await super().startup(sockets=sockets)
        if self.started:
            self._on_started()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End; at a second signal without waiting for anybody."""
        del sig, frame
        self.force_exit = self.should_exit
        self.stop()

    def stop(self) -> None:
        """End soon: event streams are closed, and what is being answered gets a moment."""
        self._studio.closing = True
        self.should_exit = True


def make_studio(runs_dir: Path, *, named: RunDirectory | None = None, trainings: int = 1) -> Studio:
    """A studio over a folder of runs.

    Args:
        runs_dir: where runs are, and new ones go.
        named: a run that may lie elsewhere, and is shown first.
        trainings: how many may run at once.
    """
    library = Library(runs_dir, named=named)
    return Studio(library=library, trainer=Trainer(library, at_once=trainings))


def serve(
    listening: socket.socket,
    address: Address,
    *,
    runs_dir: Path,
    named: RunDirectory | None,
    trainings: int,
    started: Callable[[str], None],
) -> None:
    """Answer requests until the process is told to end.

    Args:
        listening: an open port.
        address: of that port.
        runs_dir: where runs are, and new ones go.
        named: a run to show first.
        trainings: how many may run at once.
        started: takes the address to open once requests are answered.
    """
    studio = make_studio(runs_dir, named=named, trainings=trainings)

    def link() -> str:
        return f"{address.url}enter?key={studio.keys.entry}" if address.remote else address.url

    def entered() -> None:
        logger.info(f"one browser was let in; for another: {link()}")

    def begun() -> None:
        started(link())

    app = create_app(studio, address=address, entered=entered)
    StudioServer(app, studio, started=begun).run(sockets=[listening])
    training = studio.trainer.training()
    logger.info("the studio is closed" + (f"; still training: {', '.join(training)}" if training else ""))
