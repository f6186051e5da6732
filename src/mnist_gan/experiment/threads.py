"""Number of threads for a training: as many as are faster right now.

Threads that divide a layer meet at its end. Beside other programs, each of them waits for the one that was interrupted,
and two threads can be many times slower than one.
"""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Callable
from typing import Final

import torch
from torch.nn.functional import conv2d

from mnist_gan.config import TrainingConfig
from mnist_gan.quota import processor_quota
from mnist_gan.text import pluralize
from mnist_gan.torch_defaults import default_torch_state

ROUNDS: Final = 3
"""Measurements of each number of threads, in turn; their median counts."""
SECONDS: Final = 0.08
"""Duration of one measurement."""
MIN_GAIN: Final = 1.1
"""Factor in speed from which on more threads are used."""

logger = logging.getLogger(__name__)


def choose_threads(measure: Callable[[int], float] | None = None) -> int:
    """Choose a number of threads, at most torch's default and the processor quota; log it if it is smaller.

    Takes about half a second where there is a choice.

    Args:
        measure: returns the speed with a number of threads; by default, that of a small convolution.
    """
    quota = processor_quota()
    most = torch.get_num_threads() if quota is None else max(1, min(torch.get_num_threads(), int(quota)))
    chosen = fastest_threads(most, measure)
    if chosen < most:
        logger.info(
            f"training with {pluralize(chosen, 'thread')}: {most} are not faster now, as beside other programs "
            f"(--training.threads {most} uses them all the same)"
        )
    return chosen


def fastest_threads(most: int, measure: Callable[[int], float] | None = None) -> int:
    """The fastest number of threads right now among the powers of 2 up to `most`, and `most` itself."""
    counts = sorted({most, *(1 << k for k in range(most.bit_length()))})
    if len(counts) == 1:
        return most
    with default_torch_state():
        rounds = [[(measure or measure_convolution)(count) for count in counts] for _ in range(ROUNDS)]
    speeds = dict(zip(counts, map(statistics.median, zip(*rounds, strict=True)), strict=True))
    chosen = counts[0]
    for count in counts[1:]:
        if speeds[count] > MIN_GAIN * speeds[chosen]:
            chosen = count
    return chosen


def warn_of_slow_threads(
    settings: TrainingConfig, *, command: str, measure: Callable[[int], float] | None = None
) -> None:
    """Warn if a resumed training has more threads than are faster now; it keeps them, so that it stays exact.

    Args:
        settings: of the run, resolved.
        command: resumes the run.
        measure: as for `choose_threads`.
    """
    threads = settings.threads or 1
    if settings.device != "cpu" or settings.shards != 1 or threads == 1:
        return
    if (chosen := fastest_threads(threads, measure)) < threads:
        logger.warning(
            f"the run continues with {threads} threads, as before, so that its result is exact, but "
            f"{pluralize(chosen, 'thread')} would be faster now; `{command} --threads {chosen}` trades the last bits "
            "for speed"
        )


def measure_convolution(threads: int, *, seconds: float = SECONDS) -> float:
    """Convolutions per second, forward and backward, at the size of a small network's layers."""
    images = torch.ones(64, 16, 14, 14).to(memory_format=torch.channels_last)
    weight = torch.ones(32, 16, 3, 3).to(memory_format=torch.channels_last).requires_grad_()
    before, count = torch.get_num_threads(), 0
    torch.set_num_threads(threads)
    try:
        began = time.perf_counter()
        while (elapsed := time.perf_counter() - began) < seconds:
            torch.autograd.grad(conv2d(images, weight, padding=1).sum(), weight)
            count += 1
    finally:
        torch.set_num_threads(before)
    return count / elapsed
