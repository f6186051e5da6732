import math
import re
import xml.etree.ElementTree as ET

import pytest

from mnist_gan.assessment import svg


def parts(plot: str, tag: str) -> list[ET.Element]:
    """The elements of a kind in a plot and its legend, which must be well-formed."""
    return [element for element in ET.fromstring(f"<div>{plot}</div>").iter() if element.tag == tag]


def test_bars_are_proportional_to_their_values():
    plot = svg.bars(["a", "b"], {"ours": [1.0, 2.0], "theirs": [4.0, 0.0]}, alt="two groups")
    heights = [float(bar.attrib["height"]) for bar in parts(plot, "rect")]
    assert heights[1] == pytest.approx(2 * heights[0], abs=0.2)
    assert heights[2] == pytest.approx(4 * heights[0], abs=0.2)
    assert heights[3] == 0
    assert [span.text or span[0].tail for span in parts(plot, "span")] == ["ours", "theirs"]


def test_histogram_shows_shares_of_each_set():
    plot = svg.histogram([0, 1, 2], {"few": [1, 1], "many": [500, 500]}, alt="alike", mark=(1.0, "boundary"))
    first, second = (polygon.attrib["points"] for polygon in parts(plot, "polygon"))
    assert first == second
    (mark,) = (line for line in parts(plot, "line") if line.attrib["class"] == "mark")
    left, right = (float(point.split(",")[0]) for point in (first.split()[0], first.split()[-1]))
    assert float(mark.attrib["x1"]) == pytest.approx((left + right) / 2, abs=0.1)


def test_histogram_omits_a_mark_outside_its_range():
    plot = svg.histogram([0, 1, 2], {"a": [1, 1]}, alt="", mark=(7.0, "boundary"))
    assert "boundary" not in plot


def test_heat_map_shades_by_the_share_of_the_row():
    plot = svg.heat_map([[9, 1], [0, 10]], ["0", "1"], alt="confusion", rows="asked", columns="read")
    opacities = [float(cell.attrib["fill-opacity"]) for cell in parts(plot, "rect")]
    assert opacities[3] > opacities[0] > opacities[1] > opacities[2] == 0
    assert "0 as 1: 1 (10.0%)" in plot


def test_lines_limits_exclude_outliers():
    values = [1.0 + 0.01 * (k % 5) for k in range(300)]
    values[100] = 1e6
    plot = svg.lines([svg.Line(list(range(300)), values, 0)], ["loss"], alt="loss")
    ticks = [float(text.text or "") for text in parts(plot, "text") if text.attrib["text-anchor"] == "end"]
    assert max(ticks) < 2


def test_lines_draws_a_constant():
    plot = svg.lines([svg.Line([0.0], [0.0], 0)], ["x"], alt="one point", level=(0.0, "real"))
    assert "nan" not in plot.lower()
    assert parts(plot, "polyline")


def where(drawn: str) -> float:
    (match,) = re.findall(r'cx="([0-9.]+)"', drawn)
    return float(match)


def test_scale_goes_from_real_images_to_noise():
    assert where(svg.scale(1.0, floor=1.0, ceiling=0.0)) == 4
    assert where(svg.scale(0.0, floor=1.0, ceiling=0.0)) == 96
    assert where(svg.scale(0.5, floor=1.0, ceiling=0.0)) == 50
    assert where(svg.scale(2.0, floor=1.0, ceiling=0.0)) == 4, "better than real counts as real"
    assert where(svg.scale(1.0, floor=0.1, ceiling=10.0)) == 50, "logarithmic over two decades"
    assert where(svg.scale(0.0, floor=0.1, ceiling=10.0)) == 4


@pytest.mark.parametrize(("value", "floor", "ceiling"), [(None, 0, 1), (1, None, 1), (1, 1, 1), (math.inf, 0, 1)])
def test_scale_is_empty_without_both_ends(value, floor, ceiling):
    assert svg.scale(value, floor=floor, ceiling=ceiling) == ""


@pytest.mark.parametrize(("low", "high", "expected"), [(0, 1, [0, 0.5, 1]), (-3, 7, [-2.5, 0, 2.5, 5]), (5, 5, [5])])
def test_ticks_are_round_numbers(low, high, expected):
    found = svg.ticks(low, high)
    assert all(low <= tick <= high for tick in found)
    assert 1 <= len(found) <= 6
    assert all(f"{tick:.4g}" == f"{tick:.2g}" for tick in found), found


def test_plots_escape_names():
    nasty = '"><script>x</script>'
    plot = svg.bars([nasty], {nasty: [1.0]}, alt=nasty, x_label=nasty)
    assert "<script" not in plot
    assert parts(plot, "svg")


def test_lines_on_a_log_scale_places_equal_ratios_equally():
    drawn = svg.lines([svg.Line([0, 1, 2], [1.0, 10.0, 100.0], 0)], ["a"], alt="a", log=True)
    (line,) = parts(drawn, "polyline")
    heights = [float(point.split(",")[1]) for point in line.attrib["points"].split()]
    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2], abs=0.2)
    assert {"1", "10", "100"} <= {text.text for text in parts(drawn, "text")}


def test_ribbons_lie_between_their_curves_and_end_beyond_the_frame_at_infinity():
    ribbon = svg.Ribbon([0, 1], [1.0, 1.0], [2.0, math.inf], 1)
    drawn = svg.lines([svg.Line([0, 1], [1.5, 1.5], 1)], ["a"], alt="a", limits=(0.0, 3.0), ribbons=[ribbon])
    (band,) = parts(drawn, "polygon")
    corners = [float(point.split(",")[1]) for point in band.attrib["points"].split()]
    assert corners[1] < 0 < corners[0] < corners[3]
    assert "s1" in band.attrib["class"]


def test_forest_draws_a_row_for_each_name_and_cuts_infinite_ends():
    rows = [("base", 1.0, 2.0, 3.0), ("open", 2.0, 3.0, math.inf), ("lost", math.inf, math.inf, math.inf)]
    drawn = svg.forest(rows, alt="a", level=0.0, baseline="base")
    assert {"base", "open", "lost: failed"} <= {text.text for text in parts(drawn, "text")}
    assert [dot.attrib["class"] for dot in parts(drawn, "circle")] == ["s0 fill", "s1 fill"]
    ends = [float(line.attrib["x2"]) for line in parts(drawn, "line") if "strong" in line.attrib["class"]]
    assert ends[1] == svg.WIDTH - svg.RIGHT
