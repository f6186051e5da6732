"""The model card: front matter for the hub, and text."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.gans import tiny_gan

from mnist_gan.artifacts.gan import GAN
from mnist_gan.artifacts.model_card import render_model_card
from mnist_gan.cli import main
from mnist_gan.config import ObjectiveConfig, TrainingConfig, from_dict


def make_gan(*, conditional: bool = True, **facts: Any) -> GAN:
    return tiny_gan(
        num_classes=10 if conditional else 0,
        facts=facts,
        preset="quick",
        objective=ObjectiveConfig(loss="hinge", r1_gamma=0.5),
        training=TrainingConfig(conditional=conditional, seed=11),
    )


def front_matter(card: str) -> dict[str, Any]:
    head = re.match(r"---\n(.*?)\n---\n", card, re.DOTALL)
    assert head is not None
    fields = (line.split(": ", 1) for line in head[1].splitlines())
    return {key: json.loads(value) for key, value in fields}


def test_front_matter_has_the_fields_of_the_hub() -> None:
    fields = front_matter(render_model_card(make_gan(data="mnist"), name="my run"))
    assert fields == {
        "license": "mit",
        "library_name": "mnist-gan",
        "pipeline_tag": "unconditional-image-generation",
        "tags": ["gan", "image-generation", "mnist", "pytorch", "conditional"],
        "datasets": ["ylecun/mnist"],
    }


def test_metrics_are_in_the_front_matter_and_in_a_table() -> None:
    card = render_model_card(make_gan(data="mnist", metrics={"fd10k_mnistnet": 3.14159}), name="my run")
    fields = front_matter(card)
    assert fields["metrics"] == ["fd10k_mnistnet"]
    (model,) = fields["model-index"]
    (result,) = model["results"]
    assert model["name"] == "my run"
    assert result["dataset"] == {"type": "ylecun/mnist", "name": "mnist"}
    assert result["metrics"] == [{"type": "fd10k_mnistnet", "name": "fd10k_mnistnet", "value": 3.14159}]
    assert "| fd10k_mnistnet | 3.142 |" in card


def test_front_matter_quotes_a_name_with_yaml_syntax() -> None:
    name = 'no: "yes" #1'
    card = render_model_card(make_gan(data="mnist", metrics={"fd": 1.0}), name=name)
    assert front_matter(card)["model-index"][0]["name"] == name


def test_front_matter_omits_a_data_set_unknown_to_the_hub() -> None:
    card = render_model_card(make_gan(data="my letters"), name="my run")
    assert "datasets" not in front_matter(card)
    assert "trained on the data set my letters" in card


def test_model_card_states_data_duration_machine_and_recipe() -> None:
    facts: dict[str, Any] = {
        "data": "mnist",
        "data_source": "MNIST from a folder.",
        "cur_nimg": 480_000,
        "step": 3750,
        "train_sec": 312.0,
    }
    machine: dict[str, Any] = {"device": "cpu", "processor": "A Processor", "versions": {"torch": "2.13.0"}}
    card = render_model_card(make_gan(**facts, **machine), name="my run")
    for sentence in (
        "# my run",
        "A class-conditional generative adversarial network, trained on MNIST's handwritten digits",
        "- Data: MNIST from a folder.",
        "- Length: 480,000 images, 3,750 steps of 64 images, 5 minutes of training",
        "- Machine: cpu, A Processor",
        "- Objective: hinge (Lim and Ye 2017)",
        "- R1 penalty: 0.5",
        "- Seed: 11; preset: quick",
        "- To train it again: save the recipe below as `recipe.toml` and run `mnist-gan train --config recipe.toml`",
        "- Versions: torch 2.13.0",
    ):
        assert sentence in card


@pytest.mark.parametrize(
    ("step", "seconds", "length"),
    [
        (1, 0.9, "1 step of 64 images, 1 second of training"),
        (2, 30, "2 steps of 64 images, 30 seconds of training"),
        (900, 62, "900 steps of 64 images, 1 minute of training"),
        (900, 9000, "900 steps of 64 images, 2.5 hours of training"),
    ],
)
def test_model_card_counts_in_singular_and_plural(step: int, seconds: float, length: str) -> None:
    assert length in render_model_card(make_gan(cur_nimg=64, step=step, train_sec=seconds), name="my run")


def test_model_card_omits_unknown_facts() -> None:
    card = render_model_card(make_gan(), name="my run")
    assert "Metrics" not in card
    assert "- Data" not in card
    assert "- Machine" not in card
    assert "None" not in card


@pytest.mark.parametrize("conditional", [True, False])
def test_loading_code_of_the_card_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, conditional: bool) -> None:
    gan = make_gan(conditional=conditional, data="mnist")
    card = render_model_card(gan, name="my run")
    gan.save(tmp_path / "model", card=card)
    monkeypatch.chdir(tmp_path / "model")
    code = re.search(r"```python\n(.*?)```", (tmp_path / "model" / "README.md").read_text(), re.DOTALL)
    assert code is not None
    names: dict[str, Any] = {}
    exec(code[1], names)
    assert names["images"].shape == (16, 1, 28, 28)
    assert names["probabilities"].shape == (16,)


@pytest.mark.parametrize("classes", [0, 1, 3, 10])
def test_command_of_the_card_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, classes: int) -> None:
    gan = tiny_gan(num_classes=classes)
    gan.save(tmp_path / "model", card=render_model_card(gan, name="my run"))
    monkeypatch.chdir(tmp_path / "model")
    (command,) = re.findall(r"^mnist-gan (.*)$", Path("README.md").read_text(), re.MULTILINE)
    assert main(shlex.split(command)) == 0
    assert Path("grid.png").is_file()


def test_recipe_of_the_card_is_the_config() -> None:
    gan = make_gan()
    recipe = re.search(r"```toml\n(.*?)```", render_model_card(gan, name="my run"), re.DOTALL)
    assert recipe is not None
    assert from_dict(tomllib.loads(recipe[1])) == gan.config


def test_recipe_of_the_card_omits_the_data_folder() -> None:
    gan = make_gan()
    elsewhere = replace(gan.config, data=replace(gan.config.data, dir="/home/somebody/mnist"))
    assert "somebody" not in render_model_card(replace(gan, config=elsewhere), name="my run")


def test_model_card_describes_every_file_of_the_directory(tmp_path: Path) -> None:
    gan = make_gan()
    card = render_model_card(gan, name="my run")
    gan.save(tmp_path / "model", card=card)
    for file in (tmp_path / "model").iterdir():
        assert file.name == "README.md" or f"`{file.name}`" in card


def test_card_lists_named_classes_without_markup() -> None:
    card = render_model_card(make_gan(data="clothes", class_names=[f"<b>|kind {k}" for k in range(10)]), name="run")
    assert "| 3 | \\<b\\>\\|kind 3 |" in card
    assert "--classes" not in card
    assert "handwriting" not in card
    assert "## Classes" not in render_model_card(make_gan(data="mnist"), name="run")
