"""The tree of the tests mirrors the tree of the package."""

from __future__ import annotations

from pathlib import Path

import mnist_gan

PACKAGE = Path(mnist_gan.__file__).resolve().parent
TESTS = Path(__file__).resolve().parent

WITHOUT_TEST_FILE = {
    "experiment/launch.py": "tests/experiment/test_runs.py trains, stops and resumes through it",
    "experiment/logger_set.py": "tests/experiment/test_following.py",
    "experiment/model.py": "tests/experiment/test_following.py",
    "experiment/pictures.py": "tests/experiment/test_following.py",
    "experiment/preview.py": "tests/experiment/test_control.py",
    "experiment/recorder.py": "tests/experiment/test_runs.py",
    "experiment/setup.py": "tests/experiment/test_runs.py",
    "runs/append_only.py": "tests/runs/test_metrics.py and test_evaluations.py",
    "runs/directory.py": "tests/experiment/test_runs.py and tests/runs/test_state.py",
    "studio/app.py": "tests/studio/test_server.py starts the application",
    "studio/context.py": "every handler uses it",
    "studio/handlers/present.py": "tests/studio/test_runs.py",
    "studio/params.py": "tests/studio/test_explore.py and test_draw.py",
    "studio/services/scene.py": "tests/studio/test_explore.py",
}
"""Modules without a test file of their name, with the tests that cover them."""


def test_every_module_has_a_test_file_of_its_name() -> None:
    modules = (path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if not path.name.startswith("__"))
    missing = {module.as_posix() for module in modules if not (TESTS / module.parent / f"test_{module.name}").is_file()}
    assert missing == WITHOUT_TEST_FILE.keys(), "add a test file, or remove the exception that is no longer needed"
