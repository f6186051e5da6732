"""`mnist-gan evaluate`: how good a run, a model or a set of images is."""

from __future__ import annotations

import dataclasses
import shlex
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias

import tyro

from mnist_gan.cli import options
from mnist_gan.cli.arguments import options_of
from mnist_gan.cli.terminal import PROGRAM, wants_style
from mnist_gan.cli.values import Switch
from mnist_gan.errors import EXIT_OK, ArtifactError, ConfigError
from mnist_gan.figures import FIGURES, format_number

if TYPE_CHECKING:
    from mnist_gan.assessment import Assessment, Place
    from mnist_gan.evaluation import DigitTable, DiscriminatorFigures, Evaluation, Figure, JudgeName, Memorization

VERB: Final = "evaluate"
ProtocolName: TypeAlias = Literal["fd10k", "fd50k"]
JudgeChoice: TypeAlias = Literal["mnistnet", "mnistnet-b", "both"]

# here and not under the fields, since tyro keeps the line breaks of a field's docstring
RUN_HELP: Final = (
    "What to judge: a run's folder or name, a model folder, a folder of PNGs, an .npz with an array `images`, or an "
    "IDX file of images; or shipped, the model that comes with the package. None: the newest run that has a model. It "
    "may also stand without --run."
)
PROTOCOL_HELP: Final = (
    "How many images: 10,000 in five independent sets, or 50,000 in two. None: fd10k, or all images of a smaller set."
)
JUDGE_HELP: Final = "Who judges: mnistnet, the second judge mnistnet-b, or both of them."
FULL_HELP: Final = (
    "GAN-train and GAN-test, too: teach one classifier generated digits and one real ones. Takes minutes."
)
DATA_HELP: Final = (
    "Real images to hold them against: mnist, digits, stacked-mnist, or a folder with four IDX files. None: what the "
    "model learned; MNIST for images."
)
OUT_HELP: Final = (
    "Where to write the report and the figures: a folder, or a file that ends in .html. None: into the run; for "
    "anything else, here, under its name."
)


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """Judge images, each figure beside its floor (real images) and its ceiling (noise), and write a report."""

    run: Annotated[str | None, tyro.conf.arg(help=RUN_HELP)] = None
    runs_dir: Path = Path("runs")
    """Folder in which runs are looked for."""
    protocol: Annotated[ProtocolName | None, tyro.conf.arg(help=PROTOCOL_HELP)] = None
    judge: Annotated[JudgeChoice, tyro.conf.arg(help=JUDGE_HELP)] = "mnistnet"
    full: Annotated[Switch, tyro.conf.arg(help=FULL_HELP)] = False
    seed: int = 0
    """Of all that is drawn: the same seed gives the same figures."""
    data: Annotated[str | None, tyro.conf.arg(help=DATA_HELP)] = None
    out: Annotated[Path | None, tyro.conf.arg(help=OUT_HELP)] = None
    json: Switch = False
    """Print JSON in place of tables."""


def main(arguments: list[str]) -> int:
    """Run the verb and return the exit code."""
    if options.wants_help(arguments):
        options.print_help(EvaluateOptions, verb=VERB)
        return EXIT_OK
    chosen = read_options(arguments)

    from mnist_gan.assessment import write  # only from here on is torch needed
    from mnist_gan.cli import tables

    path = find_subject(chosen.run, runs_dir=chosen.runs_dir)
    assessment, place = judge(path, chosen)
    if chosen.json:
        tables.print_json(assessment.to_dict())
    else:
        print_assessment(assessment)
    sys.stdout.flush()  # whatever happens to the files, the figures are there
    files = write(assessment, place, command=reproduction(path, chosen))
    print(f"\nwritten: {', '.join(map(str, files))}", file=sys.stderr if chosen.json else sys.stdout)
    return EXIT_OK


def read_options(arguments: list[str]) -> EvaluateOptions:
    """The arguments as options; what is to be judged may be named with --run or without.

    Raises:
        ConfigError: what is asked for cannot be.
    """
    words = options.read(arguments, options_of(EvaluateOptions), verb=VERB)
    named = [*filter(None, [words.given("--run")]), *words.positionals]
    if len(named) > 1:
        raise ConfigError(f"{named[1]!r} is one word too many; one thing is judged at a time")
    tokens = [*words.tokens(), *(token for name in words.positionals for token in ("--run", name))]
    chosen = options.build(EvaluateOptions, tokens, verb=VERB)
    if not 0 <= chosen.seed < 2**63:
        raise ConfigError(f"--seed is {chosen.seed}; it must be a whole number from 0 to 2**63 - 1")
    return chosen


def find_subject(named: str | None, *, runs_dir: Path) -> Path:
    """The path of what is to be judged.

    Raises:
        ArtifactError: there is no such thing, or no run with a model.
    """
    from mnist_gan.artifacts.gan import SHIPPED
    from mnist_gan.cli.finding import find_model

    if named in {None, SHIPPED}:
        return find_model(named, runs_dir=runs_dir)
    for candidate in (Path(named), runs_dir / named):
        if candidate.exists():
            return candidate
    raise ArtifactError(
        f"there is nothing to judge at {named}, and no run of that name in {runs_dir}; `{PROGRAM} runs` lists the runs"
    )


def judge(path: Path, chosen: EvaluateOptions) -> tuple[Assessment, Place]:
    """Look at what lies at the path as the options ask, showing progress; and the place for what was found.

    Raises:
        MnistGanError: it cannot be judged, or the place cannot be written to.
    """
    from mnist_gan.assessment import Place, assess, open_subject, real_data
    from mnist_gan.cli.waiting import Waiting
    from mnist_gan.data import load_dataset
    from mnist_gan.evaluation import PROTOCOLS

    with Waiting() as waiting:
        subject = open_subject(path, progress=waiting.progress)
        place = Place.of(subject, chosen.out)
        place.check()
        dataset = load_dataset(real_data(subject, chosen.data))
        waiting.show_message(f"judging {subject.description}, held against {dataset.source}")
        both: tuple[JudgeName, ...] = ("mnistnet", "mnistnet-b")
        assessment = assess(
            subject,
            dataset=dataset,
            protocol=None if chosen.protocol is None else PROTOCOLS[chosen.protocol],
            judges=both if chosen.judge == "both" else (chosen.judge,),
            full=chosen.full,
            seed=chosen.seed,
            progress=waiting.progress,
        )
    return assessment, place


def reproduction(path: Path, chosen: EvaluateOptions) -> str:
    """The command that gives the same figures again."""
    words = [PROGRAM, VERB, str(path), "--seed", str(chosen.seed), "--judge", chosen.judge]
    words += ["--protocol", chosen.protocol] if chosen.protocol else []
    words += ["--full"] if chosen.full else []
    words += ["--data", chosen.data] if chosen.data else []
    return shlex.join(words)


def print_assessment(assessment: Assessment) -> None:
    """The tables, each under a line that says what it is."""
    from mnist_gan.cli import tables

    evaluations = list(assessment.evaluations.values())
    first = evaluations[0]
    for note in assessment.all_notes:
        print_line(f"note: {note}")
    for evaluation in evaluations:
        print_title(_title(evaluation))
        headers = ("figure", "value", "real", "noise", "better")
        tables.print_table(headers, [figure_row(name, figure) for name, figure in evaluation.figures.items()])
    if first.digits is not None and len(first.digits.counts) <= 10:
        print_title(f"Digits, as {first.judge} reads them")
        tables.print_table(*digit_rows(first.digits))
    if first.memorization:
        print_title("Memorization: distance to the nearest training image")
        tables.print_table(
            ("over", "to that of held-out", "p", "exact copies"),
            [memorization_row(name, found) for name, found in first.memorization.items()],
        )
    if assessment.discriminator is not None:
        print_title("Discriminator")
        tables.print_table(("figure", "share"), discriminator_rows(assessment.discriminator))
    if assessment.transfer is not None:
        print_title("What the digits teach a classifier")
        accuracies = dataclasses.asdict(assessment.transfer)
        rows = [[FIGURES[name].title, f"{value:.2%}"] for name, value in accuracies.items()]
        tables.print_table(("figure", "accuracy"), rows)


def print_title(text: str) -> None:
    """A line over a table, set off from what is above it."""
    print()
    print_line(text, style="\x1b[1m" if wants_style(sys.stdout) else "")


def print_line(text: str, *, style: str = "") -> None:
    """Text as wide as tables are."""
    from mnist_gan.cli.tables import output_width

    wrapped = textwrap.fill(text, output_width(sys.stdout), break_on_hyphens=False, break_long_words=False)
    print(f"{style}{wrapped}\x1b[0m" if style else wrapped)


def _title(evaluation: Evaluation) -> str:
    sets = "" if evaluation.draws == 1 else f"{evaluation.draws} sets of "
    return f"{sets}{evaluation.num_images:,} images against {evaluation.data_set}, judged by {evaluation.judge}"


def figure_row(name: str, figure: Figure) -> list[str]:
    """A figure between real images and noise."""
    value = format_number(figure.value)
    if figure.interval is not None and figure.value is not None:
        value += f" ± {format_number(figure.interval.high - figure.value, digits=2)}"
    return [name, value, format_number(figure.floor), format_number(figure.ceiling), figure.better]


def digit_rows(table: DigitTable) -> tuple[list[str], list[list[str]]]:
    """Headers and a row a digit: how many came, for how many of a real set; how varied; how many as asked."""
    headers = ["digit", "images", "share", "real share", "diversity", *(["as asked"] if table.agreement else [])]
    rows = []
    for digit, (count, share, real) in enumerate(zip(table.counts, table.shares, table.real_shares, strict=True)):
        row = [str(digit), f"{count:,}", f"{share:.1%}", f"{real:.1%}", format_number(table.diversity[digit])]
        if table.agreement is not None:
            agreed = table.agreement[digit]
            row.append("–" if agreed is None else f"{agreed:.1%}")
        rows.append(row)
    return headers, rows


def memorization_row(name: str, found: Memorization) -> list[str]:
    """Median distance to the nearest training image over that of held-out images, and whether it is smaller."""
    p = "< 0.001" if found.p_value < 1e-3 else format_number(found.p_value, digits=2)
    return [name, f"{format_number(found.ratio)} times", p, f"{found.exact_copies:,}"]


def discriminator_rows(found: DiscriminatorFigures) -> list[list[str]]:
    """A row for each share that the objective defines: a discriminator that only compares scores has no accuracies."""
    names = (
        "training_accuracy",
        "held_out_accuracy",
        "generated_accuracy",
        "real_above_generated",
        "training_above_held_out",
    )
    shares = {name: getattr(found, name) for name in names}
    return [[FIGURES[name].title, f"{share:.1%}"] for name, share in shares.items() if share is not None]
