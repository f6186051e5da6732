"""Processes that faults are provoked in: forks of this one, which has torch loaded and has computed nothing."""

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
    processor_seconds: float
    """What it took of them, whatever else the machine had to do."""
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
        self._reader, writer = os.pipe()
        self._output, output = os.pipe()  # no file, whose size a victim may have limited
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._reader)
            os.close(self._output)
            _be_the_victim(action, writer, output)
        os.close(writer)
        os.close(output)

    def send(self, number: int) -> None:
        """Send a signal."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def wait(self, *, timeout: float = PATIENCE_S) -> Ended:
        """Wait for its end; a victim that does not end is killed."""
        received = {self._reader: b"", self._output: b""}
        deadline = time.monotonic() + timeout
        waiting = set(received)
        while waiting:
            ready, _, _ = select.select(list(waiting), [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                self.send(signal.SIGKILL)
                deadline = time.monotonic() + PATIENCE_S
            for descriptor in ready:
                piece = os.read(descriptor, 1 << 16)
                received[descriptor] += piece
                if not piece:
                    os.close(descriptor)
                    waiting.remove(descriptor)
        _, status, usage = os.wait4(self.pid, 0)
        seconds = time.monotonic() - self._began
        output = received[self._output].decode(errors="replace")
        lines = received[self._reader].splitlines()
        start = int(lines[0]) if lines else 0
        return Ended(
            code=os.waitstatus_to_exitcode(status),
            value=json.loads(lines[1]) if len(lines) > 1 else None,
            output=output,
            seconds=seconds,
            processor_seconds=usage.ru_utime + usage.ru_stime,
            grown_bytes=max(0, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) - start),
        )


def fork(action: Callable[[], Any], *, timeout: float = PATIENCE_S) -> Ended:
    """Run `action` in a fork to its end."""
    return Victim(action).wait(timeout=timeout)


def command(*arguments: object) -> Callable[[], int]:
    """The command line, as an action; its exit code becomes the victim's."""

    def call() -> int:
        from mnist_gan.cli import main

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
        # made anew: Python's own know what kind of file they were opened on
        sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), encoding="utf-8", write_through=True)
        sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), encoding="utf-8", write_through=True)
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
