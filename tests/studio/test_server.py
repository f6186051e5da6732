"""The server: its port, its pages, its end."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from tests.studio.conftest import Running, serving

from mnist_gan.cli import main
from mnist_gan.errors import ConfigError
from mnist_gan.runs.directory import RunDirectory
from mnist_gan.studio.assets import load_assets
from mnist_gan.studio.security import Address, is_loopback
from mnist_gan.studio.server import open_port

ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/")


def start(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "mnist_gan", "studio", "--no-browser", *arguments],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def address_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    found = ADDRESS.search(process.stdout.readline())
    assert found, process.stderr and process.stderr.read()
    return found[0]


@contextlib.contextmanager
def taken_port():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_a_taken_port_is_one_sentence_and_a_usage_error(tmp_path):
    with taken_port() as port:
        process = start("--port", str(port), cwd=tmp_path)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert out == ""
    assert str(port) in err
    assert "--port 0" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["none"], 4, "no run none"),
        (["."], 4, "not a run"),
        (["--port", "70000"], 2, "65535"),
        (["--trainings", "0"], 2, "1 to"),
        (["--runs-dir", "file"], 2, "no folder"),
        (["--host", "192.168.0.1"], 2, "--allow-remote"),
    ],
)
def test_what_cannot_be_is_one_sentence(tmp_path, monkeypatch, capsys, arguments, code, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    assert main(["studio", "--no-browser", *arguments]) == code
    complaint = capsys.readouterr().err
    assert said in complaint
    assert len(complaint.splitlines()) == 1


def test_the_usual_port_gives_way_where_none_was_asked_for(monkeypatch):
    with taken_port() as port:
        monkeypatch.setattr("mnist_gan.studio.server.DEFAULT_PORT", port)
        with open_port("127.0.0.1", None) as listening:
            assert listening.getsockname()[1] != port


def test_a_host_that_is_not_here_is_refused():
    with pytest.raises(ConfigError, match="no address of this machine"):
        open_port("192.0.2.1", 0)


def test_it_listens_on_loopback_alone(shared_server: Running):
    found = [
        line.split()[1]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and int(line.split()[1].partition(":")[2], 16) == shared_server.port
    ]
    assert found == [f"0100007F:{shared_server.port:04X}"]


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("127.1.2.3", True), ("0.0.0.0", False), ("::", False)],
)
def test_what_is_loopback(host, loopback):
    assert is_loopback(host) is loopback


def test_other_hosts_need_the_flag(tmp_path):
    process = start("--host", "0.0.0.0", "--port", "0", cwd=tmp_path)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert "--allow-remote" in err


@pytest.mark.slow
def test_ctrl_c_ends_it_at_once_although_a_page_watches(studio_runs: Path, tmp_path: Path):
    process = start("--port", "0", cwd=tmp_path)
    url = address_of(process)
    with httpx.stream("GET", f"{url}api/runs/tiny/events", timeout=30, trust_env=False) as stream:
        assert next(stream.iter_lines()).startswith(("event", "id", "retry"))
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert time.monotonic() - began < 5
    assert (process.returncode, err) == (0, "")
    assert "closed" in out


@pytest.mark.slow
def test_sigterm_ends_it_too(tmp_path):
    process = start("--port", "0", cwd=tmp_path)
    address_of(process)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")


def test_the_first_page_leads_to_the_training(shared_server: Running):
    answer = shared_server.client.get("/", params={"run": "tiny"})
    assert (answer.status_code, answer.headers["location"]) == (307, "/train?run=tiny")


@pytest.mark.parametrize("page", ["train", "explore", "draw", "runs"])
def test_every_page_carries_the_token(shared_server: Running, page):
    answer = shared_server.client.get(f"/{page}")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert f'name="studio-token" content="{shared_server.token}"' in answer.text
    assert "{{" not in answer.text


def test_every_file_of_the_pages_is_served_as_it_is(shared_server: Running):
    assets = {path: asset for path, asset in load_assets().items() if not path.endswith(".html")}
    assert {Path(path).suffix for path in assets} >= {".js", ".css", ".svg"}
    for path, asset in assets.items():
        answer = shared_server.client.get(f"/assets/{path}")
        assert answer.content == asset.content
        assert answer.headers["content-type"] == asset.media_type
        assert answer.headers["cache-control"] == "no-cache"


def test_an_asset_that_is_known_already_is_not_sent_again(shared_server: Running):
    path = next(iter(path for path in load_assets() if path.endswith(".js")))
    etag = shared_server.client.get(f"/assets/{path}").headers["etag"]
    answer = shared_server.client.get(f"/assets/{path}", headers={"if-none-match": etag})
    assert (answer.status_code, answer.content) == (304, b"")


def test_pages_refer_to_nothing_elsewhere():
    for path, asset in load_assets().items():
        if path.endswith((".html", ".css", ".js")) and not path.startswith("vendor/"):
            found = re.findall(rb"(?:src|href|url|from|import|fetch)\W{1,3}(?:https?:)?//", asset.content)
            assert not found, f"{path} refers to {found}"


def test_a_run_elsewhere_can_be_named(finished_run: Path, tmp_path: Path):
    with serving(tmp_path / "none", named=RunDirectory(finished_run)) as running:
        assert running.get("/api/studio")["run"] == "tiny"
        assert [row["run"] for row in running.get("/api/runs")["runs"]] == ["tiny"]


def test_an_address_says_which_names_are_its_own():
    here, everywhere = Address(host="127.0.0.1", port=80), Address(host="0.0.0.0", port=8000, remote=True)
    assert all(map(here.answers_to, ["127.0.0.1", "localhost:80", "[::1]", "LOCALHOST"]))
    assert not any(
        map(here.answers_to, ["127.0.0.1:81", "example.org", "", "127.0.0.1:80:80", "10.0.0.1", "x@localhost"])
    )
    assert all(map(everywhere.answers_to, ["10.1.2.3:8000", "[fe80::1]:8000", f"{socket.gethostname()}:8000"]))
    assert not any(map(everywhere.answers_to, ["rebound.example:8000", "10.1.2.3"]))


@pytest.mark.slow
def test_an_unfinished_request_is_cut_off(shared_server: Running, monkeypatch):
    monkeypatch.setattr("mnist_gan.studio.server.REQUEST_SECONDS", 0.5)
    with socket.create_connection(("127.0.0.1", shared_server.port)) as connection:
        connection.sendall(b"GET /train HTTP/1.1\r\nHost: ")
        connection.settimeout(20)
        with contextlib.suppress(ConnectionError):
            assert connection.recv(100) == b""
