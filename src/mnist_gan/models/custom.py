"""Networks of a plug-in: any torch module that maps (z, labels) to images or (images, labels) to logits.

The adapters give them the interface of the built-in networks, and check what they return.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from mnist_gan.config import DiscriminatorConfig, GeneratorConfig
from mnist_gan.errors import ConfigError, PluginError
from mnist_gan.models.base import Discriminator, Generator, ImageShape, check_labels
from mnist_gan.registry import place_of


@runtime_checkable
class GeneratorNetwork(Protocol):
    """A torch module that draws images; the protocol of the argument `generator`."""

    def forward(self, z: Float[Tensor, "n z_dim"], labels: Int64[Tensor, "n"] | None) -> Float[Tensor, "n c h w"]:
        """One image in [-1, 1] for each row of `z`; `labels` is None in an unconditional training."""


@runtime_checkable
class DiscriminatorNetwork(Protocol):
    """A torch module that scores images; the protocol of the argument `discriminator`.

    For an auxiliary classifier (`objective.classifier_weight`) it also needs
    `score_and_classify(images, labels)`, which returns the logits and class logits (N, K).
    """

    def forward(self, images: Float[Tensor, "n c h w"], labels: Int64[Tensor, "n"] | None) -> Float[Tensor, "n"]:
        """One logit for each image; `labels` is None in an unconditional training."""


GeneratorBuilders: TypeAlias = Mapping[str, Callable[[GeneratorConfig, ImageShape], Any]]
"""Builders of a plug-in's generators by full name."""
DiscriminatorBuilders: TypeAlias = Mapping[str, Callable[[DiscriminatorConfig, ImageShape], Any]]
"""Builders of a plug-in's discriminators by full name."""


class CustomGenerator(Generator):
    """A plug-in's generator. It has no label embeddings of its own to interpolate."""

    def __init__(self, network: nn.Module, name: str, *, z_dim: int, shape: ImageShape) -> None:
        super().__init__(z_dim=z_dim, shape=dataclasses.replace(shape, num_classes=0))  # without an embedding
        self.network, self.name, self.shape = network, name, shape

    def forward(
        self, z: Float[Tensor, "n z_dim"], labels: Int64[Tensor, "n"] | None = None
    ) -> Float[Tensor, "n c h w"]:
        """The network's images; see `Generator.forward`.

        Raises:
            ConfigError: labels are missing, or given to an unconditional network.
            PluginError: the network returned another shape.
        """
        check_labels(self.shape, labels, network="generator")
        shape = self.shape
        expected = (len(z), shape.channels, shape.resolution, shape.resolution)
        return _checked(self.network(z, labels), expected, self.network, f"the generator {self.name}")

    def embed(self, labels: Int64[Tensor, "n"]) -> Float[Tensor, "n z_dim"]:
        """Refused: the label is an input of the network.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(
            f"the generator {self.name} has no label embeddings to interpolate; those of the built-in families have"
        )

    def draw(self, z: Float[Tensor, "n z_dim"], embedded: Float[Tensor, "n z_dim"] | None) -> Float[Tensor, "n c h w"]:
        """Images of an unconditional network; `embedded` is None."""
        return self.forward(z)


class CustomDiscriminator(Discriminator):
    """A plug-in's discriminator."""

    def __init__(self, network: nn.Module, name: str, *, shape: ImageShape) -> None:
        super().__init__(shape=shape)
        self.network, self.name = network, name

    @property
    def piecewise_linear(self) -> bool:
        """False: gradients of the input are computed by autograd."""
        return False

    @property
    def features(self) -> None:
        """None: the layers of the network are not known."""

    def forward(self, images: Float[Tensor, "n c h w"], labels: Int64[Tensor, "n"] | None = None) -> Float[Tensor, "n"]:
        """The network's logits; see `Discriminator.forward`.

        Raises:
            ConfigError: labels are missing, or given to an unconditional network.
            PluginError: the network returned another shape.
        """
        check_labels(self.shape, labels, network="discriminator")
        return self._check(self.network(images, labels), len(images))

    def score_and_classify(
        self, images: Float[Tensor, "n c h w"], labels: Int64[Tensor, "n"]
    ) -> tuple[Float[Tensor, "n"], Float[Tensor, "n k"]]:
        """The network's own `score_and_classify`.

        Raises:
            ConfigError: labels are missing.
            PluginError: the network has no such method.
        """
        check_labels(self.shape, labels, network="discriminator")
        method = getattr(self.network, "score_and_classify", None)
        if method is None:
            raise PluginError(
                f"{place_of(self.network)}: the discriminator {self.name} has no method score_and_classify for an "
                "auxiliary classifier; add one, or set --objective.classifier-weight 0"
            )
        logits, class_logits = method(images, labels)
        return self._check(logits, len(images)), class_logits

    def logits_by_label(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """Logits of each image with each of the K labels, in K passes.

        Raises:
            ConfigError: the network is unconditional.
        """
        if self.shape.num_classes == 0:
            raise ConfigError("this discriminator is unconditional: it has no logits by label")
        labels = torch.arange(self.shape.num_classes, device=images.device)
        return torch.stack([self(images, label.expand(len(images))) for label in labels], dim=1)

    def _check(self, logits: Any, n: int) -> Float[Tensor, "n"]:
        return _checked(logits, (n,), self.network, f"the discriminator {self.name}")


def adapt_generator(network: Any, name: str, *, z_dim: int, shape: ImageShape) -> Generator:
    """Return a network as a `Generator`: itself if it is one, else within an adapter.

    Raises:
        PluginError: it is no torch module with parameters, or a `Generator` of another shape.
    """
    _check_module(network, name, kind="generator")
    if not isinstance(network, Generator):
        return CustomGenerator(network, name, z_dim=z_dim, shape=shape)
    if (network.shape, network.z_dim) != (shape, z_dim):
        raise PluginError(
            f"{place_of(network)}: the generator {name} is for {network.shape} and z of length {network.z_dim}; the "
            f"training has {shape} and generator.z_dim {z_dim}"
        )
    return network


def adapt_discriminator(network: Any, name: str, *, shape: ImageShape) -> Discriminator:
    """Return a network as a `Discriminator`: itself if it is one, else within an adapter.

    Raises:
        PluginError: it is no torch module with parameters, or a `Discriminator` of another shape.
    """
    _check_module(network, name, kind="discriminator")
    if not isinstance(network, Discriminator):
        return CustomDiscriminator(network, name, shape=shape)
    if network.shape != shape:
        raise PluginError(
            f"{place_of(network)}: the discriminator {name} is for {network.shape}; the training has {shape}"
        )
    return network


def _check_module(network: Any, name: str, *, kind: str) -> None:
    if not isinstance(network, nn.Module):
        raise PluginError(f"the {kind} {name} is {type(network).__name__}; it must be a torch.nn.Module")
    if next(network.parameters(), None) is None:
        raise PluginError(f"{place_of(network)}: the {kind} {name} has no parameters to train")


def _checked(output: Any, expected: tuple[int, ...], network: nn.Module, what: str) -> Tensor:
    """Check a network's output, without a look at its values."""
    if not isinstance(output, Tensor):
        found = f"{type(output).__name__}"
    elif output.shape != expected:
        found = f"the shape {tuple(output.shape)}"
    elif not output.is_floating_point():
        found = str(output.dtype)
    else:
        return output
    raise PluginError(f"{place_of(network)}: {what} returned {found}; it must return floats of the shape {expected}")
