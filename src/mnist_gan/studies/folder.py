"""Folder of a study: its files, its journal, and the state of its trials on disk."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from mnist_gan import storage
from mnist_gan.errors import ArtifactError, ConfigError
from mnist_gan.runs.append_only import AppendOnlyFile
from mnist_gan.runs.channel import read_json
from mnist_gan.runs.comparison import differences, flatten
from mnist_gan.runs.directory import NAME_PATTERN, RunDirectory
from mnist_gan.runs.state import read_status
from mnist_gan.studies.plan import OWNED, Study, Trial, read_study
from mnist_gan.text import parse_json

TrialState: TypeAlias = Literal["waiting", "running", "stopped", "finished", "diverged", "killed", "failed"]
"""
- waiting: not begun; running: a process holds the run; stopped: interrupted on purpose, continued by `study run`;
- finished: trained to its whole length;
- diverged: ended by a non-finite loss, a result;
- killed, failed: the process was killed, or ended with another error; `study run` tries again.
"""
FAILED: Final[frozenset[TrialState]] = frozenset({"diverged", "killed", "failed"})
"""States that count as the worst value of a comparison."""
MAX_JOURNAL_BYTES: Final = 1 << 26


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """End of one process of a trial, a line of the journal."""

    trial: str
    state: TrialState
    message: str = ""
    code: int = 0
    """Exit code of the process."""
    seconds: float = 0.0
    """Duration of the process."""
    host: str = ""

    @classmethod
    def from_json(cls, text: str | bytes) -> Attempt:
        """Parse a line.

        Raises:
            ValueError, TypeError, KeyError: it is not one.
        """
        content = parse_json(text)
        return cls(
            trial=str(content["trial"]),
            state=content["state"],
            message=str(content["message"]),
            code=int(content["code"]),
            seconds=float(content["seconds"]),
            host=str(content["host"]),
        )

    def to_json(self) -> str:
        """The line, without its end."""
        return json.dumps(dataclasses.asdict(self))


@dataclass(frozen=True, slots=True)
class StudyDirectory:
    """Paths of a study's files below `root`."""

    root: Path

    @property
    def name(self) -> str:
        """Name of the study."""
        return self.root.name

    @property
    def study(self) -> Path:
        """The study with the whole config of every arm."""
        return self.root / "study.toml"

    @property
    def trials(self) -> Path:
        """Folder of the runs, one per trial."""
        return self.root / "trials"

    def run(self, trial: Trial | str) -> RunDirectory:
        """Run of a trial."""
        return RunDirectory(self.trials / (trial if isinstance(trial, str) else trial.name))

    @property
    def logs(self) -> Path:
        """Folder of the output of the processes."""
        return self.root / "logs"

    @property
    def journal(self) -> Path:
        """One line per process that ended."""
        return self.root / "journal.jsonl"

    @property
    def calibration(self) -> Path:
        """Speed of each recipe, measured before its first trial, for a budget in seconds."""
        return self.root / "calibration.json"

    @property
    def chosen(self) -> Path:
        """Values of the search by arm, fixed before the first compared trial; null if no tuning trial finished."""
        return self.root / "chosen.json"

    @property
    def results(self) -> Path:
        """Values and statistics as JSON."""
        return self.root / "results.json"

    @property
    def report(self) -> Path:
        """Report, one self-contained page."""
        return self.root / "report.html"

    @property
    def stop(self) -> Path:
        """Tells the workers to stop their trials; only there while a study is being stopped."""
        return self.root / "stop"

    @property
    def lock(self) -> Path:
        """Held by the process that runs the study."""
        return self.root / ".lock"

    def read(self) -> Study:
        """Read the study.

        Raises:
            ArtifactError: the folder is no study.
            ConfigError: study.toml is damaged.
        """
        if not self.study.is_file():
            raise ArtifactError(f"{self.root} is not a study: it has no {self.study.name}")
        return read_study(self.study)

    def begin(self, study: Study) -> None:
        """Write study.toml into a new folder, or check that the one there describes the same trials.

        Raises:
            ConfigError: the folder holds another study, or other files.
            StorageError: the file cannot be written.
        """
        if self.study.exists():
            _check_same_trials(self, self.read(), study)
        elif self.root.exists() and any(path.name != self.lock.name for path in self.root.iterdir()):
            raise ConfigError(f"{self.root} exists and is not a study; choose another --name")
        storage.write_text(self.study, study.to_toml())

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of the study.

        Raises:
            RunBusyError: another process runs it.
        """
        busy = f"another process runs the study {self.root}; wait for it, stop it, or choose another --name"
        with storage.exclusive_lock(self.lock, busy=busy, timeout=0.5):
            yield

    def record(self, attempt: Attempt) -> None:
        """Append a line to the journal, durably.

        Raises:
            StorageError: it cannot be written.
        """
        file = AppendOnlyFile(self.journal)
        try:
            file.write(b"\n" * self._is_torn() + attempt.to_json().encode() + b"\n")
        finally:
            file.close()

    def _is_torn(self) -> bool:
        content = storage.read_regular(self.journal, most=MAX_JOURNAL_BYTES)
        return not content.endswith(b"\n") and content != b""

    def attempts(self) -> list[Attempt]:
        """Read the journal; a torn line, of a process that was killed, is skipped."""
        try:
            lines = storage.read_regular(self.journal, most=MAX_JOURNAL_BYTES).splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ArtifactError(f"{self.journal} cannot be read: {error.strerror or error}") from error
        found = []
        for line in lines:
            with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError):
                found.append(Attempt.from_json(line))
        return found

    def state(self, trial: Trial | str, attempts: Mapping[str, Attempt]) -> tuple[TrialState, str]:
        """State of a trial, with the error message of a failed one.

        Args:
            trial: the trial.
            attempts: last attempt of each trial.
        """
        run = self.run(trial)
        last = attempts.get(run.name)
        status = read_status(run) if run.config.exists() else None
        if status is not None and last is not None and last.state == "finished":
            return "finished", ""  # a reader of its status may hold the lock for a moment
        if status is not None and status.active:
            return "running", ""
        if status is not None and status.state == "finished":
            return "finished", ""
        if last is not None and last.state in FAILED:
            return last.state, last.message
        return ("stopped" if status is not None else "waiting"), ""

    def read_calibration(self) -> dict[str, float]:
        """Images per second by key of a recipe; empty before the first measurement."""
        content = read_json(self.calibration) or {}
        return {key: float(value) for key, value in content.items() if isinstance(value, int | float) and value > 0}

    def read_chosen(self) -> dict[str, dict[str, Any] | None]:
        """Chosen values by arm; empty before the end of the tuning."""
        content = read_json(self.chosen) or {}
        return {arm: dict(values) if isinstance(values, dict) else None for arm, values in content.items()}


def check_name(name: str) -> str:
    """Return the name of a study.

    Raises:
        ConfigError: it is no name of a folder.
    """
    if not NAME_PATTERN.fullmatch(name):
        raise ConfigError(
            f"{name!r} cannot name a study; use letters, digits, '.', '_' and '-', starting with a letter or digit"
        )
    return name


def last_attempts(attempts: list[Attempt]) -> dict[str, Attempt]:
    """Last attempt of each trial."""
    return {attempt.trial: attempt for attempt in attempts}


def _check_same_trials(directory: StudyDirectory, old: Study, new: Study) -> None:
    """Refuse a study of whose trials some had other settings, apart from those that a study sets itself."""
    kept = {arm.name for arm in old.arms} & {arm.name for arm in new.arms}
    contents = [
        flatten(
            {
                **{name: getattr(study.options, name) for name in ("points", "threads")},
                **({"figure": study.options.figure} if study.options.tuning else {}),
                "budget": dataclasses.asdict(study.options.budget),
                "tuning": dataclasses.asdict(study.options.tuning) if study.options.tuning else {},
                "arms": {arm.name: arm.to_dict() for arm in study.arms if arm.name in kept},
            }
        )
        for study in (old, new)
    ]
    owned = {f"arms.{name}.config.{field}" for name in kept for field in OWNED}
    changed = {field: values for field, values in differences(contents).items() if field not in owned}
    if changed or not kept:
        field, values = next(iter(changed.items()), ("arms", ("others", "these")))
        raise ConfigError(
            f"{directory.root} holds another study: its {field} is {values[0]}, not {values[1]}; "
            "choose another --name, or undo the change (nothing measured is lost)"
        )
