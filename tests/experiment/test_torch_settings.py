"""Process-wide settings of torch: in effect during a training, restored after it."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import pytest
import torch
from tests.support.tiny import tiny_config

from mnist_gan import experiment
from mnist_gan.errors import DivergenceError
from mnist_gan.experiment.torch_settings import CUBLAS_VARIABLE, training_settings

deterministic: Any = torch.utils.deterministic


def current_settings() -> dict[str, Any]:
    return {
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "warn only": torch.is_deterministic_algorithms_warn_only_enabled(),
        "fill": deterministic.fill_uninitialized_memory,
        "benchmark": torch.backends.cudnn.benchmark,
        "cublas": os.environ.get(CUBLAS_VARIABLE),
        "random state": torch.get_rng_state().tolist(),
    }


@pytest.fixture
def caller_settings() -> Any:
    """Settings of a caller's program that differ from those of a training."""
    threads, enabled = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    fill = deterministic.fill_uninitialized_memory
    torch.set_num_threads(3)
    torch.use_deterministic_algorithms(False)
    deterministic.fill_uninitialized_memory = True
    torch.manual_seed(5)
    yield current_settings()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(enabled)
    deterministic.fill_uninitialized_memory = fill


def test_training_settings_are_in_effect_in_the_block(caller_settings):
    with training_settings(torch.device("cpu"), threads=1):
        assert torch.get_num_threads() == 1
        assert torch.are_deterministic_algorithms_enabled()
        assert not deterministic.fill_uninitialized_memory
    assert current_settings() == caller_settings


def test_training_settings_are_restored_after_an_error(caller_settings):
    with pytest.raises(ZeroDivisionError), training_settings(torch.device("cpu"), threads=1):
        raise ZeroDivisionError
    assert current_settings() == caller_settings


def test_training_settings_for_cuda_are_restored(caller_settings, monkeypatch):
    monkeypatch.delenv(CUBLAS_VARIABLE, raising=False)
    with training_settings(torch.device("cuda"), threads=1):
        assert os.environ[CUBLAS_VARIABLE] == ":4096:8"
    assert current_settings() == caller_settings | {"cublas": None}


def test_train_restores_the_settings_of_the_caller_at_its_end(idx_dir, caller_settings):
    *_, last = experiment.train(tiny_config(idx_dir))
    assert last.reason == "finished"
    assert current_settings() == caller_settings


def test_train_restores_the_settings_of_the_caller_when_it_is_closed(idx_dir, caller_settings):
    ticks = experiment.train(tiny_config(idx_dir))
    next(ticks)
    ticks.close()  # type: ignore[attr-defined]
    assert current_settings() == caller_settings


def test_train_restores_the_settings_of_the_caller_between_ticks(idx_dir, caller_settings):
    first, second = experiment.train(tiny_config(idx_dir)), experiment.train(tiny_config(idx_dir))
    for ticks in (first, second, first, second):
        next(ticks)
        assert current_settings() == caller_settings


@pytest.mark.parametrize("evaluate", [False, True])
def test_run_restores_the_settings_of_the_caller(idx_dir, tmp_path, caller_settings, evaluate):
    config = tiny_config(idx_dir, run={"evaluate": evaluate, "evaluate_nimg": 100 if evaluate else None})
    outcome = experiment.run(config, name="run", runs_dir=tmp_path)
    assert current_settings() == caller_settings
    experiment.resume(outcome.directory.root)
    assert current_settings() == caller_settings


def test_run_restores_the_settings_of_the_caller_after_an_error(idx_dir, tmp_path, caller_settings):
    config = tiny_config(idx_dir, optimizer={"g_lr": 1e30, "d_lr": 1e30})
    with pytest.raises(DivergenceError):
        experiment.run(dataclasses.replace(config), name="run", runs_dir=tmp_path)
    assert current_settings() == caller_settings


def test_dry_run_restores_the_settings_of_the_caller(idx_dir, caller_settings):
    experiment.dry_run(tiny_config(idx_dir), seconds=0.1)
    assert current_settings() == caller_settings
