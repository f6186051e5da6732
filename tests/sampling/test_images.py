from __future__ import annotations

import time

import pytest
import torch

from mnist_gan.config import GeneratorConfig
from mnist_gan.errors import ConfigError
from mnist_gan.models import CustomGenerator, Generator, ImageShape, build_generator
from mnist_gan.sampling import check_labels, cycle_labels, draw_latents, render, render_embedded


def tiny(*, classes: int = 0, channels: int = 1) -> Generator:
    config = GeneratorConfig(family="mlp", z_dim=4, channels=(16,), norm="none")
    shape = ImageShape(channels=channels, resolution=28, num_classes=classes)
    return build_generator(config, shape, seed=0)


def test_draw_latents_row_depends_on_seed_and_index_alone():
    G = tiny()
    z = draw_latents(G, n=5, seed=3)
    assert z.shape == (5, 4)
    assert torch.equal(draw_latents(G, n=2, seed=3, first=3), z[3:])
    assert not torch.equal(draw_latents(G, n=5, seed=4), z)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("classes", [0, 3])
def test_render_returns_uint8_images_that_do_not_depend_on_the_batch(channels, classes):
    G = tiny(classes=classes, channels=channels)
    z, labels = draw_latents(G, n=5, seed=0), cycle_labels([2, 0], n=5) if classes else None
    images = render(G, z, labels, batch_size=2)
    assert images.shape == (5, channels, 28, 28)
    assert images.dtype == torch.uint8
    assert not G.training
    expected = ((G(z, labels) + 1) * 127.5).round().clamp(0, 255)
    assert (images - expected).abs().max() <= 1


def test_render_of_no_latents_is_empty():
    assert render(tiny(), torch.empty(0, 4)).shape == (0, 1, 28, 28)


def test_render_embedded_of_a_label_is_render_with_the_label():
    G, labels = tiny(classes=3), torch.tensor([0, 2])
    z = draw_latents(G, n=2, seed=0)
    with torch.no_grad():
        assert torch.equal(render_embedded(G, z, G.embed(labels)), render(G, z, labels))


def test_render_refuses_missing_and_needless_labels():
    z = torch.zeros(1, 4)
    with pytest.raises(ConfigError, match="conditional; give labels"):
        render(tiny(classes=3), z)
    with pytest.raises(ConfigError, match="unconditional; give no labels"):
        render(tiny(), z, torch.tensor([1]))
    with pytest.raises(ConfigError, match="no label embeddings"):
        render_embedded(tiny(), z, z)


def test_cycle_labels_repeats_the_digits():
    assert cycle_labels([7, 1], n=5).tolist() == [7, 1, 7, 1, 7]


def test_cycle_labels_from_a_late_image_costs_only_its_own_images():
    began = time.thread_time()
    assert cycle_labels([3, 5, 7], n=4, first=3 * 10**15 + 1).tolist() == [5, 7, 3, 5]
    assert time.thread_time() - began < 1.0


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (torch.tensor([0, 10]), "labels are from 0 to 10; this model has the classes 0 to 9"),
        (torch.tensor([-1, 0]), "labels are from -1 to 0"),
        (torch.tensor([1]), r"labels have the shape \(1,\) .* expected 2 integers"),
        (torch.tensor([1.0, 2.0]), "the type torch.float32"),
    ],
)
def test_check_labels_names_the_defect(labels, words):
    with pytest.raises(ConfigError, match=words):
        check_labels(labels, n=2, num_classes=10)


def test_render_draws_the_same_bits_with_any_number_of_threads():
    config = GeneratorConfig(family="dcgan", z_dim=8, channels=(16, 8, 4))
    G = build_generator(config, ImageShape(channels=1, resolution=28, num_classes=0), seed=0)
    z, before = draw_latents(G, n=600, seed=0), torch.get_num_threads()
    drawn = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            drawn.append(render(G, z, batch_size=100))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*drawn)


class Remembering(torch.nn.Module):
    """Keeps its input in an attribute until the end of the call, as only one call at a time may."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def forward(self, z, labels):
        self.z = z
        time.sleep(0.01)
        assert self.z is z
        return (self.z[:, :1, None, None] + self.weight).tanh().expand(-1, 1, 28, 28)


def test_render_calls_a_network_of_a_plugin_from_one_thread_at_a_time():
    shape = ImageShape(channels=1, resolution=28, num_classes=0)
    G = CustomGenerator(Remembering(), "remembering", z_dim=4, shape=shape)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert len(render(G, draw_latents(G, n=8, seed=0), batch_size=1)) == 8
    finally:
        torch.set_num_threads(before)
