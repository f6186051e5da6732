"""Networks for use outside of this package: uint8 images in and out, probabilities instead of logits alone.

Latents are inputs, so the caller scales them for truncation. The averaged generator is used, as by `GAN.sample`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, TypeVar

import torch
from torch import Tensor, nn

from mnist_gan.artifacts.gan import GAN
from mnist_gan.errors import ConfigError
from mnist_gan.models import Generator
from mnist_gan.models.base import ProjectionHead
from mnist_gan.models.layers import Conv, Dense, SpectralNorm
from mnist_gan.scaling import to_float, to_uint8

Dtype: TypeAlias = Literal["float32", "float16"]
DTYPES: Final[dict[Dtype, torch.dtype]] = {"float32": torch.float32, "float16": torch.float16}
Network = TypeVar("Network", bound=nn.Module)
EXAMPLES: Final = 2
"""Batch size of example inputs; a size of 1 would be recorded as a constant."""


class ImageGenerator(nn.Module):
    """Maps latents, and labels if the model is conditional, to images.

    Outputs: `image`, uint8 (N, C, H, W), and `image_float`, float32 in [-1, 1].
    """

    inputs: Final = ("z", "label")
    outputs: Final = ("image", "image_float")

    def __init__(self, gan: GAN, *, dtype: Dtype = "float32") -> None:
        super().__init__()
        self.network: Generator = portable_copy(gan.G, dtype)
        self.dtype = DTYPES[dtype]

    def forward(self, z: Tensor, label: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Images of float32 latents (N, z_dim) and int64 labels (N,)."""
        embedded = None if label is None else self.network.embed(label)
        image_float = self.network.draw(z.to(self.dtype), embedded).float().contiguous()
        return to_uint8(image_float), image_float


class ImageScorer(nn.Module):
    """Maps uint8 images (N, C, H, W), and labels if the model is conditional, to `logit` and `probability` (N,).

    The probability is the calibrated one of `GAN.probability_real`.
    """

    inputs: Final = ("image", "label")
    outputs: Final = ("logit", "probability")

    def __init__(self, gan: GAN, *, dtype: Dtype = "float32") -> None:
        super().__init__()
        self.network: nn.Module = portable_copy(gan.D, dtype)
        self.dtype = DTYPES[dtype]
        self.real_range, self.calibration = gan.config.data.real_range, gan.calibration

    def forward(self, image: Tensor, label: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Logits on the scale of the objective, and probabilities that the images are real."""
        real = to_float(image, real_range=self.real_range).to(self.dtype)
        logit: Tensor = self.network(real, label).float()
        return logit, torch.sigmoid(self.calibration.scale * logit + self.calibration.bias)


@dataclass(frozen=True, kw_only=True)
class Part:
    """A network to export, with example inputs."""

    name: str
    """Name of its file, without a suffix."""
    module: ImageGenerator | ImageScorer
    arguments: tuple[Tensor, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs, in order."""
        return self.module.inputs[: len(self.arguments)]


def check_images(gan: GAN) -> None:
    """Check that a model draws images.

    Raises:
        ConfigError: it draws points.
    """
    if gan.shape.is_points:
        raise ConfigError("this model draws points; only models of images can be exported, others with --to hub")


def parts_of(gan: GAN, *, dtype: Dtype) -> Iterator[Part]:
    """The generator and the discriminator of a model of images."""
    shape = gan.shape
    labels = (torch.zeros(EXAMPLES, dtype=torch.int64),) if gan.conditional else ()
    z = torch.zeros(EXAMPLES, gan.G.z_dim)
    image = torch.zeros(EXAMPLES, shape.channels, shape.resolution, shape.resolution, dtype=torch.uint8)
    yield Part(name="generator", module=ImageGenerator(gan, dtype=dtype).eval(), arguments=(z, *labels))
    yield Part(name="discriminator", module=ImageScorer(gan, dtype=dtype).eval(), arguments=(image, *labels))


def portable_copy(network: Network, dtype: Dtype) -> Network:
    """A copy on the CPU in evaluation mode, in the given dtype, with spectral norms applied to the weights."""
    made = copy.deepcopy(network).cpu().eval().requires_grad_(False)
    for module in made.modules():
        if isinstance(module, Conv | Dense):
            fold_spectral_norm(module.weight, module.spectral)
            module.spectral = None
        elif isinstance(module, ProjectionHead) and module.embedding is not None:
            fold_spectral_norm(module.embedding, module.spectral)
            module.spectral = None
    return made.to(DTYPES[dtype])


@torch.no_grad()
def fold_spectral_norm(weight: Tensor, norm: SpectralNorm | None) -> None:
    """Divide a weight by its singular value, in place; the layer then needs no normalization."""
    if norm is not None:
        weight.copy_(norm(weight))
