from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.support.program import metric_rows, newest_weights
from tests.support.studies import small_study, trainable_study

from mnist_gan import quota
from mnist_gan.errors import ConfigError
from mnist_gan.studies import backends
from mnist_gan.studies.backends import LocalBackend, RayBackend, available_memory, capacity, import_ray, make_backend
from mnist_gan.studies.coordinator import plan_final
from mnist_gan.studies.execution import write_order
from mnist_gan.studies.folder import StudyDirectory


def test_capacity_is_bounded_by_cores_and_by_memory(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(quota, "processor_quota", lambda: None)
    monkeypatch.setattr(backends, "available_memory", lambda: 100 << 30)
    assert (capacity(1), capacity(3), capacity(100)) == (8, 2, 1)
    monkeypatch.setattr(backends, "available_memory", lambda: 3 << 30)
    assert capacity(1) == 3
    monkeypatch.setattr(quota, "processor_quota", lambda: 2.5)
    assert capacity(1) == 2


def test_available_memory_is_that_of_the_system(tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    2048 kB\n")
    assert available_memory(tmp_path / "meminfo") == 2 << 20
    assert available_memory(tmp_path / "none") is None


def test_local_backend_ends_every_trial_as_stopped_after_a_stop(tmp_path):
    directory = StudyDirectory(tmp_path)
    orders = {trial.name: write_order(directory, trial) for trial in plan_final(small_study(), directory)}
    attempts = list(LocalBackend(jobs=2).run(orders, stop=lambda: True, poll=lambda: None))
    assert {attempt.trial: attempt.state for attempt in attempts} == dict.fromkeys(orders, "stopped")


def test_ray_without_its_extra_is_refused_in_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"Ray is not installed; install it with `pip install 'mnist-gan\[ray\]'`"):
        make_backend("ray", threads=1, jobs=None, stop_file=tmp_path / "stop", address=None, gpus=0.0)


@pytest.mark.slow
def test_ray_resumes_the_trial_of_a_lost_worker_to_the_same_bits_as_local(idx_dir, tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed; `pip install 'mnist-gan[ray]'` runs this test")
    study = trainable_study(idx_dir, images=8_000)
    folders = {name: StudyDirectory(tmp_path / name) for name in ("local", "ray")}
    orders = {
        name: {trial.name: write_order(directory, trial) for trial in plan_final(study, directory)[:2]}
        for name, directory in folders.items()
    }
    with ray_cluster(workers=2) as (ray, address):
        backend = RayBackend(stop_file=folders["ray"].stop, address=address)
        assert backend.slots() == 2
        killer = kill_one_worker(ray, folders["ray"], "ns-seed0")
        attempts = list(backend.run(orders["ray"], stop=lambda: False, poll=lambda: None))
        killer.join()
    assert {attempt.trial: attempt.state for attempt in attempts} == dict.fromkeys(orders["ray"], "finished")
    assert "resumed from" in (folders["ray"].logs / "ns-seed0.log").read_text()
    for attempt in LocalBackend(jobs=2).run(orders["local"], stop=lambda: False, poll=lambda: None):
        one, other = (folder.run(attempt.trial).root for folder in folders.values())
        assert metric_rows(one) == metric_rows(other)
        assert newest_weights(one) == newest_weights(other)


@contextlib.contextmanager
def ray_cluster(*, workers: int):
    """A head without processors and workers with one each, on loopback."""
    ray = import_ray()
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        for _ in range(workers):
            cluster.add_node(num_cpus=1)
        yield ray, cluster.address
    finally:
        ray.shutdown()
        cluster.shutdown()


def kill_one_worker(ray, directory: StudyDirectory, name: str) -> threading.Thread:
    """Kill the worker process that trains a trial, once the trial has a checkpoint."""

    def wait_and_kill() -> None:
        while not any(directory.run(name).checkpoints.glob("nimg-*")):
            time.sleep(0.05)
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                words = path.read_bytes().decode().split("\0")
                if "mnist_gan.studies.lifeline" in words and name in words and str(directory.trials) in words:
                    parent = subprocess.check_output(["ps", "-o", "ppid=", "-p", path.parent.name], text=True)
                    os.kill(int(parent), signal.SIGKILL)

    thread = threading.Thread(target=wait_and_kill)
    thread.start()
    return thread
