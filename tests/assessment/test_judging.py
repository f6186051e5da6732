from __future__ import annotations

import functools
import json

import numpy as np
import pytest
import torch

from mnist_gan.artifacts.gan import GAN
from mnist_gan.artifacts.pictures import save_images, save_npz
from mnist_gan.artifacts.snapshots import save_snapshot
from mnist_gan.assessment import assess, draw_from, judging, open_subject, real_data
from mnist_gan.config import DataConfig
from mnist_gan.errors import ArtifactError, ConfigError, DataError
from mnist_gan.evaluation import JudgeName, measure_transfer
from mnist_gan.figures import figure_kind


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def conditional(tiny_gan, make_run, tmp_path_factory, like_mnist, small, cache):
    """A conditional run, judged by both judges."""
    run = make_run(tmp_path_factory.mktemp("runs") / "conditional", tiny_gan())
    both: tuple[JudgeName, ...] = ("mnistnet", "mnistnet-b")
    return assess(open_subject(run.root), dataset=like_mnist, protocol=small, judges=both, cache=cache)


def test_every_figure_stands_between_its_floor_and_its_ceiling(conditional):
    for judge, evaluation in conditional.evaluations.items():
        assert evaluation.figures
        for name, figure in evaluation.figures.items():
            assert figure.floor is not None, (judge, name)
            assert figure.ceiling is not None, (judge, name)


def test_each_judge_puts_its_name_on_what_depends_on_it(conditional):
    distances = [name for e in conditional.evaluations.values() for name in e.figures if figure_kind(name) == "fd"]
    assert distances == ["fd200_mnistnet", "fd200_mnistnet_b"]


def test_a_conditional_model_is_asked_for_digits(conditional):
    digits = conditional.evaluations["mnistnet"].digits
    assert digits is not None
    assert digits.agreement is not None
    assert len(digits.agreement) == 10
    assert np.sum(digits.confusion) == 200
    assert set(torch.bincount(conditional.asked).tolist()) <= {19, 20, 21}, "in the training set's proportions"


def test_the_discriminator_is_asked_about_three_sets(conditional, like_mnist):
    found = conditional.discriminator
    gan = conditional.subject.gan
    assert {name: sum(counts) for name, counts in found.histogram.counts.items()} == {
        "training": 400,
        "held-out": 100,
        "generated": 200,
    }
    held_out = gan.logits(like_mnist.held_out_images, labels=like_mnist.held_out_labels)
    assert found.held_out_accuracy == pytest.approx(float((held_out > 0).float().mean()))
    generated = gan.logits(conditional.images, labels=conditional.asked)
    assert found.generated_accuracy == pytest.approx(float((generated <= 0).float().mean()))
    assert conditional.boundary == 0


def test_json_holds_everything_once(conditional):
    values = json.loads(json.dumps(conditional.to_dict(), allow_nan=False))
    assert list(values) == [
        "format_version", "subject", "data", "protocol", "seed", "judges", "discriminator", "transfer", "notes",
        "seconds",
    ]  # fmt: skip
    assert values["subject"]["kind"] == "run"
    assert values["protocol"] == "fd200"
    figure = values["judges"]["mnistnet"]["figures"]["fd200_mnistnet"]
    assert set(figure) == {"value", "floor", "ceiling", "better", "meaning", "interval", "spread"}
    assert "discriminator" not in values["judges"]["mnistnet"]


def test_the_same_seed_gives_the_same_figures_and_another_one_others(tiny_gan, like_mnist, small, cache, tmp_path):
    tiny_gan().save(tmp_path / "model")
    subject = open_subject(tmp_path / "model")

    def distance(seed):
        found = assess(subject, dataset=like_mnist, protocol=small, cache=cache, seed=seed)
        return found.evaluations["mnistnet"].figures["fd200_mnistnet"].value

    assert distance(0) == distance(0)
    assert distance(0) != distance(1)


def test_an_unconditional_model_is_not_asked_and_a_comparing_loss_has_no_boundary(
    tiny_gan, like_mnist, small, cache, tmp_path
):
    tiny_gan(num_classes=0, loss="wasserstein").save(tmp_path / "model")
    found = assess(open_subject(tmp_path / "model"), dataset=like_mnist, protocol=small, cache=cache, full=True)
    digits = found.evaluations["mnistnet"].digits
    assert found.asked is None
    assert digits is not None
    assert digits.agreement is None
    assert found.discriminator is not None
    assert found.discriminator.training_accuracy is None
    assert found.discriminator.confusion is None
    assert found.transfer is None
    assert any("GAN-train" in note for note in found.notes)


def test_digit_figures_are_withheld_on_other_data(tiny_gan, other_data, small, cache, tmp_path):
    tiny_gan().save(tmp_path / "model")
    found = assess(open_subject(tmp_path / "model"), dataset=other_data, protocol=small, cache=cache, full=True)
    evaluation = found.evaluations["mnistnet"]
    assert evaluation.digits is None
    assert not {"classifier_score", "digits_kl", "agreement"} & set(evaluation.figures)
    assert "fd200_mnistnet" in evaluation.figures
    assert any("mnistnet was trained on MNIST" in note for note in found.all_notes)
    assert any("figures about digits are withheld" in note for note in found.all_notes)
    assert found.transfer is None


def test_copies_of_the_training_images_are_caught(like_mnist, cache, tmp_path):
    save_npz(tmp_path / "copies.npz", like_mnist.images[:150], like_mnist.labels[:150])
    found = assess(open_subject(tmp_path / "copies.npz"), dataset=like_mnist, cache=cache)
    memory = found.evaluations["mnistnet"].memorization["pixels"]
    assert memory.exact_copies == 150
    assert memory.ratio == 0
    assert all(pair.generated == pair.training for pair in memory.closest)
    assert found.discriminator is None
    digits = found.evaluations["mnistnet"].digits
    assert digits is not None
    assert digits.agreement is not None, "the labels in the file say what was meant"


def test_a_model_that_learned_some_of_the_images_is_asked_about_those(tiny_gan, like_mnist, small, cache, tmp_path):
    tiny_gan(limit=50).save(tmp_path / "model")
    found = assess(open_subject(tmp_path / "model"), dataset=like_mnist, protocol=small, cache=cache)
    assert found.discriminator is not None
    assert found.discriminator is not None
    assert sum(found.discriminator.histogram.counts["training"]) == 50
    assert any("first 50 training images" in note for note in found.notes)


def test_a_larger_set_of_images_is_judged_in_part_and_says_so(like_mnist, small, cache, tmp_path):
    save_npz(tmp_path / "set.npz", like_mnist.images)
    found = assess(open_subject(tmp_path / "set.npz"), dataset=like_mnist, protocol=small, cache=cache)
    assert found.protocol == "fd200"
    assert any("200 of 400 images were judged" in note for note in found.notes)
    assert any("the floor is that of 100 held-out images" in note for note in found.notes)
    chosen = {image.numpy().tobytes() for image in found.images}
    assert chosen <= {image.numpy().tobytes() for image in like_mnist.images}


def test_inverted_digits_are_pointed_out(like_mnist, cache, tmp_path):
    save_npz(tmp_path / "set.npz", 255 - like_mnist.images[:100])
    found = assess(open_subject(tmp_path / "set.npz"), dataset=like_mnist, cache=cache)
    assert any("white on black" in note for note in found.notes)


def test_what_cannot_be_judged_is_said(like_mnist, small, cache, tmp_path, tiny_gan):
    save_npz(tmp_path / "few.npz", like_mnist.images[:99])
    save_npz(tmp_path / "some.npz", like_mnist.images[:150], torch.full((150,), 11))
    save_npz(tmp_path / "small.npz", like_mnist.images[:150, :, :20, :20])
    tiny_gan(channels=3).save(tmp_path / "colour")

    def judge(name, protocol=None):
        return assess(open_subject(tmp_path / name), dataset=like_mnist, protocol=protocol, cache=cache)

    with pytest.raises(DataError, match="99 images are too few"):
        judge("few.npz")
    with pytest.raises(DataError, match="labels from 11 to 11; those of mnist go from 0 to 9"):
        judge("some.npz")
    with pytest.raises(DataError, match="1x20x20"):
        judge("small.npz")
    with pytest.raises(DataError, match="3x28x28"):
        judge("colour", small)
    with pytest.raises(ConfigError, match="takes 200 images, and there are 99"):
        judge("few.npz", small)


def test_what_lies_at_a_path_is_told_apart(tmp_path, tiny_gan, make_run, like_mnist):
    run = make_run(tmp_path / "run", tiny_gan())
    save_images(tmp_path / "folder", like_mnist.images[:3])
    assert open_subject(run.root).kind == "run"
    assert open_subject(run.model).kind == "model"
    assert open_subject(tmp_path / "folder").kind == "images"
    with pytest.raises(DataError, match="neither a run, nor a model, nor a folder of PNGs"):
        open_subject(tmp_path)
    (run.model / "generator.safetensors").write_bytes(b"damaged")
    with pytest.raises(ArtifactError, match=r"generator\.safetensors is damaged"):
        open_subject(run.root)


def test_a_run_without_a_model_is_said_to_be_unfinished(tmp_path):
    (tmp_path / "config.toml").write_text("")
    with pytest.raises(ArtifactError, match="has no model yet"):
        open_subject(tmp_path)


def test_a_part_of_a_run_is_not_taken_for_one(tmp_path, tiny_gan, make_run):
    run = make_run(tmp_path / "run", tiny_gan())
    moment = save_snapshot(run.snapshots, tiny_gan().G, cur_nimg=100, epoch=1.0)
    with pytest.raises(ArtifactError, match=f"is part of a run.*name the run: {run.root}$"):
        open_subject(moment)
    with pytest.raises(ArtifactError, match="is neither a run nor a model"):
        GAN.load(tmp_path)


def test_what_it_is_held_against(tmp_path, tiny_gan, like_mnist):
    tiny_gan(limit=7).save(tmp_path / "model")
    save_npz(tmp_path / "grey.npz", like_mnist.images[:2])
    save_npz(tmp_path / "colour.npz", like_mnist.images[:2].expand(-1, 3, -1, -1))
    model, grey = open_subject(tmp_path / "model"), open_subject(tmp_path / "grey.npz")
    assert real_data(model) == DataConfig(name="mnist"), "neither the limit nor a folder of another machine"
    assert real_data(grey) == DataConfig(name="mnist")
    assert real_data(open_subject(tmp_path / "colour.npz")) == DataConfig(name="stacked-mnist")
    assert real_data(grey, "digits") == DataConfig(name="digits")
    assert real_data(grey, str(tmp_path)) == DataConfig(dir=str(tmp_path))
    with pytest.raises(ConfigError, match="--data nowhere is neither"):
        real_data(grey, "nowhere")


def test_a_model_draws_what_it_is_asked_for_in_any_order(tiny_gan):
    gan = tiny_gan()
    labels = torch.tensor([7, 7, 3])
    assert torch.equal(draw_from(gan)(3, 5, labels), gan.sample(3, digit=[7, 7, 3], seed=5))


def test_gan_train_is_made_on_request(conditional, like_mnist, small, cache, monkeypatch):
    quick = functools.partial(measure_transfer, steps=2)
    monkeypatch.setattr(judging, "measure_transfer", quick)
    found = assess(conditional.subject, dataset=like_mnist, protocol=small, cache=cache, full=True)
    assert found.transfer is not None
    assert 0 <= found.transfer.gan_train <= 1
    assert found.to_dict()["transfer"]["real"] == found.transfer.real
