"""Form of the digits: what is true of every MNIST digit by the way the set was made, counted from the pixels.

MNIST's digits were scaled so that the longer side of their box is 20 pixels, smoothed, and shifted by whole pixels so
that their centre of mass lies at the centre of the image (LeCun et al. 1998, section III-A). No judge takes part:
features of classifiers hardly respond to any of this.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from mnist_gan import rng
from mnist_gan.evaluation.reference import Reference
from mnist_gan.evaluation.results import Figure
from mnist_gan.evaluation.samples import SampleProtocol, Samples, floor_samples, noise_samples
from mnist_gan.evaluation.statistics import Estimate, jackknife
from mnist_gan.figures import FIGURES
from mnist_gan.torch_defaults import default_torch_state

BOX_SIDE: Final = 20
"""Longer side of the box of a digit of MNIST."""
INK: Final = 25
"""Pixels above this value belong to the box."""
FAINT: Final = 5
"""Largest value of a faint pixel."""
USUAL_WHITE: Final = 253
"""Commonest value of the bright pixels of MNIST."""
CHUNK: Final = 2000
GROUPS: Final = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Property:
    """A number per image, and how a set of images is summarized."""

    measure: Callable[[UInt8[Tensor, "n h w"]], Float[Tensor, "n"]]
    spread: bool = False
    """Summarize by the standard deviation instead of the mean."""


def box_is_full(images: UInt8[Tensor, "n h w"]) -> Float[Tensor, "n"]:
    """1 where the longer side of the box of pixels above `INK` is `BOX_SIDE`, else 0."""
    longer = torch.maximum(_extent(images.amax(2) > INK), _extent(images.amax(1) > INK))
    return (longer == BOX_SIDE).double()


def centre_of_mass(images: UInt8[Tensor, "n h w"], *, axis: int) -> Float[Tensor, "n"]:
    """Row (axis 1) or column (axis 2) of the centre of mass; the middle for a black image."""
    side = images.shape[axis]
    mass = images.sum(3 - axis, dtype=torch.int64).double()  # [N, side]
    total = mass.sum(1)
    moment = mass @ torch.arange(side, dtype=torch.float64)
    return torch.where(total > 0, moment / total.clamp(min=1), (side - 1) / 2)


def is_centred(images: UInt8[Tensor, "n h w"]) -> Float[Tensor, "n"]:
    """1 where the centre of mass is at most half a pixel from MNIST's middle, row and column h / 2, else 0."""
    down, right = (centre_of_mass(images, axis=axis) - images.shape[axis] / 2 for axis in (1, 2))
    return ((down.abs() <= 0.5) & (right.abs() <= 0.5)).double()


def share_of_pixels(images: UInt8[Tensor, "n h w"], *, low: int, high: int) -> Float[Tensor, "n"]:
    """Share of the pixels of each image with values from `low` to `high`."""
    counts = ((images >= low) & (images <= high)).sum((1, 2), dtype=torch.int64)
    return counts.double() / images[0].numel()


def ink(images: UInt8[Tensor, "n h w"]) -> Float[Tensor, "n"]:
    """Mean brightness of each image, from 0 to 1."""
    return images.sum((1, 2), dtype=torch.int64).double() / (255 * images[0].numel())


def stroke_width(images: UInt8[Tensor, "n h w"]) -> Float[Tensor, "n"]:
    """Twice the ink over the length of its outline, in pixels; 0 for a black image.

    A long stroke of width w and length l has the ink w l and an outline of length 2 l. The outline is the total
    variation of the image over its range, which needs no threshold.
    """
    padded = torch.nn.functional.pad(images.float(), (1, 1, 1, 1))
    down, right = padded.diff(dim=1)[:, :, :-1], padded.diff(dim=2)[:, :-1]
    outline = torch.hypot(down, right).sum((1, 2)).double()
    return 2 * padded.sum((1, 2)).double() / outline.clamp(min=1)


PROPERTIES: Final[dict[str, Property]] = {
    "form_box": Property(measure=box_is_full),
    "form_centred": Property(measure=is_centred),
    "form_centre_y": Property(measure=partial(centre_of_mass, axis=1), spread=True),
    "form_centre_x": Property(measure=partial(centre_of_mass, axis=2), spread=True),
    "form_black": Property(measure=partial(share_of_pixels, low=0, high=0)),
    "form_faint": Property(measure=partial(share_of_pixels, low=1, high=FAINT)),
    "form_white": Property(measure=partial(share_of_pixels, low=USUAL_WHITE, high=USUAL_WHITE)),
    "form_ink": Property(measure=ink),
    "form_stroke": Property(measure=stroke_width),
    "form_stroke_spread": Property(measure=stroke_width, spread=True),
}
"""Properties by the names of their figures."""


@default_torch_state()
def form_figures(samples: Samples, *, reference: Reference) -> dict[str, Figure]:
    """Every property of the first set of samples, beside those of the training images, held-out images and noise.

    The channels of an image count as images of their own, as in stacked MNIST. The values of real images
    are cached.
    """
    found = measure_form(samples.sets[0])
    floors, ceilings, training = (
        _cached(which, reference, samples.protocol) for which in ("held-out", "noise", "training")
    )
    return {
        name: Figure(
            value=estimate.value,
            training=training[name],
            floor=floors[name],
            ceiling=ceilings[name],
            better=FIGURES[name].better,
            meaning=FIGURES[name].meaning,
            interval=estimate.interval,
        )
        for name, estimate in found.items()
    }


def measure_form(images: UInt8[Tensor, "n c h w"]) -> dict[str, Estimate]:
    """Every property of a set of images, with the interval of a jackknife over random groups."""
    planes = images.flatten(0, 1)
    group = torch.randperm(len(planes), generator=rng.generator(0, "evaluation/form")) % min(GROUPS, len(planes))
    values = {
        measure: torch.cat([measure(chunk) for chunk in torch.split(planes, CHUNK)])
        for measure in {found.measure: None for found in PROPERTIES.values()}
    }
    return {name: _summarize(values[found.measure], group, spread=found.spread) for name, found in PROPERTIES.items()}


def _summarize(values: Float[Tensor, "n"], group: Tensor, *, spread: bool) -> Estimate:
    groups = int(group.max()) + 1
    sums = torch.zeros(3, groups, dtype=torch.float64)  # number, sum and sum of squares in each group
    sums.index_add_(1, group, torch.stack([torch.ones_like(values), values, values.square()]))
    n, first, second = torch.cat([torch.zeros(3, 1), sums], dim=1).neg().add(sums.sum(1, keepdim=True))
    mean = first / n
    whole, *left_out = ((second / n - mean.square()).clamp(min=0).sqrt() if spread else mean).tolist()
    return jackknife(whole, left_out)


def _extent(occupied: Tensor) -> Tensor:
    """Distance from the first to behind the last occupied place of each row; 0 for an empty row."""
    first = occupied.int().argmax(1)
    last = occupied.shape[1] - occupied.flip(1).int().argmax(1)
    return torch.where(occupied.any(1), last - first, 0)


def _cached(which: str, reference: Reference, protocol: SampleProtocol) -> dict[str, float]:
    """Values of held-out images, noise or all training images; cached."""

    def compute() -> dict[str, Tensor]:
        match which:
            case "training":
                images = reference.images
            case "held-out":
                images = floor_samples(reference, protocol).sets[0]
            case _:
                images = noise_samples(reference, protocol).sets[0]
        found = measure_form(images)
        return {name: torch.tensor(estimate.value, dtype=torch.float64) for name, estimate in found.items()}

    name = which if which == "training" else f"{which}-{protocol.size}"
    return {key: float(value) for key, value in reference.data_cache.get(f"form-{name}", compute).items()}
