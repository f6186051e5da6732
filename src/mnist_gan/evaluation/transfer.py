"""GAN-train and GAN-test: accuracies of classifiers trained on generated digits and on real ones.

GAN-train falls when generated digits are wrong, blurred or lack variety; GAN-test falls only when they are wrong. Their
difference shows missing variety. Both are read beside the accuracy of the same classifier with the same training on
real digits.
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
from mnist_gan.evaluation.mnistnet import MnistNet, accuracy, fold_batchnorm_, init_weights
from mnist_gan.evaluation.reference import Progress, Reference, no_progress
from mnist_gan.evaluation.samples import Draw, draw_in_batches, labels_in_proportion

STEPS: Final = 700
"""Batches of 256: three epochs of MNIST, enough for an accuracy of 99.5 % with real digits."""
SEED: Final = 0
"""Seed of every classifier, so that they differ by their digits alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Transfer:
    """Accuracies of classifiers of one architecture and one training schedule."""

    gan_train: float
    """On real held-out digits, after training on generated ones with the labels asked for."""
    gan_test: float
    """On generated digits, after training on real ones."""
    real: float
    """On real held-out digits, after training on real ones: the best that can be expected of both."""


def train_digit_classifier(
    images: UInt8[Tensor, "n 1 28 28"],
    labels: Int[Tensor, "n"],
    *,
    seed: int,
    steps: int = STEPS,
    progress: Callable[[int, int], None] | None = None,
) -> nn.Module:
    """Train a digit classifier with the first judge's architecture; returned in evaluation mode.

    The number of steps does not depend on the number of images, so all classifiers see equally many.
    """
    network = MnistNet()
    init_weights(network, generator=rng.generator(seed, "evaluation/transfer"))
    return fold_batchnorm_(train_classifier(network, images, labels, steps=steps, seed=seed, progress=progress))


def measure_transfer(
    draw: Draw, *, reference: Reference, seed: int = 0, steps: int = STEPS, progress: Progress = no_progress
) -> Transfer:
    """GAN-train and GAN-test of a conditional model, which draws as many images as there are training images.

    The classifier of real digits is cached with the reference.

    Source: Shmelkov, Schmid & Alahari 2018, "How good is my GAN?", section 3.

    Raises:
        ConfigError: the data set is not MNIST.
    """
    if reference.kind != "digits":
        raise ConfigError(f"GAN-train and GAN-test need MNIST; {reference.name} is another data set")
    labels = labels_in_proportion(reference.labels, n=len(reference.labels), seed=seed)
    images = draw_in_batches(
        draw,
        n=len(labels),
        seed=rng.derive_seed(seed, "evaluation/transfer"),
        labels=labels,
        progress=partial(progress, "drawing labelled images"),
    )
    return measure_transfer_of_images(images, labels, reference=reference, steps=steps, progress=progress)


def measure_transfer_of_images(
    images: UInt8[Tensor, "n 1 28 28"],
    labels: Int[Tensor, "n"],
    *,
    reference: Reference,
    steps: int = STEPS,
    progress: Progress = no_progress,
) -> Transfer:
    """GAN-train and GAN-test of a finished set of labelled images."""
    real = classifier_of_real_digits(reference, steps=steps, progress=progress)
    generated = train_digit_classifier(
        images, labels, seed=SEED, steps=steps, progress=partial(progress, "training on generated digits")
    )
    return Transfer(
        gan_train=accuracy(generated, reference.held_out_images, reference.held_out_labels),
        gan_test=accuracy(real, images, labels),
        real=accuracy(real, reference.held_out_images, reference.held_out_labels),
    )


def classifier_of_real_digits(
    reference: Reference, *, steps: int = STEPS, progress: Progress = no_progress
) -> nn.Module:
    """Load the classifier of the real training digits from the cache, or train it."""

    def compute() -> dict[str, Tensor]:
        network = train_digit_classifier(
            reference.images,
            reference.labels,
            seed=SEED,
            steps=steps,
            progress=partial(progress, "training on real digits"),
        )
        return dict(network.state_dict())

    network = fold_batchnorm_(MnistNet().eval())
    network.load_state_dict(reference.cache.get(f"classifier-{steps}", compute))
    return network
