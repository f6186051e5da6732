"""The guard: every route against everything that a stranger could send."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from starlette.routing import Route
from tests.studio.conftest import Running, serving, until

from mnist_gan.studio import guard
from mnist_gan.studio.app import create_app
from mnist_gan.studio.context import make_studio
from mnist_gan.studio.guard import MAX_BODY_BYTES, POLICY, REPORT_POLICY, Address, is_loopback, reachable
from mnist_gan.studio.server import open_port

FILLED = {
    "run": "tiny",
    "model": "tiny",
    "path": "icon.svg",
    "picture": "0.png",
    "game": "none",
    "job": "none",
    "name": "mnist_gan.models.mlp",
}
SECRET = "the-secret-of-this-machine"


class Endpoint(NamedTuple):
    method: str
    path: str


def endpoints() -> Iterator[Endpoint]:
    """Every method of every route, with existing names as parameters."""
    app = create_app(make_studio(Path("runs")), address=Address(host="127.0.0.1", port=80))
    for route in app.routes:
        assert isinstance(route, Route), f"{route} would not be covered"
        path = re.sub(r"\{(\w+)(?::\w+)?\}", lambda name: FILLED[name[1]], route.path)
        for method in sorted((route.methods or set()) - {"HEAD"}):
            yield Endpoint(method, path)


ENDPOINTS = list(endpoints())
CHANGING = [endpoint for endpoint in ENDPOINTS if endpoint.method != "GET"]
POSTS = [endpoint for endpoint in ENDPOINTS if endpoint.method == "POST"]
PAGES = [Endpoint("GET", path) for path in sorted(guard.PAGES)]
anywhere = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=" ".join)
changing = pytest.mark.parametrize("endpoint", CHANGING, ids=" ".join)
posting = pytest.mark.parametrize("endpoint", POSTS, ids=" ".join)


def ask(running: Running, endpoint: Endpoint, **headers: str | None) -> httpx.Response:
    """Send a request as the studio's pages do, with `headers` replaced; None omits one."""
    content = b"{}" if endpoint.method == "POST" else None
    request = running.client.build_request(endpoint.method, endpoint.path, content=content)
    request.headers["content-type"] = "application/json"
    for name, value in headers.items():
        request.headers.pop(name.replace("_", "-"), None)
        if value is not None:
            request.headers[name.replace("_", "-")] = value
    return running.client.send(request)


def refused(answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-security-policy"] == POLICY
    assert "access-control-allow-origin" not in answer.headers
    if answer.request.method != "HEAD":
        assert list(answer.json()) == ["error"]
        assert SECRET not in answer.text


def test_endpoints_contain_every_kind_of_route():
    paths = {path for _, path in ENDPOINTS}
    assert {"/", "/train", "/assets/icon.svg", "/api/runs/tiny/events", "/api/train"} <= paths
    assert {"/api/runs/tiny/command", "/api/explore/image", "/api/draw/invert", "/api/jobs/none"} <= paths
    assert len(CHANGING) >= 6


@anywhere
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example:{port}", ""])
def test_guard_refuses_another_host(shared_server: Running, endpoint, host):
    refused(ask(shared_server, endpoint, host=host.format(port=shared_server.port)), 403)


@anywhere
@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:{port}", "http://127.0.0.1:1"])
def test_guard_refuses_another_origin(shared_server: Running, endpoint, origin):
    refused(ask(shared_server, endpoint, origin=origin.format(port=shared_server.port)), 403)


@anywhere
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("mode", ["cors", "no-cors", "websocket"])
def test_guard_refuses_another_site(shared_server: Running, endpoint, site, mode):
    answer = ask(shared_server, endpoint, origin=None, sec_fetch_site=site, sec_fetch_mode=mode)
    refused(answer, 403)


@anywhere
def test_guard_lets_a_link_from_another_site_open_pages_only(shared_server: Running, endpoint):
    link = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}
    answer = ask(shared_server, endpoint, origin=None, x_studio_token=None, **link)
    if endpoint in PAGES:
        assert answer.status_code in {200, 307}
    else:
        refused(answer, 403)
    framed = ask(shared_server, endpoint, origin=None, **(link | {"sec_fetch_dest": "iframe"}))
    refused(framed, 403)


@anywhere
@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
def test_guard_refuses_other_methods(shared_server: Running, endpoint, method):
    refused(ask(shared_server, Endpoint(method, endpoint.path)), 405)


@changing
@pytest.mark.parametrize("token", [None, "", "wrong"])
def test_guard_requires_the_token_for_changes(shared_server: Running, endpoint, token):
    refused(ask(shared_server, endpoint, x_studio_token=token), 403)


def test_guard_refuses_a_token_that_is_not_text(shared_server: Running):
    head = f"POST /api/train HTTP/1.1\r\nHost: {shared_server.url[7:]}\r\nX-Studio-Token: ".encode()
    head += b"\xff\xe9\r\n\r\n"
    assert raw(shared_server, head).startswith(b"HTTP/1.1 403")


@changing
def test_guard_refuses_the_token_of_another_server(shared_server: Running, endpoint, tmp_path):
    refused(ask(shared_server, endpoint, x_studio_token=make_studio(tmp_path).keys.token), 403)


@posting
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None])
def test_guard_requires_json_for_changes(shared_server: Running, endpoint, kind):
    refused(ask(shared_server, endpoint, content_type=kind), 415)


@posting
@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"null", b"\xff\xfe", b"[" * 20_000, b'{"a":' * 5_000])
def test_handlers_refuse_a_body_that_is_not_an_object(shared_server: Running, endpoint, content):
    answer = shared_server.client.post(endpoint.path, content=content, headers={"content-type": "application/json"})
    refused(answer, 400)


@posting
def test_guard_refuses_a_large_body_before_reading_it(shared_server: Running, endpoint):
    head = head_of(shared_server, endpoint, f"Content-Length: {MAX_BODY_BYTES + 1}")
    assert raw(shared_server, head).startswith(b"HTTP/1.1 413")


@posting
def test_guard_cuts_off_a_large_body_of_unknown_length(shared_server: Running, endpoint):
    def pieces() -> Iterator[bytes]:
        for _ in range(MAX_BODY_BYTES // 10_000 + 50):
            yield b" " * 10_000

    try:
        answer = shared_server.client.post(
            endpoint.path, content=pieces(), headers={"content-type": "application/json"}
        )
    except httpx.WriteError:  # the connection was closed meanwhile
        return
    refused(answer, 413)


@posting
def test_guard_cuts_off_a_slow_body(shared_server: Running, endpoint, monkeypatch):
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.2)
    answer = raw(shared_server, head_of(shared_server, endpoint, "Content-Length: 1000") + b'{"')
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"connection: close" in answer.lower()
    assert b"within 0.2 seconds" in answer


@anywhere
def test_guard_refuses_a_body_of_a_get_request(shared_server: Running, endpoint):
    if endpoint.method == "GET":
        answer = shared_server.client.request("GET", endpoint.path, content=b"{}")
        refused(answer, 400)


@anywhere
def test_guard_refuses_long_addresses(shared_server: Running, endpoint):
    refused(ask(shared_server, Endpoint(endpoint.method, endpoint.path + "?" + "a" * 9000)), 414)


def test_guard_refuses_two_hosts(shared_server: Running):
    head = f"GET /train HTTP/1.1\r\nHost: {shared_server.url[7:]}\r\nHost: evil.example\r\n\r\n".encode()
    assert raw(shared_server, head).startswith((b"HTTP/1.1 403", b"HTTP/1.1 400"))


def test_guard_refuses_a_request_without_host(shared_server: Running):
    assert raw(shared_server, b"GET /train HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 403")


def test_guard_refuses_websockets(shared_server: Running):
    upgrade = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13", "sec-websocket-key": "x"}
    answer = shared_server.client.get("/api/runs", headers=upgrade)
    assert answer.status_code in {200, 400}
    assert "upgrade" not in answer.headers


@pytest.mark.parametrize(
    "path", ["/train", "/assets/icon.svg", "/api/runs", "/api/runs/tiny/samples/0.png", "/nothing"]
)
def test_guard_adds_security_headers_to_every_response(shared_server: Running, path):
    headers = shared_server.client.get(path).headers
    assert headers["content-security-policy"] == POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert "server" not in headers
    assert not [name for name in headers if name.startswith("access-control-")]
    assert headers["cache-control"] == ("no-cache" if path.startswith("/assets") else "no-store")


def test_policy_allows_nothing_inline():
    assert "default-src 'none'" in POLICY
    assert "unsafe" not in POLICY
    assert "http" not in POLICY
    assert "frame-ancestors 'none'" in POLICY


def test_report_policy_allows_no_script(studio_server: Running, studio_runs: Path):
    (studio_runs / "tiny" / "report.html").write_text("<style>p {}</style><script>1</script>")
    answer = studio_server.client.get("/api/runs/tiny/report")
    policy = answer.headers["content-security-policy"]
    assert policy == REPORT_POLICY
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "sandbox" in policy
    assert "allow-scripts" not in policy


def test_routes_never_lead_to_files_outside_the_studio(studio_server: Running, studio_runs: Path):
    for place in (studio_runs.parent, studio_runs, studio_runs / "tiny"):
        (place / "secret").write_text(SECRET)
        (place / "secret.png").write_text(SECRET)
        (place / "secret.html").write_text(SECRET)
    attempts = list(traversals(studio_runs))
    assert len(attempts) >= 500
    for path in attempts:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", studio_server.port, timeout=20)) as connection:
            connection.putrequest("GET", path, skip_host=True)
            connection.putheader("Host", studio_server.url[7:])
            connection.putheader("Cookie", cookie_of(studio_server))
            connection.endheaders()
            answer = connection.getresponse()
            content = answer.read()
        assert answer.status in {400, 404, 409}, (path, answer.status, content[:200])
        assert SECRET.encode() not in content, path
        assert b"root:" not in content, path
        assert list(json.loads(content)) == ["error"], path


def traversals(runs_dir: Path) -> Iterator[str]:
    """Five hundred addresses that name a file outside the studio."""
    ups = [
        "..",
        "%2e%2e",
        "..%2f..",
        "%2e%2e%2f%2e%2e",
        "..%5c..",
        "%252e%252e",
        "....//....",
        "..;",
        ".%00.",
        "%c0%ae%c0%ae",
    ]
    targets = ["secret", "secret.png", "secret.html", "tiny/config.toml", "etc/passwd", "%2fetc%2fpasswd"]
    whole = [
        str(runs_dir),
        "/etc/passwd",
        "//etc/passwd",
        "file:%2f%2f%2fetc%2fpasswd",
        "C:%5cWindows%5cwin.ini",
        "~",
        "%00",
    ]
    names = [f"{up}/{target}" for up, target in itertools.product(ups, targets)]
    names += [f"{up}%2f{target}" for up, target in itertools.product(ups, targets)] + whole
    for name in names:
        yield f"/assets/{name}"
        yield f"/api/runs/{name}"
        yield f"/api/runs/tiny/samples/{name}"
        yield f"/api/compare?a=tiny&b={name}"
        yield f"/api/models/{name}"
        yield f"/api/explore/image?model={name}"


def test_guard_limits_simultaneous_requests(studio_server: Running, monkeypatch):
    monkeypatch.setattr(guard, "MAX_REQUESTS", 2)
    with OpenStream(studio_server), OpenStream(studio_server):
        answer = studio_server.client.get("/api/runs")
        refused(answer, 503)
        assert answer.headers["retry-after"]
    assert eventually_ok(studio_server)


def test_events_limit_simultaneous_streams(studio_server: Running, monkeypatch):
    monkeypatch.setattr("mnist_gan.studio.handlers.events.MAX_STREAMS", 2)
    with OpenStream(studio_server), OpenStream(studio_server):
        answer = studio_server.client.get("/api/runs/tiny/events")
        refused(answer, 429)
        assert answer.headers["retry-after"]
        assert studio_server.client.get("/api/runs").status_code == 200


class OpenStream:
    """Context manager that holds an event stream open."""

    def __init__(self, running: Running) -> None:
        self._client = httpx.Client(base_url=running.url, cookies=running.cookies, trust_env=False, timeout=20)

    def __enter__(self) -> None:
        self._stream = self._client.stream("GET", "/api/runs/tiny/events")
        answer = self._stream.__enter__()
        assert answer.status_code == 200
        self._lines = answer.iter_lines()  # kept, because its end closes the stream
        next(self._lines)

    def __exit__(self, *_: object) -> None:
        self._stream.__exit__(None, None, None)
        self._client.close()


def eventually_ok(running: Running) -> bool:
    """True once requests are answered again."""
    return bool(until(lambda: running.client.get("/api/runs").status_code == 200, seconds=10))


def test_guard_hides_the_details_of_an_unexpected_error(studio_server: Running, monkeypatch, caplog):
    monkeypatch.setattr(studio_server.studio.library, "runs", lambda: 1 / 0)
    answer = studio_server.client.get("/api/runs")
    refused(answer, 500)
    assert "division" not in answer.text
    assert "ZeroDivisionError" in caplog.text


@anywhere
@pytest.mark.parametrize("cookie", [None, "", "studio-{port}=wrong", "studio={cookie}", "studio-1={cookie}"])
def test_guard_refuses_other_users_of_this_machine(shared_server: Running, endpoint, cookie):
    """They reach the port and can send any header, but have no cookie: not even the token is shown to them."""
    secrets = {"port": shared_server.port, "cookie": shared_server.studio.keys.cookie}
    answer = ask(shared_server, endpoint, cookie=cookie and cookie.format(**secrets))
    refused(answer, 403)
    assert shared_server.token not in answer.text


def test_guard_says_that_the_studio_was_restarted_to_a_browser_of_its_last_start(shared_server: Running):
    cookie = next(iter(shared_server.client.cookies))
    old = httpx.get(f"{shared_server.url}/api/runs", headers={"cookie": f"{cookie}=old"}, trust_env=False)
    assert old.status_code == 403
    assert old.json()["error"] == "The studio was restarted. Open the link that its terminal shows."
    stranger = httpx.get(f"{shared_server.url}/api/runs", trust_env=False)
    assert stranger.json()["error"].startswith("Open the link")


@pytest.mark.parametrize("path", ["/train", "/plane?data=ring8", "/enter?key=used"])
def test_guard_shows_a_person_a_page_that_refuses(shared_server: Running, path: str):
    answer = httpx.get(f"{shared_server.url}{path}", headers={"accept": "text/html,*/*;q=0.8"}, trust_env=False)
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "terminal shows" in answer.text
    assert "{" not in answer.text
    data = httpx.get(f"{shared_server.url}/api/runs", headers={"accept": "text/html"}, trust_env=False)
    assert data.headers["content-type"] == "application/json"


@pytest.mark.parametrize("remote", [False, True])
def test_guard_gives_the_cookie_to_the_first_user_of_the_link(finished_run: Path, remote: bool):
    with serving(finished_run.parent, remote=remote) as running, browser(running) as client:
        refused(client.get("/train"), 403)
        refused(client.get("/enter?key=wrong"), 403)
        refused(client.get("/enter"), 403)
        link = f"/enter?key={running.studio.keys.entry}"
        answer = client.get(link)
        cookie = answer.headers["set-cookie"]
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
        assert running.studio.keys.token not in answer.text
        assert client.get("/train").status_code == 200  # the client keeps the cookie
        assert client.get(link).status_code == 200  # nor does the terminal's link fail for it
        refused(httpx.get(running.url + link, trust_env=False), 403)
        refused(httpx.get(running.url + "/api/runs", cookies={"studio": "wrong"}, trust_env=False), 403)
        assert client.get("/api/runs").status_code == 200
        refused(client.get("/api/runs", headers={"host": "rebound.example:" + str(running.port)}), 403)


def browser(running: Running) -> httpx.Client:
    """A browser without cookies."""
    return httpx.Client(base_url=running.url, trust_env=False, timeout=20)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("127.1.2.3", True), ("0.0.0.0", False), ("::", False)],
)
def test_is_loopback_accepts_addresses_of_this_machine_only(host, loopback):
    assert is_loopback(host) is loopback


def test_address_answers_to_its_own_names_only():
    here, everywhere = Address(host="127.0.0.1", port=80), Address(host="0.0.0.0", port=8000, remote=True)
    assert all(map(here.answers_to, ["127.0.0.1", "localhost:80", "[::1]", "LOCALHOST"]))
    assert not any(
        map(here.answers_to, ["127.0.0.1:81", "example.org", "", "127.0.0.1:80:80", "10.0.0.1", "x@localhost"])
    )
    assert all(map(everywhere.answers_to, ["10.1.2.3:8000", "[fe80::1]:8000", f"{socket.gethostname()}:8000"]))
    second = Address(host="127.0.0.2", port=80)
    assert all(map(second.answers_to, ["127.0.0.2", "localhost"]))
    assert not any(map(second.answers_to, ["127.0.0.3", "example.org"]))
    assert not here.answers_to("127.0.0.2")
    assert not any(map(everywhere.answers_to, ["rebound.example:8000", "10.1.2.3"]))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
def test_reachable_is_an_address_of_this_machine(host):
    """Other machines seldom resolve its name."""
    found = reachable(host)
    if found != socket.gethostname():  # there is a network
        with open_port(found, 0):
            pass


def test_reachable_keeps_the_host_that_was_chosen():
    assert reachable("127.0.0.2") == "127.0.0.2"


def cookie_of(running: Running) -> str:
    """Cookie header of the user's browser."""
    return "; ".join(f"{name}={value}" for name, value in running.cookies.items())


def head_of(running: Running, endpoint: Endpoint, *lines: str) -> bytes:
    """Head of a request as the studio's pages send it."""
    named = [
        f"Host: {running.url[7:]}",
        f"Cookie: {cookie_of(running)}",
        f"X-Studio-Token: {running.token}",
        "Content-Type: application/json",
        *lines,
    ]
    return "\r\n".join([f"{endpoint.method} {endpoint.path} HTTP/1.1", *named, "", ""]).encode()


def raw(running: Running, content: bytes) -> bytes:
    """Response to raw bytes."""
    with socket.create_connection(("127.0.0.1", running.port), timeout=60) as connection:
        connection.sendall(content)
        received = b""
        while not is_complete(received) and (piece := connection.recv(65536)):
            received += piece
        return received


def is_complete(response: bytes) -> bool:
    """True if a response has its whole body."""
    head, end, body = response.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head.lower())
    return bool(end and length) and len(body) >= int(length[1])  # type: ignore[index]
