"""Weights & Biases: losses, scores, accuracies, the discriminator's confusion matrix, histograms and sample grids.

An extra (`pip install "mnist-gan[wandb]"`). With `WANDB_MODE=offline` nothing leaves the machine, and `wandb sync`
sends it later.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from jaxtyping import Float
from PIL import Image
from torch import Tensor

from mnist_gan.errors import ConfigError
from mnist_gan.loggers.base import finite_values
from mnist_gan.runs.metrics import CLOCK, Row
from mnist_gan.storage import write_json

STATE_NAME: Final = "wandb/run.json"
"""What is remembered between sessions, in the run's folder, beside W&B's own files."""
PROJECT: Final = "mnist-gan"
ACCURACIES: Final = ("Score/real_accuracy", "Score/fake_accuracy")


class WandbLogger:
    """Sends a run's progress to W&B. A resumed run goes on as the same W&B run.

    W&B takes points in rising order only, and a resumed run repeats those after its checkpoint exactly; what was sent
    once is not sent again.
    """

    def __init__(self, directory: Path, *, name: str, config: Mapping[str, Any], project: str = PROJECT) -> None:
        """Begin a W&B run, or go on with the one that the run's folder knows of.

        Args:
            directory: the run's folder; W&B's files go into `wandb/` in it.
            name: the run's name on W&B's pages.
            config: the run's settings, as nested plain values.
            project: the W&B project.

        Raises:
            ConfigError: the extra is not installed, or W&B refused (not logged in).
            StorageError: the operating system refused.
        """
        self._wandb = import_wandb()
        self._state = directory / STATE_NAME
        self._id, self._sent_before_nimg = self._recall()
        self._sent_nimg = self._sent_before_nimg
        self._remember()
        self._last_row: Row = {}
        try:
            self._run = self._wandb.init(
                project=project,
                name=name,
                id=self._id,
                resume="allow",
                dir=str(directory),
                config=dict(config),
                settings=self._wandb.Settings(console="off", silent=True),
            )
        except self._wandb.errors.Error as error:
            raise ConfigError(
                f"W&B did not begin a run ({error}); log in with `wandb login`, set WANDB_MODE=offline, "
                "or leave out --log wandb"
            ) from error

    @property
    def place(self) -> str:
        """Where to look: the run's page, or its folder when offline."""
        return str(self._run.dir if self._run.offline else self._run.url)

    def log_row(self, row: Row) -> None:
        """Every statistic of the row."""
        self._last_row = row
        self._send({name: value for name, value in row.items() if name != CLOCK}, cur_nimg=int(row[CLOCK]))

    def log_samples(self, path: Path, *, cur_nimg: int) -> None:
        """The sample grid, and beside it how often the discriminator took which for what."""
        with Image.open(path) as picture:
            picture.load()
        content: dict[str, Any] = {"Samples": self._wandb.Image(picture)}
        if all(name in self._last_row for name in ACCURACIES):
            content["Score/confusion_matrix"] = self._confusion_matrix(*(self._last_row[name] for name in ACCURACIES))
        self._send(content, cur_nimg=cur_nimg)

    def log_histograms(self, values: Mapping[str, Float[Tensor, "..."]], *, cur_nimg: int) -> None:
        """A histogram of the finite values of each tensor."""
        finite = {name: finite_values(tensor) for name, tensor in values.items()}
        histograms = {name: self._wandb.Histogram(flat.tolist()) for name, flat in finite.items() if flat.size}
        self._send(histograms, cur_nimg=cur_nimg)

    def close(self) -> None:
        """Send what is held back; waits for W&B."""
        self._run.finish()

    def _send(self, content: Mapping[str, Any], *, cur_nimg: int) -> None:
        if cur_nimg <= self._sent_before_nimg:
            return
        self._run.log(dict(content), step=cur_nimg)
        if cur_nimg > self._sent_nimg:
            self._sent_nimg = cur_nimg
            self._remember()

    def _confusion_matrix(self, real_accuracy: float, fake_accuracy: float) -> Any:
        """Shares in percent: of the real and of the generated images, how many the discriminator called what."""
        shares = [
            ["real", "REAL", 100 * real_accuracy],
            ["real", "FAKE", 100 * (1 - real_accuracy)],
            ["generated", "REAL", 100 * (1 - fake_accuracy)],
            ["generated", "FAKE", 100 * fake_accuracy],
        ]
        fields = ["Actual", "Predicted", "nPredictions"]
        return self._wandb.plot_table(
            "wandb/confusion_matrix/v1",
            self._wandb.Table(columns=fields, data=shares),
            {field: field for field in fields},
            {"title": "What the discriminator called real and generated images (%)"},
        )

    def _recall(self) -> tuple[str, int]:
        """The W&B run's id and the highest clock sent to it; a new id and -1 where nothing is remembered."""
        try:
            state = json.loads(self._state.read_bytes())
            return str(state["id"]), int(state[CLOCK])
        except (OSError, ValueError, KeyError, TypeError):
            return secrets.token_hex(4), -1

    def _remember(self) -> None:
        write_json(self._state, {"id": self._id, CLOCK: self._sent_nimg})


def import_wandb() -> ModuleType:
    """The package, which is an extra.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import wandb
    except ImportError as error:
        raise ConfigError(
            "W&B is not installed; install it with `pip install 'mnist-gan[wandb]'`, or leave out --log wandb"
        ) from error
    return wandb  # type: ignore[no-any-return]
