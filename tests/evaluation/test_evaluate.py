from __future__ import annotations

import json

import pytest
import torch

from mnist_gan.config import DataConfig
from mnist_gan.data import load_dataset
from mnist_gan.errors import DataError
from mnist_gan.evaluation import Part, Reference, SampleProtocol, Samples, evaluate, load_judge, monitor, monitor_floor
from mnist_gan.evaluation.reference import silent
from mnist_gan.figures import figure_kind

PROTOCOL = SampleProtocol(num_images=500, draws=3)

EVALUATED = {
    *("fd", "fdinf", "kd", "precision", "recall", "density", "coverage", "classifier_score"),
    *("digits_kl", "missing_digits", "smallest_share", "largest_share", "diversity", "smallest_diversity"),
    *("agreement", "smallest_agreement", "memorization_pixels", "memorization_features"),
}


@pytest.fixture(scope="module")
def perfect(as_mnist, draw):
    samples = Samples.draw(draw, reference=as_mnist, conditional=True, protocol=PROTOCOL)
    return samples, evaluate(samples, reference=as_mnist)


def values_of(images, reference, labels=None):
    found = evaluate(Samples.of_images(images, labels=labels), reference=reference)
    return {figure_kind(name): figure.value for name, figure in found.figures.items()}


@pytest.fixture(scope="module")
def good(perfect, as_mnist):
    """Figures of the perfect model's images as a fixed set."""
    samples, _ = perfect
    return values_of(samples.sets[0], as_mnist, samples.asked)


def test_a_perfect_model_lies_at_its_floor_and_far_from_noise(perfect):
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


def test_every_figure_has_meaning_floor_and_ceiling(perfect):
    _, found = perfect
    assert {figure_kind(name) for name in found.figures} == EVALUATED
    assert all(figure.floor is not None and figure.ceiling is not None for figure in found.figures.values())


def test_the_spread_of_a_model_is_that_of_its_draws(perfect, as_mnist):
    samples, found = perfect
    each = [values_of(images, as_mnist)["fd"] for images in samples.sets]
    figure = found.figures["fd500_mnistnet"]
    assert figure.value == pytest.approx(sum(each) / 3)
    assert figure.spread == pytest.approx(float(torch.tensor(each, dtype=torch.float64).std()))
    assert figure.interval.low < min(each)


def test_a_fixed_set_has_a_jackknife_interval(perfect, as_mnist):
    samples, _ = perfect
    found = evaluate(Samples.of_images(samples.sets[0]), reference=as_mnist, parts=frozenset({"distance"}))
    figure = found.figures["fd500_mnistnet"]
    assert found.fixed_set
    assert figure.spread is None
    assert figure.value is not None
    assert figure.interval is not None
    assert figure.interval.low < figure.value < figure.interval.high
    assert {figure_kind(name) for name in found.figures} == {"fd", "fdinf", "kd"}


def test_a_dropped_digit_is_seen(perfect, good, as_mnist):
    samples, _ = perfect
    kept = samples.asked != 4
    found = values_of(samples.sets[0][kept], as_mnist)
    assert found["fd"] > 1.5 * good["fd"]
    assert found["digits_kl"] > good["digits_kl"] + 0.02
    assert found["smallest_share"] < good["smallest_share"]
    assert found["coverage"] < good["coverage"] - 0.03
    assert found["recall"] < good["recall"] - 0.03


def test_added_noise_is_seen(perfect, good, as_mnist):
    samples, _ = perfect
    noise = torch.randn(samples.sets[0].shape, generator=torch.Generator().manual_seed(0)) * 40
    found = values_of((samples.sets[0] + noise).clamp(0, 255).to(torch.uint8), as_mnist, samples.asked)
    assert found["fd"] > 2 * good["fd"]
    assert found["kd"] > good["kd"]
    assert found["precision"] < good["precision"] - 0.1
    assert found["density"] < good["density"]


def test_duplicates_are_seen_as_lost_variety(perfect, good, as_mnist):
    samples, _ = perfect
    few = samples.sets[0][:20].repeat(25, 1, 1, 1)
    found = values_of(few, as_mnist, samples.asked[:20].repeat(25))
    assert found["fd"] > 1.5 * good["fd"]
    assert found["coverage"] < good["coverage"] / 2
    assert found["recall"] < good["recall"] / 2
    assert found["smallest_diversity"] < 0.8 * good["smallest_diversity"]


def test_copies_of_the_training_set_fool_the_distance_and_not_the_memorization_figure(good, as_mnist):
    found = evaluate(Samples.of_images(as_mnist.images[:500]), reference=as_mnist)
    assert found.figures["fd500_mnistnet"].value < 1.2 * good["fd"]
    assert found.figures["memorization_pixels"].value == 0
    assert found.memorization["pixels"].exact_copies == 500
    assert found.memorization["features"].p_value < 1e-50


def test_wrong_labels_show_in_the_agreement_alone(perfect, good, as_mnist):
    samples, _ = perfect
    found = values_of(samples.sets[0], as_mnist, (samples.asked + 1) % 10)
    assert found["agreement"] < good["agreement"] / 2
    assert found["fd"] == good["fd"]


def test_without_labels_there_is_no_agreement(perfect, as_mnist):
    samples, _ = perfect
    found = evaluate(Samples.of_images(samples.sets[0]), reference=as_mnist, parts=frozenset({"digits"}))
    assert "agreement" not in found.figures
    assert found.digits is not None
    assert found.digits.confusion is None


def test_the_table_of_digits_adds_up(perfect):
    samples, found = perfect
    assert sum(found.digits.counts) == 500
    assert sum(map(sum, found.digits.confusion)) == 500
    assert [sum(row) for row in found.digits.confusion] == torch.bincount(samples.asked, minlength=10).tolist()


def test_on_other_data_digit_figures_are_withheld_and_that_is_said(made_up, perfect):
    samples, _ = perfect
    reference = Reference.of(made_up, cache=None)
    found = evaluate(samples, reference=reference, parts=frozenset({"distance", "digits"}))
    assert found.digits is None
    assert {figure_kind(name) for name in found.figures} == {"fd", "fdinf", "kd"}
    assert "knows MNIST alone: on made-up" in found.notes[0]
    assert "withheld" in found.notes[1]


def test_images_of_another_shape_are_refused(as_mnist):
    with pytest.raises(DataError, match=r"3x28x28 .* made-up's are 1x28x28"):
        evaluate(Samples.of_images(torch.zeros(100, 3, 28, 28, dtype=torch.uint8)), reference=as_mnist)


def test_stacked_digits_are_seen_as_numbers(as_mnist):
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
    assert "missing_digits" in found.figures
    assert "classifier_score" not in found.figures
    assert reference.training.features.shape == (1000, 3 * 64)


def test_an_evaluation_is_plain_json(perfect):
    _, found = perfect
    text = json.dumps(found.to_dict(), allow_nan=False)
    read = json.loads(text)
    assert read["figures"]["fd500_mnistnet"]["value"] == found.figures["fd500_mnistnet"].value
    assert read["memorization"]["pixels"]["closest"][0]["distance"] > 0
    assert found.row()["Metric/fd500_mnistnet"] == found.figures["fd500_mnistnet"].value


def test_the_figures_of_real_data_come_from_the_cache_the_second_time(made_up, tmp_path, perfect, monkeypatch):
    samples, _ = perfect
    first = evaluate(samples, reference=Reference.of(made_up, cache=tmp_path), parts=frozenset({"distance"}))
    looked: list[int] = []
    second_reference = Reference.of(made_up, cache=tmp_path)
    judge = second_reference.judge
    monkeypatch.setattr(type(judge), "look", counting(looked, type(judge).look))
    second = evaluate(samples, reference=second_reference, parts=frozenset({"distance"}))
    assert sum(looked) == 3 * 500  # the samples, and no real image again
    assert second.to_dict() == first.to_dict()


def counting(looked, look):
    def wrapped(self, images, **keywords):
        looked.append(len(images))
        return look(self, images, **keywords)

    return wrapped


def test_progress_ends_where_it_says(perfect, as_mnist):
    samples, _ = perfect
    told = []
    evaluate(samples, reference=as_mnist, progress=lambda *step: told.append(step))
    assert all(0 <= done <= total for _, done, total in told)
    assert told[-1][1] == told[-1][2]
    silent("nothing", 0, 1)


def test_the_cheap_evaluation_agrees_with_the_thorough_one(as_mnist, draw):
    protocol = SampleProtocol(num_images=500)
    found = monitor(draw, reference=as_mnist, conditional=True, protocol=protocol)
    row, floor = found.row(), monitor_floor(reference=as_mnist, protocol=protocol).row()
    assert row["Metric/fd500_mnistnet"] == pytest.approx(floor["Metric/fd500_mnistnet"], rel=0.3)
    assert row["Metric/agreement"] == pytest.approx(floor["Metric/agreement"], abs=0.1)
    assert {f"Metric/share/{digit}" for digit in range(10)} <= set(row)
    assert row == monitor(draw, reference=as_mnist, conditional=True, protocol=protocol).row()


def test_the_cheap_evaluation_of_other_data_is_the_distance_alone(made_up, draw):
    reference = Reference.of(made_up, cache=None)
    row = monitor(draw, reference=reference, conditional=False, protocol=SampleProtocol(num_images=200)).row()
    assert set(row) == {"Metric/fd200_mnistnet"}


@pytest.mark.slow
@pytest.mark.mnist
@pytest.mark.parametrize("judge", ["mnistnet", "mnistnet-b"])
def test_on_mnist_the_floor_is_small_and_every_fault_lies_above_it(judge, mnist_dir, tmp_path):
    dataset = load_dataset(DataConfig(dir=str(mnist_dir), limit=10_000))
    reference = Reference.of(dataset, judge=judge, cache=tmp_path)
    assert reference.kind == "digits"
    images, labels = dataset.held_out_images[::4], dataset.held_out_labels[::4]
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
