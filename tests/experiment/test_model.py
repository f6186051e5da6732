"""From a training state to a model: averaged generator, calibrated model, facts for its card."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tests.support.resuming import DCGAN, resumable_config
from tests.support.tiny import tiny_config

from mnist_gan import experiment
from mnist_gan.artifacts.gan import GAN
from mnist_gan.data import load_dataset
from mnist_gan.experiment.model import (
    GRID_COLUMNS,
    GRID_ROWS,
    averaged_generator,
    fixed_samples,
    make_model,
    named_logits,
    training_facts,
)
from mnist_gan.experiment.setup import set_up
from mnist_gan.runs import RunDirectory


def test_averaged_generator_is_a_copy_of_the_average_with_new_batch_norm_statistics(idx_dir):
    with set_up(resumable_config(idx_dir, networks=DCGAN)) as setup:
        *_, last = setup.ticks(stop=lambda: False)
        G = averaged_generator(last.state, setup.config)
    average = last.state.G_ema
    assert all(torch.equal(one, other) for one, other in zip(G.parameters(), average.parameters(), strict=True))
    names = {name for name, _ in G.named_buffers() if "running" in name}
    assert names
    assert not any(torch.equal(dict(G.named_buffers())[name], dict(average.named_buffers())[name]) for name in names)
    with torch.no_grad():
        next(G.parameters()).add_(1.0)
    assert not torch.equal(next(G.parameters()), next(average.parameters()))


@pytest.mark.parametrize(("conditional", "columns"), [(True, 10), (False, GRID_COLUMNS)])
def test_fixed_samples_are_the_same_grid_every_time(idx_dir, conditional, columns):
    with set_up(tiny_config(idx_dir, training={"conditional": conditional})) as setup:
        G = averaged_generator(setup.state, setup.config)
        images, shown = fixed_samples(G, seed=0)
        assert (len(images), shown) == (GRID_ROWS * GRID_COLUMNS, columns)
        assert torch.equal(images, fixed_samples(G, seed=0)[0])
        assert not torch.equal(images, fixed_samples(G, seed=1)[0])


@pytest.mark.parametrize("conditional", [True, False])
def test_make_model_calibrates_the_logits(idx_dir, conditional):
    with set_up(tiny_config(idx_dir, training={"conditional": conditional})) as setup:
        *_, last = setup.ticks(stop=lambda: False)
        G = averaged_generator(last.state, setup.config)
        model = make_model(G, last.state, setup.config, setup.dataset, facts={"cur_nimg": 200})
        logits = named_logits(G, last.state, setup.config, setup.dataset)
    probabilities = {name: model.calibration.probability(values) for name, values in logits.items()}
    assert logits.keys() == {"Logits/real", "Logits/generated"}
    real, generated = (float(probabilities[f"Logits/{name}"].mean()) for name in ("real", "generated"))
    assert real > generated
    assert real + generated == pytest.approx(1.0, abs=0.05)  # as many real images as generated ones
    assert (model.best_label_calibration is not None) == conditional
    assert model.facts == {"cur_nimg": 200}


def test_make_model_makes_a_model_with_a_card(idx_dir, tmp_path):
    config = tiny_config(idx_dir, data={"limit": 60}, training={"total_nimg": 120, "batch_size": 10})
    directory = experiment.run(config, name="a-run", runs_dir=tmp_path).directory
    card = (directory.model / "README.md").read_text()
    assert "# a-run" in card
    assert "60 training images of made-up, 10 classes" in card
    assert "120 images, 12 steps of 10 images" in card
    assert str(tmp_path) not in card
    gan = GAN.load(directory.model)
    assert gan.best_label_calibration is not None
    assert "train_sec" not in gan.facts  # times would make equal models unequal


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    (tmp_path / "run").mkdir()
    return RunDirectory(tmp_path / "run")


def test_training_facts_have_data_time_and_machine_without_paths(idx_dir, run):
    dataset = load_dataset(tiny_config(idx_dir).data)
    machine = {"device": "cpu", "processor": "a processor", "versions": {"torch": "2"}}
    run.environment.write_text(json.dumps(machine | {"data": {"source": str(idx_dir)}}))
    facts = training_facts(run, dataset, [{"Timing/train_sec": 1.5}, {}, {"Timing/train_sec": 2.0}])
    assert facts == machine | {"data_source": "100 training images of made-up, 10 classes", "train_sec": 3.5}


@pytest.mark.parametrize("content", [None, b"", b"[1]", b"\xff"])
def test_training_facts_survive_a_damaged_environment(idx_dir, run, content):
    if content is not None:
        run.environment.write_bytes(content)
    facts = training_facts(run, load_dataset(tiny_config(idx_dir).data), [])
    assert facts.keys() == {"data_source", "train_sec"}
