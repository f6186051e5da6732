from __future__ import annotations

import pytest
import torch

from mnist_gan.errors import ConfigError, DataError
from mnist_gan.evaluation.neighbours import nearest
from mnist_gan.evaluation.samples import (
    PROTOCOLS,
    SampleProtocol,
    Samples,
    draw_in_batches,
    floor_samples,
    labels_in_proportion,
    noise_samples,
    sampler_rows,
)


def test_sample_protocol_names_hold_the_number_of_images_and_the_judge():
    assert PROTOCOLS["fd10k"].name == "fd10k"
    assert PROTOCOLS["fd10k"].figure("fdinf", "mnistnet-b") == "fdinf10k_mnistnet_b"
    assert SampleProtocol(num_images=1234).name == "fd1234"
    assert all(protocol.name == name for name, protocol in PROTOCOLS.items())


@pytest.mark.parametrize(("n", "draws"), [(99, 1), (1000, 0)])
def test_sample_protocol_refuses_few_images_or_no_draw(n, draws):
    with pytest.raises(ConfigError, match="at least 100"):
        SampleProtocol(num_images=n, draws=draws)


def test_labels_in_proportion_keep_frequencies_in_random_order():
    labels = torch.repeat_interleave(torch.arange(3), torch.tensor([500, 300, 200]))
    found = labels_in_proportion(labels, n=101, seed=0)
    assert torch.bincount(found, minlength=4).tolist() == [51, 30, 20, 0]
    assert found.tolist() != sorted(found.tolist())
    assert found.tolist() == labels_in_proportion(labels, n=101, seed=0).tolist()


def test_draw_in_batches_gives_each_batch_its_seed_and_labels():
    calls = []

    def draw(n, seed, labels):
        calls.append((n, seed, labels))
        return torch.zeros(n, 1, 2, 2, dtype=torch.uint8)

    shown = []
    labels = torch.arange(2500)
    images = draw_in_batches(draw, n=2500, seed=7, labels=labels, progress=lambda *step: shown.append(step))
    assert len(images) == 2500
    assert [n for n, _, _ in calls] == [1000, 1000, 500]
    assert len({seed for _, seed, _ in calls}) == 3
    assert torch.cat([given for _, _, given in calls]).tolist() == labels.tolist()
    assert shown == [(1000, 2500), (2000, 2500), (2500, 2500)]


def test_samples_draw_is_repeatable_and_its_sets_are_independent(as_mnist, draw):
    def sets(seed):
        protocol = SampleProtocol(num_images=100, draws=2)
        return Samples.draw(draw, reference=as_mnist, conditional=True, protocol=protocol, seed=seed)

    one, again, other = sets(0), sets(0), sets(1)
    assert torch.equal(one.sets[0], again.sets[0])
    assert not torch.equal(one.sets[0], one.sets[1])
    assert not torch.equal(one.sets[0], other.sets[0])
    assert torch.bincount(one.labels).tolist() == [10] * 10


def test_samples_draw_passes_no_labels_to_an_unconditional_model(as_mnist, draw):
    protocol = SampleProtocol(num_images=100)
    assert Samples.draw(draw, reference=as_mnist, conditional=False, protocol=protocol).labels is None


def test_samples_of_images_take_the_largest_protocol_that_they_fill():
    images = torch.arange(10_007).remainder(251).to(torch.uint8).view(-1, 1, 1, 1)
    found = Samples.of_images(images, labels=torch.arange(10_007))
    assert found.protocol.name == "fd10k"
    assert found.sets[0].flatten().tolist() == images.flatten()[found.labels].tolist()
    assert Samples.of_images(images[:3000]).protocol.name == "fd3k"


def test_samples_of_images_refuse_few_images():
    with pytest.raises(DataError, match="too few images to evaluate: 99"):
        Samples.of_images(torch.zeros(99, 1, 28, 28, dtype=torch.uint8))


def test_floor_samples_are_held_out_images_with_their_labels(as_mnist):
    samples = floor_samples(as_mnist, SampleProtocol(num_images=200))
    assert len(samples.sets[0]) == 200
    assert samples.labels is not None
    distances, index = nearest(samples.sets[0].flatten(1), as_mnist.held_out_images.flatten(1))
    assert distances.max() == 0
    assert samples.labels.tolist() == as_mnist.held_out_labels[index].tolist()
    assert len(floor_samples(as_mnist, SampleProtocol(num_images=10_000)).sets[0]) == 500


def test_noise_samples_are_uniform_and_repeatable(as_mnist):
    samples = noise_samples(as_mnist, SampleProtocol(num_images=500))
    assert samples.sets[0].shape == (500, 1, 28, 28)
    assert samples.sets[0].double().mean() == pytest.approx(127.5, abs=1)
    assert torch.equal(samples.sets[0], noise_samples(as_mnist, SampleProtocol(num_images=500)).sets[0])


def test_sampler_rows_match_the_shares_of_the_labels_exactly():
    labels = torch.tensor([2, 0, 1, 0, 0, 1, 2, 0, 0, 0])
    rows = sampler_rows(labels, n=50, seed=0, matched=True)
    assert torch.bincount(labels[rows]).tolist() == [30, 10, 10]
    assert set(rows.tolist()) == set(range(10)), "every row of a class can be drawn"
    assert rows.tolist() == sampler_rows(labels, n=50, seed=0, matched=True).tolist()


def test_sampler_rows_without_matching_are_uniform():
    rows = sampler_rows(torch.arange(4), n=4000, seed=0, matched=False)
    assert torch.bincount(rows).tolist() == pytest.approx([1000] * 4, rel=0.15)
