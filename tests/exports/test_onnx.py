import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.support.gans import tiny_gan

from mnist_gan.artifacts.gan import GAN
from mnist_gan.errors import ArtifactError, ConfigError
from mnist_gan.exports import onnx as exporter
from mnist_gan.exports.comparison import Comparison

ROOT = Path(__file__).resolve().parents[2]
needs_onnx = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in exporter.MODULES), reason="the extra onnx is not installed"
)


def ten_lines() -> str:
    """The script of docs/export.md that needs no torch."""
    page = (ROOT / "docs" / "export.md").read_text("utf-8")
    script: str
    (script,) = (block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "onnxruntime" in block)
    return script


@needs_onnx
@pytest.mark.slow
def test_onnx_of_a_model_draws_the_images_of_sample_without_torch(tmp_path):
    exporter.save_onnx(tmp_path / "shipped-onnx", GAN.load("shipped"), name="shipped")
    assert len([line for line in ten_lines().splitlines() if line and not line.startswith("import")]) <= 10
    assert not {"torch", "mnist_gan"} & {
        name.name for node in ast.walk(ast.parse(ten_lines())) if isinstance(node, ast.Import) for name in node.names
    }
    code = f"import sys; sys.modules.update(torch=None, mnist_gan=None)\n{ten_lines()}\nnp.save('drawn.npy', images)"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    expected = GAN.load("shipped").sample(80, seed=0).numpy()
    gaps = np.abs(np.load(tmp_path / "drawn.npy").astype(int) - expected)
    assert gaps.max() <= 1
    assert (gaps > 0).mean() < 1e-3


@needs_onnx
@pytest.mark.slow
def test_onnx_of_an_unconditional_colour_model_in_float16(tmp_path):
    onnxruntime = exporter.import_onnxruntime()

    found = exporter.save_onnx(tmp_path / "out", tiny_gan(num_classes=0, channels=3), name="Digits", dtype="float16")
    assert found.n == 1000
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["discriminator.onnx", "generator.onnx"]
    G = onnxruntime.InferenceSession(tmp_path / "out" / "generator.onnx")
    facts = G.get_modelmeta().custom_metadata_map
    assert (facts["z_dim"], facts["dtype"], facts["opset"], facts["license"]) == ("4", "float16", "18", "mit")
    assert [given.name for given in G.get_inputs()] == ["z"]
    for n in (1, 7):
        image, image_float = G.run(None, {"z": np.zeros((n, 4), np.float32)})
        assert (image.dtype, image.shape) == (np.uint8, (n, 3, 28, 28))
        assert (image_float.dtype, image_float.shape) == (np.float32, image.shape)


@needs_onnx
def test_onnx_that_differs_is_not_written(tmp_path, monkeypatch):
    wrong = Comparison(n=1000, levels=9, differing=0.5, probability=0.0)
    monkeypatch.setattr(exporter, "compare", lambda *_: wrong)
    monkeypatch.setattr(
        exporter, "_translate", lambda _: type("Program", (), {"model": Metadata(), "save": save_text})()
    )
    monkeypatch.setattr(exporter, "_session", lambda *_: None)
    with pytest.raises(ArtifactError, match="pixels differ by at most 9 of 255"):
        exporter.save_onnx(tmp_path / "out", tiny_gan(), name="x")
    assert list(tmp_path.iterdir()) == []


class Metadata:
    def __init__(self):
        self.metadata_props = {}


def save_text(_, path, *, external_data):
    assert not external_data
    path.write_text("a model")


def test_onnx_without_the_extra_names_the_command_that_installs_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match=r"pip install 'mnist-gan\[onnx\]'"):
        exporter.save_onnx(tmp_path / "out", tiny_gan(), name="x")
    assert not (tmp_path / "out").exists()
