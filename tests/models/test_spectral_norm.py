import pytest
import torch

from mnist_gan.config import DiscriminatorConfig
from mnist_gan.models import ImageShape, build_discriminator
from mnist_gan.models.base import ProjectionHead
from mnist_gan.models.layers import Conv, Dense, SpectralNorm

SHAPE = ImageShape(channels=1, resolution=8, num_classes=10)


def spectral_discriminator(family="dcgan"):
    return build_discriminator(DiscriminatorConfig(family=family, channels=(6, 8), norm="spectral"), SHAPE, seed=0)


def judge(D):
    return D(torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(4))


def normalized_weights(D):
    """Each weight of the network and the module that normalizes it."""
    for module in D.modules():
        if isinstance(module, Conv | Dense):
            yield module.weight, module.spectral
        elif isinstance(module, ProjectionHead):
            yield module.embedding, module.spectral


def test_a_known_matrix_is_divided_by_its_largest_singular_value():
    norm = SpectralNorm(2)
    weight = torch.tensor([[3.0, 0.0, 0.0], [0.0, 4.0, 0.0]])
    norm.reset(weight, torch.Generator().manual_seed(0), steps=50)
    torch.testing.assert_close(norm(weight), weight / 4)


@pytest.mark.parametrize("family", ["mlp", "dcgan", "resnet"])
def test_every_weight_of_the_network_gets_norm_one_the_projection_too(family):
    D = spectral_discriminator(family)
    for _ in range(100):
        judge(D)
    D.eval()
    weights = list(normalized_weights(D))
    assert len(weights) == sum(parameter.dim() > 1 for parameter in D.parameters())
    for weight, norm in weights:
        largest = torch.linalg.matrix_norm(norm(weight).flatten(1), ord=2)
        assert largest.item() == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("family", ["mlp", "dcgan", "resnet"])
def test_fresh_weights_are_near_norm_one_before_any_step(family):
    for weight, norm in normalized_weights(spectral_discriminator(family).eval()):
        assert torch.linalg.matrix_norm(norm(weight).flatten(1), ord=2).item() == pytest.approx(1.0, abs=0.15)


def test_power_iteration_is_saved_moves_in_training_and_stands_in_evaluation():
    D = spectral_discriminator()
    state = {name: tensor.clone() for name, tensor in D.state_dict().items() if name.endswith("spectral.u")}
    assert len(state) == 4  # two convolutions, psi, the projection
    judge(D.eval())
    assert all(torch.equal(D.state_dict()[name], tensor) for name, tensor in state.items())
    judge(D.train())
    moved = {name for name, tensor in state.items() if not torch.equal(D.state_dict()[name], tensor)}
    assert moved >= {"trunk.0.spectral.u", "trunk.2.spectral.u", "head.spectral.u"}  # psi has a single row


def test_gradients_flow_through_the_singular_value():
    norm = SpectralNorm(3)
    weight = torch.randn(3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    norm.double().reset(weight, torch.Generator().manual_seed(0), steps=500)
    direction = torch.randn(3, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    (got,) = torch.autograd.grad((norm.eval()(weight) * direction).sum(), weight)
    exact = weight / torch.linalg.svdvals(weight)[0]
    (expected,) = torch.autograd.grad((exact * direction).sum(), weight)
    torch.testing.assert_close(got, expected)


def test_a_second_forward_pass_before_the_backward_pass_is_no_error():
    D = spectral_discriminator()
    (judge(D) - judge(D).square()).sum().backward()
    assert all(parameter.grad is not None for parameter in D.parameters())


def test_the_iteration_stays_in_float32_under_low_precision():
    D = spectral_discriminator()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = judge(D)
    exact = judge(spectral_discriminator())
    assert all(norm.u.dtype == torch.float32 for _, norm in normalized_weights(D))
    same = spectral_discriminator()
    judge(same)
    assert all(
        torch.equal(a.u, b.u) for (_, a), (_, b) in zip(normalized_weights(D), normalized_weights(same), strict=True)
    )
    torch.testing.assert_close(logits.float(), exact, atol=0.02, rtol=0.05)
