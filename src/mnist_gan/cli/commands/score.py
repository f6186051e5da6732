"""`mnist-gan score`: scores image files, or images that the generator draws, with the discriminator."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import tyro

from mnist_gan.cli import options
from mnist_gan.cli.values import ModelName, PluginPath, Switch, check_png, check_seed
from mnist_gan.errors import EXIT_OK, ConfigError, DataError

if TYPE_CHECKING:
    from mnist_gan.artifacts.gan import GAN
    from mnist_gan.artifacts.scoring import Score
    from mnist_gan.data.preprocess import PreparedImage
    from mnist_gan.models import ImageShape

HEADERS: Final = ("image", "verdict", "P(real)", "logit", "label", "conversion")
SUFFIXES: Final = frozenset({".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".pgm", ".ppm"})
"""Image files in a folder; a file that is named itself may have any suffix."""
MAX_COLUMNS: Final = 10
HIGHEST_NOTICE: Final = (
    "highest: the label with the highest score for the image. It does not recognize the digit: in training, the "
    "discriminator never sees an image with a wrong label. Scores are more reliable with --label read, or the digit."
)


@dataclass(frozen=True, kw_only=True)
class ScoreOptions:
    """Score images with the discriminator: REAL or FAKE, and the probability of real.

    FILES may have any size and either polarity; they are converted to the form of the model's training images, and the
    table shows how. Files that cannot be scored are skipped.
    """

    files: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="[FILES ...]", help_behavior_hint="(default: none)"),
    ] = ()
    """Image files, or folders of image files; for a model of points, files of points (.csv or .npy)."""
    run: ModelName = None
    runs_dir: Path = Path("runs")
    """Folder of runs."""
    plugin: PluginPath = None
    generate: int | None = None
    """Number of images to draw with the model and score as well. None: 0."""
    seed: int = 0
    """Seed of the drawn images; image i of a seed is always the same."""
    label: str | None = None
    """Class that every image is scored with, by name or number; or read, the digit that mnistnet recognizes in it.
    None: for a drawn image, the class requested from the generator; for a file, the class with the highest score."""
    out: Path | None = None
    """Picture (.png) of the images with their verdicts. None: no picture."""
    json: Switch = False
    """Print JSON instead of a table."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoredImage:
    """An image and its score."""

    name: str
    image: Any
    """uint8 (C, H, W)."""
    score: Score
    steps: tuple[str, ...]
    """Steps of the conversion to the form of the training images."""

    def as_json(self) -> dict[str, Any]:
        """Return name, score and steps as plain values."""
        return {"image": self.name, **dataclasses.asdict(self.score), "steps": list(self.steps)}

    def row(self) -> list[str]:
        """Return a row under `HEADERS`."""
        score = self.score
        label = "" if score.label is None else f"{score.label_name}, {score.label_source}"
        probability, logit = f"{score.probability_real:.1%}", f"{score.logit:+.2f}"
        return [self.name, score.verdict, probability, logit, label, ", ".join(self.steps)]

    def caption(self) -> str:
        """Return the verdict with the label, unless the label is only the one with the highest score."""
        name = self.score.label_name
        is_known = name is not None and self.score.label_source != "highest"
        return f"{name}: {self.score.caption()}" if is_known else self.score.caption()


@options.command("score", ScoreOptions)
def main(chosen: ScoreOptions) -> int:
    """Run the command and return its exit code."""
    _check(chosen)
    files = list(find_files([Path(file) for file in chosen.files]))

    from mnist_gan.artifacts.gan import GAN  # imports torch
    from mnist_gan.cli.lookup import find_model

    model = find_model(chosen.run, runs_dir=chosen.runs_dir)
    gan = GAN.load(model, plugin=chosen.plugin)
    prepared, skipped = ({}, {}) if gan.shape.is_points else prepare_files(gan, files)
    scored = [
        *(score_points(gan, files, label=chosen.label) if gan.shape.is_points else []),
        *score_files(gan, prepared, label=chosen.label),
        *score_generated(gan, chosen.generate or 0, seed=chosen.seed, label=chosen.label),
    ]
    if chosen.out is not None:
        write_picture(chosen.out, scored, shape=gan.shape)
    report(scored, skipped, model=model, moment=gan.stage, as_json=chosen.json)
    return DataError.exit_code if skipped else EXIT_OK


def find_files(paths: Sequence[Path]) -> Iterator[Path]:
    """Yield the files, and the image files of each folder by name.

    Raises:
        DataError: a folder has no image files.
    """
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
        if not files:
            raise DataError(f"the folder {path} has no image files ({', '.join(sorted(SUFFIXES))})")
        yield from files


def prepare_files(gan: GAN, files: Sequence[Path]) -> tuple[dict[str, PreparedImage], dict[str, DataError]]:
    """Convert image files to the form of the model's training images; return them by name, and errors by name.

    Raises:
        DataError: no file is an image, or all are blank; the error of the first.
    """
    from mnist_gan.data.preprocess import prepare_image

    prepared, skipped = {}, {}
    for file in files:
        try:
            prepared[str(file)] = prepare_image(
                file, resolution=gan.shape.resolution, channels=gan.shape.channels, form=gan.form
            )
        except DataError as error:
            skipped[str(file)] = error
    if skipped and not prepared:
        raise next(iter(skipped.values()))
    return prepared, skipped


def score_files(gan: GAN, prepared: Mapping[str, PreparedImage], *, label: str | None) -> list[ScoredImage]:
    """Score converted images, by name.

    Raises:
        ConfigError: the model has no such class.
    """
    import torch

    if not prepared:
        return []
    images = torch.stack([each.image for each in prepared.values()])
    names, steps = list(prepared), [each.steps or ("as it is",) for each in prepared.values()]
    return _score(gan, images, names=names, steps=steps, label=label)


def score_generated(gan: GAN, n: int, *, seed: int, label: str | None) -> list[ScoredImage]:
    """Draw the first n images of a seed and score them, by default with the digit requested from the generator."""
    if n == 0:
        return []
    names = [f"generated {index} of seed {seed}" for index in range(n)]
    requested = gan.labels(n)
    images = gan.sample(n, seed=seed)
    return _score(gan, images, names=names, steps=[("drawn",)] * n, label=label, requested=requested)


def score_points(gan: GAN, files: Sequence[Path], *, label: str | None) -> list[ScoredImage]:
    """Score every point of files of points (.csv or .npy).

    Raises:
        DataError: a file does not hold points.
    """
    import torch

    from mnist_gan.data.toys import read_points_file

    points = {f"{file}, point {i}": point for file in files for i, point in enumerate(read_points_file(file), start=1)}
    if not points:
        return []
    given = torch.stack(list(points.values()))[:, :, None, None]
    return _score(gan, given, names=list(points), steps=[("as it is",)] * len(points), label=label)


def write_picture(path: Path, scored: Sequence[ScoredImage], *, shape: ImageShape) -> None:
    """Write a grid of the images with their verdicts, or a picture of the points."""
    import torch

    from mnist_gan.artifacts.pictures import save_grid, save_picture
    from mnist_gan.artifacts.points import draw_samples

    images = torch.stack([each.image for each in scored])
    if shape.is_points:
        save_picture(path, draw_samples(images, shape=shape, columns=1))
        return
    columns = min(MAX_COLUMNS, len(scored))
    save_grid(path, images, columns=columns, scale=4, captions=[each.caption() for each in scored])


def report(
    scored: Sequence[ScoredImage], skipped: Mapping[str, DataError], *, model: Path, moment: str, as_json: bool
) -> None:
    """Print the scores on standard output, and model, skipped files and notices on standard error."""
    from mnist_gan.cli import tables

    print(f"scored by the discriminator of {model}{f' ({moment})' if moment else ''}", file=sys.stderr)
    if as_json:
        content: dict[str, Any] = {"model": str(model), "moment": moment}
        content["images"] = [each.as_json() for each in scored]
        content["skipped"] = [{"image": name, "reason": str(error)} for name, error in skipped.items()]
        tables.print_json(content)
    else:
        tables.print_table(HEADERS, [each.row() for each in scored])
    for error in skipped.values():
        print(f"skipped: {error}", file=sys.stderr)
    if any(each.score.label_source == "highest" for each in scored):
        print(HIGHEST_NOTICE, file=sys.stderr)


def _score(
    gan: GAN,
    images: Any,
    *,
    names: Sequence[str],
    steps: Sequence[tuple[str, ...]],
    label: str | None,
    requested: Any = None,
) -> list[ScoredImage]:
    from mnist_gan.artifacts.scoring import recognize_digits, score_images

    match label:
        case None:
            scores = score_images(gan, images, labels=requested, label_source="requested")
        case "read":
            scores = score_images(gan, images, labels=recognize_digits(gan, images), label_source="recognized")
        case name:
            chosen = gan.labels(len(images), digit=name)
            scores = score_images(gan, images, labels=chosen)
    return [
        ScoredImage(name=name, image=image, score=score, steps=how)
        for name, image, score, how in zip(names, images, scores, steps, strict=True)
    ]


def _check(chosen: ScoreOptions) -> None:
    if not chosen.files and chosen.generate is None:
        raise ConfigError("there is nothing to score; name image files, or draw images with --generate 10")
    if chosen.generate is not None and chosen.generate < 1:
        raise ConfigError(f"--generate is {chosen.generate}; it must be at least 1")
    check_png(chosen.out)
    check_seed(chosen.seed)
