from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks import gallery

from mnist_gan import presets
from mnist_gan.evaluation.diagnosis import REMEDIES, SYMPTOMS, THRESHOLDS, diagnose

RECORDED = Path(__file__).parent / "recorded"
"""Rows of real runs: two of `quick`, and those of `python -m benchmarks.gallery record`."""


def row(distance=None, *, share=None, diversity=None, **fields):
    found = {name.replace("__", "/"): value for name, value in fields.items()}
    if distance is not None:
        found["Metric/fd2k_mnistnet"] = distance
        found |= {f"Metric/share/{digit}": (share or {}).get(digit, 1.0) for digit in range(10)}
        found |= {f"Metric/diversity/{digit}": (diversity or {}).get(digit, 0.95) for digit in range(10)}
    return found


FALLING = [60.0 * 0.6**i + 0.3 for i in range(10)]


def test_diagnose_calls_a_falling_distance_healthy():
    found = diagnose([row(d) for d in FALLING], floor=0.1)
    assert found.state == "healthy"
    assert found.remedy is None
    assert found.evidence[0].endswith(", 9.0 times that of held-out digits")


def test_diagnose_explains_a_distance_below_that_of_held_out_digits():
    found = diagnose([row(d) for d in [10.0, 4.0, 1.0, 0.5, 0.2]], floor=0.365)
    assert found.evidence[0].endswith(
        "0.5 times that of held-out digits (below 1: nearer to the training digits than digits that they lack)"
    )


@pytest.mark.parametrize(("latest", "state"), [(8.0, "healthy"), (8.1, "improving"), (46.0, "improving")])
def test_diagnose_calls_a_training_healthy_only_if_its_digits_are_good(latest, state):
    found = diagnose([row(latest * factor) for factor in (4, 3, 2, 1)], floor=0.36)
    assert (found.state, found.remedy) == (state, None)


def test_diagnose_needs_a_few_evaluations():
    assert diagnose([]).state == "too early"
    assert diagnose([row(50.0)]).evidence == ("1 evaluation so far; the diagnosis needs 4",)
    assert diagnose([row(50.0), row(40.0)]).evidence == ("2 evaluations so far; the diagnosis needs 4",)
    assert diagnose([row(50.0), row(40.0), row(30.0)]).state == "too early"
    assert diagnose([row(Loss__scores__real=1.0, Loss__scores__fake=0.0)] * 50).state == "too early"


def test_diagnose_waits_for_a_distance_to_compare_with():
    rows = [row(80.0, Score__real_above_fake=1.0, share={4: 0.0}) for _ in range(4)]
    assert [diagnose(rows[:n]).state for n in (3, 4)] == ["too early", "discriminator too strong"]


def test_diagnose_calls_little_variety_a_collapse():
    rows = [row(d, diversity=dict.fromkeys(range(10), 0.8)) | {"Metric/diversity": 0.8} for d in FALLING]
    found = diagnose(rows)
    assert (found.state, found.evidence) == (
        "collapsing",
        ("samples of a digit have only 80% of the variety of real ones",),
    )
    assert diagnose([*rows, row(0.2) | {"Metric/diversity": 0.95}]).state == "healthy"


def test_diagnose_names_lost_digits():
    found = diagnose([row(d, share={4: 0.01, 9: 0.0}) for d in FALLING])
    assert found.state == "collapsing"
    assert "4s and 9s" in found.evidence[0]


def test_diagnose_ignores_a_digit_lost_at_one_evaluation():
    rows = [row(d) for d in FALLING]
    assert diagnose([*rows, row(0.2, share={4: 0.0})]).state == "healthy"


def test_diagnose_calls_similar_samples_of_one_digit_a_collapse():
    found = diagnose([row(d, diversity={1: 0.2}) for d in FALLING])
    assert found.state == "collapsing"
    assert "1s" in found.evidence[0]
    assert "20%" in found.evidence[0]


def test_diagnose_accepts_a_digit_without_diversity():
    rows = [row(d, share={7: 0.0}) for d in FALLING]
    for one in rows:
        del one["Metric/diversity/7"]
    assert diagnose(rows).state == "collapsing"


def test_diagnose_calls_a_rising_distance_divergence():
    found = diagnose([row(d) for d in [*FALLING, 20.0, 30.0, 50.0]])
    assert found.state == "diverging"
    assert "20" in found.evidence[0]


def test_diagnose_ignores_one_bad_evaluation():
    assert diagnose([row(d) for d in [*FALLING[:8], 20.0, *FALLING[8:]]]).state == "healthy"


def test_diagnose_calls_runaway_scores_divergence_before_any_evaluation():
    calm = [row(Loss__scores__real=1.0, Loss__scores__fake=-1.0)] * 20
    wild = [row(Loss__scores__real=500.0, Loss__scores__fake=-500.0)] * 3
    assert diagnose(calm + wild).state == "diverging"


@pytest.mark.parametrize(
    "scores",
    [{"Score__real_accuracy": 0.999, "Score__fake_accuracy": 0.998}, {"Score__real_above_fake": 0.999}],
)
def test_diagnose_finds_a_discriminator_that_always_wins(scores):
    found = diagnose([row(80.0, **scores) for _ in range(6)])
    assert found.state == "discriminator too strong"
    assert "99." in found.evidence[0]


def test_diagnose_accepts_a_winning_discriminator_while_the_distance_falls():
    assert diagnose([row(d, Score__real_above_fake=0.99) for d in FALLING]).state == "healthy"


def test_diagnose_finds_a_discriminator_that_guesses():
    found = diagnose([row(80.0, Score__real_accuracy=0.9, Score__fake_accuracy=0.12) for _ in range(6)])
    assert found.state == "discriminator too weak"


def test_diagnose_accepts_guessing_with_good_digits():
    rows = [row(d, Score__real_accuracy=0.5, Score__fake_accuracy=0.5) for d in FALLING]
    assert diagnose(rows).state == "healthy"


def test_diagnose_finds_a_faded_discriminator_when_good_digits_get_worse():
    best = min(FALLING)
    rising = [*FALLING, *(best * times for times in (1.6, 1.8, 2.0))]
    faded = diagnose([row(d, Score__real_accuracy=0.5, Score__fake_accuracy=0.51) for d in rising])
    assert faded.state == "discriminator too weak"
    assert "r1-gamma" in (faded.remedy or "")
    assert diagnose([row(d, Score__real_accuracy=0.6, Score__fake_accuracy=0.6) for d in rising]).state == "healthy"


def test_diagnose_prefers_a_faded_discriminator_to_divergence():
    rows = [row(d, Score__real_accuracy=0.5, Score__fake_accuracy=0.5) for d in [*FALLING, 20.0, 30.0, 50.0]]
    assert diagnose(rows).state == "discriminator too weak"


def test_diagnose_finds_a_plateau():
    assert diagnose([row(d) for d in [*FALLING, *[0.9] * 9]]).state == "plateau"


def test_remedies_cover_every_symptom():
    assert set(REMEDIES) == {state for state, _ in SYMPTOMS}


def test_diagnosis_text_is_one_line():
    text = str(diagnose([row(80.0, Score__real_above_fake=1.0) for _ in range(6)]))
    assert text.startswith("discriminator too strong: the discriminator is right at least 99.9% of the time")
    assert "\n" not in text


def rows_of(path: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("seed", [0, 1])
def test_diagnose_calls_a_recorded_run_of_quick_healthy(seed):
    assert diagnose(rows_of(RECORDED / f"quick-{seed}.jsonl")).state == "healthy"


@pytest.mark.parametrize("recipe", presets.FAILURES)
def test_recorded_failures_and_cures_do_what_their_recipe_promises(recipe):
    """Ten seeds, trained as the recipe is, by the button "Try the cure" and by the remedy of the diagnosis."""
    trained = [each for each in gallery.recorded(RECORDED / "gallery.jsonl") if each.recipe == recipe]
    assert {(each.seed, each.kind) for each in trained} == {
        (seed, kind) for seed in range(10) for kind in gallery.KINDS
    }
    assert list(gallery.departures(trained)) == []


def recorded_failures(recipe):
    failures = [
        each for each in gallery.recorded(RECORDED / "gallery.jsonl") if (each.recipe, each.kind) == (recipe, "failure")
    ]
    assert len(failures) == 10
    return failures


def latest_looks(recipe):
    """The last evaluations of a failure on ten seeds, each with the gap between the two histograms of scores."""
    rows = [row for failure in recorded_failures(recipe) for row in failure.rows[-THRESHOLDS.recent :]]
    return [(abs(row["Loss/scores/real"] - row["Loss/scores/fake"]), row) for row in rows]


def test_recorded_collapse_has_drawings_that_pass_and_little_variety():
    for _, row in latest_looks("collapse"):
        assert row["Score/fake_accuracy"] < 0.98
        assert row["Metric/diversity"] < 0.95


@pytest.mark.parametrize("recipe", ["d-too-strong", "wrong-range"])
def test_recorded_strong_discriminator_keeps_the_hills_of_scores_apart(recipe):
    for gap, row in latest_looks(recipe):
        assert gap > 10
        assert min(row["Score/real_accuracy"], row["Score/fake_accuracy"]) >= 0.95


def test_recorded_weak_discriminator_lays_the_hills_of_scores_on_each_other():
    for gap, row in latest_looks("d-too-weak"):
        assert gap < 0.02
        assert abs(row["Loss/scores/real"]) < 0.02
        assert row["Metric/fd2k_mnistnet"] > 30


def test_recorded_scores_without_a_penalty_grow_into_the_thousands():
    for failure in recorded_failures("no-penalty"):
        assert max(abs(row["Loss/scores/real"]) for row in failure.rows) > 1000


@pytest.mark.parametrize("recipe", presets.FAILURES)
def test_remedy_of_a_failure_leads_to_a_healthier_config(recipe):
    failure = next(each for each in gallery.recorded(RECORDED / "gallery.jsonl") if each.recipe == recipe)
    failing = presets.get(recipe)
    advised = gallery.followed(failing, failure.diagnosis.remedy or "")
    assert advised != failing
    if recipe != "no-penalty":  # its button adds the gradient penalty of WGAN-GP, the remedy R1
        assert replace(advised, preset="") == replace(gallery.cured(recipe), preset="")


def test_gallery_notices_a_cure_that_does_not_help():
    trained = [each for each in gallery.recorded(RECORDED / "gallery.jsonl") if each.seed == 0][: len(gallery.KINDS)]
    failure, cure, _ = trained
    same = replace(cure, rows=failure.rows)
    assert len(list(gallery.departures([failure, same]))) == 3  # diagnosis, distance and diversity
    assert len(list(gallery.departures([replace(failure, rows=cure.rows)]))) == 1


@pytest.mark.slow
@pytest.mark.mnist
def test_gallery_recipe_fails_and_is_cured_when_trained(mnist_dir, monkeypatch, tmp_path):
    """`python -m benchmarks.gallery check` trains the other recipes, at full length."""
    monkeypatch.setenv("MNIST_GAN_DATA", str(mnist_dir))
    trained = gallery.train_recipe("d-too-strong", seed=0, folder=tmp_path, nimg=12_000)
    assert list(gallery.departures(trained)) == []


def test_diagnose_never_finds_trouble_late_in_a_healthy_run():
    rows = rows_of(RECORDED / "quick-1.jsonl")
    late = [end for end in range(1, len(rows) + 1) if rows[end - 1]["cur_nimg"] > 48_000]
    assert {diagnose(rows[:end]).state for end in late} <= {"healthy", "plateau"}
