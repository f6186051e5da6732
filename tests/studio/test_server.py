"""The server: its port, its end, and slow requests."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from tests.studio.conftest import WAIT_SECONDS, Running

from mnist_gan.errors import ConfigError
from mnist_gan.studio.server import open_port

LINK = re.compile(r"(http://127\.0\.0\.1:\d+/)enter\?key=[\w-]{43}")


def start(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "mnist_gan", "studio", "--no-browser", *arguments],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def link_of(process: subprocess.Popen[str]) -> re.Match[str]:
    """One-time link that a studio prints; its group 1 is the address of the studio."""
    assert process.stdout is not None
    found = LINK.search(process.stdout.readline())
    assert found, process.stderr and process.stderr.read()
    return found


@contextlib.contextmanager
def taken_port():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_studio_reports_a_taken_port_as_a_usage_error(tmp_path):
    with taken_port() as port:
        process = start("--port", str(port), cwd=tmp_path)
        out, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 2
    assert out == ""
    assert str(port) in err
    assert "--port 0" in err
    assert len(err.splitlines()) == 1


def test_open_port_takes_a_free_port_if_the_default_is_taken(monkeypatch):
    with taken_port() as port:
        monkeypatch.setattr("mnist_gan.studio.server.DEFAULT_PORT", port)
        with open_port("127.0.0.1", None) as listening:
            assert listening.getsockname()[1] != port


def test_open_port_refuses_a_host_that_is_not_this_machine():
    with pytest.raises(ConfigError, match="not an address of this machine"):
        open_port("192.0.2.1", 0)


def test_server_listens_on_loopback_only(shared_server: Running):
    found = [
        line.split()[1]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and int(line.split()[1].partition(":")[2], 16) == shared_server.port
    ]
    assert found == [f"0100007F:{shared_server.port:04X}"]


def test_studio_requires_allow_remote_for_other_hosts(tmp_path):
    process = start("--host", "0.0.0.0", "--port", "0", cwd=tmp_path)
    out, err = process.communicate(timeout=WAIT_SECONDS)
    assert (process.returncode, out) == (2, "")
    assert "--allow-remote" in err


@pytest.mark.slow
def test_server_ends_at_ctrl_c_while_a_client_is_connected(studio_runs: Path, tmp_path: Path):
    process = start("--port", "0", cwd=tmp_path)
    link = link_of(process)
    cookies = httpx.get(link[0], trust_env=False).cookies
    with (
        httpx.Client(cookies=cookies, timeout=30, trust_env=False) as client,
        client.stream("GET", f"{link[1]}api/runs/tiny/events") as stream,
    ):
        assert next(stream.iter_lines()).startswith(("event", "id", "retry"))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=WAIT_SECONDS)
    assert (process.returncode, out) == (0, "")
    used, closed = err.splitlines()
    assert LINK.search(used)
    assert used != link[0]
    assert closed == "the studio is closed"


@pytest.mark.slow
def test_server_ends_at_sigterm(tmp_path):
    process = start("--port", "0", cwd=tmp_path)
    link_of(process)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=WAIT_SECONDS)
    assert (process.returncode, err) == (0, "the studio is closed\n")


@pytest.mark.slow
def test_server_closes_a_connection_with_an_unfinished_request(shared_server: Running, monkeypatch):
    monkeypatch.setattr("mnist_gan.studio.server.REQUEST_SECONDS", 0.5)
    with socket.create_connection(("127.0.0.1", shared_server.port)) as connection:
        connection.sendall(b"GET /train HTTP/1.1\r\nHost: ")
        connection.settimeout(20)
        with contextlib.suppress(ConnectionError):
            assert connection.recv(100) == b""
