"""`mnist-gan judge`: trains and lists judges of data sets other than MNIST."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias

import tyro

from mnist_gan.cli import options
from mnist_gan.cli.terminal import PROGRAM
from mnist_gan.cli.values import Switch
from mnist_gan.errors import EXIT_OK, ConfigError

if TYPE_CHECKING:
    from mnist_gan.data import Dataset
    from mnist_gan.evaluation import JudgeName

HEADERS: Final = ("judge", "trained on", "reads right", "features", "architecture")
MAX_EPOCHS: Final = 1000
Architecture: TypeAlias = Literal["mnistnet", "mnistnet-b", "both"]


@dataclass(frozen=True, kw_only=True)
class JudgeOptions:
    """Train a judge of a labelled data set, or list the judges of this machine.

    The words train DATA train a classifier, whose features `evaluate` uses for this data from then on. DATA is a folder
    of four IDX files, or digits. `judge` alone lists the judges.
    """

    words: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="[train DATA]", help_behavior_hint="(default: list the judges)"),
    ] = ()
    """The words train DATA to train a judge; nothing to list them."""
    architecture: Architecture = "both"
    """Network: mnistnet (convolutions with strides), mnistnet-b (residual and pooled), or both. A claim of quality
    needs both."""
    epochs: int = 12
    """Passes over the training images; 600 steps at least."""
    json: Switch = False
    """Print JSON instead of a table."""


@options.command("judge", JudgeOptions)
def main(chosen: JudgeOptions) -> int:
    """Run the command and return its exit code."""
    from mnist_gan.cli import tables
    from mnist_gan.evaluation.judges import describe_judges

    match chosen.words:
        case ():
            described = describe_judges()
        case ("train", data):
            names = train(data, chosen)
            described = [facts for facts in describe_judges() if facts["judge"] in names]
        case _:
            raise ConfigError(
                f"judge takes the words train DATA, or nothing, not {' '.join(chosen.words)!r}; "
                f"`{PROGRAM} judge --help` lists the options"
            )
    if chosen.json:
        tables.print_json(described)
    else:
        tables.print_table(HEADERS, [row(facts) for facts in described])
    return EXIT_OK


def train(data: str, chosen: JudgeOptions) -> list[str]:
    """Train the judges of a data set, save them, and return their names."""
    if not 1 <= chosen.epochs <= MAX_EPOCHS:
        raise ConfigError(f"--epochs is {chosen.epochs}; it must be from 1 to {MAX_EPOCHS:,}")

    from mnist_gan.assessment.subject import named_data
    from mnist_gan.cli.waiting import show_steps
    from mnist_gan.data import load_dataset
    from mnist_gan.evaluation.judges import SHIPPED_JUDGES

    dataset = load_dataset(named_data(data, option="DATA"))
    if dataset.images.is_floating_point():
        raise ConfigError(f"{dataset.name} has points, whose figures are exact; only images need a judge")
    architectures = SHIPPED_JUDGES if chosen.architecture == "both" else (chosen.architecture,)
    with show_steps() as progress:
        return [
            train_one(
                dataset, architecture, epochs=chosen.epochs, progress=partial(progress, f"training {architecture}")
            )
            for architecture in architectures
        ]


def train_one(dataset: Dataset, architecture: JudgeName, *, epochs: int, progress: Any) -> str:
    """Train one judge, save it, and return its name."""
    from mnist_gan.evaluation.judges import save_judge
    from mnist_gan.evaluation.train_mnistnet import train_own_judge

    content, facts = train_own_judge(architecture, dataset, epochs=epochs, progress=progress)
    save_judge(facts.judge, content, dataclasses.asdict(facts))
    return facts.judge


def row(facts: dict[str, Any]) -> list[str]:
    """Return a row under `HEADERS`."""
    data, accuracy = str(facts["data_set"]), f"{facts['test_accuracy']:.2%}"
    return [str(facts["judge"]), data, accuracy, str(facts["feature_dim"]), str(facts["architecture"])]
