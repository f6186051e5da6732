"""examples/gan.py computes what the package computes, and runs as a script."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
import torch
from PIL import Image

import mnist_gan
from mnist_gan import presets
from mnist_gan.config import DataConfig
from mnist_gan.data import load_dataset

SCRIPT = Path(__file__).parents[2] / "examples" / "gan.py"
STEPS = 10


@pytest.fixture
def gan() -> ModuleType:
    """A fresh copy of the module."""
    spec = spec_from_file_location("gan_example", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def trained_by_the_package(data: Path) -> tuple[torch.nn.Module, torch.nn.Module]:
    config = presets.get("classic-dcgan")
    settings = dataclasses.replace(
        config.training, total_nimg=STEPS * config.training.batch_size, device="cpu", precision="float32", threads=1
    )
    config = dataclasses.replace(config, data=DataConfig(dir=str(data)), training=settings)
    *_, last = mnist_gan.train(config)
    assert last.step == STEPS
    return last.state.G, last.state.D


def trained_by_the_example(gan: ModuleType, data: Path) -> tuple[torch.nn.Module, torch.nn.Module]:
    torch.set_num_threads(1)
    images = load_dataset(DataConfig(dir=str(data))).images
    G, D = gan.train(images, STEPS)
    return G, D


@pytest.mark.slow
def test_example_gives_the_weights_of_classic_dcgan_bit_for_bit(gan, idx_dir):
    pairs = zip(trained_by_the_example(gan, idx_dir), trained_by_the_package(idx_dir), strict=True)
    for example, package in pairs:
        found, expected = list(example.state_dict().values()), list(package.state_dict().values())
        assert [tensor.shape for tensor in found] == [tensor.shape for tensor in expected]
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_example_takes_as_many_steps_as_the_preset(gan):
    settings = presets.get("classic-dcgan").training
    assert settings.total_nimg == gan.STEPS * gan.BATCH_SIZE
    assert settings.seed == gan.SEED


def test_example_is_one_file_of_under_100_lines_that_imports_torch_alone():
    lines = SCRIPT.read_text(encoding="utf-8").splitlines()
    assert len(lines) < 100
    imported = {line.split()[1].split(".")[0] for line in lines if line.startswith(("import ", "from "))}
    assert imported - sys.stdlib_module_names == {"torch"}


def test_example_runs_as_a_script_and_writes_a_picture(idx_dir, tmp_path):
    short = SCRIPT.read_text(encoding="utf-8").replace("18_750", "3").replace("% 100", "% 3")
    (tmp_path / "gan.py").write_text(short, encoding="utf-8")
    command = [sys.executable, "gan.py", str(idx_dir)]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("     3 of 3 steps   G ")
    with Image.open(tmp_path / "samples.pgm") as picture:
        assert picture.size == (8 * 28, 8 * 28)
        assert len(set(picture.tobytes())) > 2


def test_example_names_the_missing_file(tmp_path):
    done = subprocess.run([sys.executable, SCRIPT, str(tmp_path)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [f"no {tmp_path}/train-images-idx3-ubyte.gz; usage: gan.py DATA_DIR"]
