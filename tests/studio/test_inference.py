"""The lanes: nothing waits for ever, nothing is computed for nobody, and the event loop goes on."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from starlette.requests import Request

from mnist_gan.errors import ConfigError
from mnist_gan.studio.inference import Lane, Ticket
from mnist_gan.studio.jobs import ACTIVE, KEPT, Job, Jobs
from mnist_gan.studio.problems import Problem


@pytest.fixture
def lane() -> Iterator[Lane]:
    lane = Lane("test", waiting=3)
    yield lane
    lane.close()


@pytest.fixture
def searches() -> Iterator[Jobs]:
    lane = Lane("searches")
    jobs = Jobs(lane)
    yield jobs
    jobs.close()
    lane.close()


def request(*, gone: threading.Event | None = None) -> Request:
    """A request whose client goes away when `gone` is set."""

    async def receive() -> dict[str, Any]:
        while not (gone is not None and gone.is_set()):
            await asyncio.sleep(0.01)
        return {"type": "http.disconnect"}

    return Request({"type": "http", "headers": []}, receive)


def forever(ticket: Ticket) -> None:
    while True:
        ticket.check()
        time.sleep(0.01)


def problem_of(work: Callable[[], Any]) -> Problem:
    with pytest.raises(Problem) as caught:
        work()
    return caught.value


def test_work_is_done_in_one_thread_of_its_own_in_the_order_in_which_it_came(lane):
    async def several() -> list[tuple[int, int]]:
        works = [lane.run(request(), lambda _, i=i: (i, threading.get_ident())) for i in range(3)]
        return list(await asyncio.gather(*works))

    done = asyncio.run(several())
    assert [index for index, _ in done] == [0, 1, 2]
    assert len({thread for _, thread in done}) == 1
    assert done[0][1] != threading.get_ident()


def test_a_lane_takes_one_core_and_keeps_no_book_for_gradients(lane):
    asked = asyncio.run(lane.run(request(), lambda _: (torch.get_num_threads(), torch.is_inference_mode_enabled())))
    assert asked == (1, True)


def test_the_event_loop_goes_on_while_a_lane_computes(lane):
    async def beside() -> int:
        work = asyncio.create_task(lane.run(request(), lambda _: time.sleep(0.3)))
        beats = 0
        while not work.done():
            await asyncio.sleep(0.01)
            beats += 1
        await work
        return beats

    assert asyncio.run(beside()) > 10


def test_who_comes_when_the_line_is_full_is_told_to_come_again(lane):
    hold, begun = threading.Event(), threading.Event()

    def slow(_: Ticket) -> str:
        begun.set()
        hold.wait(10)
        return "done"

    async def crowd() -> tuple[Problem, list[str]]:
        first = asyncio.create_task(lane.run(request(), slow))
        while not begun.is_set():
            await asyncio.sleep(0.01)
        others = [asyncio.create_task(lane.run(request(), slow)) for _ in range(3)]
        await asyncio.sleep(0.05)
        with pytest.raises(Problem) as caught:
            await lane.run(request(), slow)
        hold.set()
        return caught.value, list(await asyncio.gather(first, *others))

    problem, results = asyncio.run(crowd())
    assert problem.status == 429
    assert problem.headers["retry-after"] == "1"
    assert results == ["done"] * 4


def test_what_takes_too_long_is_given_up_and_the_next_is_served(lane):
    ended = threading.Event()

    def endless(ticket: Ticket) -> None:
        try:
            forever(ticket)
        finally:
            ended.set()

    problem = problem_of(lambda: asyncio.run(lane.run(request(), endless, seconds=0.2)))
    assert problem.status == 504
    assert "0.2 seconds" in str(problem)
    assert ended.wait(5)
    assert asyncio.run(lane.run(request(), lambda _: 7)) == 7


def test_waiting_in_line_counts_as_time_too(lane):
    hold, ran = threading.Event(), threading.Event()

    async def late() -> Problem:
        first = asyncio.create_task(lane.run(request(), lambda _: hold.wait(10)))
        await asyncio.sleep(0.05)
        with pytest.raises(Problem) as caught:
            await lane.run(request(), lambda _: ran.set(), seconds=0.2)
        hold.set()
        await first
        return caught.value

    assert asyncio.run(late()).status == 504
    asyncio.run(lane.run(request(), lambda _: None))
    assert not ran.is_set()  # nobody waited for it any more


def test_when_the_client_has_gone_its_work_ends(lane):
    gone, ended = threading.Event(), threading.Event()

    def endless(ticket: Ticket) -> None:
        gone.set()  # as soon as it has begun
        try:
            forever(ticket)
        finally:
            ended.set()

    problem = problem_of(lambda: asyncio.run(lane.run(request(gone=gone), endless)))
    assert problem.status == 499
    assert ended.wait(5)


def test_what_goes_wrong_is_told_to_whom_it_concerns_and_to_nobody_else(lane):
    def wrong(_: Ticket) -> None:
        raise ConfigError("that cannot be")

    with pytest.raises(ConfigError, match="that cannot be"):
        asyncio.run(lane.run(request(), wrong))
    assert asyncio.run(lane.run(request(), lambda _: 7)) == 7


def test_a_handler_that_is_cancelled_takes_the_thread_with_nothing(lane):
    async def cancelled() -> None:
        task = asyncio.create_task(lane.run(request(), forever))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert asyncio.run(lane.run(request(), lambda _: 7)) == 7


def test_a_closed_lane_takes_nothing_more():
    lane = Lane("closing")
    assert asyncio.run(lane.run(request(), lambda _: 7)) == 7
    lane.close()
    assert problem_of(lambda: asyncio.run(lane.run(request(), lambda _: 7))).status == 503
    lane.close()


def test_pieces_of_long_work_take_turns_with_other_work():
    lane = Lane("turns")
    told: list[str] = []
    hold = threading.Event()

    def long(name: str) -> Callable[[Ticket], Iterator[str]]:
        def pieces(_: Ticket) -> Iterator[str]:
            for piece in "123":
                hold.wait(10)
                told.append(name + piece)
                yield name + piece

        return pieces

    futures = [lane.submit(long(name), ticket=Ticket(deadline=time.monotonic() + 10)) for name in "ab"]
    hold.set()
    assert [future.result(10) for future in futures] == ["a3", "b3"]
    assert told == ["a1", "b1", "a2", "b2", "a3", "b3"]
    lane.close()


# ---- searches


def until_over(job: Job) -> Job:
    deadline = time.monotonic() + 10
    while not job.over and time.monotonic() < deadline:
        time.sleep(0.005)
    assert job.over
    return job


def heard(job: Job) -> list[str]:
    """The names of its events."""

    async def listen() -> list[str]:
        return [event.partition("\n")[0].removeprefix("event: ") async for event in job.events()]

    return asyncio.run(listen())


def test_a_search_tells_its_progress_and_then_its_result(searches):
    job = searches.start(lambda _: iter([{"step": 0}, {"step": 1}, {"step": 2, "result": True}]))
    names = heard(job)
    assert names[-1] == "done"
    assert set(names[:-1]) <= {"progress"}
    assert job.to_dict() == {"job": job.id, "state": "done", "last": {"step": 2, "result": True}, "error": None}
    assert heard(job) == ["done"]  # who comes late hears the result
    assert searches.find(job.id) is job


def test_a_search_that_fails_says_why(searches):
    def fails(_: Ticket) -> Iterator[dict[str, Any]]:
        yield {"step": 0}
        raise ConfigError("that cannot be")

    job = until_over(searches.start(fails))
    assert (job.state, job.error) == ("failed", "that cannot be")
    assert heard(job) == ["progress", "failed"]


def test_a_defect_of_ours_is_not_shown_but_logged(searches, caplog):
    def broken(_: Ticket) -> Iterator[dict[str, Any]]:
        yield {"step": 0}
        raise ZeroDivisionError("secret")

    job = until_over(searches.start(broken))
    assert job.state == "failed"
    assert "secret" not in str(job.error)
    assert "ZeroDivisionError" in caplog.text


def endless_search(ticket: Ticket) -> Iterator[dict[str, Any]]:
    while True:
        yield {"step": 0}
        time.sleep(0.005)


def test_a_cancelled_search_ends(searches):
    job = searches.start(endless_search)
    while job.state != "running":
        time.sleep(0.005)
    job.cancel()
    assert heard(job)[-1] == "cancelled"
    count = len(job.progress)
    time.sleep(0.1)
    assert len(job.progress) <= count + 1


def test_a_search_that_nobody_watches_ends(searches, monkeypatch):
    monkeypatch.setattr("mnist_gan.studio.jobs.ALONE_SECONDS", 0.1)
    assert until_over(searches.start(endless_search)).state == "cancelled"


def test_a_search_that_takes_too_long_says_so(searches, monkeypatch):
    monkeypatch.setattr("mnist_gan.studio.jobs.SECONDS", 0.2)
    job = until_over(searches.start(endless_search))
    assert job.state == "failed"
    assert "0.2 seconds" in str(job.error)


def test_only_so_many_searches_run_at_once_and_old_ones_are_forgotten(searches):
    running = [searches.start(endless_search) for _ in range(ACTIVE)]
    assert problem_of(lambda: searches.start(endless_search)).status == 429
    for job in running:
        job.cancel()
    for _ in range(KEPT + 3):
        until_over(searches.start(lambda _: iter([{"step": 0}])))
    assert problem_of(lambda: searches.find(running[0].id)).status == 404
    assert len(searches._jobs) <= KEPT


def test_only_so_many_may_watch_one_search(searches):
    job = searches.start(endless_search)
    job.watchers = 4
    assert problem_of(job.events).status == 429
    job.cancel()


def test_there_is_no_search_of_a_made_up_name(searches):
    assert problem_of(lambda: searches.find("../../etc/passwd")).status == 404
