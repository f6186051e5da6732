"""Judges by name: shipped ones, and those trained on other data."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from mnist_gan.data import Dataset
from mnist_gan.errors import ArtifactError, ConfigError, DataError
from mnist_gan.evaluation import Reference, Samples, evaluate, train_mnistnet
from mnist_gan.evaluation.judges import (
    default_judges,
    describe_judges,
    judges_folder,
    open_judge,
    own_judge_name,
    own_judges,
    save_judge,
)
from mnist_gan.evaluation.train_mnistnet import train_own_judge


@pytest.fixture(scope="module")
def three(made_up: Dataset) -> Dataset:
    """Colour images of 20x20 pixels in three classes."""

    def part(images: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        few = labels < 3
        return images[few][:, :, 4:24, 4:24].repeat(1, 3, 1, 1).contiguous(), labels[few]

    images, labels = part(made_up.images, made_up.labels)
    held_out_images, held_out_labels = part(made_up.held_out_images, made_up.held_out_labels)
    return dataclasses.replace(
        made_up,
        name="Three Shapes",
        images=images,
        labels=labels,
        held_out_images=held_out_images,
        held_out_labels=held_out_labels,
        num_classes=3,
    )


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))


@pytest.fixture(scope="module")
def trained(three: Dataset, cache: Path) -> str:
    """Name of a judge of `three` in the cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        patch.setattr(train_mnistnet, "MIN_STEPS", 40)
        content, facts = train_own_judge("mnistnet", three)
        save_judge(facts.judge, content, dataclasses.asdict(facts))
    return facts.judge


def test_own_judge_name_has_the_digest_of_the_data(three):
    name = own_judge_name(three, "mnistnet")
    assert name.startswith("three-shapes-")
    assert own_judge_name(three, "mnistnet-b") == f"{name}-b"
    other = dataclasses.replace(three, labels=three.labels.flip(0))
    assert own_judge_name(other, "mnistnet") != name


def test_open_judge_reads_whole_images_of_a_trained_judge(three, trained):
    judge = open_judge(trained)
    output = judge.predict(three.held_out_images)
    assert output.logits.shape == (len(three.held_out_images), 1, 3)
    right = float((output.classes == three.held_out_labels).double().mean())
    assert right == pytest.approx(judge.accuracy, abs=0.02)
    assert right > 0.8
    variance = float(judge.predict(three.images).features.double().var(0).sum())
    assert variance == pytest.approx(100, rel=1e-2)


def test_default_judges_are_those_of_the_data(three, made_up, trained):
    assert own_judges(three) == (trained,)
    assert default_judges(three) == (trained,)
    assert default_judges(three, both=True) == ("mnistnet", "mnistnet-b")  # the second architecture is missing
    assert default_judges(made_up) == ("mnistnet",)


def test_evaluate_counts_the_classes_of_a_trained_judge(three, trained):
    reference = Reference.of(three, judge=trained, cache=None)
    samples = Samples.of_images(three.held_out_images, labels=three.held_out_labels)
    found = evaluate(samples, reference=reference, parts=frozenset({"digits"}))
    assert found.digits is not None
    assert len(found.digits.counts) == 3
    assert found.figures["missing_digits"].value == 0
    assert found.notes == (
        f"{trained} was trained on Three Shapes and reads {reference.judge.accuracy:.2%} of its held-out images",
    )


def test_evaluate_withholds_classes_on_other_data_than_the_judges(three, trained):
    other = dataclasses.replace(three, name="other", labels=three.labels.flip(0))
    reference = Reference.of(other, judge=trained, cache=None)
    found = evaluate(Samples.of_images(three.images), reference=reference, parts=frozenset({"digits"}))
    assert found.digits is None
    assert any("was trained on other images" in note for note in found.notes)


def test_reference_refuses_a_judge_of_other_channels(made_up, trained):
    with pytest.raises(DataError, match=r"reads images with 3 channels, and those of made-up have 1"):
        Reference.of(made_up, judge=trained, cache=None)


@pytest.mark.parametrize("name", ["mnistnet-c", "../judges/x", "", "three-shapes-00000000"])
def test_open_judge_refuses_an_unknown_name(name):
    with pytest.raises(ConfigError, match="there is no judge"):
        open_judge(name)


def test_open_judge_refuses_a_flipped_byte(trained, tmp_path):
    source, copy = judges_folder() / trained, tmp_path / trained
    copy.mkdir()
    for path in source.iterdir():
        content = bytearray(path.read_bytes())
        if path.suffix == ".safetensors":
            content[len(content) // 2] ^= 1
        (copy / path.name).write_bytes(bytes(content))
    with pytest.raises(ArtifactError, match=r"judge\.safetensors"):
        open_judge(trained, folder=tmp_path)


def test_describe_judges_lists_shipped_and_trained_ones(trained):
    rows = describe_judges()
    assert [row["judge"] for row in rows] == ["mnistnet", "mnistnet-b", trained]
    assert [row["num_classes"] for row in rows[2:]] == [3]


def test_train_own_judge_refuses_one_class(three):
    alike = dataclasses.replace(three, labels=torch.zeros_like(three.labels))
    with pytest.raises(DataError, match="labels of Three Shapes are all alike"):
        train_own_judge("mnistnet", alike)
