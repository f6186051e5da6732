"""Classifier two-sample test: can a fixed network, taught on both, tell generated images from real ones?

Half of the unseen images are generated, so that 50 % means that it cannot. Distances between features hardly see what
such a network sees. The recipe is part of the name: `c2st20k` learns from 20,000 training images and as many generated
ones, and is tested on 10,000 others of each, with the same label shares everywhere.

Source: Lopez-Paz & Oquab 2017, "Revisiting Classifier Two-Sample Tests", section 3.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, wait
from dataclasses import dataclass
from functools import partial
from typing import Final

import torch
from jaxtyping import Int, UInt8
from torch import Tensor, nn

from mnist_gan import rng
from mnist_gan.errors import DataError
from mnist_gan.evaluation.classifier import train_classifier
from mnist_gan.evaluation.mnistnet import MnistNet, at_judge_size, fold_batchnorm_, init_weights, predict_logits
from mnist_gan.evaluation.reference import Progress, Reference, no_progress
from mnist_gan.evaluation.results import Figure
from mnist_gan.evaluation.samples import Draw, draw_in_batches, labels_in_proportion
from mnist_gan.evaluation.statistics import area_under_curve, mean_of_draws
from mnist_gan.figures import FIGURES
from mnist_gan.parallel import one_thread_each
from mnist_gan.torch_defaults import default_torch_state

REAL, GENERATED = 1, 0
POLL_SECONDS: Final = 0.5
NOISE_STEPS: Final = 100
"""Steps of the training on noise, which is told apart at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TwoSampleProtocol:
    """Numbers of images and of trainings. Any change is another protocol, with another name."""

    learned: int = 20_000
    """Images of each kind that the network learns from; in the name."""
    tested: int = 10_000
    """Other images of each kind, on which it is tested."""
    steps: int = 400
    """A longer training sees more: docs/evaluation.md."""
    batch_size: int = 256
    seeds: int = 3
    """Independent trainings, each with images of its own; their spread gives the interval."""

    peak_lr: float = 0.1

    @property
    def needed(self) -> int:
        """Images that a finished set must have."""
        return self.learned + self.tested

    @property
    def key(self) -> str:
        """All numbers, for the cache."""
        return "-".join(map(str, dataclasses.astuple(self)))

    def figure(self, kind: str) -> str:
        """Name of a figure: c2st20k."""
        thousands, rest = divmod(self.learned, 1000)
        return f"{kind}{thousands}k" if rest == 0 else f"{kind}{self.learned}"


C2ST20K: Final = TwoSampleProtocol()


@dataclass(frozen=True, slots=True)
class Split:
    """Images for one training of the network and its test."""

    real: UInt8[Tensor, "n c h w"]
    generated: UInt8[Tensor, "n c h w"]
    """First those to learn from, then those to test on, as in `real`."""
    held_out: UInt8[Tensor, "m c h w"]
    """Real images that neither the generator nor the network has seen."""


@default_torch_state()
def two_sample_figures(
    draw: Draw,
    *,
    reference: Reference,
    conditional: bool,
    protocol: TwoSampleProtocol = C2ST20K,
    seed: int = 0,
    progress: Progress = no_progress,
) -> dict[str, Figure]:
    """Figures of a model, beside those of training images against other training images, and of noise.

    The result depends on the images and on the kind of the processor, and not on the number of threads: every training
    has one thread, and as many run at once as torch has threads.

    Args:
        draw: the model.
        reference: real images; the trainings of the null distribution are cached with it.
        conditional: the model takes labels; then those of the real images are asked for.
        protocol: numbers of images and trainings.
        seed: of the choice of images and of the trainings.
        progress: called with the current work.

    Raises:
        DataError: there are too few training images.
    """

    def generated(position: int, labels: Int[Tensor, "n"]) -> Tensor:
        return draw_in_batches(
            draw,
            n=len(labels),
            seed=rng.derive_seed(seed, "evaluation/two-sample", position),
            labels=labels if conditional else None,
            progress=partial(progress, "drawing images for the two-sample test"),
        )

    return _figures(generated, reference=reference, protocol=protocol, seed=seed, progress=progress)


@default_torch_state()
def two_sample_figures_of_images(
    images: UInt8[Tensor, "n c h w"],
    labels: Int[Tensor, "n"] | None,
    *,
    reference: Reference,
    protocol: TwoSampleProtocol = C2ST20K,
    seed: int = 0,
    progress: Progress = no_progress,
) -> dict[str, Figure]:
    """Figures of a finished set; with labels, their shares are matched as far as the set has images of a class.

    Raises:
        DataError: the set or the training set has too few images.
    """
    if len(images) < protocol.needed:
        raise DataError(f"the two-sample test needs {protocol.needed:,} images, and the set has {len(images):,}")

    def chosen(position: int, wanted: Int[Tensor, "n"]) -> Tensor:
        own = torch.zeros(len(images), dtype=torch.int64) if labels is None else labels
        wanted = torch.zeros_like(wanted) if labels is None else wanted
        return images[choose_by_label(own, wanted, generator=rng.generator(seed, "evaluation/two-sample", position))]

    return _figures(chosen, reference=reference, protocol=protocol, seed=seed, progress=progress)


def _figures(
    generated: Callable[[int, Tensor], Tensor],
    *,
    reference: Reference,
    protocol: TwoSampleProtocol,
    seed: int,
    progress: Progress,
) -> dict[str, Figure]:
    if len(reference.images) < protocol.needed:
        raise DataError(
            f"the two-sample test needs {protocol.needed:,} training images, and {reference.name} has "
            f"{len(reference.images):,}"
        )
    real = [_choose_real(reference, protocol, seed=seed, position=position) for position in range(protocol.seeds)]
    splits = [
        Split(reference.images[rows], generated(position, reference.labels[rows]), reference.held_out_images)
        for position, rows in enumerate(real)
    ]
    found = run_splits(splits, protocol=protocol, seed=seed, progress=partial(progress, "two-sample test"))
    null = _null(reference, protocol, progress)
    noise = _noise(reference, protocol, progress)
    figures = {}
    for kind, values in found.items():
        mean, info = mean_of_draws(values), FIGURES[kind]
        figures[protocol.figure(kind)] = Figure(
            value=mean.value,
            training=null.get(kind),
            floor=None,
            ceiling=noise[kind],
            better=info.better,
            meaning=info.meaning,
            interval=mean.interval,
            spread=mean.standard_error * len(values) ** 0.5,
        )
    return figures


def choose_by_label(
    labels: Int[Tensor, "n"], wanted: Int[Tensor, "m"], *, generator: torch.Generator
) -> Int[Tensor, "m"]:
    """Random different rows of `labels` with the labels `wanted`, in that order; other rows where a class runs out."""
    order = torch.randperm(len(labels), generator=generator)
    chosen = torch.full_like(wanted, -1)
    for label in sorted(set(wanted.tolist())):
        places, rows = torch.nonzero(wanted == label).flatten(), order[labels[order] == label]
        n = min(len(places), len(rows))
        chosen[places[:n]] = rows[:n]
    left = order[~torch.isin(order, chosen)]
    open_places = torch.nonzero(chosen < 0).flatten()
    chosen[open_places] = left[: len(open_places)]
    return chosen


def _choose_real(reference: Reference, protocol: TwoSampleProtocol, *, seed: int, position: int) -> Tensor:
    """Training images for one split, in the proportions of the training set in both of its parts."""
    place = rng.derive_seed(seed, "evaluation/two-sample-real", position)
    wanted = torch.cat([
        labels_in_proportion(reference.labels, n=n, seed=place) for n in (protocol.learned, protocol.tested)
    ])  # fmt: skip
    return choose_by_label(reference.labels, wanted, generator=rng.generator(place, "evaluation/two-sample-real"))


def _null(reference: Reference, protocol: TwoSampleProtocol, progress: Progress) -> dict[str, float]:
    """Figures of training images against other training images, cached; empty if there are too few."""
    if len(reference.images) < 2 * protocol.needed:
        return {}

    def compute() -> dict[str, Tensor]:
        splits = []
        for position in range(protocol.seeds):
            rows = _choose_real(reference, protocol, seed=0, position=position)
            others = torch.ones(len(reference.images), dtype=torch.bool)
            others[rows] = False
            rest = torch.nonzero(others).flatten()
            place = rng.generator(0, "evaluation/two-sample-null", position)
            other = rest[choose_by_label(reference.labels[rest], reference.labels[rows], generator=place)]
            splits.append(Split(reference.images[rows], reference.images[other], reference.held_out_images))
        shown = partial(progress, "two-sample test: real against real, the first time only")
        found = run_splits(splits, protocol=protocol, seed=0, progress=shown)
        return {kind: torch.tensor(mean_of_draws(v).value, dtype=torch.float64) for kind, v in found.items()}

    return {kind: float(v) for kind, v in reference.data_cache.get(f"null-{protocol.key}", compute).items()}


def _noise(reference: Reference, protocol: TwoSampleProtocol, progress: Progress) -> dict[str, float]:
    """Figures of uniform noise from a single training, cached."""

    def compute() -> dict[str, Tensor]:
        short = dataclasses.replace(protocol, steps=min(protocol.steps, NOISE_STEPS))
        rows = _choose_real(reference, protocol, seed=0, position=0)
        shape = reference.images[rows].shape
        place = rng.generator(0, "evaluation/two-sample-noise")
        noise = torch.randint(0, 256, shape, dtype=torch.uint8, generator=place)
        shown = partial(progress, "two-sample test: noise, the first time only")
        split = Split(reference.images[rows], noise, reference.held_out_images)
        found = run_splits([split], protocol=short, seed=0, progress=shown)
        return {kind: torch.tensor(values[0], dtype=torch.float64) for kind, values in found.items()}

    return {kind: float(v) for kind, v in reference.data_cache.get(f"noise-{protocol.key}", compute).items()}


def run_splits(
    splits: Sequence[Split], *, protocol: TwoSampleProtocol, seed: int, progress: Callable[[int, int], None]
) -> dict[str, list[float]]:
    """Train and test one network per split, in parallel on one thread each; values by the kind of the figure."""
    done = [0] * len(splits)
    stop = threading.Event()

    def run(position: int) -> dict[str, float]:
        def count(step: int, total: int) -> None:
            done[position] = step
            if stop.is_set():
                raise CancelledError

        network = train_network(splits[position], protocol=protocol, seed=seed + position, progress=count)
        return score_split(network, splits[position], protocol=protocol)

    with one_thread_each(len(splits)) as pool:
        futures = [pool.submit(run, position) for position in range(len(splits))]
        try:
            while wait(futures, timeout=POLL_SECONDS).not_done:
                progress(sum(done), protocol.steps * len(splits))
            found = [future.result() for future in futures]
        finally:
            stop.set()
    return {kind: [values[kind] for values in found] for kind in found[0]}


def train_network(
    split: Split,
    *,
    protocol: TwoSampleProtocol,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> nn.Module:
    """Train the fixed network, the first judge's architecture with two classes, on the first images of a split."""
    network = MnistNet(channels=split.real.shape[1], num_classes=2)
    init_weights(network, generator=rng.generator(seed, "evaluation/two-sample"))
    images = at_judge_size(torch.cat([split.real[: protocol.learned], split.generated[: protocol.learned]]))
    labels = torch.tensor([REAL, GENERATED]).repeat_interleave(protocol.learned)
    trained = train_classifier(
        network,
        images,
        labels,
        steps=protocol.steps,
        batch_size=protocol.batch_size,
        seed=seed,
        peak_lr=protocol.peak_lr,
        augmentation=0.0,
        progress=progress,
    )
    return fold_batchnorm_(trained)


def score_split(network: nn.Module, split: Split, *, protocol: TwoSampleProtocol) -> dict[str, float]:
    """Figures of a network on the last images of its split: accuracies are means of those of the two kinds."""

    def realness(images: Tensor) -> Tensor:
        logits = predict_logits(network, images)
        return logits[:, REAL] - logits[:, GENERATED]

    seen, generated, held_out = map(
        realness, (split.real[protocol.learned :], split.generated[protocol.learned :], split.held_out)
    )
    right = [float((logits > 0).double().mean()) for logits in (seen, held_out)]
    wrong = float((generated > 0).double().mean())
    return {
        "c2st": (right[0] + 1 - wrong) / 2,
        "c2stauc": area_under_curve(seen, generated),
        "c2stheldout": (right[1] + 1 - wrong) / 2,
        "c2stgap": right[1] - right[0],
    }
