"""The failure gallery, trained: does every recipe fail as its text says, and does its cure help?

    python -m benchmarks.gallery train FOLDER --seeds 0 1   # trains what FOLDER lacks; half a minute per training
    python -m benchmarks.gallery table FOLDER               # Markdown: verdict and distance of every training
    python -m benchmarks.gallery sheet FOLDER OUT           # the last drawings of every training, one picture a recipe
    python -m benchmarks.gallery picture FOLDER OUT         # docs/images/failures.png
    python -m benchmarks.gallery record FOLDER              # into tests/evaluation/recorded, for the tests
    python -m benchmarks.gallery check --seeds 0            # trains in a temporary folder; exit status 1 on a departure

A recipe is trained three times with each seed: as it is; as the studio's button "Try the cure" starts it; and with the
first remedy of its own diagnosis that changes a setting. `departures` says which of them do not do what they should. To
use several cores, start the first command several times with different seeds.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import re
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from PIL import Image, ImageDraw
from scripts.figures.canvas import save_picture

from mnist_gan import config as config_module
from mnist_gan import experiment, presets
from mnist_gan.config import Config
from mnist_gan.evaluation import Diagnosis, diagnose
from mnist_gan.studio.services import form

Kind: TypeAlias = Literal["failure", "cure", "remedy"]
KINDS: Final[tuple[Kind, ...]] = ("failure", "cure", "remedy")
RECORDED: Final = Path("tests/evaluation/recorded")
RECORDING: Final = RECORDED / "gallery.jsonl"
HEALTHY: Final = "quick"
"""Preset that is recorded beside the gallery: `quick` at its length and intervals."""
HEALTHY_NIMG: Final = 96_000
DIGITS_KEPT: Final = 4
BETTER: Final = 0.5
"""Distance of a cured training over that of the failing one, at most."""
VARIED: Final = 0.95
"""Mean diversity of a cured training, at least."""
READ: Final = re.compile(r"^(cur_nimg|Metric/(fd|share/|diversity)|Loss/scores/|Score/)")
"""Fields that the diagnosis and the table read."""
OPTION: Final = re.compile(r"--([a-z_]+\.[a-z0-9-]+)((?: to --[a-z_.-]+)|(?: (?:-?\d[\d.e-]*|[a-z]+_[a-z]+)\b)*)")
"""An option in a remedy, with the values that follow it, or "to" the option that has its value."""

Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Trained:
    """Rows of one training of the gallery."""

    recipe: str
    kind: Kind
    seed: int
    rows: list[Row]

    @property
    def diagnosis(self) -> Diagnosis:
        """Last diagnosis."""
        return diagnose(self.rows)

    @property
    def distance(self) -> float:
        """Last distance to real digits."""
        return float(next(value for name, value in self.rows[-1].items() if name.startswith("Metric/fd")))

    @property
    def diversity(self) -> float:
        """Last mean diversity within a digit; 0 if no digit has any."""
        return float(self.rows[-1].get("Metric/diversity", 0.0))

    @property
    def accuracy(self) -> float | None:
        """Last mean of D's accuracies on real and on generated images; None if its loss has no boundary."""
        row = self.rows[-1]
        if "Score/real_accuracy" not in row:
            return None
        return float(row["Score/real_accuracy"] + row["Score/fake_accuracy"]) / 2


def prepared(config: Config, *, seed: int, nimg: int | None) -> Config:
    """Same training with one thread and few files. If `nimg` is given, that many images and four evaluations."""
    length = config.training.total_nimg if nimg is None else nimg
    run = dataclasses.replace(config.run, pictures=False, tensorboard=False, snapshots=0, checkpoint_nimg=length)
    if nimg is not None:
        run = dataclasses.replace(run, tick_nimg=nimg // 4, evaluate_nimg=nimg // 4)
    training = dataclasses.replace(config.training, total_nimg=length, seed=seed, threads=1)
    return dataclasses.replace(config, preset="gallery", training=training, run=run)


def cured(recipe: str) -> Config:
    """Config that the studio's button "Try the cure" starts."""
    lessons = {each["name"]: each["lesson"] for each in form.describe()["presets"] if each["lesson"]}
    return form.chosen_config(**lessons[recipe]["start"])


def followed(config: Config, remedy: str) -> Config:
    """Config with the first step of a remedy that changes it. Steps are separated by semicolons."""
    for step in remedy.split(";"):
        changed = config
        for option, text in OPTION.findall(step):
            changed = _set(changed, option, text.split())
        if changed != config:
            return changed
    return config


def _set(config: Config, option: str, words: Sequence[str]) -> Config:
    """Config with the value that `words` give to an option; without words, a switch is turned on."""
    section, _, name = option.replace("-", "_").partition(".")
    part = getattr(config, section)
    old = getattr(part, name)
    if words[:1] == ["to"]:
        value = attrgetter(words[1].removeprefix("--").replace("-", "_"))(config)
    elif isinstance(old, tuple):
        value = tuple(map(float, words))
    elif words:
        value = words[0] if isinstance(old, str) else type(old)(words[0])
    else:
        value = True if isinstance(old, bool) else old
    return dataclasses.replace(config, **{section: dataclasses.replace(part, **{name: value})})


def train(config: Config, *, folder: Path) -> Path:
    """Train, unless the folder has this training already. Return its rows; the last sample grid lies beside them."""
    name = hashlib.sha256(config_module.to_toml(config).encode()).hexdigest()[:16]
    path = folder / "trainings" / f"{name}.jsonl"
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as runs_dir:
        directory = experiment.run(config, name="run", runs_dir=runs_dir).directory
        shutil.copy(max(directory.samples.glob("*.png")), path.with_suffix(".png"))
        partial = path.with_suffix(".partial")
        shutil.copy(directory.metrics, partial)
        partial.replace(path)
    return path


def train_recipe(recipe: str, *, seed: int, folder: Path, nimg: int | None = None) -> list[Trained]:
    """Train a recipe as it is, its cure, and what its diagnosis recommends; `nimg` shortens all three."""
    (folder / recipe).mkdir(parents=True, exist_ok=True)

    def trained(config: Config, kind: Kind) -> Trained:
        path = train(prepared(config, seed=seed, nimg=nimg), folder=folder)
        return _keep(path, folder / recipe / f"{kind}-{seed}")

    failure = trained(presets.get(recipe), "failure")
    cure = trained(cured(recipe), "cure")
    return [failure, cure, trained(followed(presets.get(recipe), failure.diagnosis.remedy or ""), "remedy")]


def _keep(trained: Path, name: Path) -> Trained:
    """Copy the files of a training under a name that tells what it shows."""
    for suffix in (".png", ".jsonl"):
        shutil.copy(trained.with_suffix(suffix), name.with_suffix(suffix))
    return load(name.with_suffix(".jsonl"))


def load(path: Path) -> Trained:
    """Read one training of a folder."""
    kind, _, seed = path.stem.rpartition("-")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return Trained(recipe=path.parent.name, kind=kind, seed=int(seed), rows=rows)  # type: ignore[arg-type]


def load_all(folder: Path) -> list[Trained]:
    """Read every training of a folder, in the order of the gallery, by seed and kind."""
    found = [load(path) for recipe in presets.FAILURES for path in (folder / recipe).glob("*.jsonl")]
    order = {recipe: index for index, recipe in enumerate(presets.FAILURES)}
    return sorted(found, key=lambda each: (order[each.recipe], each.seed, KINDS.index(each.kind)))


def departures(trained: Iterable[Trained]) -> Iterator[str]:
    """Say which trainings do not do what their recipe promises, one line each.

    A failure gets the diagnosis of its lesson. A cure gets no diagnosis of trouble, has at most half the distance or,
    after a collapse, far more variety, and its digits are as varied as real ones.
    """
    failures: dict[tuple[str, int], Trained] = {}
    for each in trained:
        failures.setdefault((each.recipe, each.seed), each)
        where, state = f"{each.recipe}, seed {each.seed}, {each.kind}", each.diagnosis.state
        lesson, failure = presets.FAILURES[each.recipe].lesson, failures[each.recipe, each.seed]
        if each.kind == "failure":
            if lesson is None or state != lesson.diagnosis:
                yield f"{where}: {each.diagnosis}"
            continue
        if state not in {"improving", "healthy"}:
            yield f"{where}: {each.diagnosis}"
        if each.distance > BETTER * failure.distance:
            yield f"{where}: distance {each.distance:.3g}, which was {failure.distance:.3g}"
        if each.diversity < VARIED:
            yield f"{where}: diversity {each.diversity:.2f}"


def table(trained: Sequence[Trained]) -> str:
    """Return a Markdown table: recipes and seeds down; verdict, distance and variety of each kind across."""
    rows = [
        "| recipe | seed | as it is | D right | button | remedy |",
        "|---|---|---|---|---|---|",
    ]
    for recipe, seed in dict.fromkeys((each.recipe, each.seed) for each in trained):
        cells = {each.kind: each for each in trained if (each.recipe, each.seed) == (recipe, seed)}
        accuracy = cells["failure"].accuracy
        right = "" if accuracy is None else f"{accuracy:.0%}"
        shown = [_cell(cells[kind]) if kind in cells else "" for kind in KINDS]
        rows.append(f"| `{recipe}` | {seed} | {shown[0]} | {right} | {shown[1]} | {shown[2]} |")
    return "\n".join(rows) + "\n"


def summary(trained: Sequence[Trained]) -> str:
    """Return a Markdown table of the medians over the seeds."""
    rows = ["| recipe | training | verdicts | distance | diversity |", "|---|---|---|---|---|"]
    for recipe, kind in dict.fromkeys((each.recipe, each.kind) for each in trained):
        group = [each for each in trained if (each.recipe, each.kind) == (recipe, kind)]
        states = [each.diagnosis.state for each in group]
        verdicts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
        distance, diversity = _spread([each.distance for each in group]), _spread([each.diversity for each in group])
        rows.append(f"| `{recipe}` | {kind} | {verdicts} | {distance} | {diversity} |")
    return "\n".join(rows) + "\n"


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


def _cell(each: Trained) -> str:
    return f"{each.diagnosis.state}, {each.distance:.3g} / {each.diversity:.2f}"


def sheet(folder: Path, recipe: str) -> Image.Image:
    """Arrange the last drawings of a recipe: a row for each kind, a column for each seed."""
    seeds = sorted(int(path.stem.rpartition("-")[2]) for path in (folder / recipe).glob("failure-*.png"))
    grids = {
        (row, column): Image.open(path).convert("L")
        for row, kind in enumerate(KINDS)
        for column, seed in enumerate(seeds)
        if (path := folder / recipe / f"{kind}-{seed}.png").exists()
    }
    first, margin = grids[0, 0], 16
    width, height = first.width // 2 + margin // 2, first.height // 2 + margin
    picture = Image.new("L", (width * len(seeds), height * len(KINDS)), 90)
    for (row, column), grid in grids.items():
        small = grid.resize((grid.width // 2, grid.height // 2), Image.Resampling.BOX)
        picture.paste(small, (column * width, row * height + margin))
        ImageDraw.Draw(picture).text((column * width, row * height + 2), f"{recipe}: {KINDS[row]} {seeds[column]}", 255)
    return picture


def picture(folder: Path, *, seed: int = 0, rows: int = 3) -> Image.Image:
    """Show the first drawings of every recipe, left as it fails and right as its button cures it."""
    pairs = {
        recipe: [Image.open(folder / recipe / f"{kind}-{seed}.png").convert("L") for kind in KINDS[:2]]
        for recipe in presets.FAILURES
    }
    width, grid_height = next(iter(pairs.values()))[0].size
    height, margin, gap = rows * grid_height // 8, 16, 12
    drawn = Image.new("L", (2 * width + gap, len(pairs) * (height + margin)), 255)
    for index, (recipe, grids) in enumerate(pairs.items()):
        top = index * (height + margin)
        for column, grid in enumerate(grids):
            left = column * (width + gap)
            drawn.paste(grid.crop((0, 0, width, height)), (left, top + margin))
            ImageDraw.Draw(drawn).text((left, top + 2), recipe if column == 0 else "cured", 60)
    return drawn


def record(trained: Iterable[Trained], path: Path) -> None:
    """Save the fields that the diagnosis reads, rounded, as one JSON object per training: a list for each field."""
    with path.open("w") as file:
        for each in trained:
            names = dict.fromkeys(name for row in each.rows for name in row if READ.match(name))
            columns = {name: [_short(row.get(name)) for row in each.rows] for name in names}
            head = {"recipe": each.recipe, "kind": each.kind, "seed": each.seed}
            file.write(json.dumps(head | {"columns": columns}, separators=(",", ":")) + "\n")


def recorded(path: Path = RECORDING) -> list[Trained]:
    """Read what `record` wrote."""
    return [_restored(json.loads(line)) for line in path.read_text().splitlines()]


def _restored(saved: dict[str, Any]) -> Trained:
    columns: dict[str, list[Any]] = saved.pop("columns")
    rows = [
        {name: value for name, value in zip(columns, values, strict=True) if value is not None}
        for values in zip(*columns.values(), strict=True)
    ]
    return Trained(**saved, rows=rows)


def _short(value: Any) -> Any:
    return float(f"{value:.{DIGITS_KEPT}g}") if isinstance(value, float) else value


def check(recipes: Sequence[str], seeds: Sequence[int]) -> int:
    """Train in a temporary folder and print the departures; return the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        trained = [
            each
            for recipe in recipes
            for seed in seeds
            for each in train_recipe(recipe, seed=seed, folder=Path(folder))
        ]
    found = list(departures(trained))
    print(table(trained), *found, sep="\n")
    return 1 if found else 0


def main() -> int:
    """Train, show, record or check the gallery."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["train", "table", "sheet", "picture", "record", "check"])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("out", nargs="?", type=Path, default=Path())
    parser.add_argument("--recipes", nargs="+", choices=list(presets.FAILURES), default=list(presets.FAILURES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    arguments = parser.parse_args()
    if arguments.what == "check":
        return check(arguments.recipes, arguments.seeds)
    if arguments.folder is None:
        parser.error(f"{arguments.what} needs a folder")
    match arguments.what:
        case "train":
            for seed in arguments.seeds:
                for recipe in arguments.recipes:
                    trained = train_recipe(recipe, seed=seed, folder=arguments.folder)
                    print(table(trained), *departures(trained), sep="\n", flush=True)
        case "table":
            trained = load_all(arguments.folder)
            print(summary(trained), table(trained), *departures(trained), sep="\n")
        case "sheet":
            for recipe in arguments.recipes:
                sheet(arguments.folder, recipe).save(arguments.out / f"{recipe}.png")
        case "picture":
            save_picture(picture(arguments.folder), arguments.out, colours=16)
        case "record":
            record(load_all(arguments.folder), RECORDING)
    return 0


if __name__ == "__main__":
    sys.exit(main())
