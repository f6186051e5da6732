"""Benchmark of a recipe."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from tests.support.tiny import tiny_config
from torch.utils._python_dispatch import TorchDispatchMode

from mnist_gan import presets
from mnist_gan.experiment.bench import PARTS, benchmark, measure_peak


class OperationClock(TorchDispatchMode):
    """A clock that advances by a second at each operation of torch, so that equal work takes equal time."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def __torch_dispatch__(
        self, operation: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.seconds += 1.0
        return operation(*args, **(kwargs or {}))


@pytest.fixture
def operation_clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with OperationClock() as clock, monkeypatch.context() as patch:
        patch.setattr(time, "perf_counter", lambda: clock.seconds)
        yield


@pytest.mark.usefixtures("operation_clock")
def test_benchmark_measures_every_part_of_a_step(idx_dir):
    config = tiny_config(
        idx_dir, data={"limit": None}, objective=dataclasses.asdict(presets.quick().objective) | {"penalty_interval": 4}
    )
    measured = benchmark(config, seconds=0.2)
    assert set(measured.parts) == set(PARTS) - {"evaluation"}
    assert all(seconds > 0 for seconds in measured.parts.values())
    step_seconds = measured.step_nimg / measured.img_per_sec
    assert sum(measured.parts.values()) == pytest.approx(step_seconds, rel=0.1)
    assert 0 < measured.share_of_peak < 1
    assert measured.config.training.total_nimg == config.training.total_nimg


@pytest.mark.usefixtures("operation_clock")
def test_measure_peak_is_independent_of_the_number_of_rounds():
    once = measure_peak(torch.device("cpu"), precision="float32", size=256, rounds=1)
    often = measure_peak(torch.device("cpu"), precision="float32", size=256, rounds=5)
    assert once == pytest.approx(often) == pytest.approx(2 * 256**3)
