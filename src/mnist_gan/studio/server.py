"""The HTTP server: a port of this machine, served until Ctrl-C."""

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
from mnist_gan.runs import RunDirectory
from mnist_gan.studio.app import create_app
from mnist_gan.studio.context import Studio, make_studio
from mnist_gan.studio.guard import Address

logger = logging.getLogger(__name__)

DEFAULT_PORT: Final = 8765
REQUEST_SECONDS: Final = 15.0
"""Time limit for receiving a request, from the moment the connection is free for it."""
WATCHDOG_SECONDS: Final = 3.0
SHUTDOWN_SECONDS: Final = 2
MAX_CONNECTIONS: Final = 256


def open_port(host: str, port: int | None) -> socket.socket:
    """Listen at a port.

    Args:
        host: an address or a name of this machine.
        port: None for `DEFAULT_PORT`, or any free one if that is taken; 0 for any free one.

    Raises:
        ConfigError: the port is taken or invalid, or the host is not this machine.
        StorageError: the operating system refuses.
    """
    try:
        return _listen(host, DEFAULT_PORT if port is None else port)
    except OSError as error:
        if port is None and error.errno == errno.EADDRINUSE:
            return open_port(host, 0)
        raise _explain(error, host, port) from error
    except OverflowError as error:
        raise ConfigError(f"--port {port} is invalid; it must be from 0 (any free one) to 65535") from error


def _explain(error: OSError, host: str, port: int | None) -> ConfigError | StorageError:
    if error.errno == errno.EADDRINUSE:
        return ConfigError(
            f"port {port} is taken, perhaps by another studio; choose another --port, or --port 0 for any free one"
        )
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return ConfigError(f"--host {host} is not an address of this machine; leave it out for 127.0.0.1")
    if error.errno == errno.EACCES:
        return ConfigError(f"port {port} needs privileges; choose a --port of 1024 or more")
    return StorageError(f"cannot listen at {host}, port {port}: {error.strerror or error}")


def _listen(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listening = socket.socket(family, kind, protocol)
    try:
        if hasattr(signal, "SIGHUP"):  # on Windows it would let two servers share a port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)
    except OSError:
        listening.close()
        raise
    return listening


class RequestTimeoutProtocol(H11Protocol):
    """HTTP/1.1 that closes a connection whose request does not arrive within `REQUEST_SECONDS`."""

    def connection_made(self, transport: Any) -> None:
        """Start the watchdog."""
        super().connection_made(transport)
        self._waiting_since: float | None = self.loop.time()
        self._last_cycle: object = None
        self.loop.call_later(WATCHDOG_SECONDS, self._watch)

    def _watch(self) -> None:
        if self.transport.is_closing():
            return
        now, receiving = self.loop.time(), self.conn.their_state in {h11.IDLE, h11.SEND_BODY}
        if not receiving:
            self._waiting_since = None
        elif self._waiting_since is None or self.cycle is not self._last_cycle:  # a request completed in between
            self._waiting_since, self._last_cycle = now, self.cycle
        elif now - self._waiting_since > REQUEST_SECONDS:
            self.transport.abort()
            return
        self.loop.call_later(WATCHDOG_SECONDS, self._watch)


class StudioServer(uvicorn.Server):
    """uvicorn server with a callback at the start, which ends at the first signal without raising it again."""

    def __init__(self, app: ASGIApp, studio: Studio, *, on_start: Callable[[], None] = lambda: None) -> None:
        """Serve `app`; `on_start` is called once requests are answered."""
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # the guard logs errors
        super().__init__(
            uvicorn.Config(
                app,
                http=RequestTimeoutProtocol,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=MAX_CONNECTIONS,
                timeout_keep_alive=10,
                timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            )
        )
        self._studio, self._on_start = studio, on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen."""
        await super().startup(sockets=sockets)
        if self.started:
            self._on_start()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; at the second signal, without waiting for open connections."""
        del sig, frame
        self.force_exit = self.should_exit
        self.stop()

    def stop(self) -> None:
        """Close event streams, and end after at most `SHUTDOWN_SECONDS` for other responses."""
        self._studio.closing = True
        self.should_exit = True


def serve(
    listening: socket.socket,
    address: Address,
    *,
    runs_dir: Path,
    named: RunDirectory | None,
    trainings: int,
    plugin: Path | None = None,
    on_start: Callable[[str], None],
) -> None:
    """Answer requests until the process receives SIGINT or SIGTERM.

    Args:
        listening: socket from `open_port`.
        address: address of that socket.
        runs_dir: folder of the runs, and for new ones.
        named: run to show first.
        trainings: maximum number of simultaneous trainings.
        plugin: file of a plug-in, for models and runs made with it.
        on_start: receives the one-time link once requests are answered.
    """
    studio = make_studio(runs_dir, named=named, trainings=trainings, plugin=plugin)

    def link() -> str:
        return address.link(studio.keys.entry)

    def on_enter() -> None:
        logger.info(f"a browser has used the link; for another browser: {link()}")

    app = create_app(studio, address=address, on_enter=on_enter)
    StudioServer(app, studio, on_start=lambda: on_start(link())).run(sockets=[listening])
    training = studio.trainer.training()
    logger.info("the studio is closed" + (f"; still training: {', '.join(training)}" if training else ""))
