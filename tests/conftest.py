"""Shared by all tests: shape checks at run time, MNIST if present, and synthetic IDX folders."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from numpy.typing import NDArray

import mnist_gan.config  # noqa: F401 - before the hook below: a config checks its values itself, and must see wrong ones

# parallel workers compute on one core each; the threads of several workers would wait for each other
IS_WORKER = "PYTEST_XDIST_WORKER" in os.environ
if IS_WORKER:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # the controller's readline puts the width of its terminal, or 80, into the environment of the workers
    os.environ.pop("COLUMNS", None)
    os.environ.pop("LINES", None)

# a shell without job control ignores SIGINT in background jobs, and their child processes inherit that; the tests
# interrupt commands
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import torch  # noqa: E402 - after the number of threads
from tests.support import typing_hook  # noqa: E402

typing_hook.install()  # before any other import from the package

from tests.support import tiny  # noqa: E402

from mnist_gan.data import data_status  # noqa: E402 - after the hook
from mnist_gan.data.idx_set import write_idx_set  # noqa: E402

# the same examples in every run, in any time: a busy machine or another seed fails no test by chance
hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True)
hypothesis.settings.load_profile("repeatable")

# read at import, since tests change the environment
MNIST_GAN_DATA = os.environ.get("MNIST_GAN_DATA")

# comma-separated markers of tests that must run and not be skipped, set by CI
REQUIRED = frozenset(filter(None, os.environ.get("MNIST_GAN_REQUIRE", "").split(",")))


class RequiredMarkers:
    """Fails the session if a test with a required marker was skipped, or if none ran."""

    def __init__(self, required: frozenset[str]) -> None:
        self.required, self.ran, self.skipped = required, set[str](), list[str]()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        marked = self.required & report.keywords.keys()
        if report.skipped and marked:
            self.skipped.append(report.nodeid)
        elif report.when == "call":
            self.ran |= marked

    def complaints(self) -> list[str]:
        never = [f"no test marked {marker} ran" for marker in sorted(self.required - self.ran)]
        return [*never, *(f"{test} was skipped and must run here" for test in self.skipped)]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.complaints() and session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for complaint in self.complaints():
            terminalreporter.write_line(f"MNIST_GAN_REQUIRE: {complaint}", red=True)


def pytest_configure(config: pytest.Config) -> None:
    if REQUIRED and not config.option.collectonly and not IS_WORKER:  # the controller sees every worker's reports
        config.pluginmanager.register(RequiredMarkers(REQUIRED))


@pytest.fixture(autouse=True)
def _same_number_of_threads() -> Iterator[None]:
    """Fail a test that leaves another number of threads, which slows down all later tests of parallel workers."""
    before = torch.get_num_threads()
    yield
    after = torch.get_num_threads()
    torch.set_num_threads(before)
    assert after == before, f"the test has changed torch's threads from {before} to {after}"


@pytest.fixture(scope="session")
def mnist_dir() -> Path:
    """Folder of MNIST: MNIST_GAN_DATA, else the user's cache; skips the test without either."""
    folders = [Path(MNIST_GAN_DATA)] if MNIST_GAN_DATA else []
    folders += [Path(place.path) for place in data_status() if place.role == "cache" and place.path and place.verifies]
    if not folders:
        pytest.skip("no MNIST: set MNIST_GAN_DATA to a folder with its four files")
    return folders[0]


@pytest.fixture
def short_reestimation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Estimate BatchNorm's statistics over a tenth of the images: a short training spends most of its time on that."""
    monkeypatch.setattr("mnist_gan.experiment.model.REESTIMATION_NIMG", 200)


@pytest.fixture(scope="session")
def idx_arrays() -> dict[str, NDArray[np.uint8]]:
    """Synthetic digits in MNIST's layout, as in `tests.support.tiny`."""
    return tiny.idx_arrays()


@pytest.fixture
def idx_dir(idx_arrays: dict[str, NDArray[np.uint8]], tmp_path: Path) -> Path:
    """Folder "made-up" of one test, with those digits as four .gz files."""
    write_idx_set(tmp_path / "made-up", idx_arrays)
    return tmp_path / "made-up"


@pytest.fixture
def plain_idx_dir(idx_arrays: dict[str, NDArray[np.uint8]], tmp_path: Path) -> Path:
    """Folder "made-up-plain" with the same digits uncompressed."""
    write_idx_set(tmp_path / "made-up-plain", idx_arrays, compress=False)
    return tmp_path / "made-up-plain"
