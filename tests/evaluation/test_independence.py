"""The judges judge: nothing that trains may see them."""

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


@pytest.mark.parametrize("room", TRAINERS)
def test_what_trains_names_no_judge(room):
    sources = sorted((PACKAGE / room).rglob("*.py"))
    assert sources
    for path in sources:
        text = path.read_text()
        judges = {
            name for name in imported_modules(text) if name.startswith(("mnist_gan.evaluation", "mnist_gan.weights"))
        }
        assert not judges, path
        assert "safetensors" not in text or "mnistnet" not in text, path


def test_what_trains_loads_no_judge_by_way_of_others():
    rooms = ", ".join(f"mnist_gan.{room}" for room in TRAINERS)
    check = f"import sys, {rooms}; print([name for name in sys.modules if name.startswith('mnist_gan.evaluation')])"
    answer = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_the_judges_have_no_gradient():
    import safetensors.torch

    from mnist_gan.evaluation.mnistnet import ARCHITECTURES, network_from_bytes

    for name, architecture in ARCHITECTURES.items():
        content = safetensors.torch.save(architecture().state_dict())
        assert not any(p.requires_grad for p in network_from_bytes(name, content).parameters())
