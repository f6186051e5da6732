"""The judges are independent of training: no package that trains imports them."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import mnist_gan

TRAINERS = ("training", "objectives", "models", "data")
PACKAGE = Path(mnist_gan.__file__).parent


def imported_modules(source: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("package", TRAINERS)
def test_evaluation_is_not_imported_by_a_package_that_trains(package):
    sources = sorted((PACKAGE / package).rglob("*.py"))
    assert sources
    for path in sources:
        text = path.read_text()
        judges = {
            name for name in imported_modules(text) if name.startswith(("mnist_gan.evaluation", "mnist_gan.weights"))
        }
        assert not judges, path
        assert "safetensors" not in text or "mnistnet" not in text, path


def test_evaluation_is_not_loaded_indirectly_by_a_package_that_trains():
    packages = ", ".join(f"mnist_gan.{package}" for package in TRAINERS)
    check = f"import sys, {packages}; print([name for name in sys.modules if name.startswith('mnist_gan.evaluation')])"
    answer = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
