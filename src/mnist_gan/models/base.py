"""What every generator and every discriminator is, whatever its family."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from mnist_gan.errors import ConfigError
from mnist_gan.models.layers import Dense, PiecewiseLinear, SpectralNorm, linearize, normal_


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageShape:
    """What a network has to know of the images."""

    channels: int
    """1 for grey, 3 for colour or three stacked digits."""
    resolution: int
    """Height and width in pixels."""
    num_classes: int = 0
    """Number of labels that images can be asked for; 0 if the networks are unconditional."""

    def __post_init__(self) -> None:
        if self.channels < 1 or self.resolution < 1 or self.num_classes < 0:
            raise ConfigError(
                f"{self} is no shape of images: channels and resolution must be at least 1, classes 0 or more"
            )


class Generator(nn.Module):
    """Draws images: z, and in a conditional network the embedding of the label beside it, through `trunk`."""

    def __init__(self, *, z_dim: int, shape: ImageShape) -> None:
        super().__init__()
        self.z_dim, self.shape = z_dim, shape
        # as wide as z, so that the first layer hears label and z equally loud
        self.embedding = nn.Parameter(torch.empty(shape.num_classes, z_dim)) if shape.num_classes else None
        self.trunk: nn.Sequential

    @property
    def in_features(self) -> int:
        """Length of what the trunk takes."""
        return self.z_dim * (1 if self.embedding is None else 2)

    def forward(
        self, z: Float[Tensor, "n z_dim"], labels: Int64[Tensor, "n"] | None = None
    ) -> Float[Tensor, "n c h w"]:
        """Draw one image in [-1, 1] for each row of `z`.

        Args:
            z: standard normal latents.
            labels: what to draw, each in [0, num_classes); None if the network is unconditional.

        Raises:
            ConfigError: labels are missing, or given to an unconditional network.
        """
        _check_labels(self.shape, labels, network="generator")
        return self.draw(z, None if labels is None else self.embed(labels))

    def embed(self, labels: Int64[Tensor, "n"]) -> Float[Tensor, "n z_dim"]:
        """The learned vector of each label; what lies between two of them stands for what lies between two digits.

        Raises:
            ConfigError: the network is unconditional.
        """
        if self.embedding is None:
            raise ConfigError("this generator is unconditional: it has no labels to embed")
        return nn.functional.embedding(labels, self.embedding)

    def draw(self, z: Float[Tensor, "n z_dim"], embedded: Float[Tensor, "n z_dim"] | None) -> Float[Tensor, "n c h w"]:
        """Draw from latents and embedded labels, or points between them; None if the network is unconditional."""
        images: Tensor = torch.tanh(self.trunk(z if embedded is None else torch.cat([z, embedded], dim=1)))
        return images


class ProjectionHead(nn.Module):
    """Features to a logit; a conditional one adds the label's projection (Miyato & Koyama 2018, figure 1d).

    logit = psi . features + b + embedding[label] . features: each class has its own linear judge, around a common one.
    """

    def __init__(self, features: int, *, num_classes: int, spectral: bool) -> None:
        super().__init__()
        self.psi = Dense(features, 1, spectral=spectral)
        self.embedding = nn.Parameter(torch.empty(num_classes, features)) if num_classes else None
        self.spectral = SpectralNorm(num_classes) if spectral and num_classes else None

    def init_weights(self, generator: torch.Generator) -> None:
        """N(0, 1/features) for psi and the embedding; the bias is 0."""
        for weight in (self.psi.weight, self.embedding):
            if weight is not None:
                normal_(weight, gain=1.0, fan_in=weight.shape[1], generator=generator)

    def linearize(
        self, features: Float[Tensor, "n f"], labels: Int64[Tensor, "n"] | None
    ) -> tuple[Float[Tensor, "n"], Float[Tensor, "n f"]]:
        """The logits, and their gradient with respect to the features."""
        logits, pull_back = self.psi.linearize(features)  # [N, 1]
        gradient = pull_back(torch.ones_like(logits))
        projection = self._projection(labels)
        if projection is None:
            return logits.squeeze(1), gradient
        return logits.squeeze(1) + (features * projection).sum(dim=1), gradient + projection

    def forward(self, features: Float[Tensor, "n f"], labels: Int64[Tensor, "n"] | None) -> Float[Tensor, "n"]:
        """The logits alone."""
        logits: Tensor = self.psi(features).squeeze(1)
        projection = self._projection(labels)
        return logits if projection is None else logits + (features * projection).sum(dim=1)

    def class_logits(self, features: Float[Tensor, "n f"]) -> Float[Tensor, "n k"]:
        """How well each label's projection fits the features: embedding[k] . features.

        Raises:
            ConfigError: the network is unconditional.
        """
        embedding = self._label_embedding()
        if embedding is None:
            raise ConfigError("this discriminator is unconditional: it knows no labels")
        return features @ embedding.t()

    def _projection(self, labels: Int64[Tensor, "n"] | None) -> Float[Tensor, "n f"] | None:
        embedding = self._label_embedding()
        return None if embedding is None or labels is None else nn.functional.embedding(labels, embedding)

    def _label_embedding(self) -> Float[Tensor, "k f"] | None:
        if self.embedding is None or self.spectral is None:
            return self.embedding
        normalized: Tensor = self.spectral(self.embedding)
        return normalized


class Discriminator(nn.Module):
    """Judges images: `trunk` turns them into features, `head` these into a logit."""

    def __init__(self, *, shape: ImageShape) -> None:
        super().__init__()
        self.shape = shape
        self.trunk: nn.Sequential
        self.head: ProjectionHead

    @property
    def piecewise_linear(self) -> bool:
        """Whether `input_gradient` can be had: everything but BatchNorm, which mixes the images of a batch."""
        return all(isinstance(layer, PiecewiseLinear) for layer in self.trunk)

    def forward(self, images: Float[Tensor, "n c h w"], labels: Int64[Tensor, "n"] | None = None) -> Float[Tensor, "n"]:
        """One logit for each image; what it means depends on the objective.

        Args:
            images: in the generator's range.
            labels: the label that each image is judged together with; None if the network is unconditional.

        Raises:
            ConfigError: labels are missing, or given to an unconditional network.
        """
        _check_labels(self.shape, labels, network="discriminator")
        logits: Tensor = self.head(self.trunk(images), labels)
        return logits

    def judge_and_read(
        self, images: Float[Tensor, "n c h w"], labels: Int64[Tensor, "n"]
    ) -> tuple[Float[Tensor, "n"], Float[Tensor, "n k"]]:
        """The logits of `forward`, and for each of the K labels how well it fits, whatever was asked for.

        The label that is read is the one whose projection fits best: the auxiliary classifier of Odena et al. (2017),
        with the projection's own embedding in place of a second head.

        Raises:
            ConfigError: labels are missing, or the network is unconditional.
        """
        _check_labels(self.shape, labels, network="discriminator")
        features = self.trunk(images)
        logits: Tensor = self.head(features, labels)
        return logits, self.head.class_logits(features)

    def logits_by_label(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """What a conditional network says of each image together with each of its K labels.

        Raises:
            ConfigError: the network is unconditional.
        """
        if self.shape.num_classes == 0:
            raise ConfigError("this discriminator is unconditional: it judges images without labels")
        features = self.trunk(images)
        labels = torch.arange(self.shape.num_classes, device=images.device)
        return torch.stack([self.head(features, label.expand(len(images))) for label in labels], dim=1)

    def input_gradient(
        self, images: Float[Tensor, "n c h w"], labels: Int64[Tensor, "n"] | None = None
    ) -> tuple[Float[Tensor, "n"], Float[Tensor, "n c h w"]]:
        """Logits, and the exact gradient of each with respect to its own image, both as forward computations.

        A backward pass through the result gives the weights the same gradient as autograd's double backward: the
        slopes of the leaky ReLUs are constant almost everywhere.

        Raises:
            ConfigError: labels are missing, or given to an unconditional network.
            TypeError: the network is not `piecewise_linear`.
        """
        _check_labels(self.shape, labels, network="discriminator")
        features, pull_back = linearize(self.trunk, images)
        logits, gradient = self.head.linearize(features, labels)
        return logits, pull_back(gradient)


def coarsest_resolution(shape: ImageShape, channels: tuple[int, ...], *, network: str, image_stride: int = 1) -> int:
    """The resolution at the small end of a network that has one width for each halving of the image.

    With an `image_stride` of 2, the first halving is that of the layer at the image.

    Raises:
        ConfigError: the image cannot be halved so often.
    """
    factor = image_stride << (len(channels) - 1)
    if shape.resolution % factor == 0:
        return shape.resolution // factor
    halvings = (shape.resolution & -shape.resolution).bit_length() - 1  # how often 2 divides the resolution
    most = max(1, halvings + 2 - image_stride)
    fix = f"give --{network}.channels at most {most} widths" if halvings else f"take --{network}.family mlp"
    raise ConfigError(
        f"{network}.channels has {len(channels)} widths, each for half the resolution of the next, but images of "
        f"{shape.resolution}x{shape.resolution} pixels can be halved {halvings} times; {fix}"
    )


def _check_labels(shape: ImageShape, labels: Tensor | None, *, network: str) -> None:
    if shape.num_classes and labels is None:
        raise ConfigError(f"this {network} is conditional on {shape.num_classes} classes: give each image a label")
    if not shape.num_classes and labels is not None:
        raise ConfigError(f"this {network} is unconditional: give no labels")
