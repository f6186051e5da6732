"""Files of an evaluation: rows of figures, and the report."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from jaxtyping import Int, UInt8
from PIL import Image
from torch import Tensor

from mnist_gan import config as config_module
from mnist_gan import storage
from mnist_gan.artifacts.environment import processor_name
from mnist_gan.artifacts.points import draw_panels, draw_points
from mnist_gan.assessment.judging import Assessment
from mnist_gan.assessment.report import REPORT_MARK, ReportContent, render_report
from mnist_gan.assessment.subject import Subject
from mnist_gan.errors import ConfigError, MnistGanError
from mnist_gan.evaluation import ClosestPair, diagnose, open_judge
from mnist_gan.evaluation.memorization import pixel_vectors
from mnist_gan.evaluation.neighbours import nearest
from mnist_gan.evaluation.results import metric_fields
from mnist_gan.figures import DISTANCE_PREFIXES
from mnist_gan.runs.evaluations import add_evaluations
from mnist_gan.runs.metrics import read_rows
from mnist_gan.scaling import Pixels
from mnist_gan.text import pluralize

RECOGNIZED: Final = 1000
"""Images of the set whose recognized digits the report shows."""
HEAD_BYTES: Final = 4096


@dataclass(frozen=True, kw_only=True)
class OutputPaths:
    """Files that an evaluation writes."""

    report: Path
    rows_pattern: str
    """Path of the rows of figures, with the placeholder {protocol}."""

    @classmethod
    def of(cls, subject: Subject, out: Path | None = None) -> OutputPaths:
        """Paths in the run, or else in the working directory, named after the subject.

        Args:
            subject: the evaluated run, model or images.
            out: a folder, or the report itself if its name ends in .html.
        """
        if out is None and subject.run is not None:
            return cls(report=subject.run.report, rows_pattern=str(subject.run.root / "metrics-{protocol}.jsonl"))
        if out is not None and out.suffix.lower() in {".html", ".htm"}:
            stem = out.with_suffix("")
            return cls(report=out, rows_pattern=f"{stem}-metrics-{{protocol}}.jsonl")
        name = subject.name.removesuffix(".gz").removesuffix(".npz")
        folder = out or Path()
        return cls(
            report=folder / f"{name}-report.html", rows_pattern=str(folder / f"{name}-metrics-{{protocol}}.jsonl")
        )

    def rows(self, protocol: str) -> Path:
        """Path of the rows of figures, metrics-<protocol>.jsonl."""
        return Path(self.rows_pattern.replace("{protocol}", protocol))

    def check(self) -> None:
        """Check before an evaluation that its files can be written.

        Raises:
            ConfigError: the report's path holds another file.
            StorageError: the folder cannot be written to.
        """
        if self.report.exists() and not is_report(self.report):
            raise ConfigError(
                f"{self.report} exists and is not a report of mnist-gan; move it, or choose another path with --out"
            )
        folder = self.report.parent
        with storage.storage_errors(self.report):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass


def is_report(path: Path) -> bool:
    """True if the file is a report that `write` wrote."""
    try:
        with path.open("rb") as file:
            return REPORT_MARK.encode() in file.read(HEAD_BYTES)
    except OSError:
        return False


def write(assessment: Assessment, paths: OutputPaths, *, command: str) -> list[Path]:
    """Write the rows of figures and the report; return their paths.

    Args:
        assessment: from `assess`.
        paths: from `OutputPaths.of`.
        command: command line that gives the same figures, for the report.

    Raises:
        ArtifactError: the existing file of figures is damaged.
        StorageError: a file cannot be written.
    """
    rows = paths.rows(assessment.protocol)
    add_evaluations(rows, figures_rows(assessment))
    storage.write_text(paths.report, render_report(report_content(assessment, command=command)))
    return [paths.report, rows]


def figures_rows(assessment: Assessment) -> list[dict[str, Any]]:
    """One row of figures per judge, with the identity of the evaluation."""
    gan = assessment.subject.gan
    clock = {} if gan is None else {"cur_nimg": gan.facts.get("cur_nimg")}
    learned = assessment.transfer
    shared = {**assessment.form, **assessment.two_sample}
    general = metric_fields({name: figure.value for name, figure in shared.items()})
    general |= {} if learned is None else metric_fields(dataclasses.asdict(learned))
    identity = {key: value for key, value in assessment.identity().items() if key != "description"}
    return [
        {
            **clock,
            "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            **identity,
            "data": assessment.dataset.name,
            "protocol": assessment.protocol,
            "seed": assessment.seed,
            "judge": name,
            "judge_sha256": evaluation.judge_sha256,
            **evaluation.row(),
            **general,
            "floors": metric_fields({key: figure.floor for key, figure in {**evaluation.figures, **shared}.items()}),
            "training": metric_fields(
                {key: figure.training for key, figure in {**evaluation.figures, **shared}.items()}
            ),
        }
        for name, evaluation in assessment.evaluations.items()
    ]


def report_content(assessment: Assessment, *, command: str) -> ReportContent:
    """Content of the report."""
    subject = assessment.subject
    rows, recognized = _training_rows(subject), _recognize(assessment)
    evaluated = any(name.startswith(DISTANCE_PREFIXES) for row in rows for name in row)
    return ReportContent(
        title=f"Evaluation of {subject.name}",
        description=f"{subject.description}, compared with {describe_data(assessment)}",
        facts=_facts(assessment, command=command),
        config="" if subject.gan is None else config_module.to_toml(_without_paths(subject.gan.config)),
        evaluations=list(assessment.evaluations.values()),
        images=assessment.images,
        plane=_plane(assessment),
        labels=assessment.labels,
        class_names=assessment.dataset.class_names,
        recognized=recognized,
        pairs_by_digit=(
            [] if recognized is None else closest_by_digit(assessment.images, recognized, assessment.dataset.images)
        ),
        training_images=assessment.dataset.images,
        discriminator=assessment.discriminator,
        boundary=assessment.boundary,
        transfer=assessment.transfer,
        form=assessment.form,
        two_sample=assessment.two_sample,
        notes=assessment.all_notes,
        rows=rows,
        diagnosis=str(diagnose(rows)) if evaluated else "",
    )


def _plane(assessment: Assessment) -> Image.Image | None:
    """Picture of points: with D's logit and a grid of z for an unconditional model; None for images."""
    data, gan = assessment.dataset, assessment.subject.gan
    if isinstance(data.scaling, Pixels):
        return None
    if gan is None or gan.conditional:
        return draw_points(assessment.images, scaling=data.scaling, real=data.images)
    return draw_panels(gan, assessment.images, real=data.images)


def closest_by_digit(
    images: UInt8[Tensor, "n c h w"], digits: Int[Tensor, "k"], training: UInt8[Tensor, "m c h w"]
) -> list[ClosestPair]:
    """For each digit, the image nearest to a training image in pixels, among the first k images."""
    distances, index = nearest(pixel_vectors(images[: len(digits)]), pixel_vectors(training))
    pairs = []
    for digit in range(int(digits.max()) + 1):
        own = torch.nonzero(digits == digit).flatten()
        if not len(own):
            continue
        first = int(own[distances[own].argmin()])
        pairs.append(ClosestPair(generated=first, training=int(index[first]), distance=float(distances[first])))
    return pairs


def describe_data(assessment: Assessment) -> str:
    """Name and size of the real data, without its path: a report may be shared."""
    data = assessment.dataset
    return f"{data.name}: {len(data.images):,} training and {pluralize(len(data.held_out_images), 'held-out image')}"


def _facts(assessment: Assessment, *, command: str) -> dict[str, str]:
    judges = "; ".join(
        f"{name} (sha256 {e.judge_sha256[:16]})" if e.judge_sha256 else "none: the figures are exact"
        for name, e in assessment.evaluations.items()
    )
    data = ", ".join(f"{name} {digest[:12]}" for name, digest in assessment.dataset.digests.items())
    what = "images" if assessment.subject.gan is None else "generator"
    return {
        "Command": command,
        "Protocol": f"{assessment.protocol}, seed {assessment.seed}",
        "Judges": judges,
        f"sha256 of the {what}": assessment.digest,
        "sha256 of the data": data,
        "Made": f"{datetime.datetime.now():%Y-%m-%d %H:%M}, in {assessment.seconds:.0f} s on {processor_name()}",
        "Versions": f"mnist-gan {importlib.metadata.version('mnist-gan')}, torch {torch.__version__}",
    }


def _without_paths(config: config_module.Config) -> config_module.Config:
    """Config without the folders of `data.dir` and `data.file`, which may name a person."""
    data = config.data
    if data.file is not None:
        data = dataclasses.replace(data, file=Path(data.file).name)
    if data.dir is not None and data.name != "idx":
        data = dataclasses.replace(data, dir=None)
    return dataclasses.replace(config, data=data)


def _recognize(assessment: Assessment) -> Int[Tensor, "k"] | None:
    """Digits that the main judge recognizes in the first images; None for other data than digits."""
    name, evaluation = next(iter(assessment.evaluations.items()))
    if evaluation.digits is None or len(evaluation.digits.counts) > 10:
        return None
    return open_judge(name).predict(assessment.images[:RECOGNIZED]).classes


def _training_rows(subject: Subject) -> list[dict[str, Any]]:
    """Rows of the run's metrics.jsonl; empty without a run, or if they are damaged."""
    if subject.run is None:
        return []
    try:
        return read_rows(subject.run.metrics)
    except MnistGanError:
        return []
