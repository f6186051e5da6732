from __future__ import annotations

import functools
import json

import numpy as np
import pytest
import torch

from mnist_gan.artifacts.pictures import save_npz
from mnist_gan.assessment import assess, draw_from, judging, open_subject
from mnist_gan.errors import ConfigError, DataError
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


def test_assess_every_figure_has_floor_and_ceiling(conditional):
    for judge, evaluation in conditional.evaluations.items():
        assert evaluation.figures
        for name, figure in evaluation.figures.items():
            assert figure.floor is not None, (judge, name)
            assert figure.ceiling is not None, (judge, name)


def test_assess_names_figures_after_their_judge(conditional):
    distances = [name for e in conditional.evaluations.values() for name in e.figures if figure_kind(name) == "fd"]
    assert distances == ["fd200_mnistnet", "fd200_mnistnet_b"]


def test_assess_draws_the_classes_of_a_conditional_model(conditional):
    digits = conditional.evaluations["mnistnet"].digits
    assert digits is not None
    assert digits.agreement is not None
    assert len(digits.agreement) == 10
    assert np.sum(digits.confusion) == 200
    assert set(torch.bincount(conditional.labels).tolist()) <= {19, 20, 21}, "in the training set's proportions"


def test_assess_scores_training_held_out_and_generated_images(conditional, like_mnist):
    found = conditional.discriminator
    gan = conditional.subject.gan
    assert {name: sum(counts) for name, counts in found.histogram.counts.items()} == {
        "training": 400,
        "held-out": 100,
        "generated": 200,
    }
    held_out = gan.logits(like_mnist.held_out_images, labels=like_mnist.held_out_labels)
    assert found.held_out_accuracy == pytest.approx(float((held_out > 0).float().mean()))
    generated = gan.logits(conditional.images, labels=conditional.labels)
    assert found.generated_accuracy == pytest.approx(float((generated <= 0).float().mean()))
    assert conditional.boundary == 0


def test_to_dict_holds_every_value_once(conditional):
    values = json.loads(json.dumps(conditional.to_dict(), allow_nan=False))
    assert list(values) == [
        "format_version", "subject", "data", "protocol", "seed", "judges", "form", "two_sample", "discriminator",
        "transfer", "notes", "seconds",
    ]  # fmt: skip
    assert values["subject"]["kind"] == "run"
    assert values["protocol"] == "fd200"
    figure = values["judges"]["mnistnet"]["figures"]["fd200_mnistnet"]
    assert set(figure) == {"value", "training", "floor", "ceiling", "better", "meaning", "interval", "spread"}
    assert set(values["form"]["form_box"]) == set(figure)
    assert values["two_sample"] == {}, "only in full"
    assert "discriminator" not in values["judges"]["mnistnet"]


def test_assess_is_determined_by_its_seed(tiny_gan, like_mnist, small, cache, tmp_path):
    tiny_gan().save(tmp_path / "model")
    subject = open_subject(tmp_path / "model")

    def distance(seed):
        found = assess(subject, dataset=like_mnist, protocol=small, cache=cache, seed=seed)
        return found.evaluations["mnistnet"].figures["fd200_mnistnet"].value

    assert distance(0) == distance(0)
    assert distance(0) != distance(1)


def test_assess_unconditional_model_with_a_relative_loss(tiny_gan, like_mnist, small, cache, tmp_path):
    tiny_gan(num_classes=0, loss="wasserstein").save(tmp_path / "model")
    found = assess(open_subject(tmp_path / "model"), dataset=like_mnist, protocol=small, cache=cache, full=True)
    digits = found.evaluations["mnistnet"].digits
    assert found.labels is None
    assert digits is not None
    assert digits.agreement is None
    assert found.discriminator is not None
    assert found.discriminator.training_accuracy is None
    assert found.discriminator.confusion is None
    assert found.transfer is None
    assert any("GAN-train" in note for note in found.notes)


def test_assess_withholds_digit_figures_of_other_data(tiny_gan, other_data, small, cache, tmp_path):
    tiny_gan().save(tmp_path / "model")
    found = assess(open_subject(tmp_path / "model"), dataset=other_data, protocol=small, cache=cache, full=True)
    evaluation = found.evaluations["mnistnet"]
    assert evaluation.digits is None
    assert not {"classifier_score", "digits_kl", "agreement"} & set(evaluation.figures)
    assert "fd200_mnistnet" in evaluation.figures
    assert any("mnistnet was trained on MNIST" in note for note in found.all_notes)
    assert any("figures about classes are withheld" in note for note in found.all_notes)
    assert found.transfer is None


def test_assess_detects_copies_of_training_images(like_mnist, cache, tmp_path):
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


def test_assess_scores_only_images_of_the_training(tiny_gan, like_mnist, small, cache, tmp_path):
    tiny_gan(limit=50).save(tmp_path / "model")
    found = assess(open_subject(tmp_path / "model"), dataset=like_mnist, protocol=small, cache=cache)
    assert found.discriminator is not None
    assert found.discriminator is not None
    assert sum(found.discriminator.histogram.counts["training"]) == 50
    assert any("first 50 training images" in note for note in found.notes)


def test_assess_takes_a_subset_of_a_larger_set_and_notes_it(like_mnist, small, cache, tmp_path):
    save_npz(tmp_path / "set.npz", like_mnist.images)
    found = assess(open_subject(tmp_path / "set.npz"), dataset=like_mnist, protocol=small, cache=cache)
    assert found.protocol == "fd200"
    assert any("200 of 400 images were evaluated" in note for note in found.notes)
    assert any("the floor is computed from all 100 held-out images" in note for note in found.notes)
    chosen = {image.numpy().tobytes() for image in found.images}
    assert chosen <= {image.numpy().tobytes() for image in like_mnist.images}


def test_assess_notes_inverted_digits(like_mnist, cache, tmp_path):
    save_npz(tmp_path / "set.npz", 255 - like_mnist.images[:100])
    found = assess(open_subject(tmp_path / "set.npz"), dataset=like_mnist, cache=cache)
    assert any("white digits on black" in note for note in found.notes)


def test_assess_refuses_images_that_do_not_fit(like_mnist, small, cache, tmp_path, tiny_gan):
    save_npz(tmp_path / "few.npz", like_mnist.images[:99])
    save_npz(tmp_path / "some.npz", like_mnist.images[:150], torch.full((150,), 11))
    save_npz(tmp_path / "small.npz", like_mnist.images[:150, :, :20, :20])
    tiny_gan(channels=3).save(tmp_path / "colour")

    def judge(name, protocol=None):
        return assess(open_subject(tmp_path / name), dataset=like_mnist, protocol=protocol, cache=cache)

    with pytest.raises(DataError, match="too few images to evaluate: 99; provide at least 100"):
        judge("few.npz")
    with pytest.raises(DataError, match="labels from 11 to 11, and those of mnist are from 0 to 9"):
        judge("some.npz")
    with pytest.raises(DataError, match="1x20x20"):
        judge("small.npz")
    with pytest.raises(DataError, match="3x28x28"):
        judge("colour", small)
    with pytest.raises(ConfigError, match="needs 200 images, and the set has 99"):
        judge("few.npz", small)


def test_draw_from_keeps_the_order_of_the_labels(tiny_gan):
    gan = tiny_gan()
    labels = torch.tensor([7, 7, 3])
    assert torch.equal(draw_from(gan)(3, 5, labels), gan.sample(3, digit=[7, 7, 3], seed=5))


def test_assess_trains_classifiers_only_if_full(conditional, like_mnist, small, cache, monkeypatch):
    quick = functools.partial(measure_transfer, steps=2)
    monkeypatch.setattr(judging, "measure_transfer", quick)
    found = assess(conditional.subject, dataset=like_mnist, protocol=small, cache=cache, full=True)
    assert found.transfer is not None
    assert 0 <= found.transfer.gan_train <= 1
    assert found.to_dict()["transfer"]["real"] == found.transfer.real
