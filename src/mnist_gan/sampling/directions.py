"""Directions of z along which a generator's images change most, named by the property that they change.

z is standard normal, so all directions are equally likely, but images change much along a few and hardly along the
rest. Two methods find these few.
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
from mnist_gan.text import pluralize
from mnist_gan.torch_defaults import default_torch_state

Method: TypeAlias = Literal["images", "first-layer"]

PROBES: Final = 4000
"""Images that the method "images" differentiates; the first directions then vary by a few degrees between seeds."""
NAMING_IMAGES: Final = 200
"""Images from which a direction gets its name."""
NAMING_STEP: Final = 1.5
"""Distance by which they are moved to either side, in standard deviations of z."""
MIN_EFFECT: Final = 0.3
"""Change of a property, in standard deviations per standard deviation of z, from which it names a direction."""
MIN_AGREEMENT: Final = 0.75
"""Share of images that must change in the same sense for a property to name a direction."""
BATCH_SIZE: Final = 250


@dataclass(frozen=True, kw_only=True)
class Directions:
    """Orthonormal directions of z, in order of decreasing change of the images."""

    vectors: Float[Tensor, "k z_dim"]
    """One unit vector per row. One unit of length is one standard deviation of z."""
    shares: Float64[Tensor, "k"]
    """Share of the total change along each direction; the shares of all z_dim directions add up to 1."""
    names: tuple[str, ...]
    """Property that each changes most, or "direction 4" if none is changed clearly."""
    effects: tuple[dict[str, float], ...]
    """Change of each property for one unit along each direction, in standard deviations among images of one digit."""

    def __len__(self) -> int:
        """Number of directions."""
        return len(self.vectors)

    def explanation(self, index: int) -> str:
        """Describe the change along direction `index` in two sentences."""
        effects = self.effects[index]
        first, second = sorted(effects, key=lambda name: -abs(effects[name]))[:2]
        seen = f"{PROPERTIES[first][0].upper()}{PROPERTIES[first][1:]}"
        opening = "No single property stands out" if self.names[index] == _nameless(index) else seen
        return (
            f"{opening}. A step of 1 gives {first} {effects[first]:+.2f} and {second} {effects[second]:+.2f}, "
            "in standard deviations among images of one digit."
        )


@default_torch_state()
def move(z: Float[Tensor, "n z_dim"], directions: Directions, amounts: Sequence[float]) -> Float[Tensor, "n z_dim"]:
    """Move each z by `amounts[k]` standard deviations along direction k; missing amounts are 0.

    Raises:
        ConfigError: there are more amounts than directions.
    """
    if len(amounts) > len(directions):
        raise ConfigError(
            f"{pluralize(len(amounts), 'amount')} were given for {pluralize(len(directions), 'direction')}; give at "
            "most one per direction"
        )
    if not any(amounts):
        return z
    return z + torch.tensor([amounts], dtype=z.dtype) @ directions.vectors[: len(amounts)].to(z.dtype)


@default_torch_state()
def find_directions(
    G: Generator,
    *,
    count: int = 12,
    method: Method = "images",
    classes: Sequence[int] = (),
    probes: int = PROBES,
    seed: int = 0,
) -> Directions:
    """Find and name the `count` directions of z along which images change most.

    Args:
        G: in evaluation mode, on the CPU.
        count: number of directions; at most as many as z has dimensions are returned.
        method: "images" measures the change of the pixels (`mean_squared_jacobian`), "first-layer" that of the outputs
            of the first layer (`first_layer_gram`), as GANSpace does.
        classes: labels of the images that are compared, such as `GAN.classes`; empty for all of the generator's.
        probes: number of images for the method "images".
        seed: of these images.

    Raises:
        ConfigError: `count` or `probes` is less than 1.
    """
    if count < 1 or probes < 1:
        raise ConfigError(f"count is {count} and probes {probes}; both must be at least 1")
    if method == "images":
        change = mean_squared_jacobian(G, classes=classes, probes=probes, seed=seed)
    else:
        change = first_layer_gram(G)
    vectors, shares = principal_directions(change, count=min(count, G.z_dim))
    return _named(G, vectors, shares, classes=classes, seed=seed)


@default_torch_state()
def mean_squared_jacobian(
    G: Generator, *, classes: Sequence[int] = (), probes: int = PROBES, seed: int = 0
) -> Float64[Tensor, "z_dim z_dim"]:
    """Estimate E[J'J] for the Jacobian J of an image's pixels with respect to z; v'E[J'J]v is the mean squared change.

    Its eigenvectors span the active subspaces of Constantine et al. 2014 (arXiv:1304.2070), for all pixels at once. J
    is never formed: for random g with E[gg'] = 1, the expectation of (J'g)(J'g)' is J'J, and J'g is one backward pass.
    Labels cycle through `classes`; empty: all.
    """
    total = torch.zeros(G.z_dim, G.z_dim, dtype=torch.float64)
    labels = _labels(G, probes, classes)
    z = draw_latents(G, n=probes, seed=rng.derive_seed(seed, "directions"))
    noise = rng.generator(seed, "directions/probes")
    for start in range(0, probes, BATCH_SIZE):
        rows = slice(start, start + BATCH_SIZE)
        leaf = z[rows].clone().requires_grad_()
        images = G(leaf, None if labels is None else labels[rows])
        (gradient,) = torch.autograd.grad(images, leaf, torch.randn(images.shape, generator=noise))
        total += gradient.double().T @ gradient.double()
    return total / probes


def first_layer_gram(G: Generator) -> Float64[Tensor, "z_dim z_dim"]:
    """W'W for the weight W of z in the first layer.

    GANSpace (Harkonen et al. 2020, arXiv:2004.02546) samples z, runs a PCA of a layer's outputs Wz + b, and regresses z
    on the coordinates. For the linear first layer and standard normal z this has a closed form: the covariance of the
    outputs is WW', and the directions of z that give its principal components are the eigenvectors of W'W. SeFa (Shen &
    Zhou 2021, arXiv:2007.06600) derives the same. The label adds a constant for each digit.
    """
    first = next(layer for layer in G.trunk if isinstance(layer, Dense))
    weight = first.weight[:, : G.z_dim].detach().double()
    return weight.T @ weight


def principal_directions(
    change: Float64[Tensor, "z_dim z_dim"], *, count: int
) -> tuple[Float[Tensor, "k z_dim"], Float64[Tensor, "k"]]:
    """The first `count` eigenvectors of a symmetric matrix, as rows, and their shares of the trace.

    The sign of an eigenvector is arbitrary; here its largest component is positive.
    """
    values, vectors = torch.linalg.eigh(change)  # ascending
    rows = vectors.T.flip(0)[:count]
    largest = rows.gather(1, rows.abs().argmax(dim=1, keepdim=True))
    values = values.clamp_min(0)
    shares = values.flip(0)[:count] / values.sum().clamp_min(torch.finfo(torch.float64).tiny)
    return (rows * largest.sign()).float(), shares


def _named(
    G: Generator, vectors: Float[Tensor, "k z_dim"], shares: Float64[Tensor, "k"], *, classes: Sequence[int], seed: int
) -> Directions:
    """Name the directions, and flip those along which their property shrinks."""
    z = draw_latents(G, n=NAMING_IMAGES, seed=rng.derive_seed(seed, "directions/names"))
    labels = _labels(G, len(z), classes)
    spread = {name: _spread(values, labels) for name, values in measure(render(G, z, labels)).items()}
    names: list[str] = []
    signed, all_effects = vectors.clone(), []
    for index, vector in enumerate(vectors):
        effects, agreement = _effects(G, z, labels, vector, spread)
        strongest = max(effects, key=lambda name: abs(effects[name]))
        clear = abs(effects[strongest]) >= MIN_EFFECT and agreement[strongest] >= MIN_AGREEMENT
        if effects[strongest] < 0:
            signed[index] = -vector
            effects = {name: -effect for name, effect in effects.items()}
        names.append(_numbered(strongest, names) if clear else _nameless(index))
        all_effects.append(effects)
    return Directions(vectors=signed, shares=shares, names=tuple(names), effects=tuple(all_effects))


def _effects(
    G: Generator, z: Tensor, labels: Tensor | None, vector: Tensor, spread: dict[str, float]
) -> tuple[dict[str, float], dict[str, float]]:
    """By property: mean change for one unit of `vector`, in spreads, and the share of images that change in that sense.

    The change is the central difference over a step to either side of every image.
    """
    below, above = (measure(render(G, z + side * NAMING_STEP * vector, labels)) for side in (-1, 1))
    effects, agreement = {}, {}
    for name, unit in spread.items():
        change = (above[name] - below[name]) / (2 * NAMING_STEP)
        mean = float(change.mean())
        effects[name] = mean / unit if unit > 0 else 0.0
        agreement[name] = float((change.sign() == (1 if mean > 0 else -1)).float().mean())
    return effects, agreement


def _spread(values: Float[Tensor, "n"], labels: Int64[Tensor, "n"] | None) -> float:
    """Standard deviation of a property among images of one digit."""
    if labels is None:
        return float(values.std())
    parts = [values[labels == label] for label in set(labels.tolist())]
    centred = torch.cat([part - part.mean() for part in parts])
    return float(centred.square().mean().sqrt())


def _labels(G: Generator, n: int, classes: Sequence[int]) -> Int64[Tensor, "n"] | None:
    return cycle_labels(classes or range(G.shape.num_classes), n=n) if G.shape.num_classes else None


def _numbered(name: str, taken: Sequence[str]) -> str:
    """The name, numbered if an earlier direction has it too."""
    earlier = sum(other.split(" (")[0] == name for other in taken)
    return f"{name} ({earlier + 1})" if earlier else name


def _nameless(index: int) -> str:
    return f"direction {index + 1}"
