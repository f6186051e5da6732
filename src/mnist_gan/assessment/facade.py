"""Evaluation of a path in one call, for Python users and the command line."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Sequence
from typing import Literal

from mnist_gan.assessment.judging import Assessment, assess
from mnist_gan.assessment.subject import Subject, assumed_data, load_real_data, open_subject
from mnist_gan.data import Dataset
from mnist_gan.errors import ConfigError, DataError
from mnist_gan.evaluation import PROTOCOLS, Progress, default_judges, no_progress
from mnist_gan.paths import user_path
from mnist_gan.plugins import PluginLike
from mnist_gan.torch_defaults import default_torch_state

logger = logging.getLogger(__name__)


@default_torch_state()
def evaluate(
    subject: str | os.PathLike[str] | Subject,
    *,
    data: str | None = None,
    protocol: str | None = None,
    judges: Sequence[str] | Literal["both"] | None = None,
    full: bool = False,
    seed: int = 0,
    plugin: PluginLike = None,
    progress: Progress = no_progress,
) -> Assessment:
    """Evaluate a run, a model or a set of images against real images.

    Writes no files; `assessment.write` writes the report.

    Args:
        subject: path of a run, a model, a folder of PNGs, an `.npz` or an IDX file; "shipped"; or an opened subject.
        data: real images: "mnist", "digits", "stacked-mnist", a toy such as "ring8", a folder of four IDX files, or a
            file of points. None takes the training data of the model, and MNIST for images.
        protocol: "fd10k", "fd26k" or "fd50k". None takes fd10k (fd26k for stacked MNIST), or all images of a smaller
            set.
        judges: networks that measure the features: "mnistnet", "mnistnet-b", or names of trained ones. None takes a
            judge of the data if there is one, else mnistnet; "both" takes the second architecture, too.
        full: add the two-sample test, GAN-train and GAN-test, which takes minutes.
        seed: seed of all images drawn.
        plugin: plug-in that the model was made with, or the path of its file; an opened subject has its own.
        progress: called with the name of a step, the count done and the total.

    Raises:
        ArtifactError: a run or model is unfinished or damaged.
        ConfigError: unknown protocol or data set, or more images required than there are.
        DataError: images cannot be read, are fewer than 100, or do not fit the real ones.
        PluginError: the model was made with a plug-in, which is missing or has changed.
    """
    if protocol is not None and protocol not in PROTOCOLS:
        raise ConfigError(f"protocol is {protocol!r}; it must be one of {', '.join(PROTOCOLS)}")
    if isinstance(subject, Subject):
        opened = subject
    else:
        opened = open_subject(user_path(subject), progress=progress, plugin=plugin)
    dataset = load_real_data(opened, data)
    logger.info("evaluating %s against %s", opened.description, dataset.source)
    assumed = assumed_data(opened) if data is None else None
    try:
        assessment = _assess(opened, dataset, protocol=protocol, judges=judges, full=full, seed=seed, progress=progress)
    except DataError as error:
        raise DataError(f"{error} ({assumed})" if assumed else str(error)) from error
    return dataclasses.replace(assessment, notes=(*filter(None, [assumed]), *assessment.notes))


def _assess(
    subject: Subject,
    dataset: Dataset,
    *,
    protocol: str | None,
    judges: Sequence[str] | Literal["both"] | None,
    full: bool,
    seed: int,
    progress: Progress,
) -> Assessment:
    return assess(
        subject,
        dataset=dataset,
        protocol=None if protocol is None else PROTOCOLS[protocol],
        judges=default_judges(dataset, both=True) if judges == "both" else judges,
        full=full,
        seed=seed,
        progress=progress,
    )
