"""What all tests share: shape checks at run time, the real MNIST where there is one, and made-up IDX folders."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
from numpy.typing import NDArray

import mnist_gan.config  # noqa: F401 - before the hook below: a config checks its values itself, and must see wrong ones

# side by side, each worker computes on one core: their threads would wait for each other at every operation
IS_WORKER = "PYTEST_XDIST_WORKER" in os.environ
if IS_WORKER:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # the controller's readline leaves the width of its terminal, or 80, in the environment that a worker is started in
    os.environ.pop("COLUMNS", None)
    os.environ.pop("LINES", None)

# a shell without job control starts what runs in the background with Ctrl-C ignored, and every process below inherits
# that; tests interrupt commands, and hold them to what they do then
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# before anything of the package is imported: shapes and types of its functions are checked as the tests call them; an
# int passes for a float, as it does for mypy
jaxtyping.install_import_hook("mnist_gan", "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")

from tests.support import tiny  # noqa: E402

from mnist_gan.data import data_status  # noqa: E402 - after the hook
from mnist_gan.data.idx_set import write_idx_set  # noqa: E402

# read here, since tests change the environment
MNIST_GAN_DATA = os.environ.get("MNIST_GAN_DATA")

# markers, separated by commas, of tests that must run and not be skipped: CI says what is there
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
        return [*never, *(f"{test} was skipped, and must run here" for test in self.skipped)]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.complaints() and session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for complaint in self.complaints():
            terminalreporter.write_line(f"MNIST_GAN_REQUIRE: {complaint}", red=True)


def pytest_configure(config: pytest.Config) -> None:
    if REQUIRED and not config.option.collectonly and not IS_WORKER:  # the controller sees every worker's reports
        config.pluginmanager.register(RequiredMarkers(REQUIRED))


@pytest.fixture(scope="session")
def mnist_dir() -> Path:
    """The folder of the real MNIST: what MNIST_GAN_DATA names, else the user's cache; skips where neither has it."""
    folders = [Path(MNIST_GAN_DATA)] if MNIST_GAN_DATA else []
    folders += [Path(place.path) for place in data_status() if place.role == "cache" and place.path and place.verifies]
    if not folders:
        pytest.skip("no MNIST: set MNIST_GAN_DATA to a folder with its four files")
    return folders[0]


@pytest.fixture(scope="session")
def idx_arrays() -> dict[str, NDArray[np.uint8]]:
    """Made-up digits in MNIST's layout: 400 training and 100 held-out images of 28 x 28, the ten classes in turn."""
    return tiny.idx_arrays()


@pytest.fixture
def idx_dir(idx_arrays: dict[str, NDArray[np.uint8]], tmp_path: Path) -> Path:
    """A folder "made-up" with those digits as four .gz files; each test has its own."""
    write_idx_set(tmp_path / "made-up", idx_arrays)
    return tmp_path / "made-up"


@pytest.fixture
def plain_idx_dir(idx_arrays: dict[str, NDArray[np.uint8]], tmp_path: Path) -> Path:
    """The same without compression, in a folder "made-up-plain"."""
    write_idx_set(tmp_path / "made-up-plain", idx_arrays, compress=False)
    return tmp_path / "made-up-plain"
