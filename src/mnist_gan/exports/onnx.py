"""ONNX files of both networks, checked with onnxruntime; the extra `mnist-gan[onnx]`."""

from __future__ import annotations

import contextlib
import importlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import torch

from mnist_gan.artifacts.gan import GAN
from mnist_gan.errors import ConfigError
from mnist_gan.exports.about import facts_of
from mnist_gan.exports.comparison import Arrays, Comparison, Network, compare
from mnist_gan.exports.networks import Dtype, Part, check_images, parts_of
from mnist_gan.storage import new_folder
from mnist_gan.torch_defaults import default_torch_state

OPSET: Final = 18
"""Version of ONNX's operators; onnxruntime reads it from 1.14 on."""
MODULES: Final = ("onnx", "onnxscript", "onnxruntime")
SUFFIX: Final = ".onnx"


@default_torch_state()
def save_onnx(folder: Path | str, gan: GAN, *, name: str, dtype: Dtype = "float32") -> Comparison:
    """Write `generator.onnx` and `discriminator.onnx` into a new folder, each in one file.

    Inputs and outputs are those of `ImageGenerator` and `ImageScorer`, with any batch size. The files carry `facts_of`
    as metadata. They are checked before the folder appears: `compare` runs them in onnxruntime.

    Args:
        folder: new or empty.
        gan: the model.
        name: name of the model, for the metadata.
        dtype: of the weights and of the computation between inputs and outputs.

    Raises:
        ConfigError: the extra is missing, the model draws points, or the folder exists and is not empty.
        ArtifactError: the result differs from PyTorch's by more than rounding.
        StorageError: a file cannot be written.
    """
    check_images(gan)
    runtime = import_onnxruntime()
    facts = facts_of(gan, name=name) | {"dtype": dtype, "opset": str(OPSET)}
    with new_folder(folder) as new:
        for part in parts_of(gan, dtype=dtype):
            program = _translate(part)
            program.model.metadata_props.update(facts)
            program.save(new / f"{part.name}{SUFFIX}", external_data=False)
        networks = [_session(runtime, new / f"{part}{SUFFIX}") for part in ("generator", "discriminator")]
        comparison = compare(gan, *networks)
        comparison.check(dtype=dtype)
    return comparison


def import_onnxruntime() -> ModuleType:
    """Import onnxruntime, and check that the rest of the extra is there.

    Raises:
        ConfigError: a package of the extra is not installed.
    """
    try:
        *_, runtime = map(importlib.import_module, MODULES)
    except ImportError as error:
        raise ConfigError(
            f"ONNX needs {', '.join(MODULES)}; install them with `pip install 'mnist-gan[onnx]'`"
        ) from error
    return runtime


def _translate(part: Part) -> Any:
    batch = torch.export.Dim("batch")
    with _quiet():
        return torch.onnx.export(
            part.module,
            part.arguments,
            dynamo=True,
            input_names=list(part.inputs),
            output_names=list(part.module.outputs),
            dynamic_shapes=tuple({0: batch} for _ in part.arguments),
            opset_version=OPSET,
            external_data=False,
            verbose=False,
        )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hide the exporter's warnings about torchvision, deprecated calls of its own, and names of axes."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _session(runtime: ModuleType, path: Path) -> Network:
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(inputs: Arrays) -> Arrays:
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))

    return run
