"""How good are the images? Fixed judges, figures with floors and ceilings, and a diagnosis of a training under way.

    reference = Reference.of(load_dataset(DataConfig()))
    samples = Samples.draw(draw, reference=reference, conditional=True)  # or Samples.of_images(images)
    evaluation = evaluate(samples, reference=reference)
    evaluation.figures["fd10k_mnistnet"]

A model is a callable `draw(n, seed, labels)` that returns uint8 images; this package knows no more of it.
"""

from mnist_gan.evaluation.diagnosis import THRESHOLDS, Diagnosis, State, Thresholds, diagnose
from mnist_gan.evaluation.discriminator import DiscriminatorFigures, discriminator_figures
from mnist_gan.evaluation.evaluate import PARTS, DigitTable, Evaluation, Figure, Part, evaluate
from mnist_gan.evaluation.memorization import ClosestPair, Memorization
from mnist_gan.evaluation.mnistnet import Judge, JudgeName, load_judge
from mnist_gan.evaluation.monitor import MONITOR_PROTOCOL, Monitoring, monitor, monitor_floor
from mnist_gan.evaluation.reference import Progress, Reference
from mnist_gan.evaluation.samples import PROTOCOLS, Draw, SampleProtocol, Samples
from mnist_gan.evaluation.transfer import Transfer, transfer, transfer_of_images

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
    "Reference",
    "SampleProtocol",
    "Samples",
    "State",
    "Thresholds",
    "Transfer",
    "diagnose",
    "discriminator_figures",
    "evaluate",
    "load_judge",
    "monitor",
    "monitor_floor",
    "transfer",
    "transfer_of_images",
]
