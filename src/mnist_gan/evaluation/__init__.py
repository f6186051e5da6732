"""Evaluation: fixed judges, figures with floors and ceilings, and the diagnosis of a training.

    reference = Reference.of(load_dataset(DataConfig()))
    samples = Samples.draw(draw, reference=reference, conditional=True)  # or Samples.of_images(images)
    evaluation = evaluate(samples, reference=reference)
    evaluation.figures["fd10k_mnistnet"]

A model is a callable `draw(n, seed, labels)` that returns uint8 images.
"""

from mnist_gan.evaluation.diagnosis import THRESHOLDS, Diagnosis, State, Thresholds, diagnose
from mnist_gan.evaluation.digits import DigitTable
from mnist_gan.evaluation.discriminator import DiscriminatorFigures, discriminator_figures
from mnist_gan.evaluation.form import form_figures
from mnist_gan.evaluation.judges import default_judges, open_judge
from mnist_gan.evaluation.measurement import PARTS, Part, evaluate
from mnist_gan.evaluation.memorization import ClosestPair, Memorization
from mnist_gan.evaluation.mnistnet import Judge, JudgeName, load_judge
from mnist_gan.evaluation.monitoring import (
    MONITOR_PROTOCOL,
    Monitoring,
    RealData,
    monitor,
    monitor_floor,
    protocol_of,
    reference_of,
)
from mnist_gan.evaluation.reference import Progress, Reference, no_progress
from mnist_gan.evaluation.results import Evaluation, Figure
from mnist_gan.evaluation.samples import PROTOCOLS, Draw, SampleProtocol, Samples
from mnist_gan.evaluation.transfer import Transfer, measure_transfer, measure_transfer_of_images
from mnist_gan.evaluation.two_sample import two_sample_figures, two_sample_figures_of_images

__all__ = [
    "MONITOR_PROTOCOL",
    "PARTS",
    "PROTOCOLS",
    "THRESHOLDS",
    "ClosestPair",
    "Diagnosis",
    "DigitTable",
    "DiscriminatorFigures",
    "Draw",
    "Evaluation",
    "Figure",
    "Judge",
    "JudgeName",
    "Memorization",
    "Monitoring",
    "Part",
    "Progress",
    "RealData",
    "Reference",
    "SampleProtocol",
    "Samples",
    "State",
    "Thresholds",
    "Transfer",
    "default_judges",
    "diagnose",
    "discriminator_figures",
    "evaluate",
    "form_figures",
    "load_judge",
    "measure_transfer",
    "measure_transfer_of_images",
    "monitor",
    "monitor_floor",
    "no_progress",
    "open_judge",
    "protocol_of",
    "reference_of",
    "two_sample_figures",
    "two_sample_figures_of_images",
]
