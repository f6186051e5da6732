"""Victims: forks of this process, which has imported torch and computed nothing."""

from __future__ import annotations

import contextlib
import io
import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

UNEXPECTED: Final = 99
"""Exit code of a victim whose action raised."""
TIMEOUT_S: Final = 300.0


@dataclass(frozen=True, kw_only=True)
class Result:
    """The end of a victim."""

    code: int
    """Exit code; the negative number of the signal that killed it."""
    value: Any
    """Return value of its action; None if it did not return."""
    output: str
    """Standard output and standard error."""
    processor_seconds: float
    grown_bytes: int
    """Peak growth of its memory."""

    def __str__(self) -> str:
        return f"exit code {self.code}: {self.last_line}"

    @property
    def last_line(self) -> str:
        """Last line of its output, at most 300 characters."""
        return (self.output.strip().splitlines() or [""])[-1][:300]

    def returned(self) -> Any:
        """The return value.

        Raises:
            RuntimeError: the action did not return; the message is the victim's output.
        """
        if self.value is None:
            raise RuntimeError(self.output[-3000:])
        return self.value


class Victim:
    """A running fork."""

    def __init__(self, action: Callable[[], Any]) -> None:
        """Start `action` in a fork; it returns JSON values."""
        self._reader, writer = os.pipe()
        self._output, output = os.pipe()  # not a file, whose size a victim may have limited
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._reader)
            os.close(self._output)
            _run_in_child(action, writer, output)
        os.close(writer)
        os.close(output)

    def send(self, number: int) -> None:
        """Send a signal."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def wait(self, *, timeout: float = TIMEOUT_S) -> Result:
        """Wait for the end, and kill the victim after `timeout` seconds."""
        received = {self._reader: b"", self._output: b""}
        deadline = time.monotonic() + timeout
        open_pipes = set(received)
        while open_pipes:
            ready, _, _ = select.select(list(open_pipes), [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                self.send(signal.SIGKILL)
                deadline = time.monotonic() + TIMEOUT_S
            for descriptor in ready:
                piece = os.read(descriptor, 1 << 16)
                received[descriptor] += piece
                if not piece:
                    os.close(descriptor)
                    open_pipes.remove(descriptor)
        _, status, usage = os.wait4(self.pid, 0)
        lines = received[self._reader].splitlines()  # resident bytes at the start, the returned value
        start = int(lines[0]) if lines else 0
        return Result(
            code=os.waitstatus_to_exitcode(status),
            value=json.loads(lines[1]) if len(lines) > 1 else None,
            output=received[self._output].decode(errors="replace"),
            processor_seconds=usage.ru_utime + usage.ru_stime,
            grown_bytes=max(0, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) - start),
        )


def fork(action: Callable[[], Any], *, timeout: float = TIMEOUT_S) -> Result:
    """Run `action` in a fork to its end."""
    return Victim(action).wait(timeout=timeout)


def command(*arguments: object) -> Callable[[], int]:
    """Action that runs the command line; its exit code becomes the victim's."""

    def call() -> int:
        from mnist_gan.cli import main

        sys.stdout.flush()
        raise SystemExit(main([str(argument) for argument in arguments]))

    return call


def _run_in_child(action: Callable[[], Any], writer: int, output: int) -> None:
    code = UNEXPECTED
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.dup2(output, 1)
        os.dup2(output, 2)
        # replaced: Python's own streams remember the kind of file that they were opened on
        sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), encoding="utf-8", write_through=True)
        sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), encoding="utf-8", write_through=True)
        os.write(writer, f"{resident_bytes()}\n".encode())
        value = action()
        _write_all(writer, json.dumps(value).encode() + b"\n")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else UNEXPECTED
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


def resident_bytes() -> int:
    """Resident memory of this process; 0 without /proc, which makes a measured growth too large, never too small."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
