"""The directions of z along which a generator's images change most, each named by what it does.

z is standard normal, so every direction is as likely as any other; but the images change much along a few and hardly
along the rest. Two ways of finding the few are here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from mnist_gan import rng
from mnist_gan.errors import ConfigError
from mnist_gan.models import Generator
from mnist_gan.models.layers import Dense
from mnist_gan.sampling.images import cycle_labels, draw_latents, render
from mnist_gan.sampling.properties import PROPERTIES, measure

Method: TypeAlias = Literal["images", "first-layer"]

PROBES: Final = 4000
"""Images that `images` differentiates: enough for the first directions to come out the same from any seed, to a few
degrees."""
NAMING_IMAGES: Final = 200
"""Images whose change a direction is named by."""
NAMING_STEP: Final = 1.5
"""How far they are moved to either side, in standard deviations."""
CLEAR_EFFECT: Final = 0.3
"""A direction is named by a property that it moves by this many standard deviations for one of its own..."""
CLEAR_AGREEMENT: Final = 0.75
"""...in the same direction for at least this share of the images."""
BATCH: Final = 250


@dataclass(frozen=True, kw_only=True)
class Directions:
    """Orthonormal directions of z, those along which images change most first."""

    vectors: Float[Tensor, "k z_dim"]
    """One unit vector a row. One unit of length is one standard deviation of z."""
    shares: Float64[Tensor, "k"]
    """The share of all change that lies along each; of all z_dim directions they add up to 1."""
    names: tuple[str, ...]
    """The property that each changes most, or "direction 4" where none is changed clearly."""
    effects: tuple[dict[str, float], ...]
    """How much each property grows along each: in its standard deviations among images of one digit, for one of z."""

    def __len__(self) -> int:
        """How many there are."""
        return len(self.vectors)

    def explanation(self, index: int) -> str:
        """What is seen when one goes along direction `index`, as a sentence."""
        effects = self.effects[index]
        first, second = sorted(effects, key=lambda name: -abs(effects[name]))[:2]
        seen = f"{PROPERTIES[first][0].upper()}{PROPERTIES[first][1:]}"
        opening = "No single property stands out" if self.names[index] == _nameless(index) else seen
        return (
            f"{opening}. A step of 1 gives {first} {effects[first]:+.2f} and {second} {effects[second]:+.2f}, "
            "in standard deviations among images of one digit."
        )


def move(z: Float[Tensor, "n z_dim"], directions: Directions, amounts: Sequence[float]) -> Float[Tensor, "n z_dim"]:
    """Each z moved by `amounts[k]` standard deviations along direction k; directions without an amount stay.

    Raises:
        ConfigError: there are more amounts than directions.
    """
    if len(amounts) > len(directions):
        raise ConfigError(f"{len(amounts)} amounts were given for {len(directions)} directions; leave out the rest")
    if not any(amounts):
        return z
    return z + torch.tensor([amounts], dtype=z.dtype) @ directions.vectors[: len(amounts)].to(z.dtype)


def find_directions(
    G: Generator, *, count: int = 12, method: Method = "images", probes: int = PROBES, seed: int = 0
) -> Directions:
    """The `count` directions of z along which images change most, named by what they do.

    Args:
        G: in evaluation mode, on the CPU.
        count: at most this many; never more than z has dimensions.
        method: "images" asks the images themselves (`change_of_images`), "first-layer" the first layer's outputs
            (`change_of_first_layer`), as GANSpace does.
        probes: images that "images" looks at.
        seed: of the images looked at.

    Raises:
        ConfigError: `count` or `probes` is less than 1.
    """
    if count < 1 or probes < 1:
        raise ConfigError(f"count is {count} and probes {probes}; both must be at least 1")
    change = change_of_images(G, probes=probes, seed=seed) if method == "images" else change_of_first_layer(G)
    vectors, shares = principal_directions(change, count=min(count, G.z_dim))
    return _named(G, vectors, shares, seed=seed)


def change_of_images(G: Generator, *, probes: int = PROBES, seed: int = 0) -> Float64[Tensor, "z_dim z_dim"]:
    """E[J'J], where J is the Jacobian of an image's pixels with respect to its z: v'E[J'J]v is the mean squared change.

    Its eigenvectors span the active subspaces of Constantine et al. 2014 (arXiv:1304.2070), here of all pixels at once.
    J itself is never formed: for a random g with E[gg'] = 1, (J'g)(J'g)' has the expectation
    J'J, and J'g is one backward pass. All digits are looked at in turn.
    """
    total = torch.zeros(G.z_dim, G.z_dim, dtype=torch.float64)
    labels = _labels(G, probes)
    z = draw_latents(G, n=probes, seed=rng.derive_seed(seed, "directions"))
    noise = rng.generator(seed, "directions/probes")
    with torch.enable_grad(), torch.inference_mode(False):
        for start in range(0, probes, BATCH):
            rows = slice(start, start + BATCH)
            leaf = z[rows].clone().requires_grad_()
            images = G(leaf, None if labels is None else labels[rows])
            (gradient,) = torch.autograd.grad(images, leaf, torch.randn(images.shape, generator=noise))
            total += gradient.double().T @ gradient.double()
    return total / probes


def change_of_first_layer(G: Generator) -> Float64[Tensor, "z_dim z_dim"]:
    """W'W for the weight W with which the first layer takes z.

    GANSpace (Harkonen et al. 2020, arXiv:2004.02546) draws many z, runs a PCA of a layer's outputs Wz + b, and goes
    back to z by regression. For the first layer, which is linear, and standard normal z no sampling is needed: the
    outputs' covariance is WW', and the directions of z that give its principal components are the eigenvectors of W'W.
    That is also what SeFa (Shen & Zhou 2021, arXiv:2007.06600) derives. The label's part of the layer is the same for
    all z of a digit.
    """
    first = next(layer for layer in G.trunk if isinstance(layer, Dense))
    weight = first.weight[:, : G.z_dim].detach().double()
    return weight.T @ weight


def principal_directions(
    change: Float64[Tensor, "z_dim z_dim"], *, count: int
) -> tuple[Float[Tensor, "k z_dim"], Float64[Tensor, "k"]]:
    """The first `count` eigenvectors of a symmetric matrix, as rows, and each one's share of the trace.

    The sign of an eigenvector is chance; here its largest component is positive.
    """
    values, vectors = torch.linalg.eigh(change)  # ascending
    rows = vectors.T.flip(0)[:count]
    largest = rows.gather(1, rows.abs().argmax(dim=1, keepdim=True))
    values = values.clamp_min(0)
    shares = values.flip(0)[:count] / values.sum().clamp_min(torch.finfo(torch.float64).tiny)
    return (rows * largest.sign()).float(), shares


def _named(G: Generator, vectors: Float[Tensor, "k z_dim"], shares: Float64[Tensor, "k"], *, seed: int) -> Directions:
    """The directions with names, each turned so that its property grows along it."""
    z = draw_latents(G, n=NAMING_IMAGES, seed=rng.derive_seed(seed, "directions/names"))
    labels = _labels(G, len(z))
    spread = {name: _spread(values, labels) for name, values in measure(render(G, z, labels)).items()}
    names: list[str] = []
    turned, all_effects = vectors.clone(), []
    for index, vector in enumerate(vectors):
        effects, agreement = _effects(G, z, labels, vector, spread)
        strongest = max(effects, key=lambda name: abs(effects[name]))
        clear = abs(effects[strongest]) >= CLEAR_EFFECT and agreement[strongest] >= CLEAR_AGREEMENT
        if effects[strongest] < 0:
            turned[index] = -vector
            effects = {name: -effect for name, effect in effects.items()}
        names.append(_unused(strongest, names) if clear else _nameless(index))
        all_effects.append(effects)
    return Directions(vectors=turned, shares=shares, names=tuple(names), effects=tuple(all_effects))


def _effects(
    G: Generator, z: Tensor, labels: Tensor | None, vector: Tensor, spread: dict[str, float]
) -> tuple[dict[str, float], dict[str, float]]:
    """By property: its mean growth for one unit of `vector`, in spreads; and the share of images that go that way.

    The slope of a regression through two points each, one on either side of every image.
    """
    below, above = (measure(render(G, z + side * NAMING_STEP * vector, labels)) for side in (-1, 1))
    effects, agreement = {}, {}
    for name, unit in spread.items():
        growth = (above[name] - below[name]) / (2 * NAMING_STEP)
        mean = float(growth.mean())
        effects[name] = mean / unit if unit > 0 else 0.0
        agreement[name] = float((growth.sign() == (1 if mean > 0 else -1)).float().mean())
    return effects, agreement


def _spread(values: Float[Tensor, "n"], labels: Int64[Tensor, "n"] | None) -> float:
    """The standard deviation of a property among images of one digit."""
    if labels is None:
        return float(values.std())
    parts = [values[labels == label] for label in set(labels.tolist())]
    centred = torch.cat([part - part.mean() for part in parts])
    return float(centred.square().mean().sqrt())


def _labels(G: Generator, n: int) -> Int64[Tensor, "n"] | None:
    return cycle_labels(range(G.shape.num_classes), n=n) if G.shape.num_classes else None


def _unused(name: str, taken: Sequence[str]) -> str:
    """The name, with a number behind it if another direction does the same and more of it."""
    again = sum(other.split(" (")[0] == name for other in taken)
    return f"{name} ({again + 1})" if again else name


def _nameless(index: int) -> str:
    return f"direction {index + 1}"
