"""Attributions of a logit to pixels, whose contributions add up to it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mnist_gan import sampling
from mnist_gan.config import DiscriminatorConfig
from mnist_gan.errors import ConfigError
from mnist_gan.models import Discriminator, ImageShape, build_discriminator
from mnist_gan.models.base import ProjectionHead
from mnist_gan.models.layers import Flatten
from mnist_gan.sampling.attribution import input_gradients


def tiny(*, family="dcgan", norm="none", classes=0, channels=1) -> Discriminator:
    widths = (16,) if family == "mlp" else (4, 8)
    config = DiscriminatorConfig(family=family, channels=widths, norm=norm)
    shape = ImageShape(channels=channels, resolution=28, num_classes=classes)
    return build_discriminator(config, shape, seed=0).eval().requires_grad_(False)


def image(*, channels=1, seed=0) -> torch.Tensor:
    return torch.rand(channels, 28, 28, generator=torch.Generator().manual_seed(seed)) * 2 - 1


class Linear(Discriminator):
    """A weighted sum of the pixels."""

    def __init__(self) -> None:
        super().__init__(shape=ImageShape(channels=1, resolution=28))
        self.trunk = nn.Sequential(Flatten())
        self.head = ProjectionHead(784, num_classes=0, spectral=False)
        self.head.init_weights(torch.Generator().manual_seed(0))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("family", "norm", "classes"),
    [("mlp", "none", 0), ("dcgan", "none", 4), ("dcgan", "spectral", 0), ("dcgan", "batch", 0), ("resnet", "none", 4)],
)
def test_integrated_gradients_add_up_to_the_difference_of_the_logits(family, norm, classes, channels):
    D = tiny(family=family, norm=norm, classes=classes, channels=channels)
    x, black = image(channels=channels), torch.full((channels, 28, 28), -1.0)
    label = 2 if classes else None
    found = sampling.integrated_gradients(D, x, label=label, baseline=black, steps=512)
    labels = None if label is None else torch.tensor([label, label])
    logit, baseline_logit = D(torch.stack([x, black]), labels).tolist()
    difference = logit - baseline_logit
    assert (found.logit, found.baseline_logit) == pytest.approx((logit, baseline_logit), abs=1e-5)
    assert float(found.contributions.sum()) == pytest.approx(difference, abs=0.01 * abs(difference) + 1e-4)
    assert found.remainder == pytest.approx(difference - float(found.contributions.double().sum()), abs=1e-6)


def test_integrated_gradients_remainder_falls_with_the_steps():
    D, x, black = tiny(), image(), torch.full((1, 28, 28), -1.0)
    few, many = (abs(sampling.integrated_gradients(D, x, baseline=black, steps=n).remainder) for n in (2, 1000))
    assert many < few


def test_integrated_gradients_of_a_linear_discriminator_are_weight_times_change():
    D = Linear().eval()
    x, base = image(), image(seed=1)
    found = sampling.integrated_gradients(D, x, baseline=base, steps=1)
    weight = D.head.psi.weight.detach().view(28, 28)
    torch.testing.assert_close(found.contributions[0], (x - base)[0] * weight)
    assert found.remainder == pytest.approx(0, abs=1e-5)


def test_integrated_gradients_of_an_unchanged_pixel_are_zero():
    x, black = image(), torch.full((1, 28, 28), -1.0)
    x[:, 10:] = -1
    found = sampling.integrated_gradients(tiny(), x, baseline=black, steps=8)
    assert not found.contributions[:, 10:].any()
    assert found.contributions[:, :10].any()


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_input_gradients_match_autograd(norm):
    D = tiny(norm=norm)
    images = torch.stack([image(seed=seed) for seed in range(3)]).requires_grad_()
    (expected,) = torch.autograd.grad(D(images).sum(), images)
    with torch.inference_mode():
        torch.testing.assert_close(input_gradients(D, images.detach().clone(), None), expected)


def test_integrated_gradients_refuse_a_missing_label_or_no_steps():
    with pytest.raises(ConfigError, match="pass a label for each image"):
        sampling.integrated_gradients(tiny(classes=4), image(), baseline=image(seed=1))
    with pytest.raises(ConfigError, match="steps is 0"):
        sampling.integrated_gradients(tiny(), image(), baseline=image(seed=1), steps=0)
