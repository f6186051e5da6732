"""report.html: an evaluation as one page that carries everything in it and can be mailed.

Pictures are data URIs, plots inline SVG, the style is in the page; there is no script and no address, and the page's
own policy forbids a browser to fetch anything. It follows the reader's light or dark, fits a phone, and prints.
"""

from __future__ import annotations

import base64
import dataclasses
import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Int, UInt8
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
from mnist_gan.figures import (
    DISTANCE_PREFIX,
    FIGURES,
    METRIC_PREFIX,
    Direction,
    figure_info,
    figure_kind,
    format_number,
)

REPORT_MARK: Final = '<meta name="generator" content="mnist-gan evaluate">'
"""Is in every report, and tells one from a page that somebody wrote."""
POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
GRID: Final = 100
GRID_COLUMNS: Final = 10
MISREAD: Final = 25
MISREAD_COLUMNS: Final = 5
PAIRS: Final = 10
PAIR_COLUMNS: Final = 5
MAX_POINTS: Final = 240
"""Points of a curve on the page: more are thinned out, evenly."""
COPY_RATIO: Final = 0.5
"""Median distance over that of held-out images, below which the page says that images are suspiciously near."""

DIRECTIONS: Final[dict[Direction, str]] = {
    "lower": "Lower is better.",
    "higher": "Higher is better.",
    "like real": "Best where real images are.",
    "neither": "",
}


@dataclass(frozen=True, kw_only=True)
class ReportContent:
    """Everything that stands on the page."""

    title: str
    description: str
    """What was judged, in one sentence."""
    facts: Mapping[str, str]
    """How the page was made: name -> value."""
    config: str
    """The recipe as TOML; empty for images that were brought."""
    evaluations: Sequence[Evaluation]
    """One a judge, the first one first."""
    images: UInt8[Tensor, "n c h w"]
    """The set that was judged."""
    asked: Int[Tensor, "n"] | None
    """The digit asked for in each of them."""
    read: Int[Tensor, "k"] | None
    """What the first judge reads in the first k of them; None where that means nothing."""
    training_images: UInt8[Tensor, "m c h w"]
    pairs_by_digit: Sequence[ClosestPair]
    """For each digit that the first judge reads in the first k images, the image nearest to a training image."""
    discriminator: DiscriminatorFigures | None
    boundary: float | None
    """The discriminator's score above which an image counts as real."""
    transfer: Transfer | None
    notes: Sequence[str]
    rows: Sequence[Mapping[str, Any]] = ()
    """Of metrics.jsonl, where the model has a run."""
    diagnosis: str = ""
    """How the training went, in plain words."""

    @property
    def main(self) -> Evaluation:
        """What the first judge found."""
        return self.evaluations[0]


def render_report(content: ReportContent) -> str:
    """The page as HTML."""
    sections = (
        _head(content),
        _samples(content),
        _figures(content),
        _digits(content),
        _memorization(content),
        _discriminator(content),
        _transfer(content),
        _training(content),
        _making(content),
    )
    style = resources.files("mnist_gan.assessment").joinpath("report.css").read_text()
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"{REPORT_MARK}\n<title>{_text(content.title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(filter(None, sections))
        + "\n</main>\n</body>\n</html>\n"
    )


def _head(content: ReportContent) -> str:
    notes = "".join(f'<p class="note">{_sentence(note)}</p>' for note in content.notes)
    cards = "".join(f"<li><b>{_text(big)}</b><span>{_text(small)}</span></li>" for big, small in _in_short(content))
    return (
        f"<h1>{_text(content.title)}</h1>\n"
        f'<p class="lead">{_sentence(content.description)}</p>\n{notes}\n<ul class="short">{cards}</ul>'
    )


def _in_short(content: ReportContent) -> list[tuple[str, str]]:
    """The figures to know first: each with one sentence."""
    evaluation = content.main
    cards = []
    distance = _first(evaluation, "fd")
    if distance is not None:
        name, figure = distance
        beside = f"held-out real images have {format_number(figure.floor)}, noise {format_number(figure.ceiling)}"
        cards.append(
            (format_number(figure.value), f"{name}, the Frechet distance to real images: {beside}. Lower is better.")
        )
    if evaluation.digits is not None:
        cards.append(_digits_in_short(evaluation.digits))
        if evaluation.digits.overall_agreement is not None:
            share = evaluation.digits.overall_agreement
            cards.append((f"{share:.1%} as asked", "images that the judge reads as the digit that was asked for."))
    memory = evaluation.memorization.get("pixels")
    if memory is not None:
        copies = f"{memory.exact_copies:,} exact copies. " if memory.exact_copies else "No exact copies. "
        said = "as far from their nearest training image as held-out real images are"
        cards.append((f"{format_number(memory.ratio)} times", f"{said}. {copies}Far below 1 means copying."))
    if content.discriminator is not None:
        chance = content.discriminator.real_above_generated
        cards.append(
            (
                f"{chance:.1%}",
                "chance that the discriminator scores a real image above a generated one; 50% is a draw.",
            )
        )
    if content.transfer is not None:
        real = f"real ones teach it {content.transfer.real:.2%}"
        cards.append((f"{content.transfer.gan_train:.2%}", f"on real digits, by a classifier taught by these; {real}."))
    return cards


def _digits_in_short(table: DigitTable) -> tuple[str, str]:
    classes = len(table.counts)
    what = "digits" if classes <= 10 else "classes"
    if table.missing:
        some = ", ".join(map(str, table.missing[:10])) + (" ..." if len(table.missing) > 10 else "")
        return f"{classes - len(table.missing):,} of {classes:,} {what}", f"Missing: {some}."
    rarest = min(range(classes), key=lambda k: table.shares[k] / (table.real_shares[k] or math.inf))
    share = table.shares[rarest] / (table.real_shares[rarest] or math.inf)
    return f"all {classes:,} {what}", f"The rarest, {rarest}, comes {share:.0%} as often as in the real data."


def _samples(content: ReportContent) -> str:
    images, asked = content.images, content.asked
    if asked is not None and int(asked.max()) < GRID_COLUMNS:
        positions = by_class(asked, columns=GRID_COLUMNS, rows=GRID // GRID_COLUMNS)
        picture = _grid(images, positions, columns=GRID_COLUMNS, titles=[str(k) for k in range(GRID_COLUMNS)])
        said = "The first images of the set; each column asks for one digit. None was chosen by its looks."
    else:
        positions = list(range(min(GRID, len(images))))
        picture = _grid(images, positions, columns=GRID_COLUMNS)
        said = "The first images of the set. None was chosen by its looks."
    return _section("Samples", _image(picture, alt="generated images", caption=said))


def _figures(content: ReportContent) -> str:
    first = content.main
    intro = (
        f"{_sets(first)}, looked at by {_text(first.judge)}, a digit classifier that judges and trains nobody. "
        "<em>Real</em> is the same figure of held-out real images, as good as it gets; <em>noise</em> that of uniform "
        "noise. The dot shows where the value lies between the two."
    )
    tables = [_table(first)]
    for other in content.evaluations[1:]:
        differing = {name: figure for name, figure in other.figures.items() if first.figures.get(name) != figure}
        tables.append(
            f"<details open><summary>The second judge, {_text(other.judge)}: another network, trained from another "
            f"seed</summary>{_table(other, differing)}</details>"
        )
    return _section("Figures", f"<p>{intro}</p>{''.join(tables)}")


def _sets(evaluation: Evaluation) -> str:
    if evaluation.fixed_set:
        return f"A finished set of {evaluation.num_images:,} images"
    sets = "one set" if evaluation.draws == 1 else f"{evaluation.draws} independent sets"
    return f"{sets} of {evaluation.num_images:,} images".capitalize()


def _table(evaluation: Evaluation, figures: Mapping[str, Figure] | None = None) -> str:
    figures = evaluation.figures if figures is None else figures
    rows = "".join(_row(name, figure) for name, figure in figures.items())
    head = '<th>figure</th><th>value</th><th>real</th><th>noise</th><th class="where">real to noise</th>'
    return f'<table class="figures"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _row(name: str, figure: Figure) -> str:
    interval = ""
    if figure.interval is not None:
        low, high = map(format_number, figure.interval)
        interval = f'<span class="interval">{low} to {high}</span>'
    info = figure_info(name)
    where = svg.scale(figure.value, floor=figure.floor, ceiling=figure.ceiling)
    said = f'{_sentence(figure.meaning)} <span class="whole">{DIRECTIONS[figure.better]}</span>'
    return (
        f"<tr><td>{_text(name if info is None else info.title)} <code>{_text(name)}</code>"
        f'<span class="meaning">{said}</span></td>'
        f'<td data-label="value">{format_number(figure.value)}{interval}</td>'
        f'<td data-label="real">{format_number(figure.floor)}</td>'
        f'<td data-label="noise">{format_number(figure.ceiling)}</td>'
        f'<td class="where">{where}</td></tr>'
    )


def _digits(content: ReportContent) -> str:
    table = content.main.digits
    if table is None:
        return ""
    if len(table.counts) > GRID_COLUMNS:
        known = len(table.counts) - len(table.missing)
        return _section("Classes", f"<p>{known:,} of {len(table.counts):,} classes come.</p>")
    labels = [str(digit) for digit in range(len(table.counts))]
    shares = {
        "real images": [100 * share for share in table.real_shares],
        "these images": [100 * share for share in table.shares],
    }
    plots = [
        _figure(
            svg.bars(labels, shares, says="share of each digit, in these images and in real ones", x_label="digit"),
            "Percent of the images that the judge reads as each digit: unequal pairs are digits that come too rarely "
            "or too often.",
        ),
        _figure(
            svg.bars(
                labels,
                {"real images": [1.0] * len(labels), "these images": [value or 0.0 for value in table.diversity]},
                says="diversity within each digit",
                x_label="digit",
            ),
            "How far apart images of one digit are, over the same of real images: 1 is as varied as real digits, 0 one "
            "image again and again.",
        ),
    ]
    if table.confusion is not None:
        says = "confusion matrix of digits asked for and digits read"
        plots.append(
            _figure(
                svg.heat_map(table.confusion, labels, says=says, rows="asked for", columns="read by the judge"),
                "Each row is a digit that was asked for, each column one that was read: best is all on the diagonal.",
            )
        )
    beside, below = _per_digit(content)
    return _section("Digits", f'<div class="pair">{"".join(plots)}{beside}</div>{below}')


def _per_digit(content: ReportContent) -> tuple[str, str]:
    """A picture for a place beside the plots, and one for below them; either may be empty.

    Beside: what the judge takes for something else than was asked. Below, where nothing was asked: images sorted by its
    reading.
    """
    read = content.read
    if read is None:
        return "", ""
    if content.asked is None:
        positions = by_class(read, columns=GRID_COLUMNS, rows=8)
        titles = [str(digit) for digit in range(GRID_COLUMNS)]
        picture = _grid(content.images, positions, columns=GRID_COLUMNS, titles=titles)
        said = "The first images that the judge reads as each digit; a gap is a digit that did not come."
        return "", f"<h3>Digit by digit</h3>{_image(picture, alt='images sorted by the digit read', caption=said)}"
    asked = content.asked[: len(read)]
    wrong = torch.nonzero(read != asked).flatten().tolist()
    if not wrong:
        return "", f"<p>The judge reads all of the first {len(read):,} images as the digits that were asked for.</p>"
    captions = [f"{int(asked[i])} as {int(read[i])}" for i in wrong[:MISREAD]]
    picture = _grid(content.images, wrong[:MISREAD], columns=MISREAD_COLUMNS, captions=captions)
    shown = f"; shown are {MISREAD}" if len(wrong) > MISREAD else ""
    said = f"The digit asked for, and what the judge reads instead: {len(wrong):,} of the first {len(read):,}{shown}."
    return _image(picture, alt="images that were read as another digit", caption=said), ""


def _memorization(content: ReportContent) -> str:
    found = content.main.memorization
    if not found:
        return ""
    sentences = "".join(f"<p>{_text(_describe_memorization(kind, memory))}</p>" for kind, memory in found.items())
    pictures = []
    for kind, memory in found.items():
        if kind == "pixels" or not content.pairs_by_digit:  # over features, too, all the nearest are ones
            picture = closest_pairs(content.images, content.training_images, memory.closest[:PAIRS])
            unit = "; 255 is one pixel turned from black to white" if kind == "pixels" else ""
            said = f"Above: the images nearest to a training image. Below each: that image, and the distance{unit}."
            pictures.append(_image(picture, alt="closest pairs", caption=said))
    if content.pairs_by_digit:
        picture = closest_pairs(content.images, content.training_images, content.pairs_by_digit)
        said = "The same for each digit that the judge reads, among the first images of the set."
        pictures.append(_image(picture, alt="closest pair of each digit", caption=said))
    intro = (
        "<p>Does the model hand out training images? Held-out real images say how near an honest digit lies. Smooth or "
        "typical images lie nearer without being copies: a value a little below 1 convicts nobody.</p>"
    )
    return _section("Memorization", f'{intro}{sentences}<div class="pair">{"".join(pictures)}</div>')


def _describe_memorization(kind: str, memory: Memorization) -> str:
    p = "< 0.001" if memory.p_value < 1e-3 else f"= {memory.p_value:.2f}"
    suspicion = " This is suspiciously near: look at the pairs." if memory.ratio < COPY_RATIO else ""
    return (
        f"Over {kind}, the median image lies {format_number(memory.ratio)} times as far from its nearest training "
        f"image as a held-out real image does. In {memory.share:.1%} of pairs the generated image is the farther one "
        f"(50% where alike; one-sided Mann-Whitney test for nearer ones: p {p}). "
        f"Exact copies: {memory.exact_copies:,}.{suspicion}"
    )


def _discriminator(content: ReportContent) -> str:
    found = content.discriminator
    if found is None:
        return ""
    counts = {
        name: found.histogram.counts[name] for name in ("training", "generated", "held-out")
    }  # blue, orange, green
    says = "histogram of the discriminator's scores for training, held-out and generated images"
    mark = None if content.boundary is None else (content.boundary, "boundary")
    plots = [
        _figure(
            svg.histogram(found.histogram.edges, counts, says=says, x_label="score (logit)", mark=mark),
            "Where real and generated images lie on one heap, the discriminator can't tell them apart; where training "
            "images lie to the right of held-out ones, it knows them by heart.",
        )
    ]
    if found.confusion is not None:
        labels = ("real", "generated")
        matrix = svg.heat_map(
            found.confusion,
            labels,
            says="held-out and generated images by verdict",
            rows="in truth",
            columns="scored as",
        )
        plots.append(
            _figure(matrix, "Held-out real images and generated ones, by what the discriminator takes them for.")
        )
    names = (
        "training_accuracy",
        "held_out_accuracy",
        "generated_accuracy",
        "real_above_generated",
        "training_above_held_out",
    )
    return _section(
        "Discriminator",
        f'{_shares({name: getattr(found, name) for name in names})}<div class="pair">{"".join(plots)}</div>',
    )


def _transfer(content: ReportContent) -> str:
    found = content.transfer
    if found is None:
        return ""
    intro = "<p>The accuracy of one kind of classifier, trained in one way, on the digits of one side or the other.</p>"
    return _section("What the digits teach", intro + _shares(dataclasses.asdict(found)))


def _training(content: ReportContent) -> str:
    plots = [plot for plot in (_curve(content.rows, panel) for panel in _panels(content.rows)) if plot]
    if not plots:
        return ""
    diagnosis = f'<p class="note">{_sentence(content.diagnosis)}</p>' if content.diagnosis else ""
    return _section("Training", f'{diagnosis}<div class="pair">{"".join(plots)}</div>')


@dataclass(frozen=True, kw_only=True)
class _Panel:
    title: str
    lines: Sequence[tuple[str, str, float]]
    """Key, name in the legend, factor."""
    limits: tuple[float, float] | None = None
    level: tuple[float, str] | None = None


def _panels(rows: Sequence[Mapping[str, Any]]) -> list[_Panel]:
    """What training curves show, and the distance where it was measured on the way."""
    panels = [
        _Panel(
            title=f"{panel.title} ({panel.unit})" if panel.unit == "%" else panel.title,
            lines=[(line.key, line.label, line.factor) for line in panel.lines],
            limits=panel.limits,
            level=panel.reference,
        )
        for panel in curves.PANELS
    ]
    distances = list(dict.fromkeys(key for row in rows for key in row if key.startswith(DISTANCE_PREFIX)))
    panels += [_Panel(title=key.removeprefix(METRIC_PREFIX), lines=[(key, "", 1.0)]) for key in distances]
    return panels


def _curve(rows: Sequence[Mapping[str, Any]], panel: _Panel) -> str:
    drawn: list[svg.Line] = []
    names: list[str] = []
    for key, name, factor in panel.lines:
        points = [(row["epoch"], row[key] * factor) for row in rows if key in row]
        if not points:
            continue
        y = np.array([value for _, value in points])
        smooth = curves.moving_mean(y, width=curves.smoothing_width(len(y)))
        kept = np.unique(np.linspace(0, len(y) - 1, min(len(y), MAX_POINTS)).round().astype(int))
        x = [points[index][0] for index in kept]
        if len(kept) > curves.FEW_POINTS:
            drawn.append(svg.Line(x, y[kept].tolist(), len(names), faint=True))
            drawn.append(svg.Line(x, smooth[kept].tolist(), len(names)))
        else:
            drawn.append(svg.Line(x, y[kept].tolist(), len(names)))
        names.append(name)
    if not drawn:
        return ""
    plot = svg.lines(drawn, names, says=panel.title, x_label="epochs", limits=panel.limits, level=panel.level)
    return f"<figure><h3>{_text(panel.title)}</h3>{plot}</figure>"


def _making(content: ReportContent) -> str:
    facts = "".join(f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in content.facts.items())
    config = (
        f"<details><summary>The recipe</summary><pre>{_text(content.config)}</pre></details>" if content.config else ""
    )
    return _section("How this was made", f"<dl>{facts}</dl>{config}")


def by_class(classes: Int[Tensor, "n"], *, columns: int, rows: int) -> list[int | None]:
    """Positions for a grid with a column for each of the first classes, row by row; None where a class has run out."""
    found = [torch.nonzero(classes == k).flatten()[:rows].tolist() for k in range(columns)]
    most = max((len(column) for column in found), default=0)
    return [column[row] if row < len(column) else None for row in range(max(1, most)) for column in found]


def closest_pairs(
    generated: UInt8[Tensor, "n c h w"],
    training: UInt8[Tensor, "m c h w"],
    pairs: Sequence[ClosestPair],
) -> Image.Image:
    """Each generated image over the training image nearest to it, with their distance below."""
    rows = [torch.cat([generated[pair.generated], training[pair.training]], dim=1) for pair in pairs]  # [C, 2H, W]
    captions = [format_number(pair.distance) for pair in pairs]
    return draw_grid(torch.stack(rows), columns=PAIR_COLUMNS, scale=3, captions=captions)


def _first(evaluation: Evaluation, kind: str) -> tuple[str, Figure] | None:
    return next(((name, figure) for name, figure in evaluation.figures.items() if figure_kind(name) == kind), None)


def _grid(
    images: UInt8[Tensor, "n c h w"],
    positions: Sequence[int | None],
    *,
    columns: int,
    titles: Sequence[str] | None = None,
    captions: Sequence[str] | None = None,
) -> Image.Image:
    """Some of the images as a grid; a position of None is left black."""
    blank = torch.zeros_like(images[0])
    chosen = torch.stack([blank if position is None else images[position] for position in positions])
    return draw_grid(chosen, columns=columns, scale=2, column_titles=titles, captions=captions)


def _shares(values: Mapping[str, float | None]) -> str:
    """A table of shares with their meanings; None is left out."""
    cells = "".join(
        f'<tr><td>{FIGURES[name].title}<span class="meaning">{_sentence(FIGURES[name].meaning)}</span></td>'
        f"<td>{value:.1%}</td></tr>"
        for name, value in values.items()
        if value is not None
    )
    return f"<table><tbody>{cells}</tbody></table>"


def _image(picture: Image.Image, *, alt: str, caption: str) -> str:
    data = base64.b64encode(encode_png(picture)).decode()
    size = f'width="{picture.width}" height="{picture.height}"'
    tag = f'<img src="data:image/png;base64,{data}" {size} alt="{_text(alt)}">'
    return f"<figure>{tag}<figcaption>{_text(caption)}</figcaption></figure>"


def _figure(plot: str, caption: str) -> str:
    return f"<figure>{plot}<figcaption>{_text(caption)}</figcaption></figure>"


def _section(title: str, body: str) -> str:
    return f"<section>\n<h2>{_text(title)}</h2>\n{body}\n</section>"


def _sentence(text: str) -> str:
    """Escaped, with a capital and a full stop."""
    begun = text[:1].upper() + text[1:]
    return _text(begun if begun.endswith((".", "!", "?")) else f"{begun}.")


def _text(text: str) -> str:
    return html.escape(text, quote=True)
