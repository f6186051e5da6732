"""report.html: an evaluation as one self-contained page.

Pictures are data URIs, plots are inline SVG and the style is inline. The page has no script, and its content security
policy forbids every request. It has a light and a dark scheme, fits a phone, and prints.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

import jinja2
import numpy as np
import torch
from jaxtyping import Float32, Int, UInt8
from markupsafe import Markup
from PIL import Image
from torch import Tensor

from mnist_gan.artifacts import curves
from mnist_gan.artifacts.pictures import draw_grid, encode_png
from mnist_gan.assessment import svg
from mnist_gan.evaluation import (
    ClosestPair,
    DigitTable,
    DiscriminatorFigures,
    Evaluation,
    Figure,
    Memorization,
    Transfer,
)
from mnist_gan.figures import DISTANCE_PREFIXES, METRIC_PREFIX, Direction, figure_info, figure_kind, format_number
from mnist_gan.scaling import AtRest
from mnist_gan.text import pluralize

REPORT_MARK: Final = '<meta name="generator" content="mnist-gan evaluate">'
"""Present in every report, so that a report is recognized before it is overwritten."""
POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
GRID: Final = 100
GRID_COLUMNS: Final = 10
MISREAD: Final = 25
MISREAD_COLUMNS: Final = 5
PAIRS: Final = 10
PAIR_COLUMNS: Final = 5
MAX_POINTS: Final = 240
"""Points of a curve on the page; longer curves are thinned evenly."""
COPY_RATIO: Final = 0.5
"""Memorization ratio below which the page warns of copies."""

DIRECTIONS: Final[dict[Direction, str]] = {
    "lower": "Lower is better.",
    "higher": "Higher is better.",
    "like real": "Best where real images are.",
    "neither": "",
}


@dataclass(frozen=True, kw_only=True)
class ReportContent:
    """Content of the page."""

    title: str
    description: str
    """The model or images, in one sentence."""
    facts: Mapping[str, str]
    """Provenance of the page: name -> value."""
    config: str
    """Config as TOML; empty for a set of images."""
    evaluations: Sequence[Evaluation]
    """One per judge, the main one first."""
    images: AtRest
    """The evaluated images or points."""
    plane: Image.Image | None
    """Picture of the points; None for images."""
    labels: Int[Tensor, "n"] | None
    """Requested class of each image."""
    class_names: Sequence[str]
    """Names of the classes, in the order of the labels."""
    recognized: Int[Tensor, "k"] | None
    """Digit that the main judge recognizes in each of the first k images; None for other data than digits."""
    training_images: UInt8[Tensor, "m c h w"] | Float32[Tensor, "m c h w"]
    pairs_by_digit: Sequence[ClosestPair]
    """Of the first k images, the one nearest to a training image, for each recognized digit."""
    discriminator: DiscriminatorFigures | None
    boundary: float | None
    """Logit above which the discriminator decides for real."""
    transfer: Transfer | None
    form: Mapping[str, Figure]
    """Figures of the form of digits; empty for other data."""
    two_sample: Mapping[str, Figure]
    """Figures of the two-sample test; empty if it was not requested."""
    notes: Sequence[str]
    rows: Sequence[Mapping[str, Any]] = ()
    """Rows of metrics.jsonl, for a model with a run."""
    diagnosis: str = ""
    """Diagnosis of the training, in plain words."""

    @property
    def main(self) -> Evaluation:
        """Evaluation by the main judge."""
        return self.evaluations[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Picture:
    """A plot or an image of the page."""

    markup: Markup
    caption: str = ""
    title: str = ""


def render_report(content: ReportContent) -> str:
    """The page as HTML."""
    return _template().render(
        content=content,
        summary=_summary(content),
        samples=_samples(content),
        sets=_sets(content.main),
        other_judges=_other_judges(content),
        memorization=[_describe_memorization(kind, found) for kind, found in content.main.memorization.items()],
        closest=_closest(content),
        discriminator_shares=_discriminator_shares(content.discriminator),
        discriminator=_discriminator_plots(content),
        transfer=content.transfer and dataclasses.asdict(content.transfer),
        training=[plot for panel in _panels(content.rows) if (plot := _curve(content.rows, panel)) is not None],
        **_digits(content),
    )


@functools.cache
def _template() -> jinja2.Template:
    files = resources.files("mnist_gan.assessment")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    environment.filters |= {"sentence": _sentence, "number": format_number}
    environment.globals |= {
        "policy": Markup(POLICY),
        "mark": Markup(REPORT_MARK),
        "style": Markup(files.joinpath("report.css").read_text(encoding="utf-8")),
        "directions": DIRECTIONS,
        "figure_info": figure_info,
        "scale": lambda figure: Markup(svg.scale(figure.value, floor=figure.floor, ceiling=figure.ceiling)),
    }
    return environment.from_string(files.joinpath("report.html.j2").read_text(encoding="utf-8"))


def _summary(content: ReportContent) -> list[tuple[str, str]]:
    """The main figures, each with one sentence."""
    evaluation = content.main
    cards = _summarize_points(evaluation.figures)
    # a fixed set has no other sets, from which the distance is extrapolated best
    kinds = ("fd",) if evaluation.fixed_set else ("fdinf", "fd")
    found = [(name, figure) for name, figure in evaluation.figures.items() if figure_kind(name) in kinds]
    for name, figure in sorted(found, key=lambda item: kinds.index(figure_kind(item[0])))[:1]:
        best = None if figure.training is None else format_number(round(figure.training, 3), digits=2)
        sampler = "" if best is None else f"a perfect sampler of the training set has {best}, "
        ends = f"held-out real images have {format_number(figure.floor)}, noise {format_number(figure.ceiling)}"
        meaning = f"{name}, the Frechet distance to real images: {sampler}{ends}. Lower is better."
        cards.append((format_number(figure.value), meaning))
    if evaluation.digits is not None:
        cards.append(_summarize_digits(evaluation.digits))
        if evaluation.digits.overall_agreement is not None:
            share = evaluation.digits.overall_agreement
            cards.append((f"{share:.1%} as requested", "share of images in which the judge recognizes the digit."))
    if "form_box" in content.form:
        box = content.form["form_box"]
        meaning = f"{box.meaning}; of real ones, {box.training or 0:.1%}."
        cards.append((f"{box.value:.1%}", meaning))
    for name, figure in [*content.two_sample.items()][:1]:
        cards.append((f"{figure.value:.1%}", f"{name}, {figure.meaning}."))
    memory = evaluation.memorization.get("pixels")
    if memory is not None:
        copies = pluralize(memory.exact_copies, "exact copy", "exact copies")
        meaning = "the distance of held-out real images to their nearest training image"
        cards.append((f"{format_number(memory.ratio)} times", f"{meaning}. {copies}. Far below 1 means copying."))
    if content.discriminator is not None:
        chance = content.discriminator.real_above_generated
        meaning = "chance that the discriminator scores a real image above a generated one; 50% is guessing."
        cards.append((f"{chance:.1%}", meaning))
    if content.transfer is not None:
        meaning = "accuracy on real digits of a classifier trained on these"
        real = f"trained on real ones {content.transfer.real:.2%}"
        cards.append((f"{content.transfer.gan_train:.2%}", f"{meaning}; {real}."))
    return cards


def _summarize_points(figures: Mapping[str, Figure]) -> list[tuple[str, str]]:
    """Modes, quality and distance of points; empty for images."""
    cards = []
    for name, figure in figures.items():
        info, kind = figure_info(name), figure_kind(name)
        if info is None or kind not in {"modes", "quality", "energy"} or figure.ceiling is None or "_" in name:
            continue
        shown = f"{figure.value:.1%}" if info.percent and figure.value is not None else format_number(figure.value)
        floor = f"{figure.floor:.1%}" if info.percent and figure.floor is not None else format_number(figure.floor)
        cards.append((shown, f"{name}: {info.meaning}. Real points have {floor}."))
    return cards


def _summarize_digits(table: DigitTable) -> tuple[str, str]:
    classes = len(table.counts)
    noun = "digits" if classes <= 10 else "classes"
    if table.missing:
        some = ", ".join(map(str, table.missing[:10])) + (" ..." if len(table.missing) > 10 else "")
        return f"{classes - len(table.missing):,} of {classes:,} {noun}", f"Missing: {some}."
    relative = [share / (real or math.inf) for share, real in zip(table.shares, table.real_shares, strict=True)]
    rarest = min(range(classes), key=relative.__getitem__)
    return (
        f"all {classes:,} {noun}",
        f"The rarest, {rarest}, is {relative[rarest]:.0%} as frequent as in real data.",
    )


def _samples(content: ReportContent) -> _Picture:
    if content.plane is not None:
        caption = "The points of the first set, the density of the real ones in blue, and the networks behind them."
        return _image(content.plane, alt="generated points over the density of real points", caption=caption)
    images, labels, names = content.images, content.labels, content.class_names
    first = list(range(min(GRID, len(images))))
    caption = "The first images of the set. They are not selected."
    if labels is None:
        grid = _grid(images, first, columns=GRID_COLUMNS)
    elif len(names) > GRID_COLUMNS:
        grid = _grid(images, first, columns=GRID_COLUMNS, captions=[names[int(labels[k])] for k in first])
    else:
        positions = by_class(labels, columns=len(names), rows=GRID // GRID_COLUMNS)
        grid = _grid(images, positions, columns=len(names), titles=names)
        caption = "The first images of the set, one class per column. They are not selected."
    return _image(grid, alt="generated images", caption=caption)


def _sets(evaluation: Evaluation) -> str:
    if evaluation.fixed_set:
        return f"A fixed set of {evaluation.num_images:,} images"
    sets = "One set" if evaluation.draws == 1 else f"{evaluation.draws} independent sets"
    return f"{sets} of {evaluation.num_images:,} images"


def _other_judges(content: ReportContent) -> dict[str, dict[str, Figure]]:
    """Figures of further judges that differ from those of the main judge."""
    first = content.main.figures
    return {
        other.judge: {name: figure for name, figure in other.figures.items() if first.get(name) != figure}
        for other in content.evaluations[1:]
    }


def _digits(content: ReportContent) -> dict[str, Any]:
    """Values of the template for the section about digits, or about more classes than ten."""
    table = content.main.digits
    empty: dict[str, Any] = {"classes": "", "digits": [], "digits_message": "", "digits_by_class": None}
    if table is None:
        return empty
    if len(table.counts) > GRID_COLUMNS:
        classes = len(table.counts)
        return empty | {"classes": f"{classes - len(table.missing):,} of {classes:,} classes occur."}
    misrecognized, message = _misrecognized(content)
    return empty | {
        "digits": [*_digit_plots(table), *misrecognized],
        "digits_message": message,
        "digits_by_class": _recognized(content),
    }


def _digit_plots(table: DigitTable) -> list[_Picture]:
    labels = [str(digit) for digit in range(len(table.counts))]
    shares = {
        "real images": [100 * share for share in table.real_shares],
        "these images": [100 * share for share in table.shares],
    }
    diversity = {"real images": [1.0] * len(labels), "these images": [value or 0.0 for value in table.diversity]}
    plots = [
        _plot(
            svg.bars(labels, shares, alt="share of each digit, in these images and in real ones", x_label="digit"),
            "Share of each recognized digit in percent. Unequal pairs are digits that occur too rarely or too often.",
        ),
        _plot(
            svg.bars(labels, diversity, alt="diversity within each digit", x_label="digit"),
            "Mean distance between images of one digit, relative to real images: 1 is as diverse as real digits, 0 is "
            "one image repeated.",
        ),
    ]
    if table.confusion is not None:
        alt = "confusion matrix of requested and recognized digits"
        plots.append(
            _plot(
                svg.heat_map(table.confusion, labels, alt=alt, rows="requested", columns="recognized by the judge"),
                "One row per requested digit, one column per recognized digit. The ideal is a diagonal.",
            )
        )
    return plots


def _misrecognized(content: ReportContent) -> tuple[list[_Picture], str]:
    """A picture of the images recognized as another digit than requested, or a message that there are none."""
    if content.recognized is None or content.labels is None:
        return [], ""
    recognized = content.recognized
    labels = content.labels[: len(recognized)]
    wrong = torch.nonzero(recognized != labels).flatten().tolist()
    if not wrong:
        first = pluralize(len(recognized), "image")
        return [], f"The judge recognizes the requested digit in all of the first {first}."
    captions = [f"{int(labels[i])} as {int(recognized[i])}" for i in wrong[:MISREAD]]
    grid = _grid(content.images, wrong[:MISREAD], columns=MISREAD_COLUMNS, captions=captions)
    shown = f"; the first {MISREAD} are shown" if len(wrong) > MISREAD else ""
    caption = (
        f"Requested and recognized digit where they differ: {len(wrong):,} of the first {len(recognized):,}{shown}."
    )
    return [_image(grid, alt="images recognized as another digit", caption=caption)], ""


def _recognized(content: ReportContent) -> _Picture | None:
    """The images sorted by recognized digit, for a set without requested digits."""
    if content.recognized is None or content.labels is not None:
        return None
    positions = by_class(content.recognized, columns=GRID_COLUMNS, rows=8)
    grid = _grid(content.images, positions, columns=GRID_COLUMNS, titles=[str(k) for k in range(GRID_COLUMNS)])
    caption = "The first images that the judge recognizes as each digit. A gap is a digit that does not occur."
    return _image(grid, alt="images sorted by recognized digit", caption=caption)


def _describe_memorization(kind: str, memory: Memorization) -> str:
    p = "< 0.001" if memory.p_value < 1e-3 else f"= {memory.p_value:.2f}"
    warning = " This is suspiciously near: look at the pairs." if memory.ratio < COPY_RATIO else ""
    return (
        f"Over {kind}, the median distance of an image to its nearest training image is {format_number(memory.ratio)} "
        f"times that of held-out real images. In {memory.share:.1%} of pairs the generated image is the more distant "
        f"one (50% where alike; one-sided Mann-Whitney test for nearer ones: p {p}). "
        f"Exact copies: {memory.exact_copies:,}.{warning}"
    )


def _closest(content: ReportContent) -> list[_Picture]:
    pictures = []
    for kind, memory in content.main.memorization.items():
        if kind == "pixels" or not content.pairs_by_digit:  # in features, too, the nearest images are all ones
            grid = closest_pairs(content.images, content.training_images, memory.closest[:PAIRS])
            unit = "; 255 is one pixel turned from black to white" if kind == "pixels" else ""
            caption = f"Above, the images nearest to a training image; below each, that image and the distance{unit}."
            pictures.append(_image(grid, alt="closest pairs", caption=caption))
    if content.pairs_by_digit:
        grid = closest_pairs(content.images, content.training_images, content.pairs_by_digit)
        caption = "The same for each recognized digit, among the first images of the set."
        pictures.append(_image(grid, alt="closest pair of each digit", caption=caption))
    return pictures


def _discriminator_shares(found: DiscriminatorFigures | None) -> dict[str, float | None]:
    names = (
        "training_accuracy",
        "held_out_accuracy",
        "generated_accuracy",
        "real_above_generated",
        "training_above_held_out",
    )
    return {} if found is None else {name: getattr(found, name) for name in names}


def _discriminator_plots(content: ReportContent) -> list[_Picture]:
    found = content.discriminator
    if found is None:
        return []
    order = ("training", "generated", "held-out")  # blue, orange, green
    counts = {name: found.histogram.counts[name] for name in order}
    alt = "histogram of the discriminator's scores for training, held-out and generated images"
    mark = None if content.boundary is None else (content.boundary, "boundary")
    plots = [
        _plot(
            svg.histogram(found.histogram.edges, counts, alt=alt, x_label="score (logit)", mark=mark),
            "Where the distributions of real and generated images overlap, the discriminator cannot tell them apart. "
            "Where training images score above held-out ones, it overfits.",
        )
    ]
    if found.confusion is not None:
        matrix = svg.heat_map(
            found.confusion,
            ("real", "generated"),
            alt="held-out and generated images by the discriminator's decision",
            rows="true",
            columns="scored as",
        )
        plots.append(_plot(matrix, "Held-out real images and generated ones, by the discriminator's decision."))
    return plots


@dataclass(frozen=True, kw_only=True)
class _Panel:
    title: str
    lines: Sequence[tuple[str, str, float]]
    """Key, label in the legend, factor."""
    limits: tuple[float, float] | None = None
    level: tuple[float, str] | None = None


def _panels(rows: Sequence[Mapping[str, Any]]) -> list[_Panel]:
    """The panels of the learning curves, and the distance where it was measured during the training."""
    panels = [
        _Panel(
            title=f"{panel.title} ({panel.unit})" if panel.unit == "%" else panel.title,
            lines=[(line.key, line.label, line.factor) for line in panel.lines],
            limits=panel.limits,
            level=panel.reference,
        )
        for panel in curves.PANELS
    ]
    distances = list(dict.fromkeys(key for row in rows for key in row if key.startswith(DISTANCE_PREFIXES)))
    return [*panels, *(_Panel(title=key.removeprefix(METRIC_PREFIX), lines=[(key, "", 1.0)]) for key in distances)]


def _curve(rows: Sequence[Mapping[str, Any]], panel: _Panel) -> _Picture | None:
    """Plot of a panel's lines; None if no row has a value."""
    drawn: list[svg.Line] = []
    names: list[str] = []
    for key, name, factor in panel.lines:
        points = [(row["epoch"], row[key] * factor) for row in rows if key in row]
        if points:
            drawn += _lines(points, series=len(names))
            names.append(name)
    if not drawn:
        return None
    plot = svg.lines(drawn, names, alt=panel.title, x_label="epochs", limits=panel.limits, level=panel.level)
    return _Picture(markup=Markup(plot), title=panel.title)


def _lines(points: Sequence[tuple[float, float]], *, series: int) -> list[svg.Line]:
    """A series as measured; faint below its moving mean where it is long."""
    y = np.array([value for _, value in points])
    kept = np.unique(np.linspace(0, len(y) - 1, min(len(y), MAX_POINTS)).round().astype(int))
    x = [points[index][0] for index in kept]
    if len(kept) <= curves.FEW_POINTS:
        return [svg.Line(x, y[kept].tolist(), series)]
    smooth = curves.moving_mean(y, width=curves.smoothing_width(len(y)))
    return [svg.Line(x, y[kept].tolist(), series, faint=True), svg.Line(x, smooth[kept].tolist(), series)]


def by_class(classes: Int[Tensor, "n"], *, columns: int, rows: int) -> list[int | None]:
    """Positions for a grid with one column for each of the first classes, row by row; None for an empty cell."""
    by_column = [torch.nonzero(classes == k).flatten()[:rows].tolist() for k in range(columns)]
    height = max(1, *map(len, by_column))
    return [column[row] if row < len(column) else None for row in range(height) for column in by_column]


def closest_pairs(
    generated: UInt8[Tensor, "n c h w"],
    training: UInt8[Tensor, "m c h w"],
    pairs: Sequence[ClosestPair],
) -> Image.Image:
    """Each generated image above its nearest training image, with the distance below."""
    rows = [torch.cat([generated[pair.generated], training[pair.training]], dim=1) for pair in pairs]  # [C, 2H, W]
    captions = [format_number(pair.distance) for pair in pairs]
    return draw_grid(torch.stack(rows), columns=PAIR_COLUMNS, scale=3, captions=captions)


def _grid(
    images: UInt8[Tensor, "n c h w"],
    positions: Sequence[int | None],
    *,
    columns: int,
    titles: Sequence[str] | None = None,
    captions: Sequence[str] | None = None,
) -> Image.Image:
    """Grid of the images at `positions`; None is a black cell."""
    blank = torch.zeros_like(images[0])
    chosen = torch.stack([blank if position is None else images[position] for position in positions])
    return draw_grid(chosen, columns=columns, scale=2, column_titles=titles, captions=captions)


def _image(picture: Image.Image, *, alt: str, caption: str) -> _Picture:
    data = base64.b64encode(encode_png(picture)).decode()
    tag = Markup('<img src="data:image/png;base64,{}" width="{}" height="{}" alt="{}">')
    return _Picture(markup=tag.format(data, picture.width, picture.height, alt), caption=caption)


def _plot(plot: str, caption: str) -> _Picture:
    return _Picture(markup=Markup(plot), caption=caption)


def _sentence(text: str) -> str:
    """The text with a capital and a full stop."""
    capitalized = text[:1].upper() + text[1:]
    return capitalized if capitalized.endswith((".", "!", "?")) else f"{capitalized}."
