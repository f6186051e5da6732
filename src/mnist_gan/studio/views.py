"""What an address asks to see: read from the query, checked, and turned into latents and pictures."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from mnist_gan import sampling
from mnist_gan.models import Generator
from mnist_gan.sampling.truncation import MAX_PSI
from mnist_gan.studio.inference import Ticket
from mnist_gan.studio.models import Model, Workbench
from mnist_gan.studio.problems import Problem

MAX_SEED: Final = 2**53 - 1
"""The largest whole number that a page's script can hold exactly."""
MAX_INDEX: Final = 1_000_000
MAX_SLIDER: Final = 6.0
MAX_SLIDERS: Final = 64
MAX_Z_TEXT: Final = 8192
BATCH: Final = 64
"""Images drawn at once, between two looks whether they are still wanted."""

_WHOLE: Final = re.compile(r"[0-9]{1,16}")
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,6}(\.[0-9]{0,12})?|[+-]?\.[0-9]{1,12}")


class Query:
    """Values in an address, each checked as it is read.

    Args:
        values: names and texts.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def whole(self, name: str, *, low: int = 0, high: int) -> int | None:
        """A whole number from `low` to `high`, or None where there is no such name.

        Raises:
            Problem: it is none.
        """
        text = self._values.get(name)
        if text is None:
            return None
        if not _WHOLE.fullmatch(text) or not low <= int(text) <= high:
            raise Problem(400, f"{name} must be a whole number from {low} to {high}")
        return int(text)

    def number(self, name: str, *, low: float, high: float) -> float | None:
        """A decimal number from `low` to `high`, or None where there is no such name.

        Raises:
            Problem: it is none.
        """
        text = self._values.get(name)
        return None if text is None else _number(text, name, low=low, high=high)

    def numbers(self, name: str, *, low: float, high: float, most: int) -> tuple[float, ...]:
        """Decimal numbers with commas between them; none where there is no such name. An empty place is 0.

        Raises:
            Problem: one of them is none, or they are more than `most`.
        """
        texts = self._values.get(name, "").split(",")
        if len(texts) > most:
            raise Problem(400, f"{name} has {len(texts)} numbers; there may be {most}")
        return tuple(_number(text, name, low=low, high=high) if text else 0.0 for text in texts)

    def choice(self, name: str, choices: Sequence[str]) -> str:
        """One of `choices`; the first where there is no such name.

        Raises:
            Problem: it is none of them.
        """
        text = self._values.get(name, choices[0])
        if text not in choices:
            raise Problem(400, f"{name} must be {' or '.join(choices)}")
        return text

    def text(self, name: str) -> str | None:
        """The text itself."""
        return self._values.get(name)


def _number(text: str, name: str, *, low: float, high: float) -> float:
    if not _NUMBER.fullmatch(text) or not low <= float(text) <= high:
        raise Problem(400, f"{name} must be a number from {low:g} to {high:g}")
    return float(text)


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """What is looked at: a model at a moment, and a place among its images. The same view is the same picture."""

    model: str
    at: int | None
    digit: int | None
    seed: int
    index: int
    z: str | None
    psi: float
    sliders: tuple[float, ...]
    mix: int | None
    t: float

    @classmethod
    def of(cls, query: Query) -> View:
        """Read a view; what the query leaves out has its default.

        Raises:
            Problem: a value is out of its range.
        """
        given_psi = query.number("psi", low=0, high=MAX_PSI)
        return cls(
            model=query.text("model") or "shipped",
            at=query.whole("at", high=10**15),
            digit=query.whole("digit", high=9999),
            seed=query.whole("seed", high=MAX_SEED) or 0,
            index=query.whole("index", high=MAX_INDEX) or 0,
            z=query.text("z"),
            psi=1.0 if given_psi is None else given_psi,
            sliders=query.numbers("d", low=-MAX_SLIDER, high=MAX_SLIDER, most=MAX_SLIDERS),
            mix=query.whole("mix", high=9999),
            t=query.number("t", low=0, high=1) or 0.0,
        )

    @property
    def needs_directions(self) -> bool:
        """Whether a slider is out of its middle."""
        return any(self.sliders)


@dataclass(frozen=True)
class Scene:
    """A view with its model: what draws it. To be used in a lane's thread.

    Args:
        view: what is looked at.
        model: of the view's id.
        G: the generator at the view's moment.
        workbench: where other moments are to be had.
    """

    view: View
    model: Model
    G: Generator
    workbench: Workbench

    @classmethod
    def of(cls, view: View, workbench: Workbench) -> Scene:
        """Open the view's model.

        Raises:
            Problem: there is no such model or moment (404), it cannot be loaded (503), or it is unconditional and a
                digit was asked for (409).
        """
        model = workbench.open(view.model)
        scene = cls(view, model, workbench.generator(model, view.at), workbench)
        for name, digit in (("digit", view.digit), ("mix", view.mix)):
            scene.check_digit(name, digit)
        return scene

    def at(self, moment: int | None) -> Scene:
        """The same at another moment of the training; None is the model itself."""
        return replace(self, G=self.workbench.generator(self.model, moment))

    def towards(self, view: View) -> Scene:
        """The same model looked at elsewhere."""
        return replace(self, view=view)

    def check_digit(self, name: str, digit: int | None) -> None:
        """Refuse a digit that the model does not know.

        Raises:
            Problem: it does not.
        """
        classes = self.G.shape.num_classes
        if digit is not None and not classes:
            raise Problem(409, f"this model is unconditional: it cannot be asked for a {name}")
        if digit is not None and digit >= classes:
            raise Problem(400, f"{name} must be from 0 to {classes - 1} with this model")

    def digit(self, index: int) -> int | None:
        """What image `index` shows: the view's digit, or all in turn; None if the model is unconditional."""
        classes = self.G.shape.num_classes
        if not classes:
            return None
        return index % classes if self.view.digit is None else self.view.digit

    def latent(self) -> Float[Tensor, "1 z_dim"]:
        """The view's z: drawn or given, truncated, and moved by the sliders."""
        if self.view.z is not None:
            return self.edit(decode_z(self.view.z, z_dim=self.G.z_dim)[None])
        return self.latents(self.view.index, 1)

    def latents(self, first: int, n: int) -> Float[Tensor, "n z_dim"]:
        """The z of images `first` to `first + n` of the view's seed, truncated and moved."""
        return self.edit(sampling.draw_latents(self.G, n=n, seed=self.view.seed, first=first))

    def edit(self, z: Float[Tensor, "n z_dim"]) -> Float[Tensor, "n z_dim"]:
        """Truncation, then the sliders.

        Raises:
            Problem: there are more sliders than directions, or these are not known yet.
        """
        short = sampling.truncate(z, psi=self.view.psi)
        if not self.view.needs_directions:
            return short
        if self.model.directions is None:
            raise Problem(503, "the model has just changed; ask again", {"retry-after": "1"})
        last = max(place for place, amount in enumerate(self.view.sliders, start=1) if amount)
        if last > len(self.model.directions):
            raise Problem(400, f"d has {last} numbers; this model has {len(self.model.directions)} directions")
        return sampling.move(short, self.model.directions, self.view.sliders[:last])

    def labels(self, indices: Sequence[int]) -> Int64[Tensor, "n"] | None:
        """The labels of images of these indices."""
        digits = [self.digit(index) for index in indices]
        known = [digit for digit in digits if digit is not None]
        return torch.tensor(known, dtype=torch.int64) if self.G.shape.num_classes else None

    def draw(
        self, z: Float[Tensor, "n z_dim"], labels: Int64[Tensor, "n"] | None, *, ticket: Ticket
    ) -> UInt8[Tensor, "n c h w"]:
        """The images of `z`, mixed with the view's other digit if it has one."""
        view = self.view
        if view.mix is None or labels is None or view.t == 0:
            return self._batches(z, labels, sampling.render, ticket)
        other = self.G.embed(torch.full_like(labels, view.mix))
        return self.draw_embedded(z, sampling.lerp(self.G.embed(labels), other, view.t), ticket=ticket)

    def draw_embedded(
        self, z: Float[Tensor, "n z_dim"], embedded: Float[Tensor, "n z_dim"], *, ticket: Ticket
    ) -> UInt8[Tensor, "n c h w"]:
        """The images of `z` and points among the embedded digits."""
        return self._batches(z, embedded, sampling.render_embedded, ticket)

    def _batches(self, z: Tensor, conditions: Tensor | None, render: Any, ticket: Ticket) -> UInt8[Tensor, "n c h w"]:
        parts = []
        for start in range(0, len(z), BATCH):
            ticket.check()
            rows = slice(start, start + BATCH)
            parts.append(render(self.G, z[rows], None if conditions is None else conditions[rows]))
        return torch.cat(parts)


def encode_z(z: Float[Tensor, "z_dim"]) -> str:
    """A latent for an address: base64url, without padding, of its float16 numbers, least byte first."""
    halves = z.detach().cpu().numpy().astype("<f2")
    return base64.urlsafe_b64encode(halves.tobytes()).rstrip(b"=").decode()


def decode_z(text: str, *, z_dim: int) -> Float[Tensor, "z_dim"]:
    """The latent in an address.

    Raises:
        Problem: it is none of `z_dim` finite numbers.
    """
    sentence = f"z must be {z_dim} numbers in 16 bits each, as base64url"
    if len(text) > MAX_Z_TEXT or not re.fullmatch(r"[A-Za-z0-9_-]+", text):
        raise Problem(400, sentence)
    try:
        content = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise Problem(400, sentence) from error
    if len(content) != 2 * z_dim:
        raise Problem(400, sentence)
    numbers = np.frombuffer(content, dtype="<f2").astype(np.float32)
    if not all(map(math.isfinite, numbers)):
        raise Problem(400, sentence)
    return torch.from_numpy(numbers)
