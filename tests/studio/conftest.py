"""A real server on a free port of this machine, over short real trainings."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support import tiny
from tests.support.conforming import problems

from mnist_gan import experiment
from mnist_gan.config import Config
from mnist_gan.data.idx_set import write_idx_set
from mnist_gan.runs import channel
from mnist_gan.studio import api
from mnist_gan.studio.app import create_app
from mnist_gan.studio.context import Studio, make_studio
from mnist_gan.studio.guard import Address
from mnist_gan.studio.server import StudioServer, open_port

WAIT_SECONDS = 180.0
"""Long enough for a busy machine; an idle one needs a fraction."""


@dataclass(kw_only=True)
class Running:
    """A running server and a client of it."""

    url: str
    """Without a trailing slash."""
    token: str
    client: httpx.Client
    """Sends the token and the Origin of the studio's pages."""
    studio: Studio
    server: StudioServer

    @property
    def cookies(self) -> dict[str, str]:
        """Those of the user's browser."""
        return {f"studio-{self.port}": self.studio.keys.cookie}

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def get(self, path: str, **query: Any) -> Any:
        """The JSON of a successful GET."""
        answer = self.client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any, *, status: int = 200) -> Any:
        answer = self.client.post(path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()


def check_response(response: httpx.Response) -> None:
    """Compare the JSON of a response with its type in `mnist_gan.studio.api`."""
    if response.headers.get("content-type") != "application/json":
        return
    hint = api.Failure if response.is_error else response_type(response.request)
    found = list(problems(json.loads(response.read()), hint)) if hint else []
    assert found == [], f"{response.request.method} {response.request.url.path}: {found[:3]}"


def response_type(request: httpx.Request) -> Any:
    """Type of the responses of an address; None without one."""
    for key, kinds in api.ENDPOINTS.items():
        method, _, address = key.partition(" ")
        pattern = "/".join("[^/]+" if part.startswith("{") else re.escape(part) for part in address.split("/"))
        if method == request.method and re.fullmatch(pattern, request.url.path):
            return kinds.response
    return None


@contextlib.contextmanager
def serving(runs_dir: Path, *, remote: bool = False, **options: Any) -> Iterator[Running]:
    """Serve a folder of runs from a thread until the block ends."""
    listening = open_port("127.0.0.1", 0)
    address = Address(host="127.0.0.1", port=listening.getsockname()[1], remote=remote)
    studio, ready = make_studio(runs_dir, **options), threading.Event()
    server = StudioServer(create_app(studio, address=address), studio, on_start=ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    assert ready.wait(WAIT_SECONDS)
    url, token = address.url.rstrip("/"), studio.keys.token
    headers = {"x-studio-token": token, "origin": url}
    try:
        with httpx.Client(
            base_url=url,
            headers=headers,
            cookies={address.cookie: studio.keys.cookie},
            timeout=30.0,
            trust_env=False,
            event_hooks={"response": [check_response]},
        ) as client:
            yield Running(url=url, token=token, client=client, studio=studio, server=server)
    except BaseException:  # the test failed
        end_trainings(studio)
        raise
    finally:
        server.stop()
        thread.join(20.0)
        listening.close()
        assert not thread.is_alive(), "the server did not end"


def until(holds: Callable[[], Any], *, seconds: float = WAIT_SECONDS) -> Any:
    """Wait until `holds` returns a true value, and return it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = holds()
        if found:
            return found
        time.sleep(0.1)  # often a request of the server in this process, which takes its time
    raise AssertionError(f"waited {seconds:g} seconds in vain")


@pytest.fixture(scope="session")
def idx_folder(idx_arrays: dict[str, NDArray[np.uint8]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Artificial digits in MNIST's layout."""
    folder = tmp_path_factory.mktemp("idx")
    write_idx_set(folder, idx_arrays)
    return folder


@pytest.fixture(scope="session")
def tiny_config(idx_folder: Path) -> Config:
    return tiny.tiny_config(idx_folder, run={"snapshots": 12})


@pytest.fixture(scope="session")
def finished_run(tiny_config: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run; read-only, `studio_runs` has a copy."""
    return experiment.run(tiny_config, name="tiny", runs_dir=tmp_path_factory.mktemp("made")).directory.root


@pytest.fixture
def studio_runs(finished_run: Path, tmp_path: Path) -> Path:
    """A writable folder with a copy of that run."""
    shutil.copytree(finished_run, tmp_path / "runs" / "tiny")
    return tmp_path / "runs"


@pytest.fixture
def studio_server(studio_runs: Path) -> Iterator[Running]:
    """A server for one test; its trainings are ended."""
    with serving(studio_runs) as running:
        yield running
        end_trainings(running.studio)


@pytest.fixture(scope="module")
def shared_server(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server for all tests of a file, which change nothing."""
    runs_dir = tmp_path_factory.mktemp("shared") / "runs"
    shutil.copytree(finished_run, runs_dir / "tiny")
    with serving(runs_dir) as running:
        yield running
        end_trainings(running.studio)


def end_trainings(studio: Studio) -> None:
    """Stop all trainings and wait until they have ended."""
    for name in studio.trainer.training():
        run = studio.library.runs().get(name)
        if run is not None:
            channel.send_command(run, {"command": "stop"})
    for start in studio.trainer.processes().values():
        if start.process.poll() is None:
            start.process.terminate()  # it may have no folder yet that could receive a command
    deadline = time.monotonic() + 20
    while studio.trainer.training() and time.monotonic() < deadline:
        time.sleep(0.05)
    for start in studio.trainer.processes().values():
        if start.process.poll() is None:
            os.kill(start.process.pid, signal.SIGKILL)
        start.process.wait(20)
