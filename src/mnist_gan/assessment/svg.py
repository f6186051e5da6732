"""Small plots as inline SVG for a self-contained page.

Elements have classes instead of colours, so that the page's style sets them for light, dark and print. A plot is
`WIDTH` units wide, about the width of a phone. Every plot has a text alternative.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

WIDTH: Final = 360
HEIGHT: Final = 200
LEFT: Final = 44
RIGHT: Final = 8
TOP: Final = 10
BOTTOM: Final = 34
TICKS: Final = 4
ROW: Final = 30
"""Height of a row of a forest plot."""
SERIES: Final = 4
"""Number of series with distinct colours: the classes s0 to s3."""


class Line(NamedTuple):
    """A polyline."""

    x: Sequence[float]
    y: Sequence[float]
    series: int
    """Index of its colour and legend entry."""
    faint: bool = False


class Ribbon(NamedTuple):
    """A band between two curves."""

    x: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    series: int
    """Index of its colour."""


class Frame(NamedTuple):
    """Range of the data that a plot shows, mapped to its coordinates."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float
    height: int = HEIGHT

    def x(self, value: float) -> float:
        """Horizontal coordinate of a value."""
        return LEFT + (value - self.x_low) / ((self.x_high - self.x_low) or 1) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Vertical coordinate of a value, from the top."""
        share = (value - self.y_low) / ((self.y_high - self.y_low) or 1)
        return self.height - BOTTOM - share * (self.height - TOP - BOTTOM)


def bars(labels: Sequence[str], series: Mapping[str, Sequence[float]], *, alt: str, x_label: str = "") -> str:
    """Bar chart: one group per label, one bar per series, with a legend.

    Args:
        labels: one per group.
        series: name -> one height per group, at least 0.
        alt: text alternative.
        x_label: label of the horizontal axis.
    """
    top = max((value for values in series.values() for value in values), default=0.0) or 1.0
    frame = Frame(0, len(labels), 0, top * 1.05)
    width = (frame.x(1) - frame.x(0)) * 0.8 / len(series)
    parts = [_y_axis(frame)]
    for position, (name, values) in enumerate(series.items()):
        for group, value in enumerate(values):
            x = frame.x(group + 0.1) + position * width
            shape = f'<rect class="s{position % SERIES} fill" x="{_n(x)}" y="{_n(frame.y(value))}" width="{_n(width)}"'
            title = f"<title>{_text(f'{labels[group]}, {name}: {value:.3g}')}</title>"
            parts.append(f'{shape} height="{_n(frame.y(0) - frame.y(value))}">{title}</rect>')
    for group, label in enumerate(labels):
        parts.append(_label(label, x=frame.x(group + 0.5), y=frame.height - BOTTOM + 13, anchor="middle"))
    return _plot(frame, [*parts, _x_label(frame, x_label)], alt=alt) + legend(list(series))


def histogram(
    edges: Sequence[float],
    counts: Mapping[str, Sequence[int]],
    *,
    alt: str,
    x_label: str = "",
    mark: tuple[float, str] | None = None,
) -> str:
    """Histograms over the same bins, each normalized to its own total, with a legend.

    Args:
        edges: increasing, one more than bins.
        counts: name -> one count per bin.
        alt: text alternative.
        x_label: label of the horizontal axis.
        mark: position and label of a vertical line.
    """
    shares = {name: [count / (sum(values) or 1) for count in values] for name, values in counts.items()}
    top = max((share for values in shares.values() for share in values), default=0.0) or 1.0
    frame = Frame(edges[0], edges[-1], 0, top * 1.05)
    parts = [_y_axis(frame, percent=True), _x_axis(frame)]
    for position, values in enumerate(shares.values()):
        steps = [(edge, share) for share, *ends in zip(values, edges, edges[1:], strict=False) for edge in ends]
        points = [(edges[0], 0.0), *steps, (edges[-1], 0.0)]
        path = " ".join(f"{_n(frame.x(x))},{_n(frame.y(y))}" for x, y in points)
        parts.append(f'<polygon class="s{position % SERIES} veil" points="{path}"/>')
    if mark is not None and frame.x_low < mark[0] < frame.x_high:
        x = _n(frame.x(mark[0]))
        parts.append(f'<line class="mark" x1="{x}" x2="{x}" y1="{TOP}" y2="{frame.height - BOTTOM}"/>')
        parts.append(_label(mark[1], x=frame.x(mark[0]) + 3, y=TOP + 8, anchor="start"))
    return _plot(frame, [*parts, _x_label(frame, x_label)], alt=alt) + legend(list(counts))


def lines(
    drawn: Sequence[Line],
    names: Sequence[str],
    *,
    alt: str,
    x_label: str = "",
    limits: tuple[float, float] | None = None,
    level: tuple[float, str] | None = None,
    ribbons: Sequence[Ribbon] = (),
    log: bool = False,
) -> str:
    """Line plot over an x axis from 0, with a legend. Outliers are clipped.

    Args:
        drawn: polylines with at least one point in all.
        names: legend entries, by series.
        alt: text alternative.
        x_label: label of the horizontal axis.
        limits: of the y axis; None fits them to the values.
        level: position and label of a horizontal line.
        ribbons: bands below the lines.
        log: logarithmic y axis; all values are positive.
    """
    if log:
        drawn = [line._replace(y=[math.log10(y) for y in line.y]) for line in drawn]
        ribbons = [each._replace(low=_log10(each.low), high=_log10(each.high)) for each in ribbons]
        level = level and (math.log10(level[0]), level[1])
    low, high = limits or _fitting([y for line in drawn for y in line.y] + ([level[0]] if level else []))
    frame = Frame(0, max(x for line in drawn for x in line.x) or 1, low, high)
    inside = [_ribbon(frame, each) for each in ribbons]
    for line in drawn:
        path = " ".join(f"{_n(frame.x(x))},{_n(frame.y(y))}" for x, y in zip(line.x, line.y, strict=True))
        inside.append(
            f'<polyline class="s{line.series % SERIES} {"faint" if line.faint else "strong"}" points="{path}"/>'
        )
    if level is not None:
        y = _n(frame.y(level[0]))
        inside.append(f'<line class="mark" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        inside.append(_label(level[1], x=WIDTH - RIGHT - 3, y=frame.y(level[0]) + 11, anchor="end"))
    box = f'x="{LEFT}" y="{TOP}" width="{WIDTH - LEFT - RIGHT}" height="{frame.height - TOP - BOTTOM}"'
    view = f"{LEFT} {TOP} {WIDTH - LEFT - RIGHT} {frame.height - TOP - BOTTOM}"
    clipped = f'<svg {box} viewBox="{view}">{"".join(inside)}</svg>'  # a nested svg clips its content
    parts = [_log_y_axis(frame) if log else _y_axis(frame), _x_axis(frame), clipped, _x_label(frame, x_label)]
    return _plot(frame, parts, alt=alt) + (legend(names) if any(names) else "")


def forest(
    rows: Sequence[tuple[str, float, float, float]],
    *,
    alt: str,
    x_label: str = "",
    level: float | None = None,
    baseline: str | None = None,
) -> str:
    """Point and interval of each row on one axis.

    Args:
        rows: name, low, value and high; a row with a value that is not finite has its name alone.
        alt: text alternative.
        x_label: label of the axis.
        level: position of a vertical line.
        baseline: name of a row in another colour.
    """
    finite = [end for _, *ends in rows for end in ends if math.isfinite(end)] + ([] if level is None else [level])
    frame = Frame(*_fitting(finite or [0.0]), 0, len(rows), TOP + ROW * len(rows) + BOTTOM)
    left, right = frame.x(frame.x_low), frame.x(frame.x_high)
    parts = [_x_axis(frame)]
    if level is not None:
        x = _n(frame.x(level))
        parts.append(f'<line class="mark" x1="{x}" x2="{x}" y1="{TOP}" y2="{frame.height - BOTTOM}"/>')
    for row, (name, low, value, high) in enumerate(rows):
        y = TOP + ROW * (row + 0.75)
        parts.append(_label(name if math.isfinite(value) else f"{name}: failed", x=LEFT, y=y - 7, anchor="start"))
        if math.isfinite(value):
            ends = (
                max(left, min(right, frame.x(end))) if math.isfinite(end) else (left, right)[end > 0]
                for end in (low, high)
            )
            x1, x2 = map(_n, ends)
            css = "s0" if name == baseline else "s1"
            parts.append(f'<line class="{css} strong" x1="{x1}" x2="{x2}" y1="{_n(y)}" y2="{_n(y)}"/>')
            parts.append(f'<circle class="{css} fill" cx="{_n(frame.x(value))}" cy="{_n(y)}" r="3.5"/>')
    return _plot(frame, [*parts, _x_label(frame, x_label)], alt=alt)


def heat_map(matrix: Sequence[Sequence[int]], labels: Sequence[str], *, alt: str, rows: str, columns: str) -> str:
    """Confusion matrix of counts. The shade of a cell is its share of its row.

    Args:
        matrix: counts, row by row; square.
        labels: of rows and columns.
        alt: text alternative.
        rows: label of the vertical axis.
        columns: label of the horizontal axis.
    """
    n = len(matrix)
    left = max(LEFT, 24 + 5 * max(map(len, labels)))
    cell = (WIDTH - left - RIGHT) / n
    deep = min(cell, 44.0)
    height = round(deep * n) + BOTTOM + TOP
    parts = []
    for row, counts in enumerate(matrix):
        for column, count in enumerate(counts):
            share = count / (sum(counts) or 1)
            x, y = left + column * cell, TOP + row * deep
            title = f"<title>{_text(f'{labels[row]} as {labels[column]}: {count:,} ({share:.1%})')}</title>"
            place = f'x="{_n(x)}" y="{_n(y)}" width="{_n(cell - 1)}" height="{_n(deep - 1)}"'
            parts.append(f'<rect class="cell" {place} fill-opacity="{_opacity(share):.2f}">{title}</rect>')
            if count:
                on = "on-dark" if _opacity(share) > 0.5 else ""
                parts.append(_label(f"{count:,}", x=x + cell / 2, y=y + deep / 2 + 3, anchor="middle", css=on))
    for index, label in enumerate(labels):
        parts.append(_label(label, x=left - 4, y=TOP + (index + 0.5) * deep + 3, anchor="end"))
        parts.append(_label(label, x=left + (index + 0.5) * cell, y=height - BOTTOM + 11, anchor="middle"))
    frame = Frame(0, n, 0, n, height)
    turned = f'<text class="axis" text-anchor="middle" transform="translate(9 {_n(TOP + n * deep / 2)}) rotate(-90)">'
    parts.append(f"{turned}{_text(rows)}</text>")
    return _plot(frame, [*parts, _label(columns, x=(left + WIDTH - RIGHT) / 2, y=height - 6, anchor="middle")], alt=alt)


def scale(value: float | None, *, floor: float | None, ceiling: float | None) -> str:
    """Position of a value between real images (left) and noise (right); empty if an end is missing.

    Logarithmic if noise is more than twenty times real images.
    """
    if value is None or floor is None or ceiling is None or not all(map(math.isfinite, (value, floor, ceiling))):
        return ""
    if floor == ceiling:
        return ""
    if floor > 0 and ceiling > 20 * floor:
        value, floor, ceiling = math.log(max(value, floor)), math.log(floor), math.log(ceiling)
    share = min(1.0, max(0.0, (value - floor) / (ceiling - floor)))
    alt = f"{share:.0%} of the way from real images to noise"
    dot = f'<circle class="s1 fill" cx="{4 + 92 * share:.1f}" cy="6" r="4"/>'
    return (
        f'<svg class="scale" viewBox="0 0 100 12" role="img" aria-label="{alt}"><title>{alt}</title>'
        f'<line class="rule" x1="4" x2="96" y1="6" y2="6"/>{dot}</svg>'
    )


def legend(names: Sequence[str]) -> str:
    """Legend of the series' colours."""
    items = [f'<span><i class="s{index % SERIES}"></i>{_text(name)}</span>' for index, name in enumerate(names)]
    return f'<div class="legend">{"".join(items)}</div>'


def ticks(low: float, high: float, *, count: int = TICKS) -> list[float]:
    """About `count` round numbers within a range."""
    if not high > low:
        return [low]
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(step * power for step in (1, 2, 5, 10) if step * power >= raw)
    first = math.ceil(low / step - 1e-9)
    return [index * step for index in range(first, math.floor(high / step + 1e-9) + 1)]


def _fitting(values: Sequence[float]) -> tuple[float, float]:
    """Limits that contain all values, or the middle 98 % of them if outliers would flatten the plot."""
    ordered = sorted(values)
    low, high = ordered[0], ordered[-1]
    inner_low, inner_high = ordered[len(ordered) // 100], ordered[-1 - len(ordered) // 100]
    if high - low > 3 * (inner_high - inner_low) > 0:
        low, high = inner_low, inner_high
    margin = 0.06 * (high - low) or abs(high) * 0.1 or 1.0
    return low - margin, high + margin


def _opacity(share: float) -> float:
    """Opacity of a cell: visible from one hundredth on, 0 for an empty cell."""
    return 0.0 if share == 0 else 0.08 + 0.87 * math.sqrt(share)


def _plot(frame: Frame, parts: Sequence[str], *, alt: str) -> str:
    head = f'<svg class="plot" viewBox="0 0 {WIDTH} {frame.height}" role="img" aria-label="{_text(alt)}">'
    return head + "".join(parts) + "</svg>"


def _y_axis(frame: Frame, *, percent: bool = False) -> str:
    parts = []
    for value in ticks(frame.y_low, frame.y_high):
        y = _n(frame.y(value))
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        shown = f"{100 * value:.3g}%" if percent else f"{value:.4g}"
        parts.append(_label(shown, x=LEFT - 4, y=frame.y(value) + 3, anchor="end"))
    return "".join(parts)


def _log_y_axis(frame: Frame) -> str:
    """Axis of common logarithms, labelled with the numbers themselves."""
    decades = range(math.floor(frame.y_low), math.ceil(frame.y_high) + 1)
    steps = (1, 2, 5) if frame.y_high - frame.y_low < 2.5 else (1,)
    shown = [(math.log10(step) + decade, step * 10.0**decade) for decade in decades for step in steps]
    inside = [each for each in shown if frame.y_low <= each[0] <= frame.y_high]
    if len(inside) < 2:
        inside = [(value, 10**value) for value in ticks(frame.y_low, frame.y_high)]
    parts = []
    for value, text in inside:
        y = _n(frame.y(value))
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(_label(f"{text:.3g}", x=LEFT - 4, y=frame.y(value) + 3, anchor="end"))
    return "".join(parts)


def _ribbon(frame: Frame, ribbon: Ribbon) -> str:
    """Polygon of a band; infinite ends lie outside the frame."""
    far = 10 * (frame.y_high - frame.y_low)
    edges = [*zip(ribbon.x, ribbon.high, strict=True), *reversed([*zip(ribbon.x, ribbon.low, strict=True)])]
    points = ((x, max(frame.y_low - far, min(frame.y_high + far, y))) for x, y in edges)
    path = " ".join(f"{_n(frame.x(x))},{_n(frame.y(y))}" for x, y in points)
    return f'<polygon class="s{ribbon.series % SERIES} veil" points="{path}"/>'


def _log10(values: Sequence[float]) -> list[float]:
    return [math.log10(value) if value > 0 else -math.inf for value in values]


def _x_axis(frame: Frame) -> str:
    values = ticks(frame.x_low, frame.x_high)
    y = frame.height - BOTTOM
    rule = f'<line class="rule" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
    return rule + "".join(_label(f"{value:,.4g}", x=frame.x(value), y=y + 13, anchor="middle") for value in values)


def _x_label(frame: Frame, text: str) -> str:
    return _label(text, x=(LEFT + WIDTH - RIGHT) / 2, y=frame.height - 6, anchor="middle") if text else ""


def _label(text: str, *, x: float, y: float, anchor: str, css: str = "") -> str:
    names = f"axis {css}".strip()
    return f'<text class="{names}" x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}">{_text(text)}</text>'


def _n(value: float) -> str:
    """Coordinate with one decimal."""
    return f"{value:.1f}".removesuffix(".0")


def _text(text: str) -> str:
    return html.escape(text, quote=True)
