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

from mnist_gan.data import data_status  # noqa: E402 - after the hook
from mnist_gan.data.idx_set import write_idx_set  # noqa: E402
from mnist_gan.data.mnist import HELD_OUT_IMAGES, HELD_OUT_LABELS, TRAIN_IMAGES, TRAIN_LABELS  # noqa: E402

# read here, since tests change the environment
MNIST_GAN_DATA = os.environ.get("MNIST_GAN_DATA")

# markers, separated by commas, of tests that must run and not be skipped: CI says what is there
REQUIRED = frozenset(filter(None, os.environ.get("MNIST_GAN_REQUIRE", "").split(",")))

# segments of a seven-segment display: (top, left, height, width) in a 14 x 8 box, and the digits' segments
SEGMENTS = ((0, 0, 2, 8), (0, 0, 7, 2), (0, 6, 7, 2), (6, 0, 2, 8), (7, 0, 7, 2), (7, 6, 7, 2), (12, 0, 2, 8))
DIGIT_SEGMENTS = ("012456", "25", "02346", "02356", "1235", "01356", "013456", "025", "0123456", "012356")


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
    images, labels = synthetic_digits(500)
    return {
        TRAIN_IMAGES: images[:400],
        TRAIN_LABELS: labels[:400],
        HELD_OUT_IMAGES: images[400:],
        HELD_OUT_LABELS: labels[400:],
    }


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


def synthetic_digits(n: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Seven-segment digits at random places, of random brightness, with soft edges: images (N, 28, 28), labels (N,)."""
    random = np.random.default_rng(0)
    labels = np.arange(n, dtype=np.uint8) % 10
    images = np.zeros((n, 28, 28))
    for image, label in zip(images, labels, strict=True):
        top, left = random.integers(4, 10), random.integers(6, 14)
        for segment in DIGIT_SEGMENTS[label]:
            y, x, height, width = SEGMENTS[int(segment)]
            image[top + y : top + y + height, left + x : left + x + width] = random.uniform(0.7, 1.0)
    soft = sum(np.roll(images, (dy, dx), axis=(1, 2)) for dy in (-1, 0, 1) for dx in (-1, 0, 1)) / 9
    return np.round(255 * (0.5 * images + 0.5 * soft)).astype(np.uint8), labels
