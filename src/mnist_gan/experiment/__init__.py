"""The composition root: consumes the ticks of a training and decides when to judge, sample, save, log and stop."""

from mnist_gan.experiment.recording import Observer, Outcome
from mnist_gan.experiment.runs import Estimate, dry_run, resume, run, train
from mnist_gan.experiment.setup import resolve
from mnist_gan.experiment.snapshots import averaged_generator, drawer, make_snapshot
from mnist_gan.runs.interventions import Intervention, read_interventions

__all__ = [
    "Estimate",
    "Intervention",
    "Observer",
    "Outcome",
    "averaged_generator",
    "drawer",
    "dry_run",
    "make_snapshot",
    "read_interventions",
    "resolve",
    "resume",
    "run",
    "train",
]
