"""Trainings from the page: what can be chosen, starting them as processes of their own, and telling them what to do."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mnist_gan import config as config_module
from mnist_gan import presets
from mnist_gan.config import Config, DataName, Decay, DiscriminatorNorm, Family, GeneratorNorm, LossName
from mnist_gan.experiment.control import MAX_STEPS
from mnist_gan.runs import channel
from mnist_gan.runs.comparison import flatten
from mnist_gan.runs.directory import NAME_PATTERN, RunDirectory
from mnist_gan.storage import is_locked, storage_errors, write_text
from mnist_gan.studio import runs
from mnist_gan.studio.bodies import number, only, read_json, whole_number
from mnist_gan.studio.context import Studio, studio_of
from mnist_gan.studio.problems import Problem

NICENESS: Final = 10
SCRATCH: Final = ".studio"
"""Folder among the runs for what a training needs before it has a folder of its own."""
KEPT_LOG_BYTES: Final = 4000
Kind: TypeAlias = Literal["choice", "number", "integer", "switch"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One setting that the page may change, with its bounds: wide enough to break a training, not the machine."""

    name: str
    title: str
    kind: Kind
    explanation: str
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    log: bool = False
    """Whether its values are spread over orders of magnitude."""
    unit: str | None = None
    advanced: bool = False
    live: bool = False
    """Whether it can be changed while the training runs."""

    def read(self, value: Any) -> Any:
        """A value from the page.

        Raises:
            Problem: the field cannot take it.
        """
        match self.kind:
            case "choice":
                if value not in self.choices:
                    raise Problem(400, f"{self.title} must be one of {', '.join(self.choices)}")
                return value
            case "switch":
                if not isinstance(value, bool):
                    raise Problem(400, f"{self.title} is either on or off")
                return value
            case "integer":
                return whole_number(value, self.title, low=int(self.low or 0), high=int(self.high or 0))
            case "number":
                return number(value, self.title, low=self.low or 0.0, high=self.high or 0.0)

    def to_dict(self) -> dict[str, Any]:
        """For the page."""
        return {
            "name": self.name,
            "title": self.title,
            "group": self.name.partition(".")[0],
            "kind": self.kind,
            "choices": list(self.choices) or None,
            "min": self.low,
            "max": self.high,
            "log": self.log,
            "unit": self.unit,
            "explanation": self.explanation,
            "advanced": self.advanced,
            "live": self.live,
        }


def _rate(name: str, title: str, whose: str) -> Field:
    return Field(
        name=name,
        title=title,
        kind="number",
        low=1e-6,
        high=1.0,
        log=True,
        live=True,
        explanation=f"How far {whose} moves at each step (Adam). Too high and it jumps about, too low and it crawls; "
        "what matters most is which of the two networks learns faster.",
    )


FIELDS: Final = (
    Field(
        name="objective.loss",
        title="Loss",
        kind="choice",
        choices=get_args(LossName),
        explanation="What the two networks play for: how a judgement of real or generated becomes a number to lower.",
    ),
    _rate("optimizer.g_lr", "Learning rate of G", "the generator"),
    _rate("optimizer.d_lr", "Learning rate of D", "the discriminator"),
    Field(
        name="objective.r1_gamma",
        title="R1 penalty",
        kind="number",
        low=0.0,
        high=1000.0,
        explanation="Keeps the discriminator's judgement of real images from changing steeply: half of this, times its "
        "squared slope there. It calms a training; 0 is off.",
    ),
    Field(
        name="training.d_steps",
        title="Steps of D per step of G",
        kind="integer",
        low=1,
        high=16,
        explanation="How often the discriminator learns before the generator does. Wasserstein losses want several.",
    ),
    Field(
        name="training.batch_size",
        title="Batch size",
        kind="integer",
        low=2,
        high=1024,
        unit="images",
        explanation="Real images, and as many generated ones, that one step learns from. More is steadier, and slower.",
    ),
    Field(
        name="training.total_nimg",
        title="Length",
        kind="integer",
        low=100,
        high=20_000_000,
        log=True,
        unit="images",
        explanation="Real images that the discriminator is shown in all; MNIST has 60,000, so 60,000 is one epoch.",
    ),
    Field(
        name="training.seed",
        title="Seed",
        kind="integer",
        low=0,
        high=2**53 - 1,
        explanation="Everything random follows from it: the same seed and settings give the same digits again.",
    ),
    Field(
        name="training.conditional",
        title="Tell both the digit",
        kind="switch",
        explanation="Whether both networks are given the digit's label. With it a digit can be asked for, and collapse "
        "to a few digits is rarer.",
    ),
    Field(
        name="objective.classifier_weight",
        title="Weight of the classifier",
        kind="number",
        low=0.0,
        high=100.0,
        advanced=True,
        explanation="Lets the discriminator learn to read digits, too, and the generator to draw ones that are read as "
        "asked for; 0 is off. It has no effect where neither is told the digit.",
    ),
    Field(
        name="objective.r2_gamma",
        title="R2 penalty",
        kind="number",
        low=0.0,
        high=1000.0,
        advanced=True,
        explanation="As R1, at generated images; 0 is off.",
    ),
    Field(
        name="objective.gp_lambda",
        title="Gradient penalty",
        kind="number",
        low=0.0,
        high=1000.0,
        advanced=True,
        explanation="Holds the discriminator's slope near 1 between real and generated images, as WGAN-GP does; "
        "10 is usual, 0 is off.",
    ),
    Field(
        name="objective.penalty_interval",
        title="Steps between penalties",
        kind="integer",
        low=1,
        high=64,
        advanced=True,
        explanation="The penalties cost time: applied every so many steps and that much stronger, they do the same.",
    ),
    Field(
        name="objective.weight_clip",
        title="Weight clipping",
        kind="number",
        low=0.0,
        high=10.0,
        advanced=True,
        explanation="Cuts every weight of the discriminator to this size after its step, as the first Wasserstein GAN "
        "did; 0 is off.",
    ),
    Field(
        name="objective.label_smoothing",
        title="Label smoothing",
        kind="number",
        low=0.0,
        high=0.49,
        advanced=True,
        explanation="Asks the discriminator to be this much less than certain of real images. Some losses have no use "
        "for it.",
    ),
    Field(
        name="optimizer.beta1",
        title="Momentum",
        kind="number",
        low=0.0,
        high=0.99,
        advanced=True,
        explanation="Adam's beta1: how much of the direction of earlier steps is kept. GANs like little.",
    ),
    Field(
        name="optimizer.decay",
        title="Decay of the learning rates",
        kind="choice",
        choices=get_args(Decay),
        advanced=True,
        explanation="How both learning rates fall towards the end of the training.",
    ),
    Field(
        name="training.ema_halflife_nimg",
        title="Half-life of the average",
        kind="number",
        low=0.0,
        high=1_000_000.0,
        unit="images",
        advanced=True,
        explanation="The pictures come from an average of the generator over its last steps; this is how fast it "
        "forgets. 0 takes the generator as it is.",
    ),
    Field(
        name="generator.family",
        title="Generator",
        kind="choice",
        choices=get_args(Family),
        advanced=True,
        explanation="mlp: fully connected; dcgan: transposed convolutions; resnet: residual blocks without "
        "normalization (with norm none).",
    ),
    Field(
        name="generator.norm",
        title="Generator's normalization",
        kind="choice",
        choices=get_args(GeneratorNorm),
        advanced=True,
        explanation="BatchNorm keeps the generator's layers in range; without it, collapse is near.",
    ),
    Field(
        name="generator.z_dim",
        title="Length of z",
        kind="integer",
        low=1,
        high=512,
        advanced=True,
        explanation="How many random numbers an image is drawn from.",
    ),
    Field(
        name="discriminator.family",
        title="Discriminator",
        kind="choice",
        choices=get_args(Family),
        advanced=True,
        explanation="mlp: fully connected; dcgan: convolutions; resnet: residual blocks.",
    ),
    Field(
        name="discriminator.norm",
        title="Discriminator's normalization",
        kind="choice",
        choices=get_args(DiscriminatorNorm),
        advanced=True,
        explanation="spectral bounds how steep the discriminator can be; batch mixes the images of a batch.",
    ),
    Field(
        name="data.name",
        title="Images",
        kind="choice",
        choices=tuple(name for name in get_args(DataName) if name != "idx"),
        advanced=True,
        explanation="auto takes MNIST where it can be had, and else the small digits that scikit-learn carries.",
    ),
)
BY_NAME: Final = {field.name: field for field in FIELDS}


def describe_preset(name: str) -> dict[str, Any]:
    """A recipe as JSON values for the page."""
    recipe = presets.PRESETS[name]
    lesson, values = recipe.lesson, flatten(config_module.to_dict(recipe.make()))
    return {
        "name": name,
        "title": recipe.title,
        "kind": "failure" if lesson else "recipe",
        "summary": recipe.summary,
        "look_at": lesson.look_at if lesson else None,
        "cure": lesson.cure if lesson else None,
        "cure_changes": dict(lesson.changes) if lesson else None,
        "minutes": recipe.minutes,
        "values": {field.name: values.get(field.name) for field in FIELDS},
    }


@functools.cache
def catalogue() -> dict[str, Any]:
    """The recipes, and what of them can be changed."""
    described = [describe_preset(name) for name in presets.PRESETS]
    return {"default": presets.DEFAULT, "presets": described, "fields": [field.to_dict() for field in FIELDS]}


def chosen_config(preset: Any, changes: Any) -> Config:
    """The config that a page asks for.

    Raises:
        Problem: there is no such recipe or field, or a value is out of bounds.
        ConfigError: the values don't go together.
    """
    if not isinstance(preset, str) or preset not in presets.PRESETS:
        raise Problem(400, "there is no such preset; GET /api/presets lists them")
    if not isinstance(changes, dict):
        raise Problem(400, "changes must be an object of fields and values")
    config, groups = presets.get(preset), dict[str, dict[str, Any]]()
    for name, value in changes.items():
        field = BY_NAME.get(name)
        if field is None:
            raise Problem(400, f"{name[:60]!r} is no field that the page may change")
        group, _, key = name.partition(".")
        groups.setdefault(group, {})[key] = field.read(value)
    return dataclasses.replace(config, **{name: _changed(config, name, values) for name, values in groups.items()})


def _changed(config: Config, group: str, values: dict[str, Any]) -> Any:
    """A group of fields, changed together; what hangs on one of them changes with it."""
    part = getattr(config, group)
    family = values.get("family")
    if family is not None and family != part.family:
        shown = (field.name.partition(".")[2] for field in FIELDS if field.name.startswith(f"{group}."))
        kept = {key: getattr(part, key) for key in shown}  # what the page does not show may be of the old family
        return type(part)(**{"channels": WIDTHS[group][family], **kept, **values})
    if "total_nimg" in values:
        values = {"epochs": None, **values}
    return dataclasses.replace(part, **values)


WIDTHS: Final[dict[str, dict[str, tuple[int, ...]]]] = {
    "generator": {"mlp": (128, 256, 512, 1024), "dcgan": (64, 32, 16), "resnet": (64, 32, 16)},
    "discriminator": {"mlp": (512, 256), "dcgan": (16, 32, 64), "resnet": (16, 32, 64)},
}
"""Widths for a network whose family is changed: those of the recipes."""


@dataclass(kw_only=True)
class Start:
    """A process that was started, until it has ended."""

    process: subprocess.Popen[bytes]
    preset: str
    log: Path
    """What it says."""
    began: float = dataclasses.field(default_factory=time.time)
    """In seconds since the epoch."""
    problem: str | None = None
    """Why it ended before it had a run."""

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None


class Trainer:
    """Starts trainings as processes of their own, which outlive the server, and tells runs what to do.

    Args:
        library: the runs.
        at_once: how many of them may train at a time.
    """

    def __init__(self, library: runs.Library, *, at_once: int = 1) -> None:
        self.library, self.at_once = library, at_once
        self._starts: dict[str, Start] = {}
        self._leaving: list[Start] = []
        self._lock = threading.Lock()

    def start(self, config: Config, *, name: str | None) -> str:
        """Begin a new run; returns its id.

        Raises:
            Problem: as many trainings run as may, or the name is taken or is none.
            StorageError: the system refused.
        """
        with self._lock:
            self._check_room()
            run_id = self._free_name(name, config.preset)
            scratch = self.library.runs_dir / SCRATCH
            file = scratch / f"{run_id}.toml"
            write_text(file, config_module.to_toml(config))
            arguments = ["train", "--config", str(file), "--name", run_id, "--runs-dir", str(self.library.runs_dir)]
            self._starts[run_id] = self._spawn(run_id, arguments, preset=config.preset)
            return run_id

    def resume(self, run_id: str, run: RunDirectory) -> None:
        """Let a stopped run go on.

        Raises:
            Problem: as many trainings run as may.
            StorageError: the system refused.
        """
        with self._lock:
            self._check_room()
            before = self._starts.get(run_id)
            self._leaving += [before] if before is not None else []
            self._starts[run_id] = self._spawn(run_id, ["resume", str(run.root)], preset="")

    def pending(self) -> list[dict[str, Any]]:
        """Rows of the table for runs that have no folder yet, or never came to have one."""
        self._look_after()
        known = self.library.runs()
        with self._lock:
            return [
                runs.damaged(
                    name, state="starting" if start.running else "failed", problem=start.problem, preset=start.preset
                )
                for name, start in reversed(self._starts.items())
                if name not in known
            ]

    def is_starting(self, run_id: str, *, said: float | None) -> bool:
        """Whether a process of ours is to work on a run, but has not said anything yet.

        Args:
            run_id: the run's id.
            said: when the run's last status is from; None if there is none.
        """
        with self._lock:
            start = self._starts.get(run_id)
            return start is not None and start.running and (said is None or said < start.began)

    def started(self) -> dict[str, Start]:
        """Every process that was started here and is not forgotten yet, by its run's id."""
        with self._lock:
            return dict(self._starts)

    def training(self) -> list[str]:
        """Ids of the runs that train now, or are about to."""
        held = [name for name, run in self.library.runs().items() if is_locked(run.lock)]
        with self._lock:
            return self._and_starting(held)

    def _and_starting(self, held: list[str]) -> list[str]:
        starting = [name for name, start in self._starts.items() if start.running and not self._has_ended(name, start)]
        return list(dict.fromkeys([*starting, *held]))

    def _has_ended(self, name: str, start: Start) -> bool:
        """Whether a process said its last word and is only being taken down."""
        run = self.library.runs().get(name)
        said = channel.read_live_status(run) if run is not None else {}
        return said.get("state") in runs.ENDED and said.get("time", 0.0) >= start.began

    def _check_room(self) -> None:
        busy = self._and_starting([name for name, run in self.library.runs().items() if is_locked(run.lock)])
        if len(busy) >= self.at_once:
            many = "another training runs" if self.at_once == 1 else f"{len(busy)} trainings run"
            raise Problem(409, f"{many} already ({', '.join(busy)}); stop it, or wait for its end")

    def _free_name(self, name: str | None, preset: str) -> str:
        if name is not None and not NAME_PATTERN.fullmatch(name):
            raise Problem(400, "a run's name has letters, digits, '.', '_' and '-', and begins with a letter or digit")
        self.library.forget()
        taken = {*self.library.runs(), *self._starts}
        stem = name or f"{preset}-{datetime.datetime.now():%Y%m%d-%H%M%S}"
        if name is not None and (name in taken or (self.library.runs_dir / name).exists()):
            raise Problem(409, f"there is a run called {name} already; choose another name")
        numbered = (stem if attempt == 0 else f"{stem}-{attempt}" for attempt in itertools.count())
        return next(each for each in numbered if each not in taken and not (self.library.runs_dir / each).exists())

    def _spawn(self, run_id: str, arguments: list[str], *, preset: str) -> Start:
        log = self.library.runs_dir / SCRATCH / f"{run_id}.log"
        with storage_errors(log):
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("wb") as file:
                process = subprocess.Popen(
                    [sys.executable, "-m", "mnist_gan", *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # Ctrl-C in the studio's terminal is not meant for it
                    close_fds=True,
                )
        _make_nice(process.pid)
        return Start(process=process, preset=preset, log=log)

    def _look_after(self) -> None:
        """Forget processes that ended well; keep the last word of one that ended before it had a run."""
        with self._lock:
            self._leaving = [start for start in self._leaving if start.running]
            for name, start in list(self._starts.items()):
                if start.running or start.problem:
                    continue
                self.library.forget()
                if start.process.returncode == 0 or name in self.library.runs():
                    del self._starts[name]
                else:
                    start.problem = last_words(start.log)
                self._tidy(name, keep_log=name in self._starts)

    def _tidy(self, name: str, *, keep_log: bool) -> None:
        scratch = self.library.runs_dir / SCRATCH
        for suffix in (".toml", *(() if keep_log else (".log",))):
            with contextlib.suppress(OSError):
                (scratch / f"{name}{suffix}").unlink()
        with contextlib.suppress(OSError):
            scratch.rmdir()  # if nothing is left in it


def last_words(log: Path) -> str:
    """The last line that a process wrote."""
    try:
        text = log.read_bytes()[-KEPT_LOG_BYTES:].decode(errors="replace")
    except OSError:
        text = ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("mnist-gan: ") if lines else "the training ended before it began"


def _make_nice(process_id: int) -> None:
    """Let the pages, and whatever else runs here, go before a training."""
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, process_id, NICENESS)
    with contextlib.suppress(OSError):  # Linux shares out the processor among sessions first
        Path(f"/proc/{process_id}/autogroup").write_text(str(NICENESS))


def get_presets(_: Request) -> Response:
    """What can be trained."""
    return JSONResponse(catalogue())


async def post_train(request: Request) -> Response:
    """Begin a training."""
    body = await read_json(request)
    only(body, "preset", "changes", "name")
    name = body.get("name")
    if name is not None and not isinstance(name, str):
        raise Problem(400, "name must be a text")
    config = chosen_config(body.get("preset"), body.get("changes", {}))
    trainer = studio_of(request).trainer
    return JSONResponse({"run": await run_in_threadpool(trainer.start, config, name=name)}, status_code=201)


async def post_command(request: Request) -> Response:
    """Tell a training what to do."""
    body = await read_json(request)
    studio, name = studio_of(request), request.path_params["run"]
    await run_in_threadpool(command, studio, name, checked_command(body))
    return JSONResponse({"accepted": True}, status_code=202)


def checked_command(body: Mapping[str, Any]) -> dict[str, Any]:
    """A command whose values are in bounds.

    Raises:
        Problem: it is none.
    """
    verb = body.get("command")
    match verb:
        case "pause" | "resume" | "stop":
            only(body, "command")
            return {"command": verb}
        case "step":
            only(body, "command", "steps")
            return {"command": verb, "steps": whole_number(body.get("steps", 1), "steps", low=1, high=MAX_STEPS)}
        case "speed":
            only(body, "command", "steps_per_second")
            limit = body.get("steps_per_second")
            if limit is not None:
                limit = number(limit, "steps_per_second", low=0.01, high=1000.0)
            return {"command": verb, "steps_per_second": limit}
        case "learning_rates":
            only(body, "command", "g_lr", "d_lr")
            rates = {name: BY_NAME[f"optimizer.{name}"].read(body[name]) for name in ("g_lr", "d_lr") if name in body}
            if not rates:
                raise Problem(400, "learning_rates needs g_lr, d_lr, or both")
            return {"command": verb, **rates}
        case _:
            raise Problem(400, "the command must be pause, resume, step, stop, speed or learning_rates")


def command(studio: Studio, name: str, order: Mapping[str, Any]) -> None:
    """Hand a command on to the run's process; `resume` starts one where there is none.

    Raises:
        Problem: it makes no sense now.
    """
    run = studio.library.find(name)
    facts = runs.Facts.of(run)
    if facts.status["state"] == "stopping" and order["command"] != "stop":
        raise Problem(409, "this run is stopping; a moment, please")
    if facts.status["state"] in runs.ACTIVE:
        channel.send_command(run, order)
    elif studio.trainer.is_starting(name, said=facts.status.get("time")):
        raise Problem(409, "this run is only starting; a moment, please")
    elif order["command"] != "resume":
        raise Problem(409, f"this run does not train (it is {facts.status['state']})")
    elif not facts.status["resumable"]:
        raise Problem(409, f"this run cannot go on (it is {facts.status['state']})")
    else:
        studio.trainer.resume(name, run)


def get_studio(request: Request) -> Response:
    """What this studio is."""
    studio = studio_of(request)
    training = studio.trainer.training()
    return JSONResponse(
        {
            "version": metadata.version("mnist-gan"),
            "runs_dir": str(studio.library.runs_dir),
            "run": studio.library.id_of_named(),
            "training": training[0] if training else None,
            "trainings_at_once": studio.trainer.at_once,
        }
    )


ROUTES: Final = [
    Route("/api/studio", get_studio),
    Route("/api/presets", get_presets),
    Route("/api/train", post_train, methods=["POST"]),
    Route("/api/runs/{run}/command", post_command, methods=["POST"]),
]
