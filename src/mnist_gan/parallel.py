"""Work on several cores: one thread of torch for each item, instead of several threads for each layer.

The layers of small networks are too short to be split. Their threads meet at every layer, and one that shares its core
with another program delays all of them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")


@contextlib.contextmanager
def torch_threads(number: int) -> Iterator[None]:
    """Let torch use this number of threads for each operation of the calling thread in the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def one_thread_each(most: int) -> Iterator[ThreadPoolExecutor]:
    """A pool of as many threads as torch uses, `most` at most, each of which computes with one thread of torch.

    Autograd's modes belong to a thread, so work that needs no gradients has to say so itself. When an error leaves the
    block, work that has not begun is cancelled.
    """
    threads = torch.get_num_threads()
    with ThreadPoolExecutor(min(threads, most), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(threads)  # starting a thread sets the number for all that start later


def map_in_parallel(
    function: Callable[[T], R], items: Iterable[T], *, progress: Callable[[int], None] | None = None
) -> list[R]:
    """`function` of each item, in order; `progress` receives the number of items done. Raises the first error."""
    items = list(items)

    def collect(results: Iterable[R]) -> list[R]:
        collected = []
        for result in results:
            collected.append(result)
            if progress is not None:
                progress(len(collected))
        return collected

    if min(len(items), torch.get_num_threads()) < 2:
        return collect(map(function, items))
    with one_thread_each(len(items)) as pool:
        return collect(pool.map(function, items))
