"""The run directory: the one list of the files of a run."""

from __future__ import annotations

import contextlib
import datetime
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from mnist_gan import config as config_module
from mnist_gan import storage
from mnist_gan.config import Config
from mnist_gan.errors import ArtifactError, ConfigError, StorageError
from mnist_gan.text import decode_text

RESERVED_NAME: Final = "shipped"
"""Name of the model that comes with the package; no run may have it."""
MAX_DESCRIPTION_BYTES: Final = 1 << 20
"""Largest config.toml or environment.json that is read."""
GENERATOR_NAME: Final = "generator.safetensors"
"""File of the generator's weights, in a model folder and in a snapshot."""
NAME_PATTERN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """Paths of one run's files below `root`."""

    root: Path

    def __fspath__(self) -> str:
        return os.fspath(self.root)

    @property
    def name(self) -> str:
        """Name of the folder; of a symbolic link its own, not that of its target."""
        return os.path.basename(os.path.abspath(self.root))  # noqa: PTH100, PTH119 - Path.resolve would follow links

    @property
    def config(self) -> Path:
        """The resolved config; `train --config` on it reproduces the run."""
        return self.root / "config.toml"

    @property
    def environment(self) -> Path:
        """Versions, processor, device, threads, data digests, source revision."""
        return self.root / "environment.json"

    @property
    def plugin(self) -> Path:
        """Copy of the plug-in's file that the run began with; it is compared, and never run unless a user names it."""
        return self.root / "plugin.py"

    @property
    def metrics(self) -> Path:
        """One JSON object per tick, one per line."""
        return self.root / "metrics.jsonl"

    @property
    def samples(self) -> Path:
        """Folder of the sample grids, always of the same z."""
        return self.root / "samples"

    def sample(self, epoch: int) -> Path:
        """Sample grid after `epoch` epochs; epoch 0 is before training."""
        return self.samples / f"epoch-{epoch:04d}.png"

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints: the newest and the best."""
        return self.root / "checkpoints"

    @property
    def snapshots(self) -> Path:
        """Folder of the averaged generators saved during training."""
        return self.root / "snapshots"

    @property
    def previews(self) -> Path:
        """Folder of the previews kept during training: sample grids, and histograms of D's scores."""
        return self.root / "previews"

    def kept_preview(self, cur_nimg: int) -> Path:
        """Figures of the preview kept after `cur_nimg` images; its sample grid has the suffix .png."""
        return self.previews / f"{cur_nimg:010d}.json"

    def kept_previews(self) -> dict[int, Path]:
        """Figures of the kept previews by images seen, in order."""
        names = {path.stem: path for path in self.previews.glob("*.json")}
        known = sorted(name for name in names if re.fullmatch("[0-9]{10}", name))
        return {int(name): names[name] for name in known}

    @property
    def model(self) -> Path:
        """Folder of the model: both networks and their config."""
        return self.root / "model"

    @property
    def has_model(self) -> bool:
        """True if there is a model, also where a crash left it under its temporary name."""
        return storage.find_committed(self.model) is not None

    @property
    def animation(self) -> Path:
        """Animation of the sample grids (GIF)."""
        return self.root / "training.gif"

    @property
    def animation_webp(self) -> Path:
        """The same animation as WebP, which is smaller."""
        return self.root / "training.webp"

    @property
    def curves(self) -> Path:
        """Plot of losses, scores and metrics."""
        return self.root / "curves.png"

    @property
    def report(self) -> Path:
        """Report of `mnist-gan evaluate`, one self-contained page."""
        return self.root / "report.html"

    @property
    def tensorboard(self) -> Path:
        """Folder of TensorBoard event files."""
        return self.root / "tensorboard"

    @property
    def wandb(self) -> Path:
        """Folder that Weights & Biases writes, if enabled."""
        return self.root / "wandb"

    @property
    def interventions(self) -> Path:
        """Learning rates that were changed during training, one JSON object per line."""
        return self.root / "interventions.jsonl"

    @property
    def note(self) -> Path:
        """Text about the run, by its user."""
        return self.root / "note.txt"

    @property
    def plateau(self) -> Path:
        """Written when `run.stop_on_plateau` ends the run."""
        return self.root / "plateau.json"

    @property
    def live(self) -> Path:
        """Folder of the live channel; ephemeral, nothing else depends on it."""
        return self.root / "live"

    @property
    def live_status(self) -> Path:
        """Progress and activity, published by the training."""
        return self.live / "status.json"

    @property
    def preview(self) -> Path:
        """Newest preview: score histograms and digit statistics."""
        return self.live / "preview.json"

    @property
    def preview_image(self) -> Path:
        """Sample grid of the newest preview."""
        return self.live / "preview.png"

    @property
    def trial(self) -> Path:
        """Scores before and after the newest trial step of one network."""
        return self.live / "trial.json"

    def trial_image(self, when: Literal["before", "after"]) -> Path:
        """Sample grid of G itself before or after that step."""
        return self.live / f"trial-{when}.png"

    @property
    def commands(self) -> Path:
        """Folder of the commands that wait for the training, one file each."""
        return self.live / "commands"

    @property
    def heartbeat(self) -> Path:
        """Touched by clients; without it, previews are not rendered."""
        return self.live / "heartbeat"

    @property
    def lock(self) -> Path:
        """Lock file, held by the process that trains the run."""
        return self.root / ".lock"

    def read_config(self) -> Config:
        """Read config.toml.

        Raises:
            ArtifactError: the folder is not a run, or the file cannot be read.
            ConfigError: the file is not a valid config.
        """
        try:
            text = decode_text(storage.read_regular(self.config, most=MAX_DESCRIPTION_BYTES))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ArtifactError(
                f"{self.root} is not a run: it has no {self.config.name}; `mnist-gan runs` lists the runs"
            ) from error
        except OSError as error:
            raise ArtifactError(f"{self.config} cannot be read: {error.strerror or error}; restore it") from error
        except UnicodeDecodeError as error:
            raise ArtifactError(f"{self.config} is damaged: it is not UTF-8 text; restore it") from error
        return config_module.from_toml(text, source=str(self.config))

    def has_rows(self) -> bool:
        """True if metrics.jsonl has any content."""
        return storage.is_regular(self.metrics) and self.metrics.stat().st_size > 0

    def refuse_links(self) -> None:
        """Refuse a run whose files are links or devices: training would write wherever a link leads.

        Folders may be links, for example to another disk.

        Raises:
            ArtifactError: one is not a regular file.
        """
        for path in (self.config, self.environment, self.metrics, self.lock):
            if os.path.lexists(path) and not storage.is_regular(path):
                raise ArtifactError(f"{path} is not a regular file; replace the link or device by the file itself")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of the run.

        Raises:
            RunBusyError: another process trains it.
        """
        busy = f"another process is training {self.root}; wait for it, stop it, or choose another --name"
        # is_locked() in another process holds the lock for a moment
        with storage.exclusive_lock(self.lock, busy=busy, timeout=0.5):
            yield


def create_run(runs_dir: Path, *, name: str | None, preset: str) -> RunDirectory:
    """Make the folder of a new run: `name`, or `<preset>-<date>-<time>` with a number appended if that is taken.

    The folder of a start that was killed before config.toml was written is used again.

    Raises:
        ConfigError: the name is invalid, or the folder exists; a run is never overwritten.
        StorageError: the folder cannot be made.
    """
    if name is not None and not NAME_PATTERN.fullmatch(name):
        raise ConfigError(
            f"{name!r} cannot name a run; use letters, digits, '.', '_' and '-', starting with a letter or digit"
        )
    if name == RESERVED_NAME:
        raise ConfigError(f"{name} is the name of the model that comes with the package; choose another --name")
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
            if _is_abandoned_start(root):
                return RunDirectory(root)
            raise name_taken(root) from error
        except OSError as error:
            raise StorageError(
                f"cannot make the run folder {root}: {error.strerror}; choose another --runs-dir"
            ) from error
        return RunDirectory(root)
    raise StorageError(f"{runs_dir} has a thousand runs named {stem}; choose a --name")


def name_taken(root: Path) -> ConfigError:
    """The refusal to start a run in a folder that holds one."""
    return ConfigError(
        f"{root} exists and is not overwritten; choose another --name, or continue the run with "
        f"`mnist-gan resume {shlex.quote(str(root))}`"
    )


def _is_abandoned_start(root: Path) -> bool:
    """True for a folder that holds at most the files that a run writes before its config, and that no process holds."""
    run = RunDirectory(root)
    early = {run.lock.name, run.live.name, run.environment.name, run.plugin.name, run.interventions.name}
    if root.is_symlink() or not root.is_dir():
        return False
    names = {path.name for path in root.iterdir() if not path.name.startswith(storage.TEMPORARY_PREFIX)}
    return names <= early and not storage.is_locked(run.lock)


def find_runs(runs_dir: Path) -> list[RunDirectory]:
    """List the runs in `runs_dir`, the last changed first."""
    if not runs_dir.is_dir():
        return []
    runs = [RunDirectory(path.parent) for path in runs_dir.glob("*/config.toml")]
    return sorted(runs, key=lambda run: (last_change(run), run.name), reverse=True)


def last_change(run: RunDirectory) -> float:
    """Time of the newest row of metrics, or of the config, in seconds since the epoch; 0.0 if there is neither."""
    for path in (run.metrics, run.config):
        with contextlib.suppress(OSError):
            return path.lstat().st_mtime
    return 0.0
