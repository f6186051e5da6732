from __future__ import annotations

import torch

from mnist_gan.evaluation import Reference, evaluate
from mnist_gan.evaluation.neighbours import nearest


def test_reference_statistics_are_those_of_the_training_images(as_mnist):
    output = as_mnist.judge.predict(as_mnist.images)
    assert torch.equal(as_mnist.training.features, output.features)
    assert as_mnist.class_counts.tolist() == torch.bincount(output.classes, minlength=10).tolist()
    assert torch.allclose(as_mnist.gaussian.mean, output.features.double().mean(0))
    assert len(as_mnist.neighbour_sample) == len(as_mnist.neighbour_radii) == 1000


def test_reference_held_out_distances_are_to_the_nearest_training_image(as_mnist):
    expected, _ = nearest(as_mnist.held_out_images.flatten(1), as_mnist.images.flatten(1))
    assert torch.equal(as_mnist.held_out_pixel_distances, expected)
    features, _ = nearest(as_mnist.held_out.features, as_mnist.training.features)
    assert torch.equal(as_mnist.held_out_feature_distances, features)


def test_reference_of_other_data_has_no_digits(made_up):
    assert Reference.of(made_up, cache=None).kind == "none"


def test_reference_reads_real_data_from_the_cache_the_second_time(made_up, tmp_path, perfect, monkeypatch):
    samples, _ = perfect
    first = evaluate(samples, reference=Reference.of(made_up, cache=tmp_path), parts=frozenset({"distance"}))
    predicted: list[int] = []
    second_reference = Reference.of(made_up, cache=tmp_path)
    judge = second_reference.judge
    monkeypatch.setattr(type(judge), "predict", counting(predicted, type(judge).predict))
    second = evaluate(samples, reference=second_reference, parts=frozenset({"distance"}))
    assert sum(predicted) == 3 * 500  # the samples, and no real image
    assert second.to_dict() == first.to_dict()


def counting(predicted, predict):
    def wrapped(self, images, **keywords):
        predicted.append(len(images))
        return predict(self, images, **keywords)

    return wrapped
