"""The loggers that follow a run beside metrics.jsonl; one that fails is left behind, and the run goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from mnist_gan import config as config_module
from mnist_gan.config import Config
from mnist_gan.loggers.base import Logger
from mnist_gan.runs.directory import RunDirectory
from mnist_gan.runs.metrics import Row

logger = logging.getLogger(__name__)


def check_followers(config: Config) -> None:
    """Refuse a run whose loggers are not installed, before it has a folder.

    Raises:
        ConfigError: W&B was asked for and is not installed.
    """
    if config.run.wandb:
        from mnist_gan.loggers.wandb import import_wandb

        import_wandb()


class Followers:
    """Hands everything on to each logger that was asked for."""

    def __init__(self, config: Config, directory: RunDirectory) -> None:
        self._config, self._directory = config, directory
        self._loggers: dict[str, Logger] = {}

    def begin(self, cur_nimg: int) -> None:
        """Begin, or begin again at `cur_nimg` images: what was logged after that is forgotten.

        Raises:
            ConfigError: at 0 images, W&B was asked for and is not there, or refused; later, that is only said.
        """
        self.close()
        if self._config.run.tensorboard:
            self._attempt("TensorBoard", lambda: self._add("TensorBoard", self._tensorboard(cur_nimg)))
        if self._config.run.wandb and cur_nimg == 0:
            self._add("W&B", self._wandb())
        elif self._config.run.wandb:
            self._attempt("W&B", lambda: self._add("W&B", self._wandb()))

    def __bool__(self) -> bool:
        """Whether anybody follows."""
        return bool(self._loggers)

    def log_row(self, row: Row) -> None:
        """A row of metrics.jsonl."""
        self._each(lambda logger: logger.log_row(row))

    def log_samples(self, path: Path, *, cur_nimg: int) -> None:
        """The grid at `path`."""
        self._each(lambda logger: logger.log_samples(path, cur_nimg=cur_nimg))

    def log_histograms(self, values: Mapping[str, Float[Tensor, "..."]], *, cur_nimg: int) -> None:
        """How values are distributed."""
        self._each(lambda logger: logger.log_histograms(values, cur_nimg=cur_nimg))

    def close(self) -> None:
        """Let every logger write what it holds back."""
        self._each(lambda logger: logger.close())
        self._loggers.clear()

    def _each(self, action: Callable[[Logger], None]) -> None:
        for name, logger in list(self._loggers.items()):
            self._attempt(name, lambda logger=logger: action(logger))  # type: ignore[misc]

    def _attempt(self, name: str, action: Callable[[], None]) -> None:
        """Do it; whatever goes wrong inside somebody else's logger must not end a training."""
        try:
            action()
        except Exception as error:
            self._loggers.pop(name, None)
            logger.warning(f"{name} failed and is disabled; the run continues without it: {error}")

    def _add(self, name: str, logger: Logger) -> None:
        self._loggers[name] = logger

    def _tensorboard(self, cur_nimg: int) -> Logger:
        from mnist_gan.loggers.tensorboard import TensorBoardLogger

        return TensorBoardLogger(self._directory.tensorboard, cur_nimg=cur_nimg)

    def _wandb(self) -> Logger:
        from mnist_gan.loggers.wandb import WandbLogger

        root = self._directory.root.resolve()
        wandb_logger = WandbLogger(root, name=root.name, config=config_module.to_dict(self._config))
        logger.info(f"logging to W&B: {wandb_logger.location}")
        return wandb_logger
