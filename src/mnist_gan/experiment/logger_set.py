"""The loggers of a run beside metrics.jsonl. One that fails is disabled, and the run continues."""

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


def check_loggers(config: Config) -> None:
    """Check that the enabled loggers are installed, before the run has a folder.

    Raises:
        ConfigError: W&B is enabled and not installed.
    """
    if config.run.wandb:
        from mnist_gan.loggers.wandb import import_wandb

        import_wandb()


class LoggerSet:
    """Passes everything to each enabled logger. True if there is one."""

    def __init__(self, config: Config, directory: RunDirectory) -> None:
        self._config, self._directory = config, directory
        self._loggers: dict[str, Logger] = {}

    def begin(self, cur_nimg: int) -> None:
        """Open the loggers at `cur_nimg` images; entries logged after that count are discarded.

        Raises:
            ConfigError: W&B failed to start at 0 images; later, a failure is only logged.
        """
        self.close()
        if self._config.run.tensorboard:
            self._attempt("TensorBoard", lambda: self._add("TensorBoard", self._tensorboard(cur_nimg)))
        if self._config.run.wandb and cur_nimg == 0:
            self._add("W&B", self._wandb())
        elif self._config.run.wandb:
            self._attempt("W&B", lambda: self._add("W&B", self._wandb()))

    def __bool__(self) -> bool:
        return bool(self._loggers)

    def log_row(self, row: Row) -> None:
        """Log a row of metrics."""
        self._each(lambda logger: logger.log_row(row))

    def log_samples(self, path: Path, *, cur_nimg: int) -> None:
        """Log the sample grid at `path`."""
        self._each(lambda logger: logger.log_samples(path, cur_nimg=cur_nimg))

    def log_histograms(self, values: Mapping[str, Float[Tensor, "..."]], *, cur_nimg: int) -> None:
        """Log the distribution of each named tensor."""
        self._each(lambda logger: logger.log_histograms(values, cur_nimg=cur_nimg))

    def close(self) -> None:
        """Flush and close every logger."""
        self._each(lambda logger: logger.close())
        self._loggers.clear()

    def _each(self, action: Callable[[Logger], None]) -> None:
        for name, logger in list(self._loggers.items()):
            self._attempt(name, lambda logger=logger: action(logger))  # type: ignore[misc]

    def _attempt(self, name: str, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:  # an error of any kind in a third-party logger must not end the training
            self._loggers.pop(name, None)
            logger.warning(f"{name} failed and is disabled; the run continues without it: {error}")

    def _add(self, name: str, logger: Logger) -> None:
        self._loggers[name] = logger

    def _tensorboard(self, cur_nimg: int) -> Logger:
        from mnist_gan.loggers.tensorboard import TensorBoardLogger

        return TensorBoardLogger(self._directory.tensorboard, cur_nimg=cur_nimg)

    def _wandb(self) -> Logger:
        from mnist_gan.loggers.wandb import WandbLogger

        wandb_logger = WandbLogger(
            self._directory.root.resolve(), name=self._directory.name, config=config_module.to_dict(self._config)
        )
        logger.info(f"logging to W&B: {wandb_logger.location}")
        return wandb_logger
