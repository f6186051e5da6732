"""Edits of a run's config.toml: a resumed run accepts those that leave the training so far as it was."""

from __future__ import annotations

import dataclasses
import logging
import shlex
from typing import Final

from mnist_gan import config as config_module
from mnist_gan import storage
from mnist_gan.config import Config
from mnist_gan.errors import ConfigError
from mnist_gan.runs.comparison import differences, flatten
from mnist_gan.runs.directory import RunDirectory
from mnist_gan.text import pluralize

logger = logging.getLogger(__name__)

EDITABLE: Final = frozenset(
    {
        "preset",
        "data.dir",
        "data.download",
        "training.total_nimg",
        "training.epochs",
        "training.device",
        "training.threads",
        "training.capture",
    }
)
"""Settings outside of `run` that a resumed run may change: its length, the place of the same data, the machine."""


def check_edits(directory: RunDirectory, *, began: Config, current: Config) -> None:
    """Compare the config that a run began with and its config.toml; log the edits that the run accepts.

    Raises:
        ConfigError: a setting that the training so far depends on was edited.
    """
    flat = [flatten(config_module.to_dict(config)) for config in (began, current)]
    edits = {name: f"{name} from {_show(old)} to {_show(new)}" for name, (old, new) in differences(flat).items()}
    refused = [edit for name, edit in edits.items() if name not in EDITABLE and not name.startswith("run.")]
    if refused:
        raise ConfigError(
            f"{directory.config} was edited after the run began, in {pluralize(len(refused), 'setting')} that the "
            f"training so far depends on: {', '.join(refused)}; restore the old values, or start a new run with "
            f"`mnist-gan train --config {shlex.quote(str(directory.config))}`"
        )
    if edits:
        logger.warning(f"{directory.config} was edited after the run began: {', '.join(edits.values())}")
    if edits.keys() & {"training.total_nimg", "training.epochs"}:
        decays = {
            "learning rates": current.optimizer.decay,
            "penalties": current.objective.penalty_decay,
            "classifier's weight": current.objective.classifier_decay,
        }
        for what, decay in decays.items():
            if decay != "constant":
                logger.warning(f"the {decay} decay of the {what} now ends at the new length")


def edit_threads(directory: RunDirectory, threads: int) -> None:
    """Write another number of processor threads into config.toml.

    Raises:
        ConfigError: the number is out of range, or config.toml is not a config.
    """
    config = directory.read_config()
    training = dataclasses.replace(config.training, threads=threads)
    if training != config.training:
        storage.write_text(directory.config, config_module.to_toml(dataclasses.replace(config, training=training)))


def _show(value: object) -> str:
    return "none" if value is None else str(value)
