"""The diagnosis of recorded runs: its thresholds were fitted on those of seed 0 and are held to those of other seeds.

`benchmarks/diagnoses.py record` makes the files in `recorded/`.
"""

import json
from pathlib import Path

import pytest

from mnist_gan import presets
from mnist_gan.evaluation import diagnose

RECORDED = Path(__file__).parent / "recorded"
EXPECTED = {
    "collapse": {"collapsing"},
    "d-too-strong": {"discriminator too strong"},
    "d-too-weak": {"discriminator too weak"},
    "no-penalty": {"diverging"},
    "wrong-range": {"discriminator too strong"},
    "quick": {"healthy"},
}


def rows_of(path: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("path", sorted(RECORDED.glob("*.jsonl")), ids=lambda path: path.stem)
def test_a_recorded_run_gets_the_verdict_that_its_recipe_deserves(path):
    recipe = path.stem.rpartition("-")[0]
    assert diagnose(rows_of(path)).state in EXPECTED[recipe]


@pytest.mark.parametrize("name", presets.FAILURES)
def test_every_failure_of_the_gallery_is_recorded_with_a_seed_that_nothing_was_fitted_on(name):
    assert (RECORDED / f"{name}-1.jsonl").exists()


def test_a_healthy_run_is_never_called_broken_once_it_is_past_its_beginning():
    rows = rows_of(RECORDED / "quick-1.jsonl")
    late = [end for end in range(1, len(rows) + 1) if rows[end - 1]["cur_nimg"] > 48_000]
    assert {diagnose(rows[:end]).state for end in late} <= {"healthy", "plateau"}
