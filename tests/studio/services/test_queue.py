"""The work queue: deadlines, cancellation, and an event loop that never blocks."""

from __future__ import annotations

import asyncio
import functools
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from mnist_gan.errors import ConfigError, MnistGanError
from mnist_gan.studio.errors import DeadlineError, DisconnectedError, OverloadedError, UnavailableError
from mnist_gan.studio.services.queue import Queue, QueueEntry


@pytest.fixture
def queue() -> Iterator[Queue]:
    queue = Queue("test", size=3)
    yield queue
    queue.close()


async def run(
    queue: Queue,
    work: Callable[[QueueEntry], Any],
    *,
    seconds: float = 60.0,
    gone: threading.Event | None = None,
) -> Any:
    """Run work for a client that disconnects when `gone` is set."""

    async def disconnected() -> bool:
        return gone is not None and gone.is_set()

    return await queue.run(work, disconnected=disconnected, seconds=seconds)


def forever(entry: QueueEntry) -> None:
    while True:
        entry.check()
        time.sleep(0.01)


def error_of(work: Callable[[], Any]) -> MnistGanError:
    with pytest.raises(MnistGanError) as caught:
        work()
    return caught.value


def test_queue_works_in_order_in_one_thread(queue):
    def numbered(number: int, _: QueueEntry) -> tuple[int, int]:
        return number, threading.get_ident()

    async def several() -> list[tuple[int, int]]:
        works = [run(queue, functools.partial(numbered, i)) for i in range(3)]
        return list(await asyncio.gather(*works))

    done = asyncio.run(several())
    assert [index for index, _ in done] == [0, 1, 2]
    assert len({thread for _, thread in done}) == 1
    assert done[0][1] != threading.get_ident()


def test_queue_uses_one_core_and_inference_mode(queue):
    asked = asyncio.run(run(queue, lambda _: (torch.get_num_threads(), torch.is_inference_mode_enabled())))
    assert asked == (1, True)


def test_queue_does_not_block_the_event_loop(queue):
    release = threading.Event()

    async def beside() -> bool:
        work = asyncio.create_task(run(queue, lambda _: release.wait(60)))
        for _ in range(10):
            await asyncio.sleep(0.01)
        release.set()
        return bool(await work)

    assert asyncio.run(beside())


def test_queue_refuses_entries_when_it_is_full(queue):
    hold, begun = threading.Event(), threading.Event()

    def slow(_: QueueEntry) -> str:
        begun.set()
        hold.wait(60)
        return "done"

    async def crowd() -> tuple[MnistGanError, list[str]]:
        first = asyncio.create_task(run(queue, slow))
        while not begun.is_set():
            await asyncio.sleep(0.01)
        others = [asyncio.create_task(run(queue, slow)) for _ in range(3)]
        await asyncio.sleep(0.05)
        with pytest.raises(MnistGanError) as caught:
            await run(queue, slow)
        hold.set()
        return caught.value, list(await asyncio.gather(first, *others))

    error, results = asyncio.run(crowd())
    assert isinstance(error, OverloadedError)
    assert results == ["done"] * 4


def test_queue_ends_work_at_its_deadline(queue):
    ended = threading.Event()

    def endless(entry: QueueEntry) -> None:
        try:
            forever(entry)
        finally:
            ended.set()

    error = error_of(lambda: asyncio.run(run(queue, endless, seconds=0.2)))
    assert isinstance(error, DeadlineError)
    assert "0.2 seconds" in str(error)
    assert ended.wait(60)
    assert asyncio.run(run(queue, lambda _: 7)) == 7


def test_queue_counts_waiting_time_against_the_deadline(queue):
    hold, ran = threading.Event(), threading.Event()

    async def late() -> MnistGanError:
        first = asyncio.create_task(run(queue, lambda _: hold.wait(60)))
        await asyncio.sleep(0.05)
        with pytest.raises(MnistGanError) as caught:
            await run(queue, lambda _: ran.set(), seconds=0.2)
        hold.set()
        await first
        return caught.value

    assert isinstance(asyncio.run(late()), DeadlineError)
    asyncio.run(run(queue, lambda _: None))
    assert not ran.is_set()  # its client had its answer


def test_queue_cancels_the_work_of_a_disconnected_client(queue):
    gone, ended = threading.Event(), threading.Event()

    def endless(entry: QueueEntry) -> None:
        gone.set()
        try:
            forever(entry)
        finally:
            ended.set()

    error = error_of(lambda: asyncio.run(run(queue, endless, gone=gone)))
    assert isinstance(error, DisconnectedError)
    assert ended.wait(60)


def test_queue_passes_an_exception_to_the_caller_only(queue):
    def wrong(_: QueueEntry) -> None:
        raise ConfigError("that cannot be")

    with pytest.raises(ConfigError, match="that cannot be"):
        asyncio.run(run(queue, wrong))
    assert asyncio.run(run(queue, lambda _: 7)) == 7


def test_queue_cancels_the_work_of_a_cancelled_handler(queue):
    async def cancelled() -> None:
        task = asyncio.create_task(run(queue, forever))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert asyncio.run(run(queue, lambda _: 7)) == 7


def test_queue_refuses_entries_after_close():
    queue = Queue("closing")
    assert asyncio.run(run(queue, lambda _: 7)) == 7
    queue.close()
    assert isinstance(error_of(lambda: asyncio.run(run(queue, lambda _: 7))), UnavailableError)
    queue.close()


@pytest.mark.slow
def test_close_waits_for_the_step_inside_torch_without_which_the_process_aborts():
    code = """
import threading, time, torch
from mnist_gan.studio.services.queue import Queue, QueueEntry

def compute(entry):
    begun.set()
    end, x = time.monotonic() + 3, torch.randn(300, 300)
    while time.monotonic() < end:
        x = torch.tanh(x @ x)
    yield x

begun, queue = threading.Event(), Queue("long")
queue.submit(QueueEntry(compute, time.monotonic() + 60))
begun.wait()
queue.close()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


def test_queue_alternates_the_steps_of_entries():
    queue = Queue("turns")
    told: list[str] = []
    hold = threading.Event()

    def long(name: str) -> Callable[[QueueEntry], Iterator[str]]:
        def pieces(_: QueueEntry) -> Iterator[str]:
            for piece in "123":
                hold.wait(60)
                told.append(name + piece)
                yield name + piece

        return pieces

    entries = [QueueEntry(long(name), time.monotonic() + 60) for name in "ab"]
    for entry in entries:
        queue.submit(entry)
    hold.set()
    assert [entry.future.result(60) for entry in entries] == ["a3", "b3"]
    assert told == ["a1", "b1", "a2", "b2", "a3", "b3"]
    queue.close()
