"""A config for live trainings, commands taken at every step, actions at log messages."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.tiny import BATCH_SIZE, tiny_config

from mnist_gan.config import Config
from mnist_gan.experiment import control


@pytest.fixture
def config(idx_dir: Path) -> Config:
    """Sixty steps of twenty images, three epochs; a row every five steps, a checkpoint every twenty-five."""
    return tiny_config(
        idx_dir,
        data={"limit": None},
        optimizer={"g_lr": 1e-3, "d_lr": 1e-3, "decay": "cosine", "warmup_nimg": 100},
        training={"total_nimg": 60 * BATCH_SIZE, "conditional": False, "precision": "auto"},
        run={"tick_nimg": 100, "checkpoint_nimg": 25 * BATCH_SIZE, "checkpoints": 1},
    )


@pytest.fixture(autouse=True)
def _short(short_reestimation: None) -> None:
    """Many of these tests train."""


@pytest.fixture
def poll_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Poll for commands before every step, so that a test knows at which step one is executed."""
    monkeypatch.setattr(control, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(control, "SLEEP_SECONDS", 0.001)


class MessageHook(logging.Handler):
    def __init__(self, action: Callable[[str], None]) -> None:
        super().__init__()
        self._action = action

    def emit(self, record: logging.LogRecord) -> None:
        self._action(record.getMessage())


@pytest.fixture
def on_message() -> Iterator[Callable[[Callable[[str], None]], None]]:
    """Registers an action that is called with each log message, in the thread that logs it."""
    logger, hooks = logging.getLogger("mnist_gan"), []
    logger.setLevel(logging.INFO)

    def register(action: Callable[[str], None]) -> None:
        hooks.append(MessageHook(action))
        logger.addHandler(hooks[-1])

    yield register
    for hook in hooks:
        logger.removeHandler(hook)
    logger.setLevel(logging.NOTSET)
