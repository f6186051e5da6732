"""Ctrl-C during `run` and `resume` in a program of the user."""

from __future__ import annotations

import signal
import threading

import pytest
from tests.support.resuming import read_footprint, resumable_config

from mnist_gan import experiment
from mnist_gan.experiment import Observer
from mnist_gan.experiment.interrupt import interrupt_after_step


def interrupt_at(nimg: int) -> Observer:
    def observe(tick):
        if tick.cur_nimg == nimg and tick.reason == "interval":
            signal.raise_signal(signal.SIGINT)

    return Observer(tick=observe)


def test_run_saves_a_checkpoint_before_it_is_interrupted(idx_dir, tmp_path):
    config = resumable_config(idx_dir)
    whole = experiment.run(config, name="whole", runs_dir=tmp_path).directory.root
    with pytest.raises(KeyboardInterrupt):
        experiment.run(config, name="run", runs_dir=tmp_path, observer=interrupt_at(32))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert (tmp_path / "run" / "checkpoints" / "nimg-0000000032").is_dir()
    with pytest.raises(KeyboardInterrupt):
        experiment.resume(tmp_path / "run", observer=interrupt_at(64))
    assert (tmp_path / "run" / "checkpoints" / "nimg-0000000064").is_dir()
    assert experiment.resume(tmp_path / "run").finished
    assert read_footprint(tmp_path / "run") == read_footprint(whole)


def interrupt_twice() -> None:
    with interrupt_after_step(lambda: False) as stop:
        assert not stop()
        signal.raise_signal(signal.SIGINT)
        assert stop()
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("the second interrupt does not wait")


def test_interrupt_after_step_interrupts_at_once_before_the_first_poll_and_the_second_time():
    with pytest.raises(KeyboardInterrupt), interrupt_after_step(lambda: False):
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        interrupt_twice()


def test_interrupt_after_step_leaves_other_handlers_and_threads_alone():
    def stop() -> bool:
        return False

    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupt_after_step(stop) as poll:
            assert poll is stop
    finally:
        signal.signal(signal.SIGINT, handler)
    polls = []

    def enter() -> None:
        with interrupt_after_step(stop) as poll:
            polls.append(poll)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert polls == [stop]
