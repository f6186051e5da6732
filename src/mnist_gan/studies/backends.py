"""Backends: where the trials of a study are trained. Orders and results travel as text."""

from __future__ import annotations

import concurrent.futures
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol, TypeAlias, runtime_checkable

from mnist_gan.errors import ConfigError
from mnist_gan.quota import usable_cores
from mnist_gan.studies.execution import execute
from mnist_gan.studies.folder import Attempt

BackendName: TypeAlias = Literal["local", "ray"]

TRIAL_BYTES: Final = 1 << 30
"""Memory that a trial is expected to need: MNIST, torch and networks of the presets take 0.6 GiB."""
POLL_SECONDS: Final = 1.0
LOST_WORKERS: Final = 5
"""Number of times that a trial is resumed elsewhere after its worker was lost."""
PASSED_ON: Final = ("MNIST_GAN_DATA", "PYTHONPATH", "OMP_NUM_THREADS", "XDG_CACHE_HOME")
"""Environment variables that workers get from the process that runs the study."""


@runtime_checkable
class Backend(Protocol):
    """A place where trials run."""

    def slots(self) -> int:
        """Number of trials at once."""

    def run(
        self, orders: Mapping[str, str], *, stop: Callable[[], bool], poll: Callable[[], None]
    ) -> Iterator[Attempt]:
        """Train trials in order, and yield the end of each.

        Args:
            orders: order as TOML text by name of the trial.
            stop: polled; if it returns True, running trials save a checkpoint and end as stopped, as do waiting ones.
            poll: called about once a second.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalBackend:
    """Processes on this machine."""

    threads: int = 1
    """Threads of a trial."""
    jobs: int | None = None
    """Trials at once. None is as many as memory and cores carry."""

    def slots(self) -> int:
        """Number of trials at once."""
        return self.jobs or capacity(self.threads)

    def run(
        self, orders: Mapping[str, str], *, stop: Callable[[], bool], poll: Callable[[], None]
    ) -> Iterator[Attempt]:
        """Train trials in processes of this machine."""
        abandoned = False

        def should_stop() -> bool:
            return abandoned or stop()

        with concurrent.futures.ThreadPoolExecutor(self.slots()) as pool:
            pending = {pool.submit(execute, order, should_stop) for order in orders.values()}
            try:
                while pending:
                    done, pending = concurrent.futures.wait(pending, POLL_SECONDS, concurrent.futures.FIRST_COMPLETED)
                    yield from (Attempt.from_json(each.result()) for each in done)
                    poll()
            finally:
                abandoned = True  # an error in the loop: let the processes save and end


@dataclass(frozen=True, kw_only=True, slots=True)
class RayBackend:
    """A Ray cluster whose workers share the folder of the study."""

    stop_file: Path
    """File in the study's folder that tells the workers to stop."""
    threads: int = 1
    gpus: float = 0.0
    """GPUs that Ray reserves for a trial."""
    address: str | None = None
    """Address of the cluster. None is RAY_ADDRESS, a running cluster of this machine, or a new one."""

    def slots(self) -> int:
        """Number of trials that the processors of the cluster carry at once."""
        ray = self._connect()
        return max(1, int(ray.cluster_resources().get("CPU", 1)) // self.threads)

    def run(
        self, orders: Mapping[str, str], *, stop: Callable[[], bool], poll: Callable[[], None]
    ) -> Iterator[Attempt]:
        """Train trials on the workers. Ray gives the trial of a lost worker to another, which resumes it."""
        ray = self._connect()
        self.stop_file.unlink(missing_ok=True)
        task = ray.remote(num_cpus=self.threads, num_gpus=self.gpus, max_retries=LOST_WORKERS)(execute)
        pending = {task.remote(order): name for name, order in orders.items()}
        try:
            while pending:
                done, _ = ray.wait(list(pending), timeout=POLL_SECONDS)
                for reference in done:
                    yield _collect(ray, reference, pending.pop(reference))
                poll()
                if stop():
                    self.stop_file.touch()
        finally:
            if pending:
                self.stop_file.touch()
                ray.wait(list(pending), num_returns=len(pending), timeout=60)
            self.stop_file.unlink(missing_ok=True)

    def _connect(self) -> Any:
        ray = import_ray()
        if not ray.is_initialized():
            variables = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
            try:
                ray.init(
                    address=self.address,
                    log_to_driver=False,
                    logging_level="ERROR",
                    include_dashboard=None if self.address else False,
                    runtime_env={"env_vars": variables},
                )
            except (ConnectionError, RuntimeError, ValueError) as error:
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                raise ConfigError(
                    f"there is no Ray cluster at {self.address or 'this machine'} ({reason}); start one with "
                    "`ray start --head`, or use --backend local"
                ) from error
        return ray


def make_backend(
    name: BackendName, *, threads: int, jobs: int | None, stop_file: Path, address: str | None, gpus: float
) -> Backend:
    """Make the backend of a name.

    Raises:
        ConfigError: Ray is not installed.
    """
    if name == "local":
        return LocalBackend(threads=threads, jobs=jobs)
    import_ray()
    return RayBackend(stop_file=stop_file, threads=threads, address=address, gpus=gpus)


def import_ray() -> Any:
    """Return Ray, with its usage reports turned off.

    Raises:
        ConfigError: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise ConfigError(
            "Ray is not installed; install it with `pip install 'mnist-gan[ray]'`, or use --backend local"
        ) from error
    return ray


def capacity(threads: int) -> int:
    """Number of trials that cores and free memory of this machine carry at once, at least one."""
    cores = usable_cores()
    memory = available_memory()
    by_memory = cores if memory is None else memory // TRIAL_BYTES
    return max(1, min(cores // threads, by_memory))


def available_memory(information: Path = Path("/proc/meminfo")) -> int | None:
    """Free memory of this machine in bytes; None if unknown."""
    try:
        lines: Sequence[str] = information.read_text().splitlines()
    except OSError:
        return None
    kilobytes = next((int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")), None)
    return None if kilobytes is None else kilobytes * 1024


def _collect(ray: Any, reference: Any, name: str) -> Attempt:
    try:
        return Attempt.from_json(ray.get(reference))
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[0][:200]
        return Attempt(trial=name, state="killed", message=f"its workers were lost: {reason}")
