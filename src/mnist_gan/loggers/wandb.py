"""Weights & Biases: losses, scores, accuracies, the discriminator's confusion matrix, histograms and sample grids.

It needs the extra `mnist-gan[wandb]`. With `WANDB_MODE=offline` no data leaves the machine; `wandb sync` uploads it
later.
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
"""State between sessions, in the run directory: the W&B run id and the last `cur_nimg` sent."""
PROJECT: Final = "mnist-gan"
ACCURACIES: Final = ("Score/real_accuracy", "Score/fake_accuracy")


class WandbLogger:
    """Sends the progress of a run to W&B. A resumed run continues the same W&B run.

    W&B accepts only increasing steps. A resumed run repeats the values after its checkpoint exactly, so values that
    were already sent are skipped.
    """

    def __init__(self, directory: Path, *, name: str, config: Mapping[str, Any], project: str = PROJECT) -> None:
        """Start a W&B run, or continue the one recorded in the run directory.

        Args:
            directory: the run directory; W&B writes to its `wandb/`.
            name: name of the run at W&B.
            config: the config, as nested plain values.
            project: the W&B project.

        Raises:
            ConfigError: the extra is not installed, or W&B refused the run (not logged in).
            StorageError: the state cannot be written.
        """
        self._wandb = import_wandb()
        self._state = directory / STATE_NAME
        self._id, self._sent_before_nimg = self._load_state()
        self._sent_nimg = self._sent_before_nimg
        self._save_state()
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
        except (self._wandb.errors.Error, ValueError) as error:  # ValueError: its settings, such as WANDB_MODE
            reason = " ".join(str(error).split())
            raise ConfigError(
                f"W&B did not start a run ({reason}); log in with `wandb login`, set WANDB_MODE=offline, "
                "or leave out --log wandb"
            ) from error

    @property
    def location(self) -> str:
        """URL of the run, or its folder if offline."""
        return str(self._run.dir if self._run.offline else self._run.url or "nowhere, as WANDB_MODE says")

    def log_row(self, row: Row) -> None:
        """Log every statistic of the row."""
        self._last_row = row
        self._send({name: value for name, value in row.items() if name != CLOCK}, cur_nimg=int(row[CLOCK]))

    def log_samples(self, path: Path, *, cur_nimg: int) -> None:
        """Log the sample grid, and the confusion matrix of the discriminator if known."""
        with Image.open(path) as picture:
            picture.load()
        content: dict[str, Any] = {"Samples": self._wandb.Image(picture)}
        if all(name in self._last_row for name in ACCURACIES):
            content["Score/confusion_matrix"] = self._confusion_matrix(*(self._last_row[name] for name in ACCURACIES))
        self._send(content, cur_nimg=cur_nimg)

    def log_histograms(self, values: Mapping[str, Float[Tensor, "..."]], *, cur_nimg: int) -> None:
        """Log a histogram of the finite values of each tensor."""
        finite = {name: finite_values(tensor) for name, tensor in values.items()}
        histograms = {name: self._wandb.Histogram(flat.tolist()) for name, flat in finite.items() if flat.size}
        self._send(histograms, cur_nimg=cur_nimg)

    def close(self) -> None:
        """Send buffered data; blocks until W&B is done."""
        self._run.finish()

    def _send(self, content: Mapping[str, Any], *, cur_nimg: int) -> None:
        if cur_nimg <= self._sent_before_nimg:
            return
        self._run.log(dict(content), step=cur_nimg)
        if cur_nimg > self._sent_nimg:
            self._sent_nimg = cur_nimg
            self._save_state()

    def _confusion_matrix(self, real_accuracy: float, fake_accuracy: float) -> Any:
        """Percentage of the real and of the generated images that the discriminator classified as real and as fake."""
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
            {"title": "Discriminator on real and generated images (%)"},
        )

    def _load_state(self) -> tuple[str, int]:
        """The W&B run id and the last `cur_nimg` sent; a new id and -1 without a valid state file."""
        try:
            state = json.loads(self._state.read_bytes())
            return str(state["id"]), int(state[CLOCK])
        except (OSError, ValueError, KeyError, TypeError):
            return secrets.token_hex(4), -1

    def _save_state(self) -> None:
        write_json(self._state, {"id": self._id, CLOCK: self._sent_nimg})


def import_wandb() -> ModuleType:
    """Import W&B, which is an extra.

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
