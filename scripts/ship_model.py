"""Ship the model of a run with the package.

    python scripts/ship_model.py RUN                 # evaluate it, and write src/mnist_gan/weights/shipped
    python scripts/ship_model.py RUN --no-evaluate   # without metrics, for a trial
    python scripts/ship_model.py MODEL --fit-latent-scale   # of a training that did not fit it

Weights are stored as float16, which halves the files, and are float32 after loading. The stored model is evaluated, so
the metrics on its card are those of the rounded weights. The folder of the data is removed from the config.
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
from mnist_gan.artifacts.model_card import render_model_card
from mnist_gan.assessment import assess, open_subject, real_data
from mnist_gan.data import load_dataset
from mnist_gan.experiment.latent_scale import Spread
from mnist_gan.experiment.model import training_facts
from mnist_gan.runs.directory import GENERATOR_NAME, RunDirectory
from mnist_gan.runs.metrics import read_rows

NAME = "The model that comes with mnist-gan"


def half(data: bytes, metadata: dict[str, str]) -> bytes:
    """Round the tensors of a safetensors file to float16."""
    tensors = {name: tensor.half() for name, tensor in safetensors.torch.load(data).items()}
    return safetensors.torch.save(tensors, metadata=metadata)


def write(gan: GAN, directory: Path) -> None:
    """Write the model directory with rounded weights."""
    files = gan.files()
    metadata = {"config": json.dumps(json.loads(files[CONFIG_NAME]))}
    for name in (GENERATOR_NAME, DISCRIMINATOR_NAME):
        files[name] = half(files[name], metadata)
    card = render_model_card(gan, name=NAME).encode()
    storage.write_committed_directory(directory, files, unverified={CARD_NAME: card})


def evaluate_metrics(directory: Path, *, seed: int) -> dict[str, float]:
    """Evaluate in full with both judges; return the metrics by the names of their protocols."""
    subject = open_subject(directory)
    dataset = load_dataset(real_data(subject))
    found = assess(subject, dataset=dataset, judges=("mnistnet", "mnistnet-b"), full=True, seed=seed)
    named: dict[str, float] = {}
    for evaluation in found.evaluations.values():
        for name, figure in evaluation.figures.items():
            if figure.value is not None:
                named.setdefault(name, figure.value)  # metrics without a judge in their name are the first judge's
    if found.transfer is not None:
        named |= {"gan_train": found.transfer.gan_train, "gan_test": found.transfer.gan_test}
    return named


def facts(gan: GAN, run: RunDirectory) -> dict[str, Any]:
    """Return the facts of the training for the card, up to the snapshot that is the model."""
    if not run.metrics.exists():  # a model without its run
        return dict(gan.facts)
    rows = [row for row in read_rows(run.metrics) if row["cur_nimg"] <= gan.facts["cur_nimg"]]
    kept = {name: value for name, value in gan.facts.items() if name != "metrics"}
    return kept | training_facts(run, load_dataset(gan.config.data), rows)


def fit_latent_scale_(gan: GAN) -> None:
    """Scale z as a training with `training.fit_latent_scale` does, and state it among the facts."""
    spread = Spread(load_dataset(gan.config.data), conditional=gan.conditional)
    scale = spread.fit(gan.G, seed=gan.config.training.seed)
    gan.G.scale_latents_(scale)
    gan.facts = {**gan.facts, "latent_scale": scale}


def main() -> None:
    """Write the shipped model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run directory")
    parser.add_argument("--no-evaluate", action="store_true", help="write no metrics")
    parser.add_argument("--fit-latent-scale", action="store_true", help="fit the scale of z to the training images")
    parser.add_argument("--seed", type=int, default=0, help="seed of the evaluation; default: 0")
    arguments = parser.parse_args()
    gan, out = GAN.load(arguments.run), shipped_directory()
    gan.facts = facts(gan, RunDirectory(arguments.run))
    if arguments.fit_latent_scale:
        fit_latent_scale_(gan)
    gan.config = dataclasses.replace(gan.config, data=dataclasses.replace(gan.config.data, dir=None))
    write(gan, out)
    if not arguments.no_evaluate:
        gan.facts["metrics"] = evaluate_metrics(out, seed=arguments.seed)
        write(gan, out)
    with torch.inference_mode():
        GAN.load(out).sample(10, seed=0)
    size = sum(path.stat().st_size for path in out.iterdir())
    print(f"{out}: {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
