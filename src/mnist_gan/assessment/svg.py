"""Small plots as inline SVG, for a page that carries everything in it.

Colours, text and lines are named by classes and left to the page's style, so that a plot follows it into the dark and
onto paper. A plot is `WIDTH` units wide, as wide as a phone, so that its text is readable there; a page shows several
side by side where there is room. Every plot says in words, for those who can't see it, what it shows.
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
SERIES: Final = 4
"""How many series have colours of their own: the classes s0 to s3."""


class Line(NamedTuple):
    """Points to be joined."""

    x: Sequence[float]
    y: Sequence[float]
    series: int
    """Which colour."""
    faint: bool = False


class Frame(NamedTuple):
    """The part of the page's plane that a plot shows."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float
    height: int = HEIGHT

    def x(self, value: float) -> float:
        """Where a value stands across."""
        return LEFT + (value - self.x_low) / ((self.x_high - self.x_low) or 1) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Where a value stands from the top."""
        share = (value - self.y_low) / ((self.y_high - self.y_low) or 1)
        return self.height - BOTTOM - share * (self.height - TOP - BOTTOM)


def bars(labels: Sequence[str], series: Mapping[str, Sequence[float]], *, says: str, x_label: str = "") -> str:
    """Groups of bars from 0, one bar for each series in each group, with a legend.

    Args:
        labels: what stands under each group.
        series: name -> one height a group, none below 0.
        says: what is to be seen, in words.
        x_label: what the groups are.
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
    return _plot(frame, [*parts, _x_label(frame, x_label)], says=says) + legend(list(series))


def histogram(
    edges: Sequence[float],
    counts: Mapping[str, Sequence[int]],
    *,
    says: str,
    x_label: str = "",
    mark: tuple[float, str] | None = None,
) -> str:
    """Outlines of histograms over the same bins, each as shares of its own set, with a legend.

    Args:
        edges: one more than there are bins, rising.
        counts: name -> one count a bin.
        says: what is to be seen, in words.
        x_label: what is counted.
        mark: a value on the x axis, and what it is.
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
    return _plot(frame, [*parts, _x_label(frame, x_label)], says=says) + legend(list(counts))


def lines(
    drawn: Sequence[Line],
    names: Sequence[str],
    *,
    says: str,
    x_label: str = "",
    limits: tuple[float, float] | None = None,
    level: tuple[float, str] | None = None,
) -> str:
    """Lines over one x axis that begins at 0, with a legend.

    A few values that would flatten the rest go beyond the frame, and are cut off there.

    Args:
        drawn: what to draw; at least one point.
        names: of the series, in the order of their numbers.
        says: what is to be seen, in words.
        x_label: what the x axis counts.
        limits: of the y axis; None fits them to the values.
        level: a height to compare with, and what it is.
    """
    low, high = limits or _fitting([y for line in drawn for y in line.y] + ([level[0]] if level else []))
    frame = Frame(0, max(x for line in drawn for x in line.x) or 1, low, high)
    inside = []
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
    clipped = f'<svg {box} viewBox="{view}">{"".join(inside)}</svg>'  # a nested svg cuts off what leaves it
    parts = [_y_axis(frame), _x_axis(frame), clipped, _x_label(frame, x_label)]
    return _plot(frame, parts, says=says) + (legend(names) if any(names) else "")


def heat_map(matrix: Sequence[Sequence[int]], labels: Sequence[str], *, says: str, rows: str, columns: str) -> str:
    """A confusion matrix: counts, each cell as dark as its share of its row.

    Args:
        matrix: counts, row by row; square.
        labels: of the rows and the columns alike.
        says: what is to be seen, in words.
        rows: what the rows are.
        columns: what the columns are.
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
    return _plot(
        frame, [*parts, _label(columns, x=(left + WIDTH - RIGHT) / 2, y=height - 6, anchor="middle")], says=says
    )


def scale(value: float | None, *, floor: float | None, ceiling: float | None) -> str:
    """Where a value lies between real images (left) and noise (right); empty where that cannot be said.

    Logarithmic where noise is more than twenty times as far as real images.
    """
    if value is None or floor is None or ceiling is None or not all(map(math.isfinite, (value, floor, ceiling))):
        return ""
    if floor == ceiling:
        return ""
    if floor > 0 and ceiling > 20 * floor:
        value, floor, ceiling = math.log(max(value, floor)), math.log(floor), math.log(ceiling)
    share = min(1.0, max(0.0, (value - floor) / (ceiling - floor)))
    says = f"{share:.0%} of the way from real images to noise"
    dot = f'<circle class="s1 fill" cx="{4 + 92 * share:.1f}" cy="6" r="4"/>'
    return (
        f'<svg class="scale" viewBox="0 0 100 12" role="img" aria-label="{says}"><title>{says}</title>'
        f'<line class="rule" x1="4" x2="96" y1="6" y2="6"/>{dot}</svg>'
    )


def legend(names: Sequence[str]) -> str:
    """Which colour is which series."""
    items = [f'<span><i class="s{index % SERIES}"></i>{_text(name)}</span>' for index, name in enumerate(names)]
    return f'<div class="legend">{"".join(items)}</div>'


def ticks(low: float, high: float, *, count: int = TICKS) -> list[float]:
    """Round numbers within a range, about `count` of them."""
    if not high > low:
        return [low]
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(step * power for step in (1, 2, 5, 10) if step * power >= raw)
    first = math.ceil(low / step - 1e-9)
    return [index * step for index in range(first, math.floor(high / step + 1e-9) + 1)]


def _fitting(values: Sequence[float]) -> tuple[float, float]:
    """Limits that hold all values, or the middle 98 % of them where the rest would flatten those."""
    ordered = sorted(values)
    low, high = ordered[0], ordered[-1]
    inner_low, inner_high = ordered[len(ordered) // 100], ordered[-1 - len(ordered) // 100]
    if high - low > 3 * (inner_high - inner_low) > 0:
        low, high = inner_low, inner_high
    margin = 0.06 * (high - low) or abs(high) * 0.1 or 1.0
    return low - margin, high + margin


def _opacity(share: float) -> float:
    """So that a hundredth can be seen, and nothing is left white."""
    return 0.0 if share == 0 else 0.08 + 0.87 * math.sqrt(share)


def _plot(frame: Frame, parts: Sequence[str], *, says: str) -> str:
    head = f'<svg class="plot" viewBox="0 0 {WIDTH} {frame.height}" role="img" aria-label="{_text(says)}">'
    return head + "".join(parts) + "</svg>"


def _y_axis(frame: Frame, *, percent: bool = False) -> str:
    parts = []
    for value in ticks(frame.y_low, frame.y_high):
        y = _n(frame.y(value))
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        shown = f"{100 * value:.3g}%" if percent else f"{value:.4g}"
        parts.append(_label(shown, x=LEFT - 4, y=frame.y(value) + 3, anchor="end"))
    return "".join(parts)


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
    """A coordinate, short."""
    return f"{value:.1f}".removesuffix(".0")


def _text(text: str) -> str:
    return html.escape(text, quote=True)
