from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from mnist_gan.config import DataConfig
from mnist_gan.data import load_dataset
from mnist_gan.errors import DataError
from mnist_gan.evaluation import Part, Reference, Samples, evaluate, load_judge, measurement, no_progress
from mnist_gan.figures import figure_kind

EVALUATED = {
    *("fd", "fdinf", "precision", "recall", "density", "coverage", "classifier_score"),
    *("digits_kl", "missing_digits", "smallest_share", "largest_share", "diversity", "smallest_diversity"),
    *("agreement", "smallest_agreement", "memorization_pixels", "memorization_features"),
}


def values_of(images, reference, labels=None):
    found = evaluate(Samples.of_images(images, labels=labels), reference=reference)
    return {figure_kind(name): figure.value for name, figure in found.figures.items()}


@pytest.fixture(scope="module")
def good(perfect, as_mnist):
    """Figures of the perfect model's images as a fixed set."""
    samples, _ = perfect
    return values_of(samples.sets[0], as_mnist, samples.labels)


def test_evaluate_puts_a_perfect_model_at_its_floor_and_far_from_noise(perfect):
    _, found = perfect
    figure = found.figures["fd500_mnistnet"]
    assert figure.value == pytest.approx(figure.floor, rel=0.25)
    assert figure.ceiling > 20 * figure.floor
    for kind in ("precision", "recall", "coverage"):
        figure = found.figures[f"{kind}500_mnistnet"]
        assert figure.value == pytest.approx(figure.floor, abs=0.1), kind
        assert figure.ceiling < 0.2, kind
    assert found.figures["diversity"].value == pytest.approx(1, abs=0.1)
    assert found.figures["memorization_pixels"].value == pytest.approx(1, abs=0.1)


def test_evaluate_gives_every_figure_a_floor_and_a_ceiling(perfect):
    _, found = perfect
    assert {figure_kind(name) for name in found.figures} == EVALUATED
    assert all(figure.floor is not None and figure.ceiling is not None for figure in found.figures.values())
    without = {name for name, figure in found.figures.items() if figure.training is None}
    assert {figure_kind(name) for name in without} == {
        *("precision", "recall", "density", "coverage"),  # all training images are in the sample of neighbours
        *("memorization_pixels", "memorization_features"),
    }


def test_evaluate_puts_a_perfect_model_at_the_sampler_of_the_training_set(perfect):
    _, found = perfect
    distance, limit = found.figures["fd500_mnistnet"], found.figures["fdinf1500_mnistnet"]
    # the sampler draws from the 1,000 images of the reference itself, the model from all possible ones
    assert distance.value == pytest.approx((1 + 500 / 1000) * distance.training, rel=0.35)
    assert abs(limit.training) < 0.25 * distance.training
    assert limit.value == pytest.approx(distance.value - distance.training, rel=0.35)
    assert found.figures["agreement"].training == pytest.approx(found.figures["agreement"].value, abs=0.1)


def test_evaluate_takes_the_spread_of_a_model_from_its_draws(perfect, as_mnist):
    samples, found = perfect
    each = [values_of(images, as_mnist)["fd"] for images in samples.sets]
    figure = found.figures["fd500_mnistnet"]
    assert figure.value == pytest.approx(sum(each) / 3)
    assert figure.spread == pytest.approx(float(torch.tensor(each, dtype=torch.float64).std()))
    assert figure.interval.low < min(each)


def test_evaluate_gives_a_fixed_set_a_jackknife_interval(perfect, as_mnist):
    samples, _ = perfect
    found = evaluate(Samples.of_images(samples.sets[0]), reference=as_mnist, parts=frozenset({"distance"}))
    figure = found.figures["fd500_mnistnet"]
    assert found.fixed_set
    assert figure.spread is None
    assert figure.value is not None
    assert figure.interval is not None
    assert figure.interval.low < figure.value < figure.interval.high
    assert {figure_kind(name) for name in found.figures} == {"fd", "fdinf"}


def test_evaluate_detects_a_dropped_digit(perfect, good, as_mnist):
    samples, _ = perfect
    kept = samples.labels != 4
    found = values_of(samples.sets[0][kept], as_mnist)
    assert found["fd"] > 1.5 * good["fd"]
    assert found["digits_kl"] > good["digits_kl"] + 0.02
    assert found["smallest_share"] < good["smallest_share"]
    assert found["coverage"] < good["coverage"] - 0.03
    assert found["recall"] < good["recall"] - 0.03


def test_evaluate_detects_added_noise(perfect, good, as_mnist):
    samples, _ = perfect
    noise = torch.randn(samples.sets[0].shape, generator=torch.Generator().manual_seed(0)) * 40
    found = values_of((samples.sets[0] + noise).clamp(0, 255).to(torch.uint8), as_mnist, samples.labels)
    assert found["fd"] > 2 * good["fd"]
    assert found["precision"] < good["precision"] - 0.1
    assert found["density"] < good["density"]


def test_evaluate_detects_duplicates_as_lost_variety(perfect, good, as_mnist):
    samples, _ = perfect
    few = samples.sets[0][:20].repeat(25, 1, 1, 1)
    found = values_of(few, as_mnist, samples.labels[:20].repeat(25))
    assert found["fd"] > 1.5 * good["fd"]
    assert found["coverage"] < good["coverage"] / 2
    assert found["recall"] < good["recall"] / 2
    assert found["smallest_diversity"] < 0.8 * good["smallest_diversity"]


def test_evaluate_detects_training_copies_by_memorization_and_not_by_distance(good, as_mnist):
    found = evaluate(Samples.of_images(as_mnist.images[:500]), reference=as_mnist)
    assert found.figures["fd500_mnistnet"].value < 1.2 * good["fd"]
    assert found.figures["memorization_pixels"].value == 0
    assert found.memorization["pixels"].exact_copies == 500
    assert found.memorization["features"].p_value < 1e-50


def test_evaluate_shows_wrong_labels_in_the_agreement_alone(perfect, good, as_mnist):
    samples, _ = perfect
    found = values_of(samples.sets[0], as_mnist, (samples.labels + 1) % 10)
    assert found["agreement"] < good["agreement"] / 2
    assert found["fd"] == good["fd"]


def test_evaluate_without_labels_has_no_agreement(perfect, as_mnist):
    samples, _ = perfect
    found = evaluate(Samples.of_images(samples.sets[0]), reference=as_mnist, parts=frozenset({"digits"}))
    assert "agreement" not in found.figures
    assert found.digits is not None
    assert found.digits.confusion is None


def test_evaluate_counts_every_image_in_the_digit_table(perfect):
    samples, found = perfect
    assert sum(found.digits.counts) == 500
    assert sum(map(sum, found.digits.confusion)) == 500
    assert [sum(row) for row in found.digits.confusion] == torch.bincount(samples.labels, minlength=10).tolist()


def test_evaluate_names_the_digit_that_is_drawn_worst(perfect, as_mnist, draw):
    def collapsed(n, seed, labels):
        images = draw(n, seed, labels)
        images[labels == 0] = draw(1, 7, torch.tensor([0]))
        return images

    samples, good = perfect
    bad: Any = evaluate(
        Samples.draw(collapsed, reference=as_mnist, conditional=True, protocol=samples.protocol),
        reference=as_mnist,
        parts=frozenset({"digits"}),
    )
    read = as_mnist.judge.predict(draw(1, 7, torch.tensor([0]))).classes.item()
    assert len(good.digits.distance) == 10
    assert bad.digits.distance[read] > 2 * good.digits.distance[read]


def test_evaluate_withholds_digit_figures_on_other_data_with_a_note(made_up, perfect):
    samples, _ = perfect
    reference = Reference.of(made_up, cache=None)
    found = evaluate(samples, reference=reference, parts=frozenset({"distance", "digits"}))
    assert found.digits is None
    assert {figure_kind(name) for name in found.figures} == {"fd", "fdinf"}
    assert "was trained on MNIST: on made-up" in found.notes[0]
    assert "withheld" in found.notes[1]


def test_evaluate_refuses_images_of_another_shape(as_mnist):
    with pytest.raises(DataError, match=r"3x28x28 .* made-up's are 1x28x28"):
        evaluate(Samples.of_images(torch.zeros(100, 3, 28, 28, dtype=torch.uint8)), reference=as_mnist)


def test_evaluate_reads_stacked_digits_as_numbers(as_mnist):
    def stacked(images):
        return torch.cat([images, images.roll(1, 0), images.roll(2, 0)], dim=1)

    reference = Reference(
        name="stacked-mnist",
        kind="stacked",
        num_classes=1000,
        images=stacked(as_mnist.images),
        labels=torch.arange(1000),
        held_out_images=stacked(as_mnist.held_out_images),
        held_out_labels=torch.arange(500),
        judge=load_judge(),
        cache=as_mnist.cache.__class__(None, ""),
    )
    found = evaluate(Samples.of_images(reference.held_out_images), reference=reference, parts=frozenset({"digits"}))
    assert found.digits is not None
    assert len(found.digits.counts) == 1000
    assert found.figures["modes500_mnistnet"].value == found.figures["modes500_mnistnet"].floor
    assert found.figures["kluniform500_mnistnet"].interval is not None
    assert "missing_digits" in found.figures
    assert "classifier_score" not in found.figures
    assert reference.training.features.shape == (1000, 3 * 64)


def test_evaluate_reports_progress_up_to_its_total(perfect, as_mnist):
    samples, _ = perfect
    told = []
    evaluate(samples, reference=as_mnist, progress=lambda *step: told.append(step))
    assert all(0 <= done <= total for _, done, total in told)
    assert told[-1][1] == told[-1][2]
    no_progress("nothing", 0, 1)


@pytest.mark.slow
@pytest.mark.mnist
@pytest.mark.parametrize("judge", ["mnistnet", "mnistnet-b"])
def test_evaluate_on_mnist_has_a_small_floor_and_every_fault_above_it(judge, mnist_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(measurement, "SAMPLER_SETS", 1)  # for the figures of a perfect sampler, which are not asserted
    dataset = load_dataset(DataConfig(dir=str(mnist_dir), limit=2_000))
    held_out = {name: getattr(dataset, name)[::8] for name in ("held_out_images", "held_out_labels")}
    dataset = dataclasses.replace(dataset, **held_out)
    reference = Reference.of(dataset, judge=judge, cache=tmp_path)
    assert reference.kind == "digits"
    images, labels = dataset.held_out_images, dataset.held_out_labels
    parts: frozenset[Part] = frozenset({"distance", "neighbours", "digits"})

    def figures(images, labels):
        found = evaluate(Samples.of_images(images, labels=labels), reference=reference, parts=parts)
        return {figure_kind(name): figure.value for name, figure in found.figures.items()}

    real = figures(images, labels)
    without_ones = figures(images[labels != 1], labels[labels != 1])
    blurred = figures(torch.nn.functional.avg_pool2d(images.float(), 3, 1, 1).to(torch.uint8), labels)
    assert real["fd"] < 1
    assert real["agreement"] > 0.99
    assert real["missing_digits"] == 0
    assert without_ones["fd"] > 3 * real["fd"]
    assert without_ones["missing_digits"] == 1
    assert blurred["fd"] > 3 * real["fd"]
    assert blurred["precision"] < real["precision"]
