from __future__ import annotations

import pytest
import torch

from mnist_gan.errors import ConfigError, DataError
from mnist_gan.evaluation.samples import (
    PROTOCOLS,
    SampleProtocol,
    Samples,
    draw_in_pieces,
    labels_in_proportion,
    noise,
)


def test_names_hold_the_number_of_images_and_the_judge():
    assert PROTOCOLS["fd10k"].name == "fd10k"
    assert PROTOCOLS["fd10k"].figure("kd", "mnistnet-b") == "kd10k_mnistnet_b"
    assert SampleProtocol(num_images=1234).name == "fd1234"
    assert all(protocol.name == name for name, protocol in PROTOCOLS.items())


@pytest.mark.parametrize(("n", "draws"), [(99, 1), (1000, 0)])
def test_too_few_is_refused(n, draws):
    with pytest.raises(ConfigError, match="at least 100"):
        SampleProtocol(num_images=n, draws=draws)


def test_labels_come_in_proportion_and_out_of_order():
    labels = torch.repeat_interleave(torch.arange(3), torch.tensor([500, 300, 200]))
    found = labels_in_proportion(labels, n=101, num_classes=4, seed=0)
    assert torch.bincount(found, minlength=4).tolist() == [51, 30, 20, 0]
    assert found.tolist() != sorted(found.tolist())
    assert found.tolist() == labels_in_proportion(labels, n=101, num_classes=4, seed=0).tolist()


def test_a_model_is_asked_in_pieces_each_with_its_own_seed():
    asked = []

    def draw(n, seed, labels):
        asked.append((n, seed, labels))
        return torch.zeros(n, 1, 2, 2, dtype=torch.uint8)

    shown = []
    labels = torch.arange(2500)
    images = draw_in_pieces(draw, n=2500, seed=7, labels=labels, progress=lambda *step: shown.append(step))
    assert len(images) == 2500
    assert [n for n, _, _ in asked] == [1000, 1000, 500]
    assert len({seed for _, seed, _ in asked}) == 3
    assert torch.cat([given for _, _, given in asked]).tolist() == labels.tolist()
    assert shown == [(1000, 2500), (2000, 2500), (2500, 2500)]


def test_draws_are_independent_and_repeatable(as_mnist, draw):
    def sets(seed):
        protocol = SampleProtocol(num_images=100, draws=2)
        return Samples.draw(draw, reference=as_mnist, conditional=True, protocol=protocol, seed=seed)

    one, again, other = sets(0), sets(0), sets(1)
    assert torch.equal(one.sets[0], again.sets[0])
    assert not torch.equal(one.sets[0], one.sets[1])
    assert not torch.equal(one.sets[0], other.sets[0])
    assert torch.bincount(one.asked).tolist() == [10] * 10


def test_an_unconditional_model_is_asked_for_nothing(as_mnist, draw):
    protocol = SampleProtocol(num_images=100)
    assert Samples.draw(draw, reference=as_mnist, conditional=False, protocol=protocol).asked is None


def test_a_fixed_set_takes_the_largest_protocol_that_it_fills():
    images = torch.arange(10_007).remainder(251).to(torch.uint8).view(-1, 1, 1, 1)
    found = Samples.of_images(images, labels=torch.arange(10_007))
    assert found.protocol.name == "fd10k"
    assert found.sets[0].flatten().tolist() == images.flatten()[found.asked].tolist()
    assert Samples.of_images(images[:3000]).protocol.name == "fd3k"


def test_a_handful_of_images_is_refused():
    with pytest.raises(DataError, match="99 images are too few"):
        Samples.of_images(torch.zeros(99, 1, 28, 28, dtype=torch.uint8))


def test_noise_is_uniform_and_the_same_every_time():
    like = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    assert noise(500, like=like).shape == (500, 3, 8, 8)
    assert noise(500, like=like).double().mean() == pytest.approx(127.5, abs=1)
    assert torch.equal(noise(5, like=like), noise(5, like=like))
