"""Programs of `torch.export`: both networks for PyTorch, without this package."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Final

import torch

from mnist_gan.artifacts.gan import GAN
from mnist_gan.exports.about import facts_of
from mnist_gan.exports.comparison import Arrays, Comparison, Network, compare
from mnist_gan.exports.networks import Dtype, ImageGenerator, ImageScorer, check_images, parts_of
from mnist_gan.storage import new_folder
from mnist_gan.torch_defaults import default_torch_state

SUFFIX: Final = ".pt2"
FACTS_NAME: Final = "facts.json"
"""Name of `facts_of` inside a program's file."""


@default_torch_state()
def save_programs(folder: Path | str, gan: GAN, *, name: str, dtype: Dtype = "float32") -> Comparison:
    """Write `generator.pt2` and `discriminator.pt2` into a new folder.

    `torch.export.load(path).module()` is a function with the inputs and outputs of `ImageGenerator` or `ImageScorer`,
    for any batch size. The files are checked before the folder appears, as by `save_onnx`.

    Args:
        folder: new or empty.
        gan: the model.
        name: name of the model, for the facts in the files.
        dtype: of the weights and of the computation between inputs and outputs.

    Raises:
        ConfigError: the model draws points, or the folder exists and is not empty.
        ArtifactError: the result differs from PyTorch's by more than rounding.
        StorageError: a file cannot be written.
    """
    check_images(gan)
    facts = json.dumps(facts_of(gan, name=name) | {"dtype": dtype}, indent=2)
    batch = torch.export.Dim("batch")
    networks = []
    with new_folder(folder) as new:
        for part in parts_of(gan, dtype=dtype):
            shapes = tuple({0: batch} for _ in part.arguments)
            program = torch.export.export(part.module, part.arguments, dynamic_shapes=shapes, strict=False)
            path = new / f"{part.name}{SUFFIX}"
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about weights on other devices than the CPU
                torch.export.save(program, path, extra_files={FACTS_NAME: facts})
            networks.append(_loaded(path, part.module))
        comparison = compare(gan, *networks)
        comparison.check(dtype=dtype)
    return comparison


def _loaded(path: Path, like: ImageGenerator | ImageScorer) -> Network:
    module = torch.export.load(path).module()

    def run(inputs: Arrays) -> Arrays:
        with torch.no_grad():
            outputs = module(*(torch.from_numpy(inputs[name]) for name in like.inputs if name in inputs))
        return {name: output.numpy() for name, output in zip(like.outputs, outputs, strict=True)}

    return run
