"""Learning curves: panels, lines, legends and smoothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from mnist_gan.artifacts.curves import (
    draw_comparison,
    draw_curves,
    moving_mean,
    save_comparison,
    save_curves,
    smoothing_width,
)
from mnist_gan.errors import ArtifactError


def some_rows(n: int, **keys: float) -> list[dict[str, Any]]:
    """Ten rows per epoch of 1,000 images; each key rises from its value by 1 per row."""
    return [
        {"cur_nimg": 100 * i, "step": i, "epoch": i / 10, **{key: start + i for key, start in keys.items()}}
        for i in range(1, n + 1)
    ]


def x_of(line: Line2D) -> np.ndarray:
    return np.asarray(line.get_xdata(), dtype=np.float64)


def y_of(line: Line2D) -> np.ndarray:
    return np.asarray(line.get_ydata(), dtype=np.float64)


LOSSES = {"Loss/G/loss": 0.0, "Loss/D/loss": 10.0}


def panel(figure: Figure, title: str) -> Axes:
    return next(ax for ax in figure.axes if ax.get_title(loc="left") == title)


def titles(figure: Figure) -> list[str]:
    return [ax.get_title(loc="left") for ax in figure.axes]


def legend(ax: Axes) -> list[str]:
    found = ax.get_legend()
    return [] if found is None else [text.get_text() for text in found.get_texts()]


def test_draw_curves_has_one_panel_per_kind_of_value_in_the_rows() -> None:
    assert titles(draw_curves(some_rows(3, **LOSSES))) == ["Losses"]
    everything = {"Loss/scores/real": 1, "Loss/scores/fake": 1, "Score/real_above_fake": 0.5, "Metric/fd5k": 9} | LOSSES
    assert titles(draw_curves(some_rows(3, **everything))) == [
        "Losses",
        "Discriminator scores",
        "Discriminator accuracy",
        "fd5k",
    ]


def test_draw_curves_legend_names_each_line_with_its_last_value() -> None:
    figure = draw_curves(some_rows(3, **LOSSES))
    assert legend(panel(figure, "Losses")) == ["generator 3", "discriminator 13"]
    with_penalty = draw_curves(some_rows(3, **LOSSES, **{"Loss/D/penalty": 0.25}))
    assert legend(panel(with_penalty, "Losses"))[2] == "penalty 3.25"


def test_draw_curves_shows_accuracies_in_percent_beside_guessing() -> None:
    rows = [row | {"Score/real_accuracy": 0.75, "Score/fake_accuracy": 0.5} for row in some_rows(3)]
    ax = panel(draw_curves(rows), "Discriminator accuracy")
    assert legend(ax) == ["real images 75", "generated images 50"]
    assert ax.get_ylabel() == "%"
    assert [text.get_text() for text in ax.texts] == ["guessing 50"]


def test_draw_curves_draws_few_rows_unsmoothed_with_markers() -> None:
    ax = panel(draw_curves(some_rows(3, **{"Loss/G/loss": 0.0})), "Losses")
    (line,) = ax.lines
    np.testing.assert_allclose(x_of(line), [0.1, 0.2, 0.3])
    np.testing.assert_allclose(y_of(line), [1, 2, 3])
    assert line.get_marker() == "o"
    assert ax.get_xlabel() == "epochs of 1,000 images"


def test_draw_curves_draws_many_rows_raw_and_smoothed_with_a_note() -> None:
    rows = some_rows(200, **{"Loss/G/loss": 0.0})
    rows[100]["Loss/G/loss"] += 50
    figure = draw_curves(rows)
    raw, smooth = panel(figure, "Losses").lines
    assert (raw.get_alpha(), smooth.get_alpha()) == (0.25, None)
    values = np.array([row["Loss/G/loss"] for row in rows], dtype=float)
    np.testing.assert_array_equal(y_of(raw), values)
    np.testing.assert_allclose(y_of(smooth), moving_mean(values, width=11))
    assert figure.get_supxlabel() == "faint: as measured · strong: mean of 11 of 200 rows"


def test_draw_curves_without_smoothing_has_no_note() -> None:
    assert draw_curves(some_rows(3, **LOSSES)).get_supxlabel() == ""


def test_moving_mean_matches_hand_worked_values() -> None:
    np.testing.assert_allclose(moving_mean(np.array([1.0, 2, 6, 0, 5]), width=3), [1.5, 3, 8 / 3, 11 / 3, 2.5])
    np.testing.assert_allclose(moving_mean(np.array([1.0, 2, 6]), width=1), [1, 2, 6])
    assert [smoothing_width(n) for n in (1, 20, 39, 40, 100, 200)] == [1, 1, 1, 3, 5, 11]


def test_draw_curves_draws_a_sparse_metric_with_its_floor() -> None:
    rows = some_rows(30, **LOSSES)
    for index in (9, 19, 29):
        rows[index]["Metric/fd5k_mnistnet"] = 30.0 - index
    ax = panel(draw_curves(rows, floors={"Metric/fd5k_mnistnet": 0.5}), "fd5k_mnistnet")
    line, floor = ax.lines
    np.testing.assert_allclose(x_of(line), [1, 2, 3])
    np.testing.assert_allclose(y_of(line), [21, 11, 1])
    assert set(y_of(floor)) == {0.5}
    assert [text.get_text() for text in ax.texts] == ["real images 0.5"]


def test_draw_curves_excludes_an_extreme_first_loss_from_the_range_and_counts_it() -> None:
    rows = [row | {"Loss/G/loss": 1 + row["step"] % 2} for row in some_rows(300)]
    rows[0]["Loss/G/loss"] = 1000.0
    ax = panel(draw_curves(rows), "Losses (1 not shown)")
    assert ax.get_ylim()[1] < 10


def test_draw_curves_draws_a_single_row() -> None:
    (line,) = panel(draw_curves(some_rows(1, **{"Loss/G/loss": 0.0})), "Losses").lines
    assert list(y_of(line)) == [1]


@pytest.mark.parametrize("rows", [[], some_rows(3)])
def test_save_curves_refuses_rows_without_values(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no curves to draw yet"):
        save_curves(tmp_path / "curves.png", rows)
    with pytest.raises(ArtifactError, match="no curves to draw yet"):
        save_comparison(tmp_path / "curves.png", {"a": rows})
    assert list(tmp_path.iterdir()) == []


def test_draw_comparison_uses_images_as_the_x_axis() -> None:
    runs = {"a": some_rows(3, **LOSSES), "b": some_rows(5, **{"Loss/G/loss": 7.0})}
    figure = draw_comparison(runs, title="two runs")
    assert titles(figure) == ["Losses: generator", "Losses: discriminator"]
    first, second = panel(figure, "Losses: generator").lines
    np.testing.assert_allclose(x_of(second), [0.1, 0.2, 0.3, 0.4, 0.5])
    assert first.get_color() != second.get_color()
    assert len(panel(figure, "Losses: discriminator").lines) == 1
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"]


def test_draw_comparison_gives_twenty_runs_different_styles() -> None:
    figure = draw_comparison({str(i): some_rows(2, **{"Loss/G/loss": i}) for i in range(20)})
    styles = {(line.get_color(), line.get_linestyle()) for line in panel(figure, "Losses: generator").lines}
    assert len(styles) == 20


def test_save_curves_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        save_curves(tmp_path / name, some_rows(50, **LOSSES), title="a run")
        save_comparison(tmp_path / f"comparison-{name}", {"a": some_rows(50, **LOSSES)})
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "comparison-a.png").read_bytes() == (tmp_path / "comparison-b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width == 880
        assert "Software" not in picture.info


def test_draw_curves_does_not_import_pyplot() -> None:
    rows = some_rows(3, **LOSSES)
    program = f"import sys; from mnist_gan.artifacts.curves import draw_curves; draw_curves({rows!r}); "
    fresh = [sys.executable, "-c", program + "sys.exit('matplotlib.pyplot' in sys.modules)"]
    assert (
        subprocess.run(fresh, check=False).returncode == 0
    )  # a new process, since other tests may have imported pyplot


@pytest.mark.parametrize("floor", [None, 0.0, -1e-13, 1e-13, 1.0])
@pytest.mark.parametrize("values", [(0.0, 0.0), (-1e-13, 1e-13), (1e-13, 5.0), (1e16, 1e16), (1e-300, 1e300)])
def test_save_curves_draws_degenerate_distances_without_a_warning(
    tmp_path: Path, values: tuple[float, float], floor: float | None
) -> None:
    rows = some_rows(2, **LOSSES)
    for row, value in zip(rows, values, strict=True):
        row["Metric/fd2k_mnistnet"] = value
    floors = {} if floor is None else {"Metric/fd2k_mnistnet": floor}
    figure = draw_curves(rows, floors=floors)
    figure.draw_without_rendering()  # warnings are errors: a layout that does not fit fails
    assert panel(figure, "fd2k_mnistnet").get_window_extent().height > 50
