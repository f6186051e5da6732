"""The table of figures: title, unit, meaning and direction of every number in metrics.jsonl and in an evaluation.

The command line, the report, the curves and the studio describe figures from this table. It imports no torch.

A figure that depends on the number of images and on the judge carries both in its name (`fd10k_mnistnet`); the table
has it under its kind (`fd`). Statistics of training have their full name (`Loss/G/loss`).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Direction: TypeAlias = Literal["lower", "higher", "like real", "neither"]
"""Which values are better. "like real": as close as possible to those of real images; "neither": of losses, scores and
speeds, which are read beside one another."""

METRIC_PREFIX: Final = "Metric/"
"""Prefix of the fields of metrics.jsonl that an evaluation measured."""
DISTANCE_PREFIXES: Final = (f"{METRIC_PREFIX}fd", f"{METRIC_PREFIX}energy")
"""Prefixes of the field that holds the distance: Frechet for images, energy for points."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FigureInfo:
    """Description of one figure, for people."""

    title: str
    meaning: str
    """One clause, without a full stop."""
    better: Direction = "neither"
    unit: str = ""
    """Label of an axis; empty for pure numbers and for percentages."""
    percent: bool = False
    """True for a share in [0, 1] that is shown as a percentage."""
    explanation: str = ""
    """Sentences for a reader who is new to GANs; empty where `meaning` suffices."""


FIGURES: Final[dict[str, FigureInfo]] = {
    # of generated images, by a judge
    "fd": FigureInfo(
        title="Frechet distance",
        meaning="Frechet distance of the features to all training images; 1 is one percent of their variance",
        better="lower",
        unit="% of the real variance",
        explanation=(
            "How far the generated images are from real handwriting, measured on the features of a small frozen "
            "network. Below 1 a person sees few faults; at 10 digits are broken; above 50 there are hardly any. Noise "
            "is near 200."
        ),
    ),
    "fdinf": FigureInfo(
        title="Frechet distance, extrapolated",
        meaning="Frechet distance extrapolated to infinitely many images; 0 for a perfect sampler of the training set",
        better="lower",
        unit="% of the real variance",
    ),
    "precision": FigureInfo(
        title="Precision", meaning="share of the images within a neighbourhood of real ones", better="higher"
    ),
    "recall": FigureInfo(
        title="Recall", meaning="share of real images within a neighbourhood of these", better="higher"
    ),
    "density": FigureInfo(
        title="Density", meaning="density of the images in the neighbourhoods of real ones", better="like real"
    ),
    "coverage": FigureInfo(
        title="Coverage", meaning="share of real neighbourhoods that contain one of the images", better="higher"
    ),
    "classifier_score": FigureInfo(
        title="Classifier score",
        meaning="confident predictions, evenly spread over the digits: 1 to 10",
        better="higher",
    ),
    "digits_kl": FigureInfo(
        title="Divergence of the digits",
        meaning="KL divergence of the digits' shares from MNIST's",
        better="lower",
        unit="nats",
    ),
    "missing_digits": FigureInfo(
        title="Missing digits",
        meaning="digits with less than a tenth of their share in MNIST",
        better="lower",
        unit="digits",
    ),
    "modes": FigureInfo(
        title="Modes covered",
        meaning="modes with at least one sample: numbers of three digits, or Gaussians within 3 standard deviations",
        better="higher",
        unit="modes",
    ),
    "kluniform": FigureInfo(
        title="Divergence of the modes, uniform",
        meaning="KL divergence of the modes' shares from equal ones; "
        "999 over twice the number of images for a perfect sampler",
        better="lower",
        unit="nats",
    ),
    "klproduct": FigureInfo(
        title="Divergence of the modes, as in MNIST",
        meaning="KL divergence of the modes' shares from the products of MNIST's digit frequencies",
        better="lower",
        unit="nats",
    ),
    # of points, exact
    "quality": FigureInfo(
        title="High quality",
        meaning="share of the samples within 3 standard deviations of a mode; 98.89% for a perfect sampler",
        better="higher",
        percent=True,
    ),
    "modejs": FigureInfo(
        title="Divergence of the modes",
        meaning="Jensen-Shannon divergence of the shares of the nearest modes from their probabilities",
        better="lower",
        unit="nats",
    ),
    "modespread": FigureInfo(
        title="Spread within the modes",
        meaning="root mean square distance of high-quality samples to their mode over that of a perfect sampler",
        better="like real",
        unit="relative to real points",
    ),
    "energy": FigureInfo(
        title="Energy distance",
        meaning="energy distance to a fresh draw of real points",
        better="lower",
        unit="% of the real spread",
    ),
    "sliced": FigureInfo(
        title="Sliced Wasserstein distance",
        meaning="mean Wasserstein distance of the projections on lines to those of a fresh draw of real points",
        better="lower",
        unit="% of the real spread",
    ),
    "share": FigureInfo(
        title="Share of a digit",
        meaning="share of the digit over its share in MNIST",
        better="like real",
        unit="relative to MNIST",
        explanation=(
            "How often each digit appears among the generated images, beside how often it appears in real handwriting. "
            "A missing digit is one that the generator no longer draws: mode collapse."
        ),
    ),
    "smallest_share": FigureInfo(
        title="Share of the rarest digit",
        meaning="share of the rarest digit over its share in MNIST",
        better="like real",
        unit="relative to MNIST",
    ),
    "largest_share": FigureInfo(
        title="Share of the commonest digit",
        meaning="share of the commonest digit over its share in MNIST",
        better="like real",
        unit="relative to MNIST",
    ),
    "diversity": FigureInfo(
        title="Diversity within a digit",
        meaning="mean distance between images of one digit over MNIST's, averaged over the digits",
        better="like real",
        unit="relative to real digits",
        explanation=(
            "How different two generated images of the same digit are, compared with two real ones. 1 is as varied as "
            "people write. Near 0, the generator draws one picture of each digit again and again."
        ),
    ),
    "smallest_diversity": FigureInfo(
        title="Diversity of the least varied digit",
        meaning="mean distance between images of the least varied digit over MNIST's",
        better="like real",
        unit="relative to real digits",
    ),
    "agreement": FigureInfo(
        title="Agreement",
        meaning="share of images that the judge reads as the digit asked for",
        better="higher",
        percent=True,
    ),
    "smallest_agreement": FigureInfo(
        title="Agreement, worst digit",
        meaning="share of images read as asked, for the worst digit",
        better="higher",
        percent=True,
    ),
    "memorization_pixels": FigureInfo(
        title="Memorization, pixels",
        meaning="median distance to the nearest training image over that of held-out images",
        better="like real",
    ),
    "memorization_features": FigureInfo(
        title="Memorization, features",
        meaning="median distance to the nearest training image over that of held-out images, in the judge's features",
        better="like real",
    ),
    # of the form of digits, without a judge
    "form_box": FigureInfo(
        title="Box of full size",
        meaning="share of digits whose box of pixels above 25 has a longer side of exactly 20 pixels, MNIST's scale",
        better="like real",
        percent=True,
    ),
    "form_centred": FigureInfo(
        title="Centred digits",
        meaning="share of digits whose centre of mass is at most half a pixel from the middle, as MNIST was made",
        better="like real",
        percent=True,
    ),
    "form_centre_y": FigureInfo(
        title="Spread of the centre, vertical",
        meaning="standard deviation of the row of the centre of mass",
        better="like real",
        unit="pixels",
    ),
    "form_centre_x": FigureInfo(
        title="Spread of the centre, horizontal",
        meaning="standard deviation of the column of the centre of mass",
        better="like real",
        unit="pixels",
    ),
    "form_black": FigureInfo(
        title="Black pixels", meaning="share of pixels of value 0", better="like real", percent=True
    ),
    "form_faint": FigureInfo(
        title="Faint pixels", meaning="share of pixels of values 1 to 5", better="like real", percent=True
    ),
    "form_white": FigureInfo(
        title="White pixels",
        meaning="share of pixels of value 253, the commonest bright value of MNIST",
        better="like real",
        percent=True,
    ),
    "form_ink": FigureInfo(
        title="Ink", meaning="mean brightness over that of a white image", better="like real", percent=True
    ),
    "form_stroke": FigureInfo(
        title="Stroke width",
        meaning="mean width of the strokes: twice the ink over the length of its outline",
        better="like real",
        unit="pixels",
    ),
    "form_stroke_spread": FigureInfo(
        title="Spread of the stroke width",
        meaning="standard deviation of the stroke width over the digits",
        better="like real",
        unit="pixels",
    ),
    # of classifiers trained for the evaluation
    "c2st": FigureInfo(
        title="Two-sample test",
        meaning="accuracy of a network taught to tell these from real training images, on others of both; "
        "50% where it cannot",
        better="lower",
        percent=True,
        explanation=(
            "A small network learns to tell generated images from real ones and is then asked about images that it has "
            "not seen. At 50% it guesses: the generated images look exactly like real ones. At 100% every one of them "
            "is found out."
        ),
    ),
    "c2stauc": FigureInfo(
        title="Two-sample test, ranking",
        meaning="chance that the network scores a real image above a generated one; 50% where it cannot tell",
        better="lower",
        percent=True,
    ),
    "c2stheldout": FigureInfo(
        title="Two-sample test, held-out images",
        meaning="accuracy of the same network on held-out real images, by other writers, and generated ones",
        better="lower",
        percent=True,
    ),
    "c2stgap": FigureInfo(
        title="Two-sample test, memorization",
        meaning="share of held-out images taken for real less that of training images; "
        "above 0 where the generator copies",
        better="like real",
        percent=True,
    ),
    "gan_train": FigureInfo(
        title="GAN-train",
        meaning="accuracy on real test digits of a classifier trained on generated ones; "
        "falls where they are wrong or alike",
        better="higher",
        percent=True,
    ),
    "gan_test": FigureInfo(
        title="GAN-test",
        meaning="accuracy on generated digits of a classifier trained on real ones; falls where they are wrong",
        better="higher",
        percent=True,
    ),
    "real": FigureInfo(
        title="Real digits",
        meaning="accuracy on real test digits of a classifier trained on real ones: as good as it gets",
        better="higher",
        percent=True,
    ),
    # of a discriminator, after training
    "training_accuracy": FigureInfo(
        title="Accuracy on training images", meaning="share of training images scored as real", percent=True
    ),
    "held_out_accuracy": FigureInfo(
        title="Accuracy on held-out images",
        meaning="share of held-out real images scored as real; fewer than of training images is over-fitting",
        percent=True,
    ),
    "generated_accuracy": FigureInfo(
        title="Accuracy on generated images", meaning="share of generated images scored as generated", percent=True
    ),
    "real_above_generated": FigureInfo(
        title="Real above generated",
        meaning="chance that a held-out image scores above a generated one; 50% where they look alike",
        percent=True,
    ),
    "training_above_held_out": FigureInfo(
        title="Training above held-out",
        meaning="chance that a training image scores above a held-out one; above 50% is over-fitting",
        percent=True,
    ),
    # of training
    "Loss/G/loss": FigureInfo(title="Generator loss", meaning="adversarial loss of the generator", unit="loss"),
    "Loss/D/loss": FigureInfo(title="Discriminator loss", meaning="adversarial loss of the discriminator", unit="loss"),
    "Loss/D/penalty": FigureInfo(
        title="Gradient penalty", meaning="gradient penalty in the discriminator's loss", unit="loss"
    ),
    "Loss/D/classifier": FigureInfo(
        title="Classifier loss", meaning="cross-entropy of the auxiliary classifier", unit="loss"
    ),
    "Loss/scores/real": FigureInfo(
        title="Score of real images", meaning="mean logit of real images", unit="mean logit"
    ),
    "Loss/scores/fake": FigureInfo(
        title="Score of generated images", meaning="mean logit of generated images", unit="mean logit"
    ),
    "Score/real_accuracy": FigureInfo(
        title="Accuracy on real images", meaning="share of real images scored as real", percent=True
    ),
    "Score/fake_accuracy": FigureInfo(
        title="Accuracy on generated images", meaning="share of generated images scored as generated", percent=True
    ),
    "Score/real_above_fake": FigureInfo(
        title="Real above generated", meaning="chance that a real image scores above a generated one", percent=True
    ),
    "Timing/img_per_sec": FigureInfo(
        title="Speed",
        meaning="real images learned from per second",
        unit="images/s",
        explanation="Real images processed per second over the last minutes, including evaluation and saving.",
    ),
    "Timing/train_sec": FigureInfo(
        title="Training time",
        meaning="seconds of training since the row before, without evaluating and saving",
        unit="s",
    ),
}


def figure_kind(name: str) -> str:
    """Key of a figure in `FIGURES`, or the name itself: `Metric/fd10k_mnistnet_b` -> `fd`, `share/3` -> `share`."""
    name = name.removeprefix(METRIC_PREFIX)
    if name in FIGURES:
        return name
    match = re.match(r"((?:c2st)?[a-z]+?|c2st)\d+k?(?:_|$)|([a-z]+)/\d+$", name)
    return name if match is None else match[1] or match[2]


def figure_info(name: str) -> FigureInfo | None:
    """Description of a figure by its full name; None for a name that the table lacks."""
    return FIGURES.get(figure_kind(name))


def format_number(value: float | None, *, digits: int = 3) -> str:
    """A number with `digits` significant digits, whole numbers in full; a dash for None and non-finite values."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == int(value) and abs(value) < 1e6:
        return f"{int(value):,}"
    if abs(value) < 1e-4:
        return "0"
    return f"{value:,.{max(0, digits - 1 - math.floor(math.log10(abs(value))))}f}"
