"""Models in memory."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
import torch

from mnist_gan.artifacts.gan import GAN
from mnist_gan.models import build_discriminator, build_generator
from mnist_gan.runs import RunDirectory
from mnist_gan.studio.errors import NotFoundError, UnavailableError
from mnist_gan.studio.services.inference import MAX_MODELS, Inference


def make_unconditional(root: Path) -> None:
    """Replace the model of a run by an unconditional one."""
    gan = GAN.load(root)
    config = dataclasses.replace(gan.config, training=dataclasses.replace(gan.config.training, conditional=False))
    shape = dataclasses.replace(gan.shape, num_classes=0)
    G, D = build_generator(config.generator, shape, seed=0), build_discriminator(config.discriminator, shape, seed=0)
    plain = GAN(G=G.eval(), D=D.eval(), config=config, calibration=gan.calibration, facts=gan.facts)
    plain.save(root / "model")


def test_inference_reloads_a_model_that_has_changed(tmp_path, shared_server):
    root = tmp_path / "run"
    shutil.copytree(shared_server.studio.library.runs()["tiny"].root, root)
    inference = Inference(lambda: {"run": RunDirectory(root)})
    before = inference.model("run")
    assert inference.model("run") is before
    gan = GAN.load(root)
    with torch.no_grad():
        next(gan.G.parameters()).mul_(2)
    gan.save(root / "model")
    after = inference.model("run")
    assert after is not before
    z = torch.ones(1, 4)
    assert not torch.equal(after.gan.G(z, torch.tensor([0])), before.gan.G(z, torch.tensor([0])))
    inference.close()


def test_inference_keeps_a_limited_number_of_models(tmp_path, shared_server):
    source = shared_server.studio.library.runs()["tiny"].root
    runs = {}
    for index in range(MAX_MODELS + 2):
        runs[f"run{index}"] = RunDirectory(tmp_path / f"run{index}")
        shutil.copytree(source / "model", runs[f"run{index}"].model)
    inference = Inference(lambda: runs)
    opened = [inference.model(name) for name in runs]
    assert len(inference._models) == MAX_MODELS
    assert inference.model("run5") is opened[5]
    assert inference.model("run0") is not opened[0]
    inference.close()


def test_inference_reports_a_damaged_or_missing_model(tmp_path, shared_server):
    root = tmp_path / "run"
    shutil.copytree(shared_server.studio.library.runs()["tiny"].root, root)
    weights = root / "model" / "generator.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\xff")
    inference = Inference(lambda: {"run": RunDirectory(root), "young": RunDirectory(tmp_path / "young")})
    with pytest.raises(UnavailableError, match="damaged"):
        inference.model("run")
    with pytest.raises(NotFoundError, match="has no model yet"):
        inference.model("young")
    inference.close()
