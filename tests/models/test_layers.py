import pytest
import torch
from tests.support.networks import every_channel_count

from mnist_gan.config import DiscriminatorConfig
from mnist_gan.models import ImageShape, build_discriminator
from mnist_gan.models.base import ProjectionHead
from mnist_gan.models.layers import (
    AvgPool,
    Conv,
    Dense,
    Flatten,
    LeakyReLU,
    ResidualBlock,
    SpectralNorm,
    linearize,
    normal_,
)


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
def test_pullback_is_the_product_with_the_transposed_jacobian(layer, resolution):
    source = torch.Generator().manual_seed(0)
    for parameter in layer.double().parameters():
        normal_(parameter, gain=1.0, fan_in=4, generator=source)
    x = torch.randn(2, 2, resolution, resolution, generator=source, dtype=torch.float64, requires_grad=True)
    out, pullback = linearize([layer.eval()], x)
    gradient = torch.randn(out.shape, generator=source, dtype=torch.float64)
    (expected,) = torch.autograd.grad(out, x, gradient)
    torch.testing.assert_close(pullback(gradient), expected)


@pytest.mark.parametrize("resolution", [6, 7])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_convolution_is_the_same_function_where_the_gradient_of_an_image_is_wanted(channels, resolution):
    layer = Conv(channels, 5, kernel=4, stride=2).double()
    for parameter in layer.parameters():
        normal_(parameter, gain=1.0, fan_in=4, generator=torch.Generator().manual_seed(0))
    images = torch.randn(2, channels, resolution, resolution, dtype=torch.float64)
    out, pullback = layer.linearize(images)
    wanted, wanted_pullback = layer.linearize(images.clone().requires_grad_())
    torch.testing.assert_close(wanted, out)
    torch.testing.assert_close(wanted_pullback(torch.ones_like(out)), pullback(torch.ones_like(out)))


def test_pullback_of_a_dense_layer_is_its_transposed_weight():
    layer = Dense(2, 3)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    _, pullback = layer.linearize(torch.zeros(1, 2))
    assert pullback(torch.tensor([[1.0, 0.0, 1.0]])).tolist() == [[6.0, 8.0]]


def spectral_discriminator(channels, family="dcgan"):
    shape = ImageShape(channels=channels, resolution=8, num_classes=10)
    return build_discriminator(DiscriminatorConfig(family=family, channels=(6, 8), norm="spectral"), shape, seed=0)


def score(D):
    return D(torch.randn(4, D.shape.channels, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(4))


def normalized_weights(D):
    """Each weight of the network and the module that normalizes it."""
    for module in D.modules():
        if isinstance(module, Conv | Dense):
            yield module.weight, module.spectral
        elif isinstance(module, ProjectionHead):
            yield module.embedding, module.spectral


def test_spectral_norm_divides_a_matrix_by_its_largest_singular_value():
    norm = SpectralNorm(2)
    weight = torch.tensor([[3.0, 0.0, 0.0], [0.0, 4.0, 0.0]])
    norm.reset(weight, torch.Generator().manual_seed(0), steps=50)
    torch.testing.assert_close(norm(weight), weight / 4)


@every_channel_count
@pytest.mark.parametrize("family", ["mlp", "dcgan", "resnet"])
def test_spectral_norm_gives_every_weight_norm_one(family, channels):
    D = spectral_discriminator(channels, family)
    for _ in range(100):
        score(D)
    D.eval()
    weights = list(normalized_weights(D))
    assert len(weights) == sum(parameter.dim() > 1 for parameter in D.parameters())
    for weight, norm in weights:
        largest = torch.linalg.matrix_norm(norm(weight).flatten(1), ord=2)
        assert largest.item() == pytest.approx(1.0, abs=1e-3)


@every_channel_count
@pytest.mark.parametrize("family", ["mlp", "dcgan", "resnet"])
def test_spectral_norm_is_near_one_before_the_first_step(family, channels):
    for weight, norm in normalized_weights(spectral_discriminator(channels, family).eval()):
        assert torch.linalg.matrix_norm(norm(weight).flatten(1), ord=2).item() == pytest.approx(1.0, abs=0.15)


@every_channel_count
def test_power_iteration_advances_in_training_mode_only(channels):
    D = spectral_discriminator(channels)
    state = {name: tensor.clone() for name, tensor in D.state_dict().items() if name.endswith("spectral.u")}
    assert len(state) == 4  # two convolutions, psi, the projection
    score(D.eval())
    assert all(torch.equal(D.state_dict()[name], tensor) for name, tensor in state.items())
    score(D.train())
    moved = {name for name, tensor in state.items() if not torch.equal(D.state_dict()[name], tensor)}
    assert moved >= {"trunk.0.spectral.u", "trunk.2.spectral.u", "head.spectral.u"}  # psi has a single row


def test_spectral_norm_is_differentiable_through_the_singular_value():
    norm = SpectralNorm(3)
    weight = torch.randn(3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    norm.double().reset(weight, torch.Generator().manual_seed(0), steps=500)
    direction = torch.randn(3, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    (got,) = torch.autograd.grad((norm.eval()(weight) * direction).sum(), weight)
    exact = weight / torch.linalg.svdvals(weight)[0]
    (expected,) = torch.autograd.grad((exact * direction).sum(), weight)
    torch.testing.assert_close(got, expected)


@every_channel_count
def test_spectral_norm_allows_two_forward_passes_before_backward(channels):
    D = spectral_discriminator(channels)
    (score(D) - score(D).square()).sum().backward()
    assert all(parameter.grad is not None for parameter in D.parameters())


@every_channel_count
def test_power_iteration_is_float32_under_autocast(channels):
    D = spectral_discriminator(channels)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = score(D)
    exact = score(spectral_discriminator(channels))
    assert all(norm.u.dtype == torch.float32 for _, norm in normalized_weights(D))
    same = spectral_discriminator(channels)
    score(same)
    assert all(
        torch.equal(a.u, b.u) for (_, a), (_, b) in zip(normalized_weights(D), normalized_weights(same), strict=True)
    )
    torch.testing.assert_close(logits.float(), exact, atol=0.02, rtol=0.05)
