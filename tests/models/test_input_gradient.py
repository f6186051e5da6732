"""The input gradient as a forward computation equals autograd's, and so does what the weights learn from it."""

import copy

import pytest
import torch

from mnist_gan.config import DiscriminatorConfig
from mnist_gan.models import ImageShape, build_discriminator
from mnist_gan.models.layers import AvgPool, Conv, Dense, Flatten, LeakyReLU, ResidualBlock, linearize, normal_
from mnist_gan.objectives import gradient_penalty, input_gradient, r1_penalty

CONFIGS = [
    DiscriminatorConfig(family="mlp", channels=(16, 8)),
    DiscriminatorConfig(family="mlp", channels=(16, 8), norm="spectral"),
    DiscriminatorConfig(family="dcgan", channels=(6, 8, 12)),
    DiscriminatorConfig(family="dcgan", channels=(6, 8, 12), norm="spectral"),
    DiscriminatorConfig(family="dcgan", channels=(6, 8), image_stride=2),
    DiscriminatorConfig(family="resnet", channels=(6, 8, 12)),
    DiscriminatorConfig(family="resnet", channels=(6, 8, 12), norm="spectral"),
]
SHAPES = [
    ImageShape(channels=channels, resolution=8, num_classes=classes) for channels in (1, 3) for classes in (0, 10)
]
every_case = pytest.mark.parametrize(
    ("config", "shape"),
    [(config, shape) for config in CONFIGS for shape in SHAPES],
    ids=[
        f"{c.family}-{c.norm}-stride{c.image_stride}-{s.channels}ch-{s.num_classes}classes"
        for c in CONFIGS
        for s in SHAPES
    ],
)


class OnlyForward(torch.nn.Module):
    """A discriminator that hides its own input gradient, so that autograd has to find it."""

    def __init__(self, D):
        super().__init__()
        self.D = D

    def forward(self, images, labels=None):
        return self.D(images, labels)


def case(config, shape, *, n=6):
    D = build_discriminator(config, shape, seed=0).double()
    source = torch.Generator().manual_seed(1)
    with torch.no_grad():  # biases and zero-initialised branches would hide mistakes
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
def test_logits_and_gradient_equal_autograds(config, shape):
    D, images, labels = case(config, shape)
    D.eval()
    logits, gradient = D.input_gradient(images, labels)
    images.requires_grad_()
    expected_logits = D(images, labels)
    (expected,) = torch.autograd.grad(expected_logits.sum(), images)
    torch.testing.assert_close(logits, expected_logits)
    torch.testing.assert_close(gradient, expected)


@every_case
def test_weights_learn_the_same_as_from_double_backward(config, shape):
    D, images, labels = case(config, shape)
    twin = copy.deepcopy(D)
    mix = torch.linspace(0, 1, len(images), dtype=torch.float64)

    def total(judge):  # in training mode: the power iteration of spectral norms moves on in the same way in both
        logits, gradient = input_gradient(judge, images, labels)
        r1 = r1_penalty(judge, images, labels, gamma=2.0)
        gp = gradient_penalty(judge, images, images.flip(0), labels, mix=mix, gp_lambda=10.0)
        return (logits.sin() + gradient.flatten(1).cos().sum(dim=1) + r1 + gp).sum()

    value, expected_value = total(D), total(OnlyForward(twin))
    torch.testing.assert_close(value, expected_value)
    got, expected = weight_gradients(D, value), weight_gradients(twin, expected_value)
    torch.testing.assert_close(got, expected)  # of mappings: names the weight that differs


def test_autograd_is_not_asked_where_the_gradient_is_a_forward_computation(monkeypatch):
    D, images, labels = case(CONFIGS[2], SHAPES[1])

    def refuse(*_args, **_kwargs):
        raise AssertionError("autograd was asked")

    monkeypatch.setattr(torch.autograd, "grad", refuse)
    assert r1_penalty(D, images, labels, gamma=1.0).shape == (6,)
    with pytest.raises(AssertionError, match="autograd was asked"):
        r1_penalty(OnlyForward(D), images, labels, gamma=1.0)


def test_batch_norm_is_not_piecewise_linear_and_says_so():
    D = build_discriminator(DiscriminatorConfig(family="dcgan", norm="batch", channels=(4, 4)), SHAPES[0], seed=0)
    images = torch.randn(2, 1, 8, 8)
    assert not D.piecewise_linear
    with pytest.raises(TypeError, match="BatchNorm2d is not piecewise linear"):
        D.input_gradient(images)
    _, gradient = input_gradient(D, images)  # autograd still can
    assert gradient.shape == images.shape


@pytest.mark.parametrize(
    "layer",
    [
        Conv(2, 3, kernel=3),
        Conv(2, 3, kernel=4, stride=2),
        Conv(2, 3, kernel=3, stride=2, bias=False),
        Conv(2, 3, kernel=1, spectral=True),
        AvgPool(),
        LeakyReLU(),
        Flatten(),
        ResidualBlock(2),
    ],
    ids=repr,
)
@pytest.mark.parametrize("resolution", [6, 8])
def test_a_layers_pullback_is_its_transposed_jacobian(layer, resolution):
    source = torch.Generator().manual_seed(0)
    for parameter in layer.double().parameters():
        normal_(parameter, gain=1.0, fan_in=4, generator=source)
    x = torch.randn(2, 2, resolution, resolution, generator=source, dtype=torch.float64, requires_grad=True)
    out, pullback = linearize([layer.eval()], x)
    gradient = torch.randn(out.shape, generator=source, dtype=torch.float64)
    (expected,) = torch.autograd.grad(out, x, gradient)
    torch.testing.assert_close(pullback(gradient), expected)


def test_the_pullback_of_a_dense_layer_is_its_transposed_weight():
    layer = Dense(2, 3)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    _, pullback = layer.linearize(torch.zeros(1, 2))
    assert pullback(torch.tensor([[1.0, 0.0, 1.0]])).tolist() == [[6.0, 8.0]]
