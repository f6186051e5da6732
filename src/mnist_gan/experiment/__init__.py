"""Experiments: one training composed of setup, recorder, control, previews and loggers."""

from mnist_gan.experiment.game import Game
from mnist_gan.experiment.launch import Estimate, dry_run, resume, run, train
from mnist_gan.experiment.model import averaged_generator, make_model
from mnist_gan.experiment.recorder import Observer, Outcome
from mnist_gan.experiment.setup import resolve
from mnist_gan.runs.interventions import Intervention, read_interventions

__all__ = [
    "Estimate",
    "Game",
    "Intervention",
    "Observer",
    "Outcome",
    "averaged_generator",
    "dry_run",
    "make_model",
    "read_interventions",
    "resolve",
    "resume",
    "run",
    "train",
]
