"""Where an evaluation is written: rows of figures and a page, in the run, or beside what was judged elsewhere."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from mnist_gan import config as config_module
from mnist_gan import storage
from mnist_gan.artifacts.environment import processor_name
from mnist_gan.assessment.judging import Assessment
from mnist_gan.assessment.report import REPORT_MARK, ReportContent, render_report
from mnist_gan.assessment.subject import Subject
from mnist_gan.errors import ConfigError, MnistGanError
from mnist_gan.evaluation import ClosestPair, diagnose, load_judge
from mnist_gan.evaluation.memorization import pixel_vectors
from mnist_gan.evaluation.neighbours import nearest
from mnist_gan.figures import DISTANCE_PREFIX, METRIC_PREFIX
from mnist_gan.runs.evaluations import add_evaluations
from mnist_gan.runs.metrics import read_rows

READ: Final = 1000
"""Images of the set that the page shows the judge's reading of."""
HEAD_BYTES: Final = 4096


@dataclass(frozen=True, kw_only=True)
class Place:
    """The files that an evaluation writes."""

    report: Path
    rows_pattern: str
    """The path of the file of figures, with {protocol} in it."""

    @classmethod
    def of(cls, subject: Subject, out: Path | None = None) -> Place:
        """Where to write: into the run, else here, in files named after what was judged.

        Args:
            subject: what is judged.
            out: a folder; or the page itself, if its name ends in .html.
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
        """The file of figures."""
        return Path(self.rows_pattern.replace("{protocol}", protocol))

    def check(self) -> None:
        """Find out before the work what would keep it from being written.

        Raises:
            ConfigError: there is a page of somebody else's under the report's name, or a file in a folder's place.
            StorageError: the folder cannot be written to.
        """
        if self.report.exists() and not is_report(self.report):
            raise ConfigError(
                f"{self.report} is there already and is no report of this system; "
                "it is not overwritten: move it away, or choose another place with --out"
            )
        folder = self.report.parent
        with storage.storage_errors(self.report):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass


def is_report(path: Path) -> bool:
    """Whether a file is a page that an evaluation wrote."""
    try:
        with path.open("rb") as file:
            return REPORT_MARK.encode() in file.read(HEAD_BYTES)
    except OSError:
        return False


def write(assessment: Assessment, place: Place, *, command: str) -> list[Path]:
    """Write the rows and the page; returns the files.

    Args:
        assessment: what was found.
        place: from `Place.of`.
        command: what gives the same figures again; stands on the page.

    Raises:
        ArtifactError: the file of figures that is there is damaged.
        StorageError: the system refused.
    """
    rows = place.rows(assessment.protocol)
    add_evaluations(rows, figures_rows(assessment))
    storage.write_text(place.report, render_report(report_content(assessment, command=command)))
    return [place.report, rows]


def figures_rows(assessment: Assessment) -> list[dict[str, Any]]:
    """A row of figures a judge, with what it takes to know when two rows mean the same thing."""
    gan = assessment.subject.gan
    clock = {} if gan is None else {"cur_nimg": gan.facts.get("cur_nimg")}
    learned = assessment.transfer
    general = {} if learned is None else {f"{METRIC_PREFIX}{k}": v for k, v in dataclasses.asdict(learned).items()}
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
            "floors": {
                f"{METRIC_PREFIX}{key}": figure.floor
                for key, figure in evaluation.figures.items()
                if figure.floor is not None and math.isfinite(figure.floor)
            },
        }
        for name, evaluation in assessment.evaluations.items()
    ]


def report_content(assessment: Assessment, *, command: str) -> ReportContent:
    """What the page shows of an assessment."""
    subject = assessment.subject
    rows, read = _training_rows(subject), _read(assessment)
    evaluated = any(name.startswith(DISTANCE_PREFIX) for row in rows for name in row)
    return ReportContent(
        title=f"Evaluation of {subject.name}",
        description=f"{subject.description}, held against {describe_data(assessment)}",
        facts=_facts(assessment, command=command),
        config="" if subject.gan is None else config_module.to_toml(_without_paths(subject.gan.config)),
        evaluations=list(assessment.evaluations.values()),
        images=assessment.images,
        asked=assessment.asked,
        read=read,
        pairs_by_digit=[] if read is None else closest_by_digit(assessment.images, read, assessment.dataset.images),
        training_images=assessment.dataset.images,
        discriminator=assessment.discriminator,
        boundary=assessment.boundary,
        transfer=assessment.transfer,
        notes=assessment.all_notes,
        rows=rows,
        diagnosis=str(diagnose(rows)) if evaluated else "",
    )


def closest_by_digit(
    images: UInt8[Tensor, "n c h w"], read: Int[Tensor, "k"], training: UInt8[Tensor, "m c h w"]
) -> list[ClosestPair]:
    """Among the first k images, the one nearest to a training image, over pixels, for each digit read in them."""
    distances, index = nearest(pixel_vectors(images[: len(read)]), pixel_vectors(training))
    pairs = []
    for digit in range(int(read.max()) + 1):
        own = torch.nonzero(read == digit).flatten()
        if not len(own):
            continue
        first = int(own[distances[own].argmin()])
        pairs.append(ClosestPair(generated=first, training=int(index[first]), distance=float(distances[first])))
    return pairs


def describe_data(assessment: Assessment) -> str:
    """The real images in words, without the folder that they lie in: a page is mailed."""
    data = assessment.dataset
    return f"{data.name}: {len(data.images):,} training and {len(data.held_out_images):,} held-out images"


def _facts(assessment: Assessment, *, command: str) -> dict[str, str]:
    judges = "; ".join(f"{name} (sha256 {e.judge_sha256[:16]})" for name, e in assessment.evaluations.items())
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
    """The recipe without the folder on this machine."""
    if config.data.dir is None or config.data.name == "idx":
        return config
    return dataclasses.replace(config, data=dataclasses.replace(config.data, dir=None))


def _read(assessment: Assessment) -> Int[Tensor, "k"] | None:
    """What the first judge reads in the first images, where it can read them: in single digits."""
    name, evaluation = next(iter(assessment.evaluations.items()))
    if evaluation.digits is None or len(evaluation.digits.counts) > 10:
        return None
    return load_judge(name).predict(assessment.images[:READ]).classes


def _training_rows(subject: Subject) -> list[dict[str, Any]]:
    """The rows of the run's training; none where there are none, or they are damaged, which is not ours to say here."""
    if subject.run is None:
        return []
    try:
        return read_rows(subject.run.metrics)
    except MnistGanError:
        return []
