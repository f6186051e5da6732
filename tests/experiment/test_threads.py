"""The number of threads that a training takes by default."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
import torch
from tests.support.tiny import tiny_config

from mnist_gan.config import TrainingConfig
from mnist_gan.data import load_dataset
from mnist_gan.experiment import setup, threads
from mnist_gan.experiment.threads import choose_threads, measure_convolution, warn_of_slow_threads

REAL_NUM_THREADS = torch.get_num_threads


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets torch's default number of threads, and the quota."""

    def install(*, default: int, quota: float | None = None) -> None:
        monkeypatch.setattr(torch, "get_num_threads", lambda: default)
        monkeypatch.setattr(threads, "processor_quota", lambda: quota)

    return install


def measure_briefly(count: int) -> float:
    """Measure with the real number of threads, which the fixture `machine` replaces and the measurement restores."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "get_num_threads", REAL_NUM_THREADS)
        return measure_convolution(1, seconds=0.001)


@pytest.mark.parametrize(
    ("speeds", "chosen"),
    [
        ({1: 100, 2: 140}, 2),
        ({1: 100, 2: 105}, 1),
        ({1: 100, 2: 5}, 1),
        ({1: 100, 2: 150, 4: 250, 8: 255}, 4),
        ({1: 100, 2: 90, 3: 120}, 3),
    ],
)
def test_choose_threads_takes_more_only_if_they_are_faster(machine, speeds, chosen):
    machine(default=max(speeds))
    assert choose_threads(measure=lambda count: float(speeds[count])) == chosen


def test_choose_threads_is_not_misled_by_one_slow_round(machine):
    machine(default=2)
    measured = iter([100.0, 3.0, 100.0, 150.0, 100.0, 150.0])
    assert choose_threads(measure=lambda count: next(measured)) == 2


def test_choose_threads_logs_why_it_takes_fewer(machine, caplog):
    machine(default=2)
    with caplog.at_level(logging.INFO, "mnist_gan"):
        choose_threads(measure=lambda count: 1.0)
    assert caplog.messages == [
        "training with 1 thread: 2 are not faster now, as beside other programs "
        "(--training.threads 2 uses them all the same)"
    ]


@pytest.mark.parametrize(("quota", "most"), [(0.5, 1), (2.5, 2), (None, 3)])
def test_choose_threads_takes_no_more_than_the_quota(machine, quota, most):
    machine(default=3, quota=quota)
    assert choose_threads(measure=float) == most


def test_resolve_keeps_a_given_number_of_threads(machine, idx_dir):
    machine(default=3, quota=0.5)
    config = tiny_config(idx_dir, training={"threads": 3})
    assert setup.resolve(config, load_dataset(config.data)).training.threads == 3


def test_resolve_fills_in_a_number_of_threads_that_resolves_to_itself(machine, idx_dir):
    machine(default=2, quota=1)
    config = tiny_config(idx_dir, training={"threads": None})
    dataset = load_dataset(config.data)
    resolved = setup.resolve(config, dataset)
    assert resolved.training.threads == 1
    assert setup.resolve(resolved, dataset) == resolved


def test_measure_convolution_leaves_the_threads_and_measures_a_speed():
    before = torch.get_num_threads()
    assert measure_convolution(1, seconds=0.01) > 0
    assert torch.get_num_threads() == before


def test_choose_threads_measures_also_where_the_caller_disabled_gradients(machine):
    machine(default=2)
    with torch.inference_mode():
        assert choose_threads(measure=measure_briefly) in {1, 2}


@pytest.mark.parametrize(
    ("speeds", "shards", "warns"),
    [({1: 100, 2: 40}, 1, True), ({1: 100, 2: 150}, 1, False), ({1: 100, 2: 40}, 2, False)],
)
def test_warn_of_slow_threads_offers_speed_for_exactness_where_fewer_are_faster(speeds, shards, warns, caplog):
    settings = TrainingConfig(threads=2, shards=shards, device="cpu")
    with caplog.at_level(logging.WARNING, "mnist_gan"):
        warn_of_slow_threads(settings, command="mnist-gan resume runs/a", measure=lambda count: float(speeds[count]))
    assert caplog.messages == warns * [
        "the run continues with 2 threads, as before, so that its result is exact, but 1 thread would be faster now; "
        "`mnist-gan resume runs/a --threads 1` trades the last bits for speed"
    ]
