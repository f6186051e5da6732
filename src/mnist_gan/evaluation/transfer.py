"""GAN-train and GAN-test: what a classifier learns from generated digits, and what a classifier of real ones reads.

GAN-train falls when generated digits are wrong, blurred *or* lack variety; GAN-test falls only when they are wrong. The
distance between the two is what is missing in variety. Both stand beside the accuracy of the same classifier, of the
same training, on real digits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from jaxtyping import Int, UInt8
from torch import Tensor, nn

from mnist_gan import rng
from mnist_gan.errors import ConfigError
from mnist_gan.evaluation.classifier import train_classifier
from mnist_gan.evaluation.mnistnet import MnistNet, fold_batchnorm_, init_weights, logits_of
from mnist_gan.evaluation.reference import Progress, Reference, silent
from mnist_gan.evaluation.samples import Draw, draw_in_pieces, labels_in_proportion

STEPS: Final = 700
"""Batches of 256: three epochs of MNIST. Enough for 99.5 % on real ones (0.9948 measured)."""
SEED: Final = 0
"""Of the classifiers; the same for all, so that only the digits differ."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Transfer:
    """Accuracies, all of classifiers of one kind and one training."""

    gan_train: float
    """On real held-out digits, after training on generated ones, with the labels asked for."""
    gan_test: float
    """On generated digits, after training on real ones."""
    real: float
    """On real held-out digits, after training on real ones: the floor of both."""


def train_digit_classifier(
    images: UInt8[Tensor, "n 1 28 28"],
    labels: Int[Tensor, "n"],
    *,
    seed: int,
    steps: int = STEPS,
    progress: Callable[[int, int], None] | None = None,
) -> nn.Module:
    """A digit classifier of the first judge's architecture, trained for `steps` batches, in eval mode.

    The number of steps is fixed, whatever the number of images, so that all classifiers compared have seen as many.
    """
    network = MnistNet()
    init_weights(network, generator=rng.generator(seed, "evaluation/transfer"))
    return fold_batchnorm_(train_classifier(network, images, labels, steps=steps, seed=seed, progress=progress))


def accuracy(network: nn.Module, images: UInt8[Tensor, "n 1 28 28"], labels: Int[Tensor, "n"]) -> float:
    """Share of images whose most likely digit is their label."""
    return float((logits_of(network, images).argmax(1) == labels).double().mean())


def transfer(
    draw: Draw, *, reference: Reference, seed: int = 0, steps: int = STEPS, progress: Progress = silent
) -> Transfer:
    """GAN-train and GAN-test of a conditional model: as many labelled images as training images, two trainings.

    The classifier of real digits and its accuracy are kept in the cache of the reference.

    Source: Shmelkov, Schmid & Alahari 2018, "How good is my GAN?", section 3.

    Raises:
        ConfigError: the data has more than one channel or no digits: the classifier reads single digits.
    """
    if reference.kind != "digits":
        raise ConfigError(f"GAN-train and GAN-test need MNIST; {reference.name} is another data set")
    labels = labels_in_proportion(
        reference.labels, n=len(reference.labels), num_classes=reference.num_classes, seed=seed
    )
    images = draw_in_pieces(
        draw,
        n=len(labels),
        seed=rng.derive_seed(seed, "evaluation/transfer"),
        labels=labels,
        progress=partial(progress, "drawing labelled images"),
    )
    return transfer_of_images(images, labels, reference=reference, steps=steps, progress=progress)


def transfer_of_images(
    images: UInt8[Tensor, "n 1 28 28"],
    labels: Int[Tensor, "n"],
    *,
    reference: Reference,
    steps: int = STEPS,
    progress: Progress = silent,
) -> Transfer:
    """GAN-train and GAN-test of labelled images that are there already."""
    real = classifier_of_real_digits(reference, steps=steps, progress=progress)
    generated = train_digit_classifier(
        images, labels, seed=SEED, steps=steps, progress=partial(progress, "learning generated digits")
    )
    return Transfer(
        gan_train=accuracy(generated, reference.held_out_images, reference.held_out_labels),
        gan_test=accuracy(real, images, labels),
        real=accuracy(real, reference.held_out_images, reference.held_out_labels),
    )


def classifier_of_real_digits(reference: Reference, *, steps: int = STEPS, progress: Progress = silent) -> nn.Module:
    """The classifier that learned the real training digits; from the cache where it is there."""

    def compute() -> dict[str, Tensor]:
        network = train_digit_classifier(
            reference.images,
            reference.labels,
            seed=SEED,
            steps=steps,
            progress=partial(progress, "learning real digits"),
        )
        return dict(network.state_dict())

    network = fold_batchnorm_(MnistNet().eval())
    network.load_state_dict(reference.cache.get(f"classifier-{steps}", compute))
    return network
