"""The run directory: every file of a run is listed here, once."""

from __future__ import annotations

import contextlib
import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mnist_gan import config as config_module
from mnist_gan import storage
from mnist_gan.config import Config
from mnist_gan.errors import ArtifactError, ConfigError, StorageError

RESERVED_NAME: Final = "shipped"
"""Names the model that comes with the package, wherever a run can be named."""
MAX_DESCRIPTION_BYTES: Final = 1 << 20
"""Size of config.toml and of environment.json; what is larger is neither."""
GENERATOR_NAME: Final = "generator.safetensors"
"""The generator's weights, in a model folder and in a snapshot."""
NAME_PATTERN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """Paths of one run's files below `root`."""

    root: Path

    @property
    def config(self) -> Path:
        """The resolved config; `train --config` on it gives the same run."""
        return self.root / "config.toml"

    @property
    def environment(self) -> Path:
        """Versions, processor, device, threads, data digests, source revision."""
        return self.root / "environment.json"

    @property
    def metrics(self) -> Path:
        """One JSON object a line, one line a tick."""
        return self.root / "metrics.jsonl"

    @property
    def samples(self) -> Path:
        """The grids of the fixed z."""
        return self.root / "samples"

    def sample(self, epoch: int) -> Path:
        """The grid after `epoch` passes; epoch 0 is before training."""
        return self.samples / f"epoch-{epoch:04d}.png"

    @property
    def checkpoints(self) -> Path:
        """The newest whole states."""
        return self.root / "checkpoints"

    @property
    def snapshots(self) -> Path:
        """Generators of the way, for use."""
        return self.root / "snapshots"

    @property
    def model(self) -> Path:
        """The networks for use, with their config."""
        return self.root / "model"

    @property
    def has_model(self) -> bool:
        """Whether there are networks for use, also where a crash left them under their second name."""
        return storage.find_committed(self.model) is not None

    @property
    def animation(self) -> Path:
        """The sample grids as a GIF."""
        return self.root / "training.gif"

    @property
    def animation_webp(self) -> Path:
        """The same as an animated WebP, smaller."""
        return self.root / "training.webp"

    @property
    def curves(self) -> Path:
        """Losses, scores and metrics as a picture."""
        return self.root / "curves.png"

    @property
    def report(self) -> Path:
        """The evaluation as a self-contained page."""
        return self.root / "report.html"

    @property
    def tensorboard(self) -> Path:
        """TensorBoard's event files."""
        return self.root / "tensorboard"

    @property
    def wandb(self) -> Path:
        """What Weights & Biases keeps here, where it was asked for."""
        return self.root / "wandb"

    @property
    def interventions(self) -> Path:
        """Learning rates that were changed while it trained, one JSON object a line."""
        return self.root / "interventions.jsonl"

    @property
    def live(self) -> Path:
        """What passes between the training and whoever watches it; nothing else depends on it."""
        return self.root / "live"

    @property
    def status(self) -> Path:
        """How far the training is, and what it does just now."""
        return self.live / "status.json"

    @property
    def live_facts(self) -> Path:
        """The newest look at it: the discriminator's scores, the digits."""
        return self.live / "look.json"

    @property
    def live_picture(self) -> Path:
        """The grid of the fixed z, as of that look."""
        return self.live / "look.png"

    @property
    def commands(self) -> Path:
        """What it is told to do, one file each."""
        return self.live / "commands"

    @property
    def watched(self) -> Path:
        """Touched by whoever watches; without, nobody looks so often."""
        return self.live / "watched"

    @property
    def lock(self) -> Path:
        """Held by the process that trains this run."""
        return self.root / ".lock"

    def read_config(self) -> Config:
        """The run's resolved config.

        Raises:
            ArtifactError: this is no run directory.
            ConfigError: its config.toml is damaged.
        """
        try:
            text = storage.read_regular(self.config, most=MAX_DESCRIPTION_BYTES).decode()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ArtifactError(
                f"{self.root} is not a run: it has no {self.config.name}; `mnist-gan runs` lists the runs"
            ) from error
        except OSError as error:
            raise ArtifactError(f"{self.config} cannot be read: {error.strerror or error}; bring it back") from error
        except UnicodeDecodeError as error:
            raise ArtifactError(f"{self.config} is damaged: it is no UTF-8 text; bring it back") from error
        return config_module.from_toml(text, source=str(self.config))

    def has_rows(self) -> bool:
        """Whether anything of the training was recorded."""
        return self.metrics.is_file() and self.metrics.stat().st_size > 0

    def refuse_links(self) -> None:
        """Refuse a run whose own files are links or devices: training writes into them, and a link leads anywhere.

        Folders may be links; a folder on another disk is not unusual.

        Raises:
            ArtifactError: naming the first.
        """
        for path in (self.config, self.environment, self.metrics, self.lock):
            if path.is_symlink() or (path.exists() and not path.is_file()):
                raise ArtifactError(f"{path} is no plain file; put the file itself there, and not a link to it")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run against other processes.

        Raises:
            RunBusyError: another process trains it.
        """
        busy = f"another process is training {self.root}; wait for it, or stop it, or choose another --name"
        # whoever asks if the run is locked holds the lock for a moment
        with storage.exclusive_lock(self.lock, busy=busy, timeout=0.5):
            yield


def create_run(runs_dir: Path, *, name: str | None, preset: str) -> RunDirectory:
    """Make the folder of a new run: `name`, or `<preset>-<date>-<time>` with a number behind it if that is taken.

    Raises:
        ConfigError: the name cannot be a folder's, or there is a run of that name: a run never overwrites another.
        StorageError: the folder cannot be made.
    """
    if name is not None and not NAME_PATTERN.fullmatch(name):
        raise ConfigError(
            f"{name!r} cannot name a run; use letters, digits, '.', '_' and '-', beginning with a letter or digit"
        )
    if name == RESERVED_NAME:
        raise ConfigError(f"{name} names the model that comes with the package; choose another --name")
    stem = name or f"{preset}-{datetime.datetime.now():%Y%m%d-%H%M%S}"
    for attempt in range(1000):
        root = runs_dir / (stem if attempt == 0 else f"{stem}-{attempt}")
        try:
            storage.make_directories(runs_dir)
            root.mkdir()
            storage.sync_directory(runs_dir)
        except FileExistsError as error:
            if name is None and runs_dir.is_dir():
                continue
            raise ConfigError(
                f"{root} is there already and is not overwritten; choose another --name, or continue it with "
                f"`mnist-gan resume {root}`"
            ) from error
        except OSError as error:
            raise StorageError(
                f"cannot make the run's folder {root}: {error.strerror}; choose another --runs-dir"
            ) from error
        return RunDirectory(root)
    raise StorageError(f"{runs_dir} has a thousand runs called {stem}; choose a --name")


def find_runs(runs_dir: Path) -> list[RunDirectory]:
    """The runs in `runs_dir`, the newest first (by the time of their last row)."""
    if not runs_dir.is_dir():
        return []
    runs = [RunDirectory(path.parent) for path in runs_dir.glob("*/config.toml")]
    return sorted(runs, key=_last_change, reverse=True)


def _last_change(run: RunDirectory) -> tuple[float, str]:
    newest = run.metrics if run.metrics.exists() else run.config
    return newest.stat().st_mtime, run.root.name
