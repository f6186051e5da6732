"""Base classes of the generators and discriminators of all families."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from mnist_gan.errors import ConfigError
from mnist_gan.models.layers import Dense, SpectralNorm, linearizable, linearize, normal_
from mnist_gan.scaling import PIXELS, Coordinates, Scaling
from mnist_gan.text import pluralize


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageShape:
    """Shape of the images or points, and the number of classes of a conditional network."""

    channels: int
    """1 for greyscale, 3 for colour or for three stacked digits; the coordinates of a point."""
    resolution: int
    """Height and width in pixels; 1 for points."""
    num_classes: int = 0
    """Number of labels; 0 for unconditional networks."""
    scaling: Scaling = PIXELS
    """Conversion between images or points at rest and the networks' numbers."""

    def __post_init__(self) -> None:
        if self.channels < 1 or self.resolution < 1 or self.num_classes < 0:
            raise ConfigError(
                f"{self} is not an image shape: channels and resolution must be at least 1, num_classes at least 0"
            )

    @property
    def is_points(self) -> bool:
        """True for points, False for images."""
        return isinstance(self.scaling, Coordinates)


class Generator(nn.Module):
    """Maps z to an image. A conditional generator concatenates the embedding of the label to z."""

    def __init__(self, *, z_dim: int, shape: ImageShape, overshoot: float = 1.0) -> None:
        super().__init__()
        self.z_dim, self.shape, self.overshoot = z_dim, shape, overshoot
        # as wide as z, so that label and z have equal weight in the first layer
        self.embedding = nn.Parameter(torch.empty(shape.num_classes, z_dim)) if shape.num_classes else None
        self.trunk: nn.Sequential

    @property
    def in_features(self) -> int:
        """Input features of the trunk: z, and the embedding of the label in a conditional network."""
        return self.z_dim * (1 if self.embedding is None else 2)

    def forward(
        self, z: Float[Tensor, "n z_dim"], labels: Int64[Tensor, "n"] | None = None
    ) -> Float[Tensor, "n c h w"]:
        """One image in [-1, 1] per row of `z`.

        Args:
            z: standard normal latents.
            labels: class of each image, in [0, num_classes); None for an unconditional network.

        Raises:
            ConfigError: labels are missing, or given to an unconditional network.
        """
        check_labels(self.shape, labels, network="generator")
        return self.draw(z, None if labels is None else self.embed(labels))

    def embed(self, labels: Int64[Tensor, "n"]) -> Float[Tensor, "n z_dim"]:
        """Learned embedding of each label; interpolating two embeddings interpolates two classes.

        Raises:
            ConfigError: the network is unconditional.
        """
        if self.embedding is None:
            raise ConfigError("this generator is unconditional: it has no label embeddings")
        return nn.functional.embedding(labels, self.embedding)

    @torch.no_grad()
    def scale_latents_(self, factor: float) -> None:
        """Multiply the weights of z, in place: the generator then draws for z what it drew for `factor * z`."""
        first: Dense = self.trunk[0]  # type: ignore[assignment] # the first layer of every family
        first.weight[:, : self.z_dim] *= factor

    def draw(self, z: Float[Tensor, "n z_dim"], embedded: Float[Tensor, "n z_dim"] | None) -> Float[Tensor, "n c h w"]:
        """Images from latents and label embeddings, which may be interpolated; None for an unconditional network."""
        images: Tensor = torch.tanh(self.trunk(z if embedded is None else torch.cat([z, embedded], dim=1)))
        return images if self.overshoot == 1.0 else (self.overshoot * images).clamp(-1.0, 1.0)


class ProjectionHead(nn.Module):
    """Maps features to a logit; a conditional head adds the projection of the label (Miyato & Koyama 2018, figure 1d).

    logit = psi . features + b + embedding[label] . features.
    """

    def __init__(self, features: int, *, num_classes: int, spectral: bool) -> None:
        super().__init__()
        self.psi = Dense(features, 1, spectral=spectral)
        self.embedding = nn.Parameter(torch.empty(num_classes, features)) if num_classes else None
        self.spectral = SpectralNorm(num_classes) if spectral and num_classes else None

    def init_weights(self, generator: torch.Generator) -> None:
        """Draw psi and the embedding from N(0, 1 / features); the bias is 0."""
        for weight in (self.psi.weight, self.embedding):
            if weight is not None:
                normal_(weight, gain=1.0, fan_in=weight.shape[1], generator=generator)

    def linearize(
        self, features: Float[Tensor, "n f"], labels: Int64[Tensor, "n"] | None
    ) -> tuple[Float[Tensor, "n"], Float[Tensor, "n f"]]:
        """Logits, and their gradient with respect to the features."""
        logits, pullback = self.psi.linearize(features)  # [N, 1]
        gradient = pullback(torch.ones_like(logits))
        projection = self._projection(labels)
        if projection is None:
            return logits.squeeze(1), gradient
        return logits.squeeze(1) + (features * projection).sum(dim=1), gradient + projection

    def forward(self, features: Float[Tensor, "n f"], labels: Int64[Tensor, "n"] | None) -> Float[Tensor, "n"]:
        """One logit per row of features."""
        if self.embedding is None or labels is None:
            return cast(Tensor, self.psi(features)).squeeze(1)
        return self.score_and_classify(features, labels)[0]

    def score_and_classify(
        self, features: Float[Tensor, "n f"], labels: Int64[Tensor, "n"]
    ) -> tuple[Float[Tensor, "n"], Float[Tensor, "n k"]]:
        """One logit and the class logits per row of features.

        The projection of a label is its class logit: one product of two matrices, instead of a row of the embedding per
        image.

        Raises:
            ConfigError: the network is unconditional.
        """
        class_logits = self.class_logits(features)
        logits, projection = self.psi(features).squeeze(1), class_logits.gather(1, labels[:, None]).squeeze(1)
        precision = torch.promote_types(logits.dtype, torch.float32)  # a sum of two bfloat16 is rounded once more
        return logits.to(precision) + projection, class_logits

    def class_logits(self, features: Float[Tensor, "n f"]) -> Float[Tensor, "n k"]:
        """Class logits of an auxiliary classifier: embedding[k] . features.

        Raises:
            ConfigError: the network is unconditional.
        """
        embedding = self._label_embedding()
        if embedding is None:
            raise ConfigError("this discriminator is unconditional: it has no class logits")
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
    """Maps images to logits: `trunk` computes features, `head` the logit."""

    def __init__(self, *, shape: ImageShape) -> None:
        super().__init__()
        self.shape = shape
        self.trunk: nn.Sequential
        self.head: ProjectionHead

    @property
    def features(self) -> nn.Module | None:
        """Maps images to features (N, F), the inputs of the head; None if the layers are not known."""
        return self.trunk

    @property
    def piecewise_linear(self) -> bool:
        """True if `input_gradient` is available: for every network without BatchNorm, which mixes images of a batch."""
        return linearizable(self.trunk)

    def forward(self, images: Float[Tensor, "n c h w"], labels: Int64[Tensor, "n"] | None = None) -> Float[Tensor, "n"]:
        """One logit per image; the objective defines its meaning.

        Args:
            images: in the range of the generator.
            labels: the class to test each image for; None for an unconditional network.

        Raises:
            ConfigError: labels are missing, or given to an unconditional network.
        """
        check_labels(self.shape, labels, network="discriminator")
        logits: Tensor = self.head(self.trunk(images), labels)
        return logits

    def score_and_classify(
        self, images: Float[Tensor, "n c h w"], labels: Int64[Tensor, "n"]
    ) -> tuple[Float[Tensor, "n"], Float[Tensor, "n k"]]:
        """The logits of `forward`, and class logits that do not depend on `labels`.

        The auxiliary classifier of Odena et al. (2017), with the embedding of the projection instead of a second head.

        Raises:
            ConfigError: labels are missing, or the network is unconditional.
        """
        check_labels(self.shape, labels, network="discriminator")
        return self.head.score_and_classify(self.trunk(images), labels)

    def logits_by_label(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """Logits of each image with each of the K labels.

        Raises:
            ConfigError: the network is unconditional.
        """
        if self.shape.num_classes == 0:
            raise ConfigError("this discriminator is unconditional: it has no logits by label")
        features = self.trunk(images)
        logits: Tensor = self.head.psi(features)  # [N, 1]
        return logits + self.head.class_logits(features)

    def input_gradient(
        self, images: Float[Tensor, "n c h w"], labels: Int64[Tensor, "n"] | None = None
    ) -> tuple[Float[Tensor, "n"], Float[Tensor, "n c h w"]]:
        """Logits, and the exact gradient of each with respect to its image, both as forward computations.

        Backward through the result equals double backward, as the slopes of leaky ReLUs are constant almost everywhere.

        Raises:
            ConfigError: labels are missing, or given to an unconditional network.
            TypeError: the network is not `piecewise_linear`.
        """
        check_labels(self.shape, labels, network="discriminator")
        features, pullback = linearize(self.trunk, images)
        logits, gradient = self.head.linearize(features, labels)
        return logits, pullback(gradient)


def coarsest_resolution(shape: ImageShape, channels: tuple[int, ...], *, network: str, image_stride: int = 1) -> int:
    """Resolution of the smallest feature maps, for a network with one width per resolution.

    With an `image_stride` of 2, the layer at the image halves the resolution once more.

    Raises:
        ConfigError: the resolution cannot be halved that often.
    """
    factor = image_stride << (len(channels) - 1)
    if shape.resolution % factor == 0:
        return shape.resolution // factor
    halvings = (shape.resolution & -shape.resolution).bit_length() - 1  # factors of 2 in the resolution
    fix = f"give --{network}.channels at most {halvings + 2 - image_stride} widths"
    if halvings == 0:
        fix = f"set --{network}.family mlp --{network}.image-stride 1 --{network}.dense-width 0"
    elif halvings == 1 and image_stride == 2:  # the stride would leave one width, and a network needs two
        fix = f"give --{network}.channels 2 widths and set --{network}.image-stride 1"
    raise ConfigError(
        f"{network}.channels has {pluralize(len(channels), 'width')}, one per resolution, but images of "
        f"{shape.resolution}x{shape.resolution} pixels can be halved {pluralize(halvings, 'time')} only; {fix}"
    )


def check_labels(shape: ImageShape, labels: Tensor | None, *, network: str) -> None:
    """Check that labels are given to a conditional network, and to no other.

    Raises:
        ConfigError: labels are missing, or given to an unconditional network.
    """
    if shape.num_classes and labels is None:
        classes = pluralize(shape.num_classes, "class", "classes")
        raise ConfigError(f"this {network} is conditional on {classes}: pass a label for each image")
    if not shape.num_classes and labels is not None:
        raise ConfigError(f"this {network} is unconditional: pass no labels")
