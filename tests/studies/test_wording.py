from __future__ import annotations

import math

import pytest
from tests.support.studies import TOML, results_of, small_study

from mnist_gan.evaluation.statistics import Interval
from mnist_gan.studies import wording
from mnist_gan.studies.folder import StudyDirectory


def results(tmp_path, shift: float, *, seeds: int = 8, **more):
    values = {"ns": [float(k) for k in range(seeds)], "hinge": [k + shift + 0.01 * k for k in range(seeds)]}
    study = small_study(more.pop("head", ""), text=TOML.replace("seeds = 3", f"seeds = {seeds}"))
    return results_of(study, StudyDirectory(tmp_path / "study"), values, **more)


def test_table_has_the_verdict_of_each_arm(tmp_path):
    baseline, hinge = wording.table_rows(results(tmp_path, -1.0), "images")
    assert (len(baseline), baseline[-1], baseline[4:7]) == (len(wording.HEADERS), "baseline", ["", "", ""])
    assert (hinge[0], hinge[-1], hinge[6]) == ("hinge", "better", "0.0078")
    assert hinge[4].startswith("-0.96")


def test_no_difference_shown_names_what_the_seeds_could_have_found(tmp_path):
    found = results(tmp_path, 0.0, diverged=("hinge-seed3", "ns-seed4"))
    assert wording.table_rows(found, "images")[1][-1].startswith("no difference shown (8 seeds could have found 0.0")
    assert "2 trials failed and count as worse than every other value: hinge-seed3, ns-seed4." in wording.notes(found)


def test_few_seeds_show_no_difference_and_say_so(tmp_path):
    found = results(tmp_path, -5.0, seeds=3)
    assert wording.table_rows(found, "images")[1][-1] == "no difference shown (3 seeds could have found none)"
    assert wording.notes(found)[0].startswith("Fewer than 5 seeds support little.")


def test_target_that_is_never_met_is_told(tmp_path):
    found = results(tmp_path, 0.0, head="target = -5.0\n")
    assert wording.target_rows(found)[0] == ["ns", "0 of 8", "never", "never"]
    assert "At least half of the trials of ns, hinge never meet the target of -5." in wording.notes(found)


@pytest.mark.parametrize(
    ("interval", "text"),
    [(Interval(0.5, 2.0), "[0.500, 2]"), (Interval(-math.inf, math.inf), "[−∞, ∞]")],
)
def test_bounds_write_infinite_ends(interval: Interval, text: str):
    assert wording.bounds(interval) == text


def test_natural_turns_values_and_intervals_of_higher_figures():
    options = small_study('figure = "agreement"\n').options
    assert wording.natural(-0.9, options) == 0.9
    assert wording.natural_interval(Interval(-0.9, -0.8), options) == Interval(0.8, 0.9)


def test_tables_text_names_the_table_that_is_read_off_the_curves(tmp_path):
    images, seconds = wording.tables_text(results(tmp_path, 0.0))
    assert images == "Equal images: after 40 images"
    assert "read off the curves" in seconds
