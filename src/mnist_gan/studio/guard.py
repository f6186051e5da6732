"""The request guard: only the studio's own pages, in the user's browser, may use the studio.

Three kinds of strangers can reach a server on this machine: other users of the machine, pages of other sites in the
same browser, and sites whose name is made to point here (DNS rebinding). Other users lack the cookie, which a browser
gets from a link that works once. The guard recognizes pages of other sites by headers that a page cannot set: Host,
Origin and Sec-Fetch-Site. A request that changes state also needs a token, which only the studio's pages contain, and
a JSON body, which no form can send. Responses carry a content security policy under which a page runs only its own
files.
"""

from __future__ import annotations

import asyncio
import hmac
import html
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
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mnist_gan.studio import assets

TOKEN_HEADER: Final = "x-studio-token"
ENTRANCE: Final = "/enter"
"""Path of the one-time link."""
PAGES: Final = frozenset({"/", *(f"/{page.name}" for page in assets.PAGES)})
"""Paths that a link on another site may open: opening them has no effect."""
ENTER: Final = "Open the link that the studio's terminal shows; it works once."
RESTARTED: Final = "The studio was restarted. Open the link that its terminal shows."
READING: Final = frozenset({"GET", "HEAD"})
CHANGING: Final = frozenset({"POST", "DELETE"})

MAX_BODY_BYTES: Final = 1 << 20
MAX_TARGET_BYTES: Final = 8 << 10
BODY_SECONDS: Final = 5.0
"""Time limit for receiving a body."""
SEND_SECONDS: Final = 20.0
"""Time limit for a client to receive a part of a response."""
MAX_REQUESTS: Final = 64
"""Simultaneous requests, including event streams."""

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
"""For the report of a run, a single file with styles and pictures: no scripts, and an origin of its own."""
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
"""Headers of every response, unless it sets its own."""

REFUSAL: Final = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>mnist_gan studio</title>'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    '<meta name="color-scheme" content="light dark"></head>'
    "<body><main><h1>mnist_gan studio</h1><p>MESSAGE</p></main></body></html>"
)
"""A page that refuses. It has no style sheet: browsers without the cookie get no other file."""

logger = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Keys:
    """Secrets of one server, valid until it ends."""

    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    """Sent by the pages with every request that changes state."""
    cookie: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    """Value of the cookie that every request needs."""
    entry: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    """Key of the one-time link, replaced after each use."""

    def enter(self, key: str) -> bool:
        """Consume the key of the one-time link. Returns False for any other key."""
        if not _same(key, self.entry):
            return False
        self.entry = secrets.token_urlsafe(32)
        return True


@dataclass(frozen=True, kw_only=True)
class Address:
    """Address of the server, and the host names it answers to."""

    host: str
    port: int
    remote: bool = False
    """True if other machines may connect."""

    @property
    def url(self) -> str:
        """URL for users."""
        return f"http://{_bracketed(reachable(self.host))}:{self.port}/"

    @property
    def cookie(self) -> str:
        """Name of the cookie. Browsers share cookies among the ports of a host, and several studios may run."""
        return f"studio-{self.port}"

    def link(self, key: str) -> str:
        """URL of the one-time link."""
        return f"{self.url.rstrip('/')}{ENTRANCE}?key={key}"

    def answers_to(self, host: str) -> bool:
        """True if a Host header names this server.

        These are the loopback names, and the address that it listens on; with `remote`, also any IP address, which no
        rebound name is, and the name of this machine.
        """
        name, port = _split_host(host)
        if port != self.port:
            return False
        if name in {"127.0.0.1", "localhost", "::1", self.host.lower()}:
            return True
        return self.remote and (_is_address(name) or name == socket.gethostname().lower())


def is_loopback(host: str) -> bool:
    """True if only this machine can reach a host that a server binds to."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def reachable(host: str) -> str:
    """Host for the URL of a server bound to `host`.

    If it is bound to all addresses, that of the network; without a network, the machine's name. Phones seldom resolve
    names of machines.
    """
    if host not in {"0.0.0.0", "::", ""}:
        return host
    family, elsewhere = (socket.AF_INET6, "2001:db8::1") if host == "::" else (socket.AF_INET, "192.0.2.1")
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((elsewhere, 9))  # chooses a local address; sends nothing
            return str(probe.getsockname()[0])
    except OSError:
        return socket.gethostname()


class Guard:
    """Middleware that refuses requests of strangers, and limits size, duration and number of all requests."""

    def __init__(
        self, app: ASGIApp, *, address: Address, keys: Keys, on_enter: Callable[[], None] = lambda: None
    ) -> None:
        """Guard `app`; `on_enter` is called after a use of the one-time link, when there is a new one."""
        self.app, self.address, self.keys, self.on_enter = app, address, keys, on_enter
        self._requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        response = GuardedSend(send)
        self._requests += 1
        try:
            if scope["type"] != "http":
                raise HTTPException(400, "Only HTTP requests are supported.")
            if self._requests > MAX_REQUESTS:
                raise HTTPException(503, "Too many requests at once. Try again in a moment.", {"retry-after": "1"})
            self._check(scope)
            if scope["path"] == ENTRANCE:
                await self._enter(scope, response)
                return
            body = GuardedReceive(receive, close=response.close)
            await self.app(scope, body if scope["method"] in CHANGING else receive, response)
        except HTTPException as error:
            await response.refuse(error, as_page=_opens_page(scope))
        except StalledError:
            pass  # the connection is closed
        except Exception:
            logger.exception("a request to %s failed", scope.get("path"))
            await response.refuse(
                HTTPException(500, "Something went wrong inside the studio; its terminal shows the error.")
            )
        finally:
            self._requests -= 1

    def _check(self, scope: Scope) -> None:
        """Check a request's headers.

        Raises:
            HTTPException: the request is refused.
        """
        headers, method = Headers(scope=scope), scope["method"]
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self.address.answers_to(hosts[0]):
            raise HTTPException(403, f"This server answers to {self.address.url} only.")
        if len(scope["raw_path"]) + len(scope["query_string"]) > MAX_TARGET_BYTES:
            raise HTTPException(414, f"The address is longer than {MAX_TARGET_BYTES:,} bytes.")
        if method not in READING | CHANGING:
            raise HTTPException(405, f"Method {method} is not allowed.", {"allow": "GET, HEAD, POST, DELETE"})
        if any(origin != f"http://{hosts[0]}" for origin in headers.getlist("origin")):
            raise HTTPException(403, "Requests from other pages are refused.")
        self._check_site(scope, headers)
        if method in CHANGING:
            self._check_change(headers, method=method)
        elif headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
            raise HTTPException(400, f"{method} requests have no body.")
        if scope["path"] != ENTRANCE and not self._knows_cookie(headers):
            raise HTTPException(403, RESTARTED if self._held_cookie(headers) else ENTER)

    def _check_site(self, scope: Scope, headers: Headers) -> None:
        """Check the site that the browser names as the origin of a request. Another site may only link to a page."""
        sites = headers.getlist("sec-fetch-site")
        if all(site in {"same-origin", "none"} for site in sites):
            return
        is_link = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) == ("navigate", "document")
        opens = scope["method"] == "GET" and scope["path"] in (PAGES | {ENTRANCE})
        if not (len(sites) == 1 and is_link and opens):
            raise HTTPException(403, "Requests from other sites are refused.")

    def _check_change(self, headers: Headers, *, method: str) -> None:
        if not _same(headers.get(TOKEN_HEADER, ""), self.keys.token):
            raise HTTPException(403, RESTARTED)
        if method != "POST":
            return
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise HTTPException(415, "The content type must be application/json.")
        length = headers.get("content-length", "0")
        if not length.isdecimal():
            raise HTTPException(400, "The content length is not a number.")
        if int(length) > MAX_BODY_BYTES:
            raise HTTPException(413, f"The body is larger than {MAX_BODY_BYTES:,} bytes.")

    def _knows_cookie(self, headers: Headers) -> bool:
        return _same(self._held_cookie(headers), self.keys.cookie)

    def _held_cookie(self, headers: Headers) -> str:
        """Return the studio's cookie that a request holds, perhaps of an earlier start; empty without one."""
        try:
            held = SimpleCookie(headers.get("cookie", "")).get(self.address.cookie)
        except CookieError:
            return ""
        return held.value if held is not None else ""

    async def _enter(self, scope: Scope, response: GuardedSend) -> None:
        """Set the cookie and continue by a refresh; browsers send no new cookie after a redirect from another site.

        A browser that has the cookie may open an old link.
        """
        key = scope["query_string"].decode("latin-1").removeprefix("key=")
        is_new = scope["method"] == "GET" and self.keys.enter(key)
        if not is_new and not self._knows_cookie(Headers(scope=scope)):
            raise HTTPException(
                403, "This link was used before, or is not the newest. The studio's terminal shows a new one."
            )
        cookie = f"{self.address.cookie}={self.keys.cookie}; Path=/; HttpOnly; SameSite=Strict"
        page = b'<!doctype html><title>Studio</title><meta http-equiv="refresh" content="0; url=/train">'
        await response.send_all(200, page, {"content-type": "text/html; charset=utf-8", "set-cookie": cookie})
        if is_new:
            self.on_enter()


class StalledError(Exception):
    """A client does not receive its response."""


class GuardedReceive:
    """ASGI `receive` with limits on the size and the duration of a body."""

    def __init__(self, receive: Receive, *, close: Callable[[], None]) -> None:
        self._receive, self._close = receive, close
        self._read, self._deadline, self._complete = 0, time.monotonic() + BODY_SECONDS, False

    async def __call__(self) -> Message:
        """Receive the next message.

        Raises:
            HTTPException: 413 or 408; the connection is closed after the response.
        """
        if self._complete:  # the next message is the disconnect
            return await self._receive()
        try:
            async with asyncio.timeout(max(0.0, self._deadline - time.monotonic())):
                message = await self._receive()
        except TimeoutError:
            self._close()
            raise HTTPException(408, f"The body did not arrive within {BODY_SECONDS:g} seconds.") from None
        self._read += len(message.get("body", b""))
        self._complete = not message.get("more_body", False)
        if self._read > MAX_BODY_BYTES:
            self._close()
            raise HTTPException(413, f"The body is larger than {MAX_BODY_BYTES:,} bytes.")
        return message


class GuardedSend:
    """ASGI `send` that adds `HEADERS` and limits the time that a client takes to receive a part."""

    def __init__(self, send: Send) -> None:
        self._send, self._started, self._closing = send, False, False

    async def __call__(self, message: Message) -> None:
        """Send a message.

        Raises:
            StalledError: the client does not receive it.
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
        """Close the connection after the response, without reading what the client still sends."""
        self._closing = True

    async def refuse(self, error: HTTPException, *, as_page: bool = False) -> None:
        """Send an error, unless a response has begun: as JSON, or `as_page` for a person who opens an address."""
        if self._started:
            return
        self.close()
        content, kind = json.dumps({"error": error.detail}).encode(), "application/json"
        if as_page:
            content, kind = REFUSAL.replace("MESSAGE", html.escape(error.detail)).encode(), "text/html; charset=utf-8"
        await self.send_all(error.status_code, content, {"content-type": kind, **(error.headers or {})})

    async def send_all(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        """Send a complete response."""
        named = {**headers, "content-length": str(len(content))}
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in named.items()]
        await self({"type": "http.response.start", "status": status, "headers": raw})
        await self({"type": "http.response.body", "body": content})


def _opens_page(scope: Scope) -> bool:
    """True for a request whose response a browser shows to a person, such as a page that is loaded again."""
    if scope["type"] != "http" or scope["path"] not in (PAGES | {ENTRANCE}):
        return False
    return "text/html" in Headers(scope=scope).get("accept", "")


def _same(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode(), secret.encode())


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _split_host(host: str) -> tuple[str, int | None]:
    """Split a Host header into name and port: 80 if it has none, None if it is not a number."""
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
