"""Pictures of a model: a view describes the picture, a scene draws it."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from mnist_gan import sampling
from mnist_gan.errors import ConfigError
from mnist_gan.models import Generator
from mnist_gan.studio.errors import ConflictError, UnavailableError
from mnist_gan.studio.services.inference import Inference, Model
from mnist_gan.text import pluralize

MAX_Z_TEXT: Final = 8192
BATCH: Final = 64
"""Images drawn between two checks for cancellation."""


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """A picture to draw: model, stage of its training, and place in its latent space. Equal views give equal images."""

    model: str
    at: int | None
    """Snapshot, in images seen; None for the model itself."""
    digit: int | None
    seed: int
    index: int
    """Number of the image within the seed."""
    z: str | None
    """Encoded latent, which replaces seed and index."""
    psi: float
    """Truncation."""
    sliders: tuple[float, ...]
    """Distance along each direction."""
    mix: int | None
    """Second digit to blend with."""
    t: float
    """Share of the second digit."""

    @property
    def needs_directions(self) -> bool:
        """True if a slider is not at 0."""
        return any(self.sliders)


@dataclass(frozen=True)
class Scene:
    """Draws a view. Not safe for the event loop: it computes.

    Raises:
        ConfigError: the model lacks a digit of the view.
        ConflictError: it is unconditional.
    """

    view: View
    model: Model
    G: Generator
    """Generator at the view's stage of the training."""
    check: Callable[[], None]
    """Called between batches; raises to stop the drawing."""

    @classmethod
    def open(cls, view: View, inference: Inference, check: Callable[[], None]) -> Scene:
        """Load the model of a view.

        Raises:
            NotFoundError: there is no such model or snapshot.
            UnavailableError: it cannot be loaded.
        """
        model = inference.model(view.model)
        return cls(view, model, inference.generator(model, view.at), check)

    def __post_init__(self) -> None:
        classes = self.G.shape.num_classes
        for name, digit in (("digit", self.view.digit), ("mix", self.view.mix)):
            if digit is not None and not classes:
                raise ConflictError(f"This model is unconditional; leave {name} out.")
            if digit is not None and digit >= classes:
                raise ConfigError(f"{name} must be from 0 to {classes - 1} with this model.")

    def latent(self, view: View | None = None) -> Float[Tensor, "1 z_dim"]:
        """Return z of the scene's view, or of another, with truncation and sliders."""
        view = view or self.view
        if view.z is not None:
            return self._edit(decode_z(view.z, z_dim=self.G.z_dim)[None])
        return self._edit(sampling.draw_latents(self.G, n=1, seed=view.seed, first=view.index))

    def latents(self, first: int, n: int) -> Float[Tensor, "n z_dim"]:
        """Return z of images `first` to `first + n` of the view's seed, with truncation and sliders."""
        return self._edit(sampling.draw_latents(self.G, n=n, seed=self.view.seed, first=first))

    def labels(self, indices: Sequence[int]) -> Int64[Tensor, "n"] | None:
        """Labels of images: the view's digit, or all trained classes in turn; None if the model is unconditional."""
        classes, digit = self.model.gan.classes, self.view.digit
        if not self.G.shape.num_classes:
            return None
        turn = [classes[index % len(classes)] if digit is None else digit for index in indices]
        return torch.tensor(turn, dtype=torch.int64)

    def draw(self, z: Float[Tensor, "n z_dim"], labels: Int64[Tensor, "n"] | None) -> UInt8[Tensor, "n c h w"]:
        """Draw images, blended with the view's second digit if it has one."""
        view = self.view
        if view.mix is None or labels is None or view.t == 0:
            return self._batches(z, labels, sampling.render)
        other = self.G.embed(torch.full_like(labels, view.mix))
        return self.draw_embedded(z, sampling.lerp(self.G.embed(labels), other, view.t))

    def draw_embedded(
        self, z: Float[Tensor, "n z_dim"], embedded: Float[Tensor, "n z_dim"]
    ) -> UInt8[Tensor, "n c h w"]:
        """Draw images from latents and label embeddings."""
        return self._batches(z, embedded, sampling.render_embedded)

    def with_generator(self, G: Generator) -> Scene:
        """The same scene drawn by another generator."""
        return replace(self, G=G)

    def _edit(self, z: Float[Tensor, "n z_dim"]) -> Float[Tensor, "n z_dim"]:
        """Truncate, then move along the directions."""
        z = sampling.truncate(z, psi=self.view.psi)
        if not self.view.needs_directions:
            return z
        directions = self.model.directions
        if directions is None:
            raise UnavailableError("The model has just changed. Try again.")
        used = max(place for place, amount in enumerate(self.view.sliders, start=1) if amount)
        if used > len(directions):
            raise ConfigError(
                f"d has {pluralize(used, 'number')}; this model has {pluralize(len(directions), 'direction')}."
            )
        return sampling.move(z, directions, self.view.sliders[:used])

    def _batches(self, z: Tensor, conditions: Tensor | None, render: Any) -> UInt8[Tensor, "n c h w"]:
        images = []
        for start in range(0, len(z), BATCH):
            self.check()
            rows = slice(start, start + BATCH)
            images.append(render(self.G, z[rows], None if conditions is None else conditions[rows]))
        return torch.cat(images)


def encode_z(z: Float[Tensor, "z_dim"]) -> str:
    """Encode a latent for an address: little-endian float16 as unpadded base64url."""
    content = z.detach().cpu().numpy().astype("<f2").tobytes()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def decode_z(text: str, *, z_dim: int) -> Float[Tensor, "z_dim"]:
    """Decode a latent from an address.

    Raises:
        ConfigError: it does not encode `z_dim` finite numbers.
    """
    error = ConfigError(f"z must be {z_dim} numbers of 16 bits each, as base64url.")
    if len(text) > MAX_Z_TEXT or not re.fullmatch(r"[A-Za-z0-9_-]+", text):
        raise error
    try:
        content = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise error from None
    if len(content) != 2 * z_dim:
        raise error
    numbers = np.frombuffer(content, dtype="<f2").astype(np.float32)
    if not np.isfinite(numbers).all():
        raise error
    return torch.from_numpy(numbers)
