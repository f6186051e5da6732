"""The tree of the tests mirrors the tree of the package."""

from __future__ import annotations

from pathlib import Path

import mnist_gan

PACKAGE = Path(mnist_gan.__file__).resolve().parent
TESTS = Path(__file__).resolve().parent

WITHOUT_TEST_FILE = {
    "studio/context.py": "every handler uses it",
    "studio/errors.py": "tests/studio/test_app.py has a status for each",
}
"""Modules without a test file of their name, with the tests that cover them."""


def test_every_module_has_a_test_file_of_its_name() -> None:
    modules = (path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if not path.name.startswith("__"))
    missing = {module.as_posix() for module in modules if not (TESTS / module.parent / f"test_{module.name}").is_file()}
    assert missing == WITHOUT_TEST_FILE.keys(), "add a test file, or remove the exception that is no longer needed"
