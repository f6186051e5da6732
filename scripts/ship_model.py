"""Make the model that comes with the package out of a run.

    python scripts/ship_model.py RUN            # judge it, and write src/mnist_gan/weights/shipped
    python scripts/ship_model.py RUN --unjudged # without figures, to try it

Weights are stored as float16, which halves the files; they are float32 again once loaded. What is judged is the stored
model, so that the figures on its card are those of the rounded weights. The config forgets the folder that the data lay
in.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from mnist_gan import storage
from mnist_gan.artifacts.gan import CARD_NAME, CONFIG_NAME, DISCRIMINATOR_NAME, GAN, shipped_directory
from mnist_gan.artifacts.model_card import model_card
from mnist_gan.assessment import assess, open_subject, real_data
from mnist_gan.data import load_dataset
from mnist_gan.experiment.model import training_facts
from mnist_gan.runs.directory import GENERATOR_NAME, RunDirectory
from mnist_gan.runs.metrics import read_rows

NAME = "The model that comes with mnist-gan"


def half(data: bytes, metadata: dict[str, str]) -> bytes:
    """The same tensors, rounded to float16."""
    tensors = {name: tensor.half() for name, tensor in safetensors.torch.load(data).items()}
    return safetensors.torch.save(tensors, metadata=metadata)


def write(gan: GAN, directory: Path) -> None:
    """The model directory, its weights rounded."""
    files = gan.files()
    metadata = {"config": json.dumps(json.loads(files[CONFIG_NAME]))}
    for name in (GENERATOR_NAME, DISCRIMINATOR_NAME):
        files[name] = half(files[name], metadata)
    card = model_card(gan, name=NAME).encode()
    storage.write_committed_directory(directory, files, unverified={CARD_NAME: card})


def figures(directory: Path, *, seed: int) -> dict[str, float]:
    """Every figure of a whole evaluation with both judges, by the name of its protocol."""
    subject = open_subject(directory)
    dataset = load_dataset(real_data(subject))
    found = assess(subject, dataset=dataset, judges=("mnistnet", "mnistnet-b"), full=True, seed=seed)
    named: dict[str, float] = {}
    for evaluation in found.evaluations.values():
        for name, figure in evaluation.figures.items():
            if figure.value is not None:
                named.setdefault(name, figure.value)  # what is not named after a judge is the first judge's
    if found.transfer is not None:
        named |= {"gan_train": found.transfer.gan_train, "gan_test": found.transfer.gan_test}
    return named


def facts(gan: GAN, run: RunDirectory) -> dict[str, Any]:
    """What the card tells of the training: up to the moment that the model is of."""
    rows = [row for row in read_rows(run.metrics) if row["cur_nimg"] <= gan.facts["cur_nimg"]]
    told = {name: value for name, value in gan.facts.items() if name != "metrics"}
    return told | training_facts(run, load_dataset(gan.config.data), rows)


def main() -> None:
    """Ship a run's model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument("--unjudged", action="store_true", help="leave the figures out")
    parser.add_argument("--seed", type=int, default=0, help="of the evaluation (default 0)")
    arguments = parser.parse_args()
    gan, out = GAN.load(arguments.run), shipped_directory()
    gan.facts = facts(gan, RunDirectory(arguments.run))
    gan.config = dataclasses.replace(gan.config, data=dataclasses.replace(gan.config.data, dir=None))
    write(gan, out)
    if not arguments.unjudged:
        gan.facts["metrics"] = figures(out, seed=arguments.seed)
        write(gan, out)
    with torch.inference_mode():
        GAN.load(out).sample(10, seed=0)
    size = sum(path.stat().st_size for path in out.iterdir())
    print(f"{out}: {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
