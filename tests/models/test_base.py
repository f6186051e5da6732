import copy
import re

import pytest
import torch
from tests.support.networks import (
    every_channel_count,
    every_discriminator,
    every_generator,
    images_of,
    label,
    noise,
    shape_label,
)

from mnist_gan.config import DiscriminatorConfig, Family, GeneratorConfig
from mnist_gan.errors import ConfigError
from mnist_gan.models import ImageShape, build_discriminator, build_generator
from mnist_gan.objectives import gradient_penalty, input_gradient, r1_penalty

SMALL_CONFIGS = [
    DiscriminatorConfig(family="mlp", channels=(16, 8)),
    DiscriminatorConfig(family="mlp", channels=(16, 8), norm="spectral"),
    DiscriminatorConfig(family="dcgan", channels=(6, 8, 12)),
    DiscriminatorConfig(family="dcgan", channels=(6, 8, 12), norm="spectral"),
    DiscriminatorConfig(family="dcgan", channels=(6, 8), image_stride=2),
    DiscriminatorConfig(family="dcgan", channels=(6, 8), dense_width=10),
    DiscriminatorConfig(family="dcgan", channels=(6, 8), dense_width=10, dense_channels=4),
    DiscriminatorConfig(family="resnet", channels=(6, 8, 12)),
    DiscriminatorConfig(family="resnet", channels=(6, 8, 12), norm="spectral"),
]
SMALL_SHAPES = [
    ImageShape(channels=channels, resolution=8, num_classes=classes) for channels in (1, 3) for classes in (0, 10)
]
every_case = pytest.mark.parametrize(
    ("config", "shape"),
    [(config, shape) for config in SMALL_CONFIGS for shape in SMALL_SHAPES],
    ids=[f"{label(c)}-{shape_label(s)}" for c in SMALL_CONFIGS for s in SMALL_SHAPES],
)


def conditional(channels: int) -> ImageShape:
    return ImageShape(channels=channels, resolution=28, num_classes=10)


def unconditional(channels: int) -> ImageShape:
    return ImageShape(channels=channels, resolution=28)


@every_generator
@every_channel_count
def test_generator_images_depend_on_the_label(config, channels):
    G = build_generator(config, conditional(channels), seed=0).eval()
    z = noise(1, G.z_dim).expand(2, -1)
    three, eight = G(z, torch.tensor([3, 8]))
    assert (three - eight).abs().max() > 0.05


@every_generator
@every_channel_count
def test_generator_with_scaled_latents_draws_for_z_as_for_the_scaled_z(config, channels):
    G = build_generator(config, conditional(channels), seed=0).eval()
    z, labels = noise(4, G.z_dim), torch.arange(4)
    with torch.no_grad():
        expected = G(1.5 * z, labels)
        G.scale_latents_(1.5)
        torch.testing.assert_close(G(z, labels), expected)


@every_generator
@every_channel_count
def test_generator_interpolates_between_label_embeddings(config, channels):
    G = build_generator(config, conditional(channels), seed=0).eval()
    z, labels = noise(2, G.z_dim), torch.tensor([3, 8])
    embedded = G.embed(labels)
    assert torch.equal(G.draw(z, embedded), G(z, labels))
    halfway = G.draw(z, embedded.mean(dim=0, keepdim=True).expand(2, -1))
    assert not torch.allclose(halfway, G(z, labels))
    with pytest.raises(ConfigError, match="unconditional"):
        build_generator(config, unconditional(channels), seed=0).embed(labels)


@every_discriminator
@every_channel_count
def test_logits_by_label_equal_the_logits_of_each_label(config, channels):
    shape = conditional(channels)
    D, images = build_discriminator(config, shape, seed=0).eval(), images_of(shape, 3)
    each = torch.stack([D(images, torch.full((3,), label)) for label in range(10)], dim=1)
    torch.testing.assert_close(D.logits_by_label(images), each)
    with pytest.raises(ConfigError, match="unconditional"):
        build_discriminator(config, unconditional(channels), seed=0).logits_by_label(images)


@every_discriminator
@every_channel_count
def test_discriminator_logits_depend_on_the_label(config, channels):
    shape = conditional(channels)
    D = build_discriminator(config, shape, seed=0).eval()
    three, eight = D(images_of(shape, 1).expand(2, -1, -1, -1), torch.tensor([3, 8]))
    assert three != eight


@every_channel_count
@pytest.mark.parametrize("family", ["mlp", "dcgan", "resnet"])
def test_networks_require_labels_only_where_they_are_conditional(family, channels):
    for classes, labels, message in (
        (10, None, "pass a label for each image"),
        (0, torch.tensor([1]), "pass no labels"),
    ):
        shape = ImageShape(channels=channels, resolution=28, num_classes=classes)
        G = build_generator(GeneratorConfig(family=family, norm="none"), shape, seed=0)
        D = build_discriminator(DiscriminatorConfig(family=family), shape, seed=0)
        with pytest.raises(ConfigError, match=f"generator.*{message}"):
            G(noise(1, G.z_dim), labels)
        with pytest.raises(ConfigError, match=f"discriminator.*{message}"):
            D(images_of(shape, 1), labels)
        with pytest.raises(ConfigError, match=f"discriminator.*{message}"):
            D.input_gradient(images_of(shape, 1), labels)


@every_channel_count
@pytest.mark.parametrize("norm", ["none", "spectral"])
def test_score_and_classify_gives_the_projections_and_the_logits_of_forward(norm, channels):
    shape = conditional(channels)
    D = build_discriminator(DiscriminatorConfig(norm=norm), shape, seed=0).eval()
    images, labels = images_of(shape, 4), torch.tensor([3, 1, 4, 1])
    logits, class_logits = D.score_and_classify(images, labels)
    assert torch.equal(logits, D(images, labels))
    # between two labels, a logit differs by as much as the projection does
    assert torch.allclose(class_logits.diff(dim=1), D.logits_by_label(images).diff(dim=1), atol=1e-5)


def test_class_logits_of_an_unconditional_discriminator_are_refused():
    D = build_discriminator(DiscriminatorConfig(), unconditional(1), seed=0)
    with pytest.raises(ConfigError, match="unconditional"):
        D.head.class_logits(torch.zeros(1, 3))


@pytest.mark.parametrize("family", ["dcgan", "resnet"])
@pytest.mark.parametrize(
    ("resolution", "widths", "fix"),
    [(28, (8, 8, 8, 8), "at most 3 widths"), (30, (8, 8, 8), "at most 2 widths"), (27, (8, 8), "family mlp")],
)
def test_coarsest_resolution_refuses_too_many_widths_with_the_fix(family, resolution, widths, fix):
    shape = ImageShape(channels=1, resolution=resolution)
    with pytest.raises(ConfigError, match=rf"generator\.channels.*{resolution}x{resolution}.*--generator\..*{fix}"):
        build_generator(GeneratorConfig(family=family, channels=widths, norm="none"), shape, seed=0)
    with pytest.raises(ConfigError, match=rf"discriminator\.channels.*--discriminator\..*{fix}"):
        build_discriminator(DiscriminatorConfig(family=family, channels=widths), shape, seed=0)


def test_image_shape_refuses_impossible_values():
    with pytest.raises(ConfigError, match="channels and resolution must be at least 1"):
        ImageShape(channels=0, resolution=28)


class OnlyForward(torch.nn.Module):
    """A discriminator without an input gradient of its own, which forces double backward."""

    def __init__(self, D):
        super().__init__()
        self.D = D

    def forward(self, images, labels=None):
        return self.D(images, labels)


def case(config, shape, *, n=6):
    D = build_discriminator(config, shape, seed=0).double()
    source = torch.Generator().manual_seed(1)
    with torch.no_grad():  # zero biases and branches would hide errors
        for parameter in D.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=source, dtype=torch.float64))
    images = torch.randn(n, shape.channels, 8, 8, generator=source, dtype=torch.float64)
    labels = torch.arange(n) % 3 if shape.num_classes else None
    return D, images, labels


def weight_gradients(D, loss):
    gradients = torch.autograd.grad(loss, list(D.parameters()), allow_unused=True)
    return {
        name: torch.zeros_like(parameter) if gradient is None else gradient
        for (name, parameter), gradient in zip(D.named_parameters(), gradients, strict=True)
    }


@every_case
def test_input_gradient_equals_that_of_autograd(config, shape):
    D, images, labels = case(config, shape)
    D.eval()
    logits, gradient = D.input_gradient(images, labels)
    images.requires_grad_()
    expected_logits = D(images, labels)
    (expected,) = torch.autograd.grad(expected_logits.sum(), images)
    torch.testing.assert_close(logits, expected_logits)
    torch.testing.assert_close(gradient, expected)


@every_case
def test_input_gradient_gives_weights_the_gradients_of_double_backward(config, shape):
    D, images, labels = case(config, shape)
    twin = copy.deepcopy(D)
    mix = torch.linspace(0, 1, len(images), dtype=torch.float64)

    def total(D):  # in training mode, where the power iterations of both advance alike
        logits, gradient = input_gradient(D, images, labels)
        r1 = r1_penalty(D, images, labels, gamma=2.0)
        gp = gradient_penalty(D, images, images.flip(0), labels, mix=mix, gp_lambda=10.0)
        return (logits.sin() + gradient.flatten(1).cos().sum(dim=1) + r1 + gp).sum()

    value, expected_value = total(D), total(OnlyForward(twin))
    torch.testing.assert_close(value, expected_value)
    got, expected = weight_gradients(D, value), weight_gradients(twin, expected_value)
    torch.testing.assert_close(got, expected)  # mappings, so that a failure names the weight


def test_input_gradient_does_not_call_autograd(monkeypatch):
    D, images, labels = case(SMALL_CONFIGS[2], SMALL_SHAPES[1])

    def refuse(*_args, **_kwargs):
        raise AssertionError("autograd was asked")

    monkeypatch.setattr(torch.autograd, "grad", refuse)
    assert r1_penalty(D, images, labels, gamma=1.0).shape == (6,)
    with pytest.raises(AssertionError, match="autograd was asked"):
        r1_penalty(OnlyForward(D), images, labels, gamma=1.0)


@every_channel_count
def test_input_gradient_refuses_batch_norm(channels):
    shape = ImageShape(channels=channels, resolution=8)
    D = build_discriminator(DiscriminatorConfig(family="dcgan", norm="batch", channels=(4, 4)), shape, seed=0)
    images = torch.randn(2, channels, 8, 8)
    assert not D.piecewise_linear
    with pytest.raises(TypeError, match="BatchNorm2d is not piecewise linear"):
        D.input_gradient(images)
    _, gradient = input_gradient(D, images)  # autograd still can
    assert gradient.shape == images.shape


@pytest.mark.parametrize("resolution", [25, 27, 28, 30, 36])
@pytest.mark.parametrize("image_stride", [1, 2])
def test_coarsest_resolution_suggests_a_change_that_works(resolution, image_stride):
    shape = ImageShape(channels=1, resolution=resolution)
    with pytest.raises(ConfigError, match="can be halved") as refusal:
        build_generator(GeneratorConfig(channels=(16, 8, 8, 4), image_stride=image_stride), shape, seed=0)
    remedy = str(refusal.value).rpartition(";")[2]
    stride = 1 if "--generator.image-stride 1" in remedy else image_stride
    family: Family = "mlp" if "--generator.family mlp" in remedy else "dcgan"
    widths = re.search(r"(\d) widths", remedy)
    channels = (8,) * int(widths[1]) if widths else (8, 8)
    dense_width = 0 if "--generator.dense-width 0" in remedy else 8
    changed = GeneratorConfig(family=family, channels=channels, image_stride=stride, dense_width=dense_width)
    images = build_generator(changed, shape, seed=0).eval()(torch.zeros(2, changed.z_dim))
    assert images.shape == (2, 1, resolution, resolution)
