"""Load: ten thousand requests are answered in bounded time and memory."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

COOKIES: dict[str, str] = {}
"""Cookie of the running server."""
REQUESTS = 10_000
CLIENTS = 6
WARM_UP = 2_000
MAX_GROWTH_MIB = 24
MAX_SECONDS = 400

MIX = (
    ("GET", "/api/runs", 200),
    ("GET", "/api/runs/tiny", 200),
    ("GET", "/api/runs/tiny/rows?after=40", 200),
    ("GET", "/api/runs/tiny/samples/1.png", 200),
    ("GET", "/train", 200),
    ("GET", "/assets/icon.svg", 200),
    ("GET", "/api/presets", 200),
    ("GET", "/api/runs/none", 404),
    ("GET", "/nothing", 404),
    ("POST", "/api/train", 403),
    ("POST", "/api/runs/tiny/command", 403),
    ("PUT", "/api/runs", 405),
)


@contextlib.contextmanager
def server(runs_dir: Path) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """Run a server in a separate process; yields its port and the process."""
    line = ["studio", "--port", "0", "--no-browser", "--runs-dir", str(runs_dir)]
    process = subprocess.Popen([sys.executable, "-m", "mnist_gan", *line], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        found = re.search(r"http\S+:(\d+)/enter\S+", process.stdout.readline())
        assert found
        COOKIES.update(httpx.get(found[0], trust_env=False).cookies)
        yield int(found[1]), process
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def memory_mib(process: subprocess.Popen[str]) -> float:
    """Resident memory of a process in MiB."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found
    return int(found[1]) / 1024


def ask(port: int, requests: Iterator[tuple[str, str, int]], odd: Counter[tuple[str, int]]) -> None:
    """Send requests over a persistent connection, and count unexpected statuses in `odd`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in COOKIES.items())}
    for method, path, expected in requests:
        try:
            connection.request(method, path, body=b"{}" if method == "POST" else None, headers=cookie)
            answer = connection.getresponse()
            answer.read()
            status = answer.status
        except (http.client.HTTPException, OSError):
            connection.close()
            status = 0
        if status != expected:
            odd[path, status] += 1
    connection.close()


def burst(port: int, count: int) -> Counter[tuple[str, int]]:
    """Send `count` requests from several clients at once; returns the unexpected statuses."""
    odd: Counter[tuple[str, int]] = Counter()
    share = count // CLIENTS
    clients = [
        threading.Thread(target=ask, args=(port, itertools.islice(itertools.cycle(MIX), n, n + share), odd))
        for n in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    return odd


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory from /proc")
def test_server_answers_ten_thousand_requests_in_constant_memory(finished_run: Path, tmp_path: Path):
    shutil.copytree(finished_run, tmp_path / "runs" / "tiny")
    with server(tmp_path / "runs") as (port, process):
        assert not burst(port, WARM_UP)
        before, began = memory_mib(process), time.monotonic()
        odd = burst(port, REQUESTS)
        seconds, growth = time.monotonic() - began, memory_mib(process) - before
        assert not odd
        assert growth < MAX_GROWTH_MIB, f"grew by {growth:.0f} MiB from {before:.0f}"
        assert seconds < MAX_SECONDS
        print(f"{REQUESTS / seconds:.0f} requests/s, {growth:+.1f} MiB from {before:.0f}")
