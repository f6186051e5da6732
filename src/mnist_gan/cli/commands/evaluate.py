"""`mnist-gan evaluate`: evaluates a run, a model or a set of images."""

from __future__ import annotations

import dataclasses
import shlex
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias

import tyro

from mnist_gan.cli import options
from mnist_gan.cli.terminal import PROGRAM, wants_style
from mnist_gan.cli.values import PluginPath, Switch, check_seed
from mnist_gan.errors import EXIT_OK, ArtifactError
from mnist_gan.figures import FIGURES, format_number
from mnist_gan.text import pluralize

if TYPE_CHECKING:
    from mnist_gan.assessment import Assessment, OutputPaths
    from mnist_gan.evaluation import DigitTable, DiscriminatorFigures, Evaluation, Figure, Memorization

COMMAND: Final = "evaluate"
ProtocolName: TypeAlias = Literal["fd10k", "fd26k", "fd50k"]
JUDGES: Final[dict[str, Literal["both"] | None]] = {"auto": None, "both": "both"}


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """Evaluate a model or at least 100 images, and write a report.

    Each figure is printed with two floors, a perfect sampler of the training set and held-out real images, and with its
    ceiling (noise).
    """

    run: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[RUN]")] = None
    """Run folder or name, model folder, or shipped (the model in the package); or images: a folder of PNGs, an .npz
    with an array `images`, or an IDX file. At least 100 images are needed. None: the newest run with a model."""
    runs_dir: Path = Path("runs")
    """Folder of runs."""
    plugin: PluginPath = None
    protocol: ProtocolName | None = None
    """Number of images: 10,000 in five independent sets (fd10k), 26,000 in one (fd26k, for the modes of stacked MNIST),
    or 50,000 in two (fd50k). None: fd10k, or fd26k for stacked MNIST, or all images of a smaller set."""
    judge: str = "auto"
    """Network that measures the features: mnistnet, the second judge mnistnet-b, one that `mnist-gan judge train` made,
    or both architectures. auto: a judge of the data if there is one, else mnistnet."""
    full: Switch = False
    """Also train networks on these images, to tell them from real ones (two-sample test) and to read digits (GAN-train,
    GAN-test), and draw four times as many sets of a model, for a smaller error. Takes minutes."""
    seed: int = 0
    """Seed of all images drawn; the same seed gives the same figures."""
    data: str | None = None
    """Real images to compare with: mnist, digits, stacked-mnist, a toy such as ring8, a folder of four IDX files, or a
    file of points. None: the training data of the model; MNIST for images."""
    out: Path | None = None
    """Report and figures: a folder, or a file that ends in .html. None: the run folder; for models and images, the
    working directory."""
    json: Switch = False
    """Print JSON instead of tables."""


@options.command(COMMAND, EvaluateOptions)
def main(chosen: EvaluateOptions) -> int:
    """Run the command and return its exit code."""
    check_seed(chosen.seed)

    from mnist_gan.assessment import write  # imports torch
    from mnist_gan.cli import tables

    path = find_subject(chosen.run, runs_dir=chosen.runs_dir)
    assessment, paths = run_evaluation(path, chosen)
    if chosen.json:
        tables.print_json(assessment.to_dict())
    else:
        print_assessment(assessment)
    sys.stdout.flush()  # before the files are written, which may fail
    judges = list(assessment.evaluations)
    named = dataclasses.replace(chosen, judge=judges[0] if len(judges) == 1 else "both")  # auto depends on the cache
    files = write(assessment, paths, command=reproduction(path, named))
    print(f"\nwritten: {', '.join(map(str, files))}", file=sys.stderr if chosen.json else sys.stdout)
    return EXIT_OK


def find_subject(name: str | None, *, runs_dir: Path) -> Path:
    """Find the run, model or images to evaluate.

    Raises:
        ArtifactError: there is no such path or run, or no run has a model.
    """
    from mnist_gan.artifacts.gan import SHIPPED
    from mnist_gan.cli.lookup import find_model

    if name in {None, SHIPPED}:
        return find_model(name, runs_dir=runs_dir)
    for candidate in (Path(name), runs_dir / name):
        if candidate.exists():
            return candidate
    raise ArtifactError(
        f"there is nothing to evaluate at {name}, and no run of that name in {runs_dir}; "
        f"`{PROGRAM} runs` lists the runs"
    )


def run_evaluation(path: Path, chosen: EvaluateOptions) -> tuple[Assessment, OutputPaths]:
    """Evaluate what lies at a path and show the progress; return the result and the files to write.

    Raises:
        MnistGanError: it cannot be evaluated, or the files cannot be written.
    """
    from mnist_gan import assessment
    from mnist_gan.cli.waiting import show_steps

    with show_steps() as progress:
        subject = assessment.open_subject(path, progress=progress, plugin=chosen.plugin)
        paths = assessment.OutputPaths.of(subject, chosen.out)
        paths.check()  # before the work
        result = assessment.evaluate(
            subject,
            data=chosen.data,
            protocol=chosen.protocol,
            judges=JUDGES.get(chosen.judge, (chosen.judge,)),
            full=chosen.full,
            seed=chosen.seed,
            progress=progress,
        )
    return result, paths


def reproduction(path: Path, chosen: EvaluateOptions) -> str:
    """Return the command that repeats the evaluation."""
    words = [PROGRAM, COMMAND, str(path), "--seed", str(chosen.seed), "--judge", chosen.judge]
    words += ["--protocol", chosen.protocol] if chosen.protocol else []
    words += ["--full"] if chosen.full else []
    words += ["--data", chosen.data] if chosen.data else []
    words += ["--plugin", str(chosen.plugin)] if chosen.plugin else []
    return shlex.join(words)


def print_assessment(assessment: Assessment) -> None:
    """Print the tables, each under its title."""
    from mnist_gan.cli import tables

    evaluations = list(assessment.evaluations.values())
    first = evaluations[0]
    for note in assessment.all_notes:
        print_line(f"note: {note}")
    for evaluation in evaluations:
        print_title(_title(evaluation))
        print_figures(evaluation.figures, held_out="held-out" if evaluation.judge_sha256 else "real")
    if first.digits is not None and len(first.digits.counts) <= 10:
        print_title(f"Digits, as {first.judge} recognizes them")
        tables.print_table(*digit_rows(first.digits))
    if assessment.form:
        print_title("Form of the digits, from the pixels")
        print_figures(assessment.form)
    if first.memorization:
        print_title("Memorization: distance to the nearest training image")
        tables.print_table(
            ("over", "to that of held-out", "p", "exact copies"),
            [memorization_row(name, found) for name, found in first.memorization.items()],
        )
    if assessment.discriminator is not None:
        print_title("Discriminator")
        tables.print_table(("figure", "share"), discriminator_rows(assessment.discriminator))
    if assessment.two_sample:
        print_title("Two-sample test: a network taught to tell these images from real ones")
        print_figures(assessment.two_sample)
    if assessment.transfer is not None:
        print_title("Classifiers trained on generated and on real digits")
        accuracies = dataclasses.asdict(assessment.transfer)
        rows = [[FIGURES[name].title, f"{value:.2%}"] for name, value in accuracies.items()]
        tables.print_table(("figure", "accuracy"), rows)


def print_figures(figures: Mapping[str, Figure], *, held_out: str = "held-out") -> None:
    """Print a table of figures with their floors and ceiling."""
    from mnist_gan.cli import tables

    headers = ("figure", "value", "training", held_out, "noise", "better")
    tables.print_table(headers, [figure_row(name, figure) for name, figure in figures.items()])


def print_title(text: str) -> None:
    """Print a title after an empty line."""
    print()
    print_line(text, style="\x1b[1m" if wants_style(sys.stdout) else "")


def print_line(text: str, *, style: str = "") -> None:
    """Print text, wrapped to the width of the tables."""
    from mnist_gan.cli.tables import output_width

    wrapped = textwrap.fill(text, output_width(sys.stdout), break_on_hyphens=False, break_long_words=False)
    print(f"{style}{wrapped}\x1b[0m" if style else wrapped)


def _title(evaluation: Evaluation) -> str:
    sets = "" if evaluation.draws == 1 else f"{pluralize(evaluation.draws, 'set')} of "
    if not evaluation.judge_sha256:  # exact figures of points
        return f"{sets}{pluralize(evaluation.num_images, 'point')} against {evaluation.data_set}"
    images = pluralize(evaluation.num_images, "image")
    return f"{sets}{images} against {evaluation.data_set}, judged by {evaluation.judge}"


def figure_row(name: str, figure: Figure) -> list[str]:
    """Return a figure with its floors and its ceiling."""
    value = format_number(figure.value)
    if figure.interval is not None and figure.value is not None:
        value += f" ± {format_number(figure.interval.high - figure.value, digits=2)}"
    floors = ["" if floor is None else format_number(floor) for floor in (figure.training, figure.floor)]
    return [name, value, *floors, format_number(figure.ceiling), figure.better]


def digit_rows(table: DigitTable) -> tuple[list[str], list[list[str]]]:
    """Return the headers, and a row per digit: count, share, share in real data, diversity, agreement."""
    headers = ["digit", "images", "share", "real share", "diversity"]
    headers += [*(["distance"] if table.distance else []), *(["as requested"] if table.agreement else [])]
    rows = []
    for digit, (count, share, real) in enumerate(zip(table.counts, table.shares, table.real_shares, strict=True)):
        row = [str(digit), f"{count:,}", f"{share:.1%}", f"{real:.1%}", format_number(table.diversity[digit])]
        if table.distance is not None:
            row.append(format_number(table.distance[digit], digits=2))
        if table.agreement is not None:
            agreement = table.agreement[digit]
            row.append("–" if agreement is None else f"{agreement:.1%}")
        rows.append(row)
    return headers, rows


def memorization_row(name: str, found: Memorization) -> list[str]:
    """Return the ratio of median distances to a training image, generated over held-out, with its p-value."""
    p = "< 0.001" if found.p_value < 1e-3 else format_number(found.p_value, digits=2)
    return [name, f"{format_number(found.ratio)} times", p, f"{found.exact_copies:,}"]


def discriminator_rows(found: DiscriminatorFigures) -> list[list[str]]:
    """Return a row per share; a discriminator that only compares scores has no accuracies."""
    names = (
        "training_accuracy",
        "held_out_accuracy",
        "generated_accuracy",
        "real_above_generated",
        "training_above_held_out",
    )
    shares = {name: getattr(found, name) for name in names}
    return [[FIGURES[name].title, f"{share:.1%}"] for name, share in shares.items() if share is not None]
