from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

from mnist_gan.parallel import map_in_parallel, one_thread_each


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_map_in_parallel_computes_items_at_the_same_time_with_one_thread_of_torch_each() -> None:
    meeting = threading.Barrier(2)  # passed only by two items at once

    def compute(item: int) -> tuple[int, int]:
        meeting.wait(timeout=60)
        return item, torch.get_num_threads()

    assert map_in_parallel(compute, range(4)) == [(item, 1) for item in range(4)]
    assert torch.get_num_threads() == 2


def test_map_in_parallel_of_one_item_leaves_it_all_threads() -> None:
    assert map_in_parallel(lambda _: torch.get_num_threads(), [0]) == [2]


def test_an_error_cancels_what_has_not_begun_and_restores_the_number_of_threads() -> None:
    begun = []

    def fail(item: int) -> None:
        begun.append(item)
        raise ValueError(item)

    with pytest.raises(ValueError, match=r"^0$"):
        map_in_parallel(fail, range(10_000))
    assert len(begun) < 10_000
    assert torch.get_num_threads() == 2


def test_pool_has_no_more_threads_than_torch_uses() -> None:
    with one_thread_each(100) as pool:
        list(pool.map(lambda _: None, range(100)))
        assert len(pool._threads) <= 2


@pytest.mark.parametrize("items", [1, 5])
def test_progress_counts_items_in_order_and_may_end_the_work(items: int) -> None:
    counts: list[int] = []
    map_in_parallel(lambda item: item, range(items), progress=counts.append)
    assert counts == [*range(1, items + 1)]

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        map_in_parallel(lambda item: item, range(items), progress=stop)
