"""The recent speed of a training, for its time left."""

from __future__ import annotations

import statistics
from collections import deque
from typing import Final

WINDOW_SECONDS: Final = 180.0
MAX_STALL: Final = 20.0
"""An interval counts for at most this many typical ones of as many images: a suspended laptop is no slow training."""


class RecentSpeed:
    """Images per second in the last `WINDOW_SECONDS`, including evaluations and saving."""

    def __init__(self, now: float, nimg: int) -> None:
        """Begin at `now`, in seconds, after `nimg` images."""
        self.restart(now, nimg)

    def restart(self, now: float, nimg: int) -> None:
        """Forget the past: it does not predict the future after a pause or a change of the speed limit."""
        self._now, self._nimg = now, nimg
        self._intervals: deque[tuple[float, int]] = deque()

    def add(self, now: float, nimg: int) -> None:
        """Add a measurement. Fewer images than before are a return to a checkpoint."""
        if nimg < self._nimg:
            self.restart(now, nimg)
        elif nimg > self._nimg:
            self._append(now - self._now, nimg - self._nimg)
            self._now, self._nimg = now, nimg

    def _append(self, seconds: float, nimg: int) -> None:
        if self._intervals:
            typical = statistics.median(seconds / nimg for seconds, nimg in self._intervals)
            seconds = min(seconds, MAX_STALL * typical * nimg)
        self._intervals.append((seconds, nimg))
        while len(self._intervals) > 1 and sum(seconds for seconds, _ in self._intervals) > WINDOW_SECONDS:
            self._intervals.popleft()

    @property
    def img_per_sec(self) -> float | None:
        """None before the first images."""
        seconds = sum(seconds for seconds, _ in self._intervals)
        return sum(nimg for _, nimg in self._intervals) / seconds if seconds > 0 else None
