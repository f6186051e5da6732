"""Background searches: progress, results, cancellation and limits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest

from mnist_gan.errors import ConfigError
from mnist_gan.studio.errors import NotFoundError, OverloadedError
from mnist_gan.studio.services.queue import Queue, QueueEntry
from mnist_gan.studio.services.searches import MAX_ACTIVE, MAX_CLIENTS, MAX_KEPT, Search, Searches


@pytest.fixture
def searches() -> Iterator[Searches]:
    queue = Queue("searches")
    searches = Searches(queue)
    yield searches
    searches.close()
    queue.close()


def wait(search: Search) -> Search:
    deadline = time.monotonic() + 60
    while not search.ended and time.monotonic() < deadline:
        time.sleep(0.005)
    assert search.ended
    return search


def event_names(search: Search) -> list[str]:

    async def listen() -> list[str]:
        return [str(event.event) async for event in search.events()]

    return asyncio.run(listen())


def test_search_sends_its_progress_and_then_its_result(searches):
    search = searches.start(lambda _: iter([{"step": 0}, {"step": 1}, {"step": 2, "result": True}]))
    names = event_names(search)
    assert names[-1] == "done"
    assert set(names[:-1]) <= {"progress"}
    assert search.to_dict() == {"job": search.id, "state": "done", "last": {"step": 2, "result": True}, "error": None}
    assert event_names(search) == ["done"]  # a late client gets the result
    assert searches.find(search.id) is search


def test_search_reports_why_it_failed(searches):
    def fails(_: QueueEntry) -> Iterator[dict[str, Any]]:
        yield {"step": 0}
        raise ConfigError("that cannot be")

    search = wait(searches.start(fails))
    assert (search.state, search.error) == ("failed", "that cannot be")
    assert event_names(search) == ["progress", "failed"]


def test_search_logs_an_unexpected_error_without_showing_it(searches, caplog):
    def broken(_: QueueEntry) -> Iterator[dict[str, Any]]:
        yield {"step": 0}
        raise ZeroDivisionError("secret")

    search = wait(searches.start(broken))
    assert search.state == "failed"
    assert "secret" not in str(search.error)
    assert "ZeroDivisionError" in caplog.text


def endless_search(entry: QueueEntry) -> Iterator[dict[str, Any]]:
    while True:
        yield {"step": 0}
        time.sleep(0.005)


def test_search_ends_when_it_is_cancelled(searches):
    search = searches.start(endless_search)
    while search.state != "running":
        time.sleep(0.005)
    search.cancel()
    assert event_names(search)[-1] == "cancelled"
    count = len(search.progress)
    time.sleep(0.1)
    assert len(search.progress) <= count + 1


def test_search_ends_without_clients(searches, monkeypatch):
    monkeypatch.setattr("mnist_gan.studio.services.searches.ABANDONED_SECONDS", 0.1)
    assert wait(searches.start(endless_search)).state == "cancelled"


def test_search_fails_at_its_deadline(searches, monkeypatch):
    monkeypatch.setattr("mnist_gan.studio.services.searches.TIMEOUT_SECONDS", 0.2)
    search = wait(searches.start(endless_search))
    assert search.state == "failed"
    assert "0.2 seconds" in str(search.error)


def test_searches_limit_active_and_kept_searches(searches):
    running = [searches.start(endless_search) for _ in range(MAX_ACTIVE)]
    with pytest.raises(OverloadedError):
        searches.start(endless_search)
    for search in running:
        search.cancel()
    for _ in range(MAX_KEPT + 3):
        wait(searches.start(lambda _: iter([{"step": 0}])))
    with pytest.raises(NotFoundError):
        searches.find(running[0].id)
    assert len(searches._searches) <= MAX_KEPT


def test_search_limits_its_clients(searches):
    search = searches.start(endless_search)
    search.clients = MAX_CLIENTS
    with pytest.raises(OverloadedError):
        search.events()
    search.cancel()


def test_searches_do_not_find_an_unknown_id(searches):
    with pytest.raises(NotFoundError):
        searches.find("../../etc/passwd")
