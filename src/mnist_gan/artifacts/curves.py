"""Learning curves as PNG: losses, scores and metrics.

Each line is drawn faint as measured and strong as a moving mean, with the width of the mean on the picture. The colours
are those of Okabe and Ito, which are distinct under every kind of colour vision. matplotlib's `pyplot` is not used,
because its state is shared between threads.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np
from jaxtyping import Float64

from mnist_gan.errors import ArtifactError
from mnist_gan.figures import DISTANCE_PREFIXES, METRIC_PREFIX, figure_info
from mnist_gan.storage import write_bytes
from mnist_gan.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Rows: TypeAlias = Sequence[Mapping[str, Any]]
"""Rows of metrics.jsonl: `cur_nimg`, `epoch`, and statistics by name. A row may lack a statistic."""
_Values: TypeAlias = Float64[np.ndarray, "n"]
_Style: TypeAlias = Literal["-", "--", ":"]

BLUE: Final = "#0072B2"
VERMILION: Final = "#D55E00"
GREEN: Final = "#009E73"
PURPLE: Final = "#CC79A7"
ORANGE: Final = "#E69F00"
SKY: Final = "#56B4E9"
BLACK: Final = "#000000"
GREY: Final = "#555555"
RUN_COLOURS: Final = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
RUN_STYLES: Final[tuple[_Style, ...]] = ("-", "--", ":")

SMOOTHING_SHARE: Final = 0.05
"""Width of the moving mean, as a share of the rows."""
WIDTH_INCHES: Final = 8.0
PANEL_INCHES: Final = 2.4
FEW_POINTS: Final = 25
"""Series of up to this many points are drawn with markers and without smoothing."""
DPI: Final = 110
MAX_LOG_RANGE: Final = 1e9
"""Quotient of the largest and smallest level up to which a logarithmic axis is legible; that of rounding errors, as
of empty images, is larger."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Line:
    key: str
    label: str
    colour: str = BLUE

    @property
    def factor(self) -> float:
        """100 for shares that are drawn as percentages, else 1."""
        info = figure_info(self.key)
        return 100.0 if info is not None and info.percent else 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Panel:
    title: str
    lines: tuple[_Line, ...]
    reference: tuple[float, str] | None = None
    """Level of a dashed line, and its label."""
    limits: tuple[float, float] | None = None
    half: bool = False
    """Half the width of the picture."""
    log: bool = False
    """Logarithmic axis; every value is above 0."""

    @property
    def unit(self) -> str:
        """Label of the vertical axis, from the first line's figure."""
        info = figure_info(self.lines[0].key)
        return "" if info is None else "%" if info.percent else info.unit


PANELS: Final = (
    _Panel(
        title="Losses",
        lines=(
            _Line(key="Loss/G/loss", label="generator", colour=BLUE),
            _Line(key="Loss/D/loss", label="discriminator", colour=VERMILION),
            _Line(key="Loss/D/penalty", label="penalty", colour=BLACK),
            _Line(key="Loss/D/classifier", label="classifier", colour=GREEN),
        ),
    ),
    _Panel(
        title="Discriminator scores",
        lines=(
            _Line(key="Loss/scores/real", label="real images", colour=GREEN),
            _Line(key="Loss/scores/fake", label="generated images", colour=PURPLE),
        ),
    ),
    _Panel(
        title="Discriminator accuracy",
        lines=(
            _Line(key="Score/real_accuracy", label="real images", colour=GREEN),
            _Line(key="Score/fake_accuracy", label="generated images", colour=PURPLE),
            _Line(key="Score/real_above_fake", label="real above generated", colour=BLUE),
        ),
        reference=(50, "guessing"),
        limits=(0, 103),
    ),
    _Panel(
        title="Agreement with the requested digit",
        lines=(
            _Line(key="Metric/agreement", label="all", colour=BLUE),
            _Line(key="Metric/smallest_agreement", label="worst digit", colour=VERMILION),
        ),
        half=True,
    ),
    _Panel(
        title="Diversity within a digit",
        lines=(
            _Line(key="Metric/diversity", label="all", colour=BLUE),
            _Line(key="Metric/smallest_diversity", label="least diverse", colour=VERMILION),
        ),
        reference=(1, "real"),
        half=True,
    ),
    _Panel(
        title="Share of a digit",
        lines=(
            _Line(key="Metric/largest_share", label="most frequent", colour=BLUE),
            _Line(key="Metric/smallest_share", label="least frequent", colour=VERMILION),
        ),
        reference=(1, "real"),
        half=True,
    ),
)
SHOWN_IN_PANELS: Final = frozenset({"Metric/digits_kl", "Metric/missing_digits"})
"""Metrics that the panels above already show in another form."""
LOG_PREFIXES: Final = DISTANCE_PREFIXES


def save_curves(path: Path | str, rows: Rows, *, title: str = "", floors: Mapping[str, float] | None = None) -> None:
    """Write the learning curves of a run as PNG. The same rows give the same bytes.

    Args:
        path: the picture.
        rows: of metrics.jsonl, one or more.
        title: above the picture, such as the run's name.
        floors: the value of real images for a metric's key (`Metric/...`), drawn as a dashed line.

    Raises:
        ArtifactError: no row has a loss, a score or a metric.
        StorageError: the file cannot be written.
    """
    write_bytes(path, _encode(draw_curves(rows, title=title, floors=floors)))


def save_comparison(path: Path | str, runs: Mapping[str, Rows], *, title: str = "") -> None:
    """Write the learning curves of several runs as PNG: one panel per statistic, one colour per run.

    Raises:
        ArtifactError: no run has a loss, a score or a metric.
        StorageError: the file cannot be written.
    """
    write_bytes(path, _encode(draw_comparison(runs, title=title)))


def draw_curves(rows: Rows, *, title: str = "", floors: Mapping[str, float] | None = None) -> Figure:
    """Figure of a run's learning curves over epochs. Arguments and errors as in `save_curves`."""
    panels = _panels_for(rows, floors=floors or {})
    width = smoothing_width(len(rows))
    figure, axes = _figure(panels, title=title, width=width, rows=len(rows))
    clock = _epoch_label(rows)
    for panel, ax in zip(panels, axes, strict=True):
        series = [_series(rows, line, clock="epoch") for line in panel.lines]
        for line, points in zip(panel.lines, series, strict=True):
            _draw_line(ax, *points, label=line.label, colour=line.colour, width=width)
        _finish(ax, panel, clock=clock, values=[y for _, y in series])
    return figure


def draw_comparison(runs: Mapping[str, Rows], *, title: str = "") -> Figure:
    """Figure of several runs' learning curves over images seen. Arguments and errors as in `save_comparison`."""
    from matplotlib.lines import Line2D

    together = _panels_for([row for rows in runs.values() for row in rows], floors={})
    panels = [_single_line_panel(panel, line) for panel in together for line in panel.lines]
    styles = [_run_style(index) for index in range(len(runs))]
    longest = max(len(rows) for rows in runs.values())
    width = smoothing_width(longest)
    figure, axes = _figure(panels, title="", width=width, rows=longest)
    for panel, ax in zip(panels, axes, strict=True):
        series = [_series(rows, panel.lines[0], clock="cur_nimg", unit=1000) for rows in runs.values()]
        for points, (colour, style) in zip(series, styles, strict=True):
            _draw_line(ax, *points, colour=colour, style=style, width=width)
        _finish(ax, panel, clock="images seen, thousands", values=[y for _, y in series])
    handles = [Line2D([], [], color=colour, linestyle=style, linewidth=1.8) for colour, style in styles]
    figure.legend(
        handles,
        [printable(name) for name in runs],
        title=title,
        loc="outside upper center",
        ncols=min(3, len(runs)),
        frameon=False,
    )
    return figure


def moving_mean(values: _Values, *, width: int) -> _Values:
    """Centred mean over `width` neighbours; windows are cut off at both ends."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    positions = np.arange(len(values))
    starts = np.maximum(positions - (width - 1) // 2, 0)
    ends = np.minimum(positions + width // 2 + 1, len(values))
    means: _Values = (sums[ends] - sums[starts]) / (ends - starts)
    return means


def smoothing_width(rows: int) -> int:
    """Odd width of the moving mean for that many rows; 1, no smoothing, for few."""
    return 2 * int(rows * SMOOTHING_SHARE / 2) + 1


def _panels_for(rows: Rows, *, floors: Mapping[str, float]) -> list[_Panel]:
    """Panels and lines for which some row has a value."""
    keys = {key for row in rows for key in row}
    panels = [replace(panel, lines=tuple(line for line in panel.lines if line.key in keys)) for panel in PANELS]
    drawn = {line.key for panel in panels for line in panel.lines} | SHOWN_IN_PANELS
    metrics = sorted(key for key in keys - drawn if key.startswith(METRIC_PREFIX) and key.count("/") == 1)
    whole = [panel for panel in panels if panel.lines and not panel.half]
    half = [panel for panel in panels if panel.lines and panel.half]
    panels = [*whole, *(_metric_panel(key, floors.get(key), rows) for key in metrics), *half]
    if not panels:
        raise ArtifactError("no curves to draw yet: no row has a loss, a score or a metric; train further")
    return panels


def _metric_panel(key: str, floor: float | None, rows: Rows) -> _Panel:
    name = key.removeprefix(METRIC_PREFIX)
    reference = None if floor is None else (floor, "real images")
    levels = [row[key] for row in rows if key in row] + ([] if floor is None else [floor])
    log = key.startswith(LOG_PREFIXES) and min(levels) > 0 and max(levels) / min(levels) < MAX_LOG_RANGE
    return _Panel(title=name, lines=(_Line(key=key, label=""),), reference=reference, half=True, log=log)


def _single_line_panel(panel: _Panel, line: _Line) -> _Panel:
    return replace(panel, title=f"{panel.title}: {line.label}" if line.label else panel.title, lines=(line,), half=True)


def _series(rows: Rows, line: _Line, *, clock: str, unit: int = 1) -> tuple[_Values, _Values]:
    """Positions (in units of `unit` on the clock) and values of a line's points."""
    points_list = [(row[clock] / unit, row[line.key] * line.factor) for row in rows if line.key in row]
    points: Float64[np.ndarray, "n 2"] = np.array(points_list, dtype=np.float64).reshape(-1, 2)
    return points[:, 0], points[:, 1]


def _figure(panels: Sequence[_Panel], *, title: str, width: int, rows: int) -> tuple[Figure, list[Axes]]:
    """Figure with one axes per panel: full-width panels first, then pairs of half-width ones."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    whole = sum(not panel.half for panel in panels)
    lines = whole + -(-(len(panels) - whole) // 2)
    figure = Figure(figsize=(WIDTH_INCHES, PANEL_INCHES * lines + 0.8), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(lines, 2)
    axes = []
    for index in range(len(panels)):
        below = index - whole
        cell = grid[index, :] if below < 0 else grid[whole + below // 2, below % 2]
        axes.append(figure.add_subplot(cell))
    if title:
        figure.suptitle(printable(title), fontweight="bold")
    if width > 1:
        figure.supxlabel(f"faint: as measured · strong: mean of {width} of {rows} rows", fontsize="small", color=GREY)
    return figure, axes


def _draw_line(
    ax: Axes, x: _Values, y: _Values, *, colour: str, width: int, label: str | None = None, style: _Style = "-"
) -> None:
    """Draw a series faint and its moving mean strong. The label ends with the last smoothed value."""
    if not len(x):
        return
    few = len(x) <= FEW_POINTS
    smooth = y if few else moving_mean(y, width=width)
    if smooth is not y:
        ax.plot(x, y, style, color=colour, alpha=0.25, linewidth=0.8)
    (strong,) = ax.plot(x, smooth, style, color=colour, linewidth=1.8, marker="o" if few else "", markersize=3)
    if label is not None:
        strong.set_label(f"{label} {smooth[-1]:.3g}".strip())


def _finish(ax: Axes, panel: _Panel, *, clock: str, values: Sequence[Float64[np.ndarray, "_"]]) -> None:
    """Add title, legend, reference line, limits and grid."""
    from matplotlib.ticker import StrMethodFormatter

    if panel.reference is not None:
        level, meaning = panel.reference
        ax.axhline(level, color=GREY, linestyle="--", linewidth=1)
        ax.annotate(
            f"{meaning} {level:.3g}",
            xy=(0.01, level),
            xycoords=ax.get_yaxis_transform(),  # x as a share of the panel, y in data
            xytext=(0, 2),
            textcoords="offset points",
            fontsize="x-small",
            color=GREY,
        )
    if panel.log:
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    outside = _set_limits(ax, panel, np.concatenate(values))
    ax.set_title(f"{panel.title} ({outside} not shown)" if outside else panel.title, loc="left", fontsize="medium")
    ax.set_ylabel(panel.unit)
    ax.set_xlabel(clock)
    ax.set_xlim(left=0)
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
    if not ax.get_legend_handles_labels()[0]:
        return
    if panel.half and len(panel.lines) > 1:  # the title leaves room for one entry
        ax.legend(loc="best", frameon=False, fontsize="small")
    else:
        ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=4, frameon=False, fontsize="small", borderaxespad=0)


def _set_limits(ax: Axes, panel: _Panel, values: _Values) -> int:
    """Set the panel's limits, or fit the values without outliers; return the number of values outside."""
    if panel.limits is not None:
        ax.set_ylim(*panel.limits)
    if panel.limits is not None or panel.log:
        return 0
    low, high = np.percentile(values, [1, 99])
    if not np.ptp(values) > 3 * (high - low) > 0:
        return 0
    margin = 0.1 * (high - low)
    ax.set_ylim(low - margin, high + margin)
    return int(np.count_nonzero((values < low - margin) | (values > high + margin)))


def _epoch_label(rows: Rows) -> str:
    """Label of the epoch axis, with the number of images in an epoch."""
    last = rows[-1]
    return f"epochs of {round(last['cur_nimg'] / last['epoch']):,} images" if last["epoch"] > 0 else "epochs"


def _run_style(index: int) -> tuple[str, _Style]:
    """Distinct colour and line style for each run."""
    return RUN_COLOURS[index % len(RUN_COLOURS)], RUN_STYLES[index // len(RUN_COLOURS) % len(RUN_STYLES)]


def _encode(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the layout of odd values, which no user can act on
        figure.savefig(buffer, format="png", metadata={"Software": None})  # matplotlib's version would change the bytes
    return buffer.getvalue()
