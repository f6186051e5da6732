"""A headless Firefox, driven by its Marionette protocol: JSON with a length, over TCP on loopback."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

STARTING_SECONDS = 120.0


class Firefox:
    """A browser with a profile of its own; ends with the block."""

    def __init__(self, program: str, profile: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        profile.mkdir()
        (profile / "user.js").write_text(f'user_pref("marionette.port", {self.port});\n')
        self.command = [program, "--headless", "--marionette", "--no-remote", "--profile", str(profile)]
        self.home = profile
        self.serial = 0

    def __enter__(self) -> Firefox:
        environment = os.environ | {"HOME": str(self.home), "MOZ_REMOTE_ALLOW_SYSTEM_ACCESS": "1"}
        self.process = subprocess.Popen(
            self.command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.connection = self._connect()
        self._receive()  # a greeting
        self.send("WebDriver:NewSession", {})
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()
        self.process.terminate()
        self.process.wait(30)

    def open(self, address: str) -> None:
        """Open a page and wait until it is ready."""
        self.send("WebDriver:Navigate", {"url": address})
        deadline = time.monotonic() + STARTING_SECONDS
        while not self.call("() => document.documentElement.hasAttribute('data-ready')"):
            assert time.monotonic() < deadline, "the page is not ready"
            time.sleep(0.1)

    def call(self, function: str, *arguments: Any) -> Any:
        """Call a JavaScript function in the page, whose variables are those of the page itself."""
        script = f"const mnistGan = (window.wrappedJSObject ?? window).mnistGan; return ({function})(...arguments);"
        return self.send("WebDriver:ExecuteScript", {"script": script, "args": arguments})["value"]

    def send(self, command: str, parameters: dict[str, Any]) -> Any:
        self.serial += 1
        content = json.dumps([0, self.serial, command, parameters])
        self.connection.sendall(f"{len(content.encode())}:{content}".encode())
        _, _, error, result = self._receive()
        assert error is None, error
        return result

    def _connect(self) -> socket.socket:
        deadline = time.monotonic() + STARTING_SECONDS
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.port), timeout=STARTING_SECONDS)
            except ConnectionRefusedError:
                assert time.monotonic() < deadline, "Firefox did not start"
                assert self.process.poll() is None, "Firefox has ended"
                time.sleep(0.2)

    def _receive(self) -> Any:
        length = b""
        while not length.endswith(b":"):
            length += self.connection.recv(1)
        content = b""
        while len(content) < int(length[:-1]):
            content += self.connection.recv(int(length[:-1]) - len(content))
        return json.loads(content)
