"""`mnist-gan score`: what a discriminator says of image files, or of what its generator draws."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias

import tyro

from mnist_gan.cli import options
from mnist_gan.cli.values import Switch, check_seed
from mnist_gan.errors import EXIT_OK, ConfigError, DataError

if TYPE_CHECKING:
    from mnist_gan.artifacts.gan import GAN
    from mnist_gan.artifacts.scoring import Score

VERB: Final = "score"
HEADERS: Final = ("image", "verdict", "P(real)", "logit", "label", "what was done to the file")
SUFFIXES: Final = frozenset({".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".pgm", ".ppm"})
"""What counts as an image file in a folder; a file that is named is read whatever its name."""
MAX_COLUMNS: Final = 10
LABEL_HELP: Final = (
    "The digit that each image is to be judged as; or read, for the one that the judge of generators reads in it. "
    "None: of a generated image, the digit asked for; of a file, the digit that the discriminator likes best."
)
LIKED_NOTICE: Final = (
    "highest: the label that makes the image look most real to the discriminator. It never saw an image with a "
    "wrong label in training, so this is no reading of the digit; its opinion is worth more with --label read, or the "
    "digit."
)
LabelChoice: TypeAlias = int | Literal["read"]


@dataclass(frozen=True, kw_only=True)
class ScoreOptions:
    """Ask a discriminator of images: REAL or FAKE, and how likely real, in a table.

    FILES may have any size and either polarity: they are brought to MNIST's form, and the table says how. Of a folder,
    every image in it is taken.
    """

    files: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="[FILES ...]", help_behavior_hint="(default: none)"),
    ] = ()
    """Image files, or folders of them."""
    run: str | None = None
    """A run's folder or name, a model folder, or shipped, the model that comes with the package. None: the newest run
    that has a model; shipped where there is no run."""
    runs_dir: Path = Path("runs")
    """Folder in which runs are looked for."""
    generate: int | None = None
    """Draw this many images with the same model and judge them too."""
    seed: int = 0
    """Seed of the images to draw; image i of a seed is always the same."""
    label: Annotated[LabelChoice | None, tyro.conf.arg(help=LABEL_HELP)] = None
    out: Path | None = None
    """A picture (.png) to write, with the verdicts under the images."""
    json: Switch = False
    """Print JSON in place of a table."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Exhibit:
    """An image that was judged."""

    name: str
    image: Any
    """uint8 (C, H, W)."""
    score: Score
    steps: tuple[str, ...]
    """What was done to the file."""

    def as_json(self) -> dict[str, Any]:
        """The facts, without the image."""
        return {"image": self.name, **dataclasses.asdict(self.score), "steps": list(self.steps)}

    def row(self) -> list[str]:
        """The row under `HEADERS`."""
        said = self.score
        label = "" if said.label is None else f"{said.label}, {said.label_source}"
        return [
            self.name,
            said.verdict,
            f"{said.probability_real:.1%}",
            f"{said.logit:+.2f}",
            label,
            ", ".join(self.steps),
        ]

    def caption(self) -> str:
        """The line under the image."""
        label, liked = self.score.label, self.score.label_source == "highest"  # which is no reading of the digit
        return self.score.caption() if label is None or liked else f"{label}: {self.score.caption()}"


def main(arguments: list[str]) -> int:
    """Run the verb and return the exit code."""
    chosen = options.parse(ScoreOptions, arguments, verb=VERB, positional="files", most=None)
    if chosen is None:
        return EXIT_OK
    _check(chosen)
    files = list(find_files([Path(file) for file in chosen.files]))

    from mnist_gan.artifacts.gan import GAN  # only from here on is torch needed
    from mnist_gan.cli.finding import find_model

    model = find_model(chosen.run, runs_dir=chosen.runs_dir)
    gan = GAN.load(model)
    exhibits = [
        *judge_files(gan, files, label=chosen.label),
        *judge_generated(gan, chosen.generate or 0, seed=chosen.seed, label=chosen.label),
    ]
    if chosen.out is not None:
        write_picture(chosen.out, exhibits)
    report(exhibits, model=model, moment=gan.stage, as_json=chosen.json)
    return EXIT_OK


def find_files(paths: Sequence[Path]) -> Iterator[Path]:
    """The files, and those of every folder by their names.

    Raises:
        DataError: a folder without images.
    """
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
        if not found:
            raise DataError(f"the folder {path} has no images in it ({', '.join(sorted(SUFFIXES))})")
        yield from found


def judge_files(gan: GAN, files: Sequence[Path], *, label: LabelChoice | None) -> list[Exhibit]:
    """Each file, brought to MNIST's form.

    Raises:
        ConfigError: the model does not know the label.
        DataError: a file is no image, or there is nothing to be seen in it.
    """
    import torch

    from mnist_gan.data.preprocess import prepare_image

    shape = gan.shape
    prepared = [prepare_image(file, resolution=shape.resolution, channels=shape.channels) for file in files]
    if not prepared:
        return []
    images = torch.stack([one.image for one in prepared])
    names = [str(file) for file in files]
    return _judge(gan, images, names=names, steps=[one.steps or ("as it is",) for one in prepared], label=label)


def judge_generated(gan: GAN, n: int, *, seed: int, label: LabelChoice | None) -> list[Exhibit]:
    """The first images of a seed, each judged as the digit that was asked for unless `label` says otherwise."""
    if n == 0:
        return []
    images, asked = gan.sample(n, seed=seed), gan.labels(n)
    names = [f"generated {index} of seed {seed}" for index in range(n)]
    return _judge(gan, images, names=names, steps=[("drawn",)] * n, label=label, asked=asked)


def write_picture(path: Path, exhibits: Sequence[Exhibit]) -> None:
    """The images with the verdicts under them."""
    import torch

    from mnist_gan.artifacts.pictures import save_grid

    images = torch.stack([exhibit.image for exhibit in exhibits])
    columns = min(MAX_COLUMNS, len(exhibits))
    save_grid(path, images, columns=columns, scale=4, captions=[exhibit.caption() for exhibit in exhibits])


def report(exhibits: Sequence[Exhibit], *, model: Path, moment: str, as_json: bool) -> None:
    """The facts on standard output, and what one should know about them on standard error."""
    from mnist_gan.cli import tables

    print(f"judged by the discriminator of {model}{f' ({moment})' if moment else ''}", file=sys.stderr)
    if as_json:
        images = [exhibit.as_json() for exhibit in exhibits]
        tables.print_json({"model": str(model), "moment": moment, "images": images})
    else:
        tables.print_table(HEADERS, [exhibit.row() for exhibit in exhibits])
    if any(exhibit.score.label_source == "highest" for exhibit in exhibits):
        print(LIKED_NOTICE, file=sys.stderr)


def _judge(
    gan: GAN,
    images: Any,
    *,
    names: Sequence[str],
    steps: Sequence[tuple[str, ...]],
    label: LabelChoice | None,
    asked: Any = None,
) -> list[Exhibit]:
    from mnist_gan.artifacts.scoring import recognize_digits, score_images

    match label:
        case None:
            scores = score_images(gan, images, labels=asked, label_source="requested")
        case "read":
            scores = score_images(gan, images, labels=recognize_digits(gan, images), label_source="recognized")
        case digit:
            scores = score_images(gan, images, labels=gan.labels(len(images), digit=digit))
    return [
        Exhibit(name=name, image=image, score=score, steps=how)
        for name, image, score, how in zip(names, images, scores, steps, strict=True)
    ]


def _check(chosen: ScoreOptions) -> None:
    if not chosen.files and chosen.generate is None:
        raise ConfigError("there is nothing to judge; name image files, or let it draw some: --generate 10")
    if chosen.generate is not None and chosen.generate < 1:
        raise ConfigError(f"--generate is {chosen.generate}; ask for at least one image")
    if chosen.out is not None and chosen.out.suffix.lower() != ".png":
        raise ConfigError(f"--out {chosen.out} must end in .png")
    check_seed(chosen.seed)
