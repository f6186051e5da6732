"""Processes that faults are provoked in: forks of this one, which has torch loaded and has computed nothing."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

DEFECT: Final = 99
"""What a victim exits with if it raised what it should not have."""
PATIENCE_S: Final = 300.0


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a victim ended."""

    code: int
    """Its exit code; the signal's number, negative, if one killed it."""
    value: Any
    """What its action returned; None if it did not come to that."""
    output: str
    """All that it wrote to standard output and standard error."""
    seconds: float
    grown_bytes: int
    """By how much its memory grew at the most."""

    @property
    def said(self) -> str:
        """The last line of its output, for a sentence about it."""
        return (self.output.strip().splitlines() or [""])[-1][:300]


class Victim:
    """A running fork."""

    def __init__(self, action: Callable[[], Any]) -> None:
        """Start `action` in a fork; what it returns must be plain values."""
        self._began = time.monotonic()
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed by wait
        self._reader, writer = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._reader)
            _be_the_victim(action, writer, self._output.fileno())
        os.close(writer)

    def send(self, number: int) -> None:
        """Send a signal."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def wait(self, *, timeout: float = PATIENCE_S) -> Ended:
        """Wait for its end; a victim that does not end is killed."""
        received = b""
        deadline = time.monotonic() + timeout
        while True:
            ready, _, _ = select.select([self._reader], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                self.send(signal.SIGKILL)
                deadline = time.monotonic() + PATIENCE_S
                continue
            piece = os.read(self._reader, 1 << 16)
            if not piece:
                break
            received += piece
        os.close(self._reader)
        _, status, usage = os.wait4(self.pid, 0)
        seconds = time.monotonic() - self._began
        self._output.seek(0)
        output = self._output.read().decode(errors="replace")
        self._output.close()
        lines = received.splitlines()
        start = int(lines[0]) if lines else 0
        return Ended(
            code=os.waitstatus_to_exitcode(status),
            value=json.loads(lines[1]) if len(lines) > 1 else None,
            output=output,
            seconds=seconds,
            grown_bytes=max(0, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) - start),
        )


def fork(action: Callable[[], Any], *, timeout: float = PATIENCE_S) -> Ended:
    """Run `action` in a fork to its end."""
    return Victim(action).wait(timeout=timeout)


def command(*arguments: object) -> Callable[[], int]:
    """The command line, as an action; its exit code becomes the victim's."""

    def call() -> int:
        from mnist_gan.interfaces.cli import main

        sys.stdout.flush()
        code = main([str(argument) for argument in arguments])
        raise SystemExit(code)

    return call


def _be_the_victim(action: Callable[[], Any], writer: int, output: int) -> None:
    code = DEFECT
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.write(writer, f"{_resident_bytes()}\n".encode())
        value = action()
        _write_all(writer, json.dumps(value).encode() + b"\n")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else DEFECT
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _write_all(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


def _resident_bytes() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # no /proc: the growth comes out too large, never too small
        return 0
