"""Closed to strangers: what every request must be before anything of the studio sees it.

Another page in the same browser can send requests to this machine, and so can whoever makes a name point here (DNS
rebinding). Both are told apart by what a browser says of itself and no page can change: `Host`, `Origin` and
`Sec-Fetch-Site`. What changes state also needs a token that only the studio's own pages hold, and JSON, which no form
can send. Answers carry a policy under which a page runs nothing but its own files.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import json
import logging
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mnist_gan.studio import documents
from mnist_gan.studio.problems import Problem

TOKEN_HEADER: Final = "x-studio-token"
COOKIE: Final = "studio"
ENTRANCE: Final = "/enter"
"""Where the one-time link leads."""
PAGES: Final = frozenset({"/", *(f"/{page.name}" for page in documents.PAGES)})
"""What a link on another site may open: documents that do nothing by being opened."""
READING: Final = frozenset({"GET", "HEAD"})
CHANGING: Final = frozenset({"POST", "DELETE"})

MAX_BODY_BYTES: Final = 1 << 20
MAX_TARGET_BYTES: Final = 8 << 10
BODY_SECONDS: Final = 5.0
"""In which a body must have arrived."""
SEND_SECONDS: Final = 20.0
"""In which a client must have taken a piece of an answer."""
MAX_REQUESTS: Final = 64
"""Requests at once, event streams among them."""

POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
REPORT_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox allow-popups"
)
"""For a run's report, one file with its styles and pictures in it: no script runs, and it belongs to no origin."""
HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
"""Of every answer that does not set its own."""

logger = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Keys:
    """The secrets of one server; they end with it."""

    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    """What the pages send with every request that changes state."""
    cookie: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    """What a browser on another machine has to hold."""
    entry: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    """The key in the one-time link; another one once it was used."""

    def enter(self, key: str) -> bool:
        """Use the key up; says whether it was the right one."""
        if not _same(key, self.entry):
            return False
        self.entry = secrets.token_urlsafe(32)
        return True


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where the server listens, and by which names it may be called."""

    host: str
    port: int
    remote: bool = False
    """Whether other machines may come: then they need the cookie."""

    @property
    def url(self) -> str:
        """For people to open."""
        return f"http://{_bracketed(reachable(self.host))}:{self.port}/"

    def answers_to(self, host: str) -> bool:
        """Whether a request's Host header names this server.

        On loopback, three names. Otherwise any address, since a name that was made to point here is no address, and
        this machine's own names.
        """
        name, port = _split_host(host)
        if port != self.port:
            return False
        if name in {"127.0.0.1", "localhost", "::1"}:
            return True
        return self.remote and (_is_address(name) or name in {self.host.lower(), socket.gethostname().lower()})


def is_loopback(host: str) -> bool:
    """Whether a host that one can bind to is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def reachable(host: str) -> str:
    """An address to open for one that was bound; this machine's name for all of its addresses."""
    return socket.gethostname() if host in {"0.0.0.0", "::", ""} else host


class Guard:
    """Turns away what is not from the studio's own pages, and bounds sizes, times and counts of what is."""

    def __init__(
        self, app: ASGIApp, *, address: Address, keys: Keys, entered: Callable[[], None] = lambda: None
    ) -> None:
        """Guard `app`; `entered` is called when the one-time link was used, and there is another."""
        self.app, self.address, self.keys, self.entered = app, address, keys, entered
        self._requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        answer = Answer(send)
        self._requests += 1
        try:
            if scope["type"] != "http":
                raise Problem(400, "only plain requests are answered here")
            if self._requests > MAX_REQUESTS:
                raise Problem(503, "too many requests at once; try again in a moment", {"retry-after": "1"})
            self._check(scope)
            if self.address.remote and scope["path"] == ENTRANCE:
                await self._enter(scope, answer)
                return
            body = Body(receive, close=answer.close)
            await self.app(scope, body if scope["method"] in CHANGING else receive, answer)
        except Problem as problem:
            await answer.refuse(problem)
        except StalledError:
            pass  # nothing more can be said to this client; its connection is closed
        except Exception:
            logger.exception("a request to %s failed", scope.get("path"))
            await answer.refuse(Problem(500, "something went wrong inside the studio; its terminal says what"))
        finally:
            self._requests -= 1

    def _check(self, scope: Scope) -> None:
        """Refuse a stranger.

        Raises:
            Problem: it is one.
        """
        headers, method = Headers(scope=scope), scope["method"]
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self.address.answers_to(hosts[0]):
            raise Problem(403, f"this server answers to {self.address.url} only")
        if len(scope["raw_path"]) + len(scope["query_string"]) > MAX_TARGET_BYTES:
            raise Problem(414, f"an address of more than {MAX_TARGET_BYTES:,} bytes is none of the studio's")
        if method not in READING | CHANGING:
            raise Problem(405, f"{method} is not done here", {"allow": "GET, HEAD, POST, DELETE"})
        if any(origin != f"http://{hosts[0]}" for origin in headers.getlist("origin")):
            raise Problem(403, "requests from other pages are not answered")
        self._check_site(scope, headers)
        if method in CHANGING:
            self._check_change(headers, method=method)
        elif headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
            raise Problem(400, f"a {method} has no body")
        if self.address.remote and scope["path"] != ENTRANCE and not self._knows_cookie(headers):
            raise Problem(403, "open the one-time link that the studio's terminal shows")

    def _check_site(self, scope: Scope, headers: Headers) -> None:
        """What the browser says of where a request comes from; only a link to a page may come from elsewhere."""
        sites = headers.getlist("sec-fetch-site")
        if all(site in {"same-origin", "none"} for site in sites):
            return
        is_link = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) == ("navigate", "document")
        opens = scope["method"] == "GET" and scope["path"] in (PAGES | {ENTRANCE})
        if not (len(sites) == 1 and is_link and opens):
            raise Problem(403, "requests from other sites are not answered")

    def _check_change(self, headers: Headers, *, method: str) -> None:
        if not _same(headers.get(TOKEN_HEADER, ""), self.keys.token):
            raise Problem(403, "the token is missing or of an earlier start of the studio; reload the page")
        if method != "POST":
            return
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Problem(415, "a request that changes something has the content type application/json")
        length = headers.get("content-length", "0")
        if not length.isdecimal():
            raise Problem(400, "the content length is no number")
        if int(length) > MAX_BODY_BYTES:
            raise Problem(413, f"a body may have {MAX_BODY_BYTES:,} bytes at most")

    def _knows_cookie(self, headers: Headers) -> bool:
        try:
            held = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return held is not None and _same(held.value, self.keys.cookie)

    async def _enter(self, scope: Scope, answer: Answer) -> None:
        """Give a browser its cookie. It goes on by a refresh: a redirect from another site would leave it behind."""
        key = scope["query_string"].decode("latin-1").removeprefix("key=")
        if scope["method"] != "GET" or not self.keys.enter(key):
            raise Problem(403, "this link was used, or is not the newest; the studio's terminal shows another")
        cookie = f"{COOKIE}={self.keys.cookie}; Path=/; HttpOnly; SameSite=Strict"
        page = b'<!doctype html><title>Studio</title><meta http-equiv="refresh" content="0; url=/train">'
        await answer.whole(200, page, {"content-type": "text/html; charset=utf-8", "set-cookie": cookie})
        self.entered()


class StalledError(Exception):
    """A client does not take what it asked for."""


class Body:
    """A request's body, as the application receives it: bounded in size and in time."""

    def __init__(self, receive: Receive, *, close: Callable[[], None]) -> None:
        self._receive, self._close = receive, close
        self._read, self._deadline, self._complete = 0, time.monotonic() + BODY_SECONDS, False

    async def __call__(self) -> Message:
        """The next message.

        Raises:
            Problem: too large, or too slow; the connection is closed after the answer.
        """
        if self._complete:  # what comes now is that the client goes
            return await self._receive()
        try:
            async with asyncio.timeout(max(0.0, self._deadline - time.monotonic())):
                message = await self._receive()
        except TimeoutError:
            self._close()
            raise Problem(408, f"the body did not arrive within {BODY_SECONDS:g} seconds") from None
        self._read += len(message.get("body", b""))
        self._complete = not message.get("more_body", False)
        if self._read > MAX_BODY_BYTES:
            self._close()
            raise Problem(413, f"a body may have {MAX_BODY_BYTES:,} bytes at most")
        return message


class Answer:
    """An answer on its way out: with the headers that every answer has, and no longer than a client takes it."""

    def __init__(self, send: Send) -> None:
        self._send, self._started, self._closing = send, False, False

    async def __call__(self, message: Message) -> None:
        """Send a message.

        Raises:
            StalledError: the client does not take it.
        """
        if message["type"] == "http.response.start":
            self._started = True
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            if self._closing:
                headers["connection"] = "close"
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._send(message)
        except TimeoutError:
            raise StalledError from None

    def close(self) -> None:
        """Close the connection after the answer: what the client still sends is not read."""
        self._closing = True

    async def refuse(self, problem: Problem) -> None:
        """Answer with what is wrong, unless an answer has begun."""
        if self._started:
            return
        self.close()
        content = json.dumps({"error": str(problem)}).encode()
        await self.whole(problem.status, content, {"content-type": "application/json", **problem.headers})

    async def whole(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        """A whole answer."""
        named = {**headers, "content-length": str(len(content))}
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in named.items()]
        await self({"type": "http.response.start", "status": status, "headers": raw})
        await self({"type": "http.response.body", "body": content})


def _same(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode(), secret.encode())


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _split_host(host: str) -> tuple[str, int | None]:
    """A Host header as name and port; port 80 where it names none, None where it is no number."""
    name, colon, port = host.rpartition(":")
    if not colon or port.endswith("]"):
        name, port = host, "80"
    name = name.removeprefix("[").removesuffix("]") if name.startswith("[") else name
    return name.lower(), int(port) if port.isdecimal() and port.isascii() and len(port) <= 5 else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
