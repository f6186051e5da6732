from __future__ import annotations

import pytest

from mnist_gan.evaluation.diagnosis import REMEDIES, SYMPTOMS, diagnose


def row(distance=None, *, share=None, diversity=None, **fields):
    found = {name.replace("__", "/"): value for name, value in fields.items()}
    if distance is not None:
        found["Metric/fd2k_mnistnet"] = distance
        found |= {f"Metric/share/{digit}": (share or {}).get(digit, 1.0) for digit in range(10)}
        found |= {f"Metric/diversity/{digit}": (diversity or {}).get(digit, 0.95) for digit in range(10)}
    return found


FALLING = [60.0 * 0.6**i + 0.3 for i in range(10)]


def test_a_falling_distance_is_healthy():
    found = diagnose([row(d) for d in FALLING], floor=0.1)
    assert found.state == "healthy"
    assert found.remedy is None
    assert "times that of real digits" in found.evidence[0]


def test_few_evaluations_say_nothing():
    assert diagnose([]).state == "too early"
    assert diagnose([row(50.0), row(40.0)]).state == "too early"
    assert diagnose([row(Loss__scores__real=1.0, Loss__scores__fake=0.0)] * 50).state == "too early"


def test_lost_digits_are_named():
    found = diagnose([row(d, share={4: 0.01, 9: 0.0}) for d in FALLING])
    assert found.state == "collapsing"
    assert "4s and 9s" in found.evidence[0]


def test_a_digit_lost_only_now_is_no_collapse():
    rows = [row(d) for d in FALLING]
    assert diagnose([*rows, row(0.2, share={4: 0.0})]).state == "healthy"


def test_alike_samples_of_one_digit_are_a_collapse():
    found = diagnose([row(d, diversity={1: 0.2}) for d in FALLING])
    assert found.state == "collapsing"
    assert "1s" in found.evidence[0]
    assert "20%" in found.evidence[0]


def test_a_digit_without_samples_has_no_diversity_to_read():
    rows = [row(d, share={7: 0.0}) for d in FALLING]
    for one in rows:
        del one["Metric/diversity/7"]
    assert diagnose(rows).state == "collapsing"


def test_a_distance_that_comes_back_up_is_divergence():
    found = diagnose([row(d) for d in [*FALLING, 20.0, 30.0, 50.0]])
    assert found.state == "diverging"
    assert "20" in found.evidence[0]


def test_one_bad_evaluation_is_no_divergence():
    assert diagnose([row(d) for d in [*FALLING[:8], 20.0, *FALLING[8:]]]).state == "healthy"


def test_scores_that_run_away_are_divergence_even_before_evaluations():
    calm = [row(Loss__scores__real=1.0, Loss__scores__fake=-1.0)] * 20
    wild = [row(Loss__scores__real=500.0, Loss__scores__fake=-500.0)] * 3
    assert diagnose(calm + wild).state == "diverging"


@pytest.mark.parametrize(
    "scores",
    [{"Score__real_accuracy": 0.999, "Score__fake_accuracy": 0.998}, {"Score__real_above_fake": 0.999}],
)
def test_a_discriminator_that_always_wins(scores):
    found = diagnose([row(80.0, **scores) for _ in range(6)])
    assert found.state == "discriminator too strong"
    assert "99." in found.evidence[0]


def test_a_winning_discriminator_that_the_images_learn_from_is_healthy():
    assert diagnose([row(d, Score__real_above_fake=0.99) for d in FALLING]).state == "healthy"


def test_a_discriminator_that_guesses():
    found = diagnose([row(80.0, Score__real_accuracy=0.9, Score__fake_accuracy=0.12) for _ in range(6)])
    assert found.state == "discriminator too weak"


def test_guessing_before_good_digits_is_the_goal():
    rows = [row(d, Score__real_accuracy=0.5, Score__fake_accuracy=0.5) for d in FALLING]
    assert diagnose(rows).state == "healthy"


def test_guessing_while_good_digits_get_worse_is_a_discriminator_that_faded():
    best = min(FALLING)
    rising = [*FALLING, *(best * times for times in (1.6, 1.8, 2.0))]
    faded = diagnose([row(d, Score__real_accuracy=0.5, Score__fake_accuracy=0.51) for d in rising])
    assert faded.state == "discriminator too weak"
    assert "r1-gamma" in (faded.remedy or "")
    assert diagnose([row(d, Score__real_accuracy=0.6, Score__fake_accuracy=0.6) for d in rising]).state == "healthy"


def test_a_faded_discriminator_is_no_divergence_however_far_the_distance_rises():
    rows = [row(d, Score__real_accuracy=0.5, Score__fake_accuracy=0.5) for d in [*FALLING, 20.0, 30.0, 50.0]]
    assert diagnose(rows).state == "discriminator too weak"


def test_no_progress_is_a_plateau():
    assert diagnose([row(d) for d in [*FALLING, *[0.9] * 9]]).state == "plateau"


def test_every_trouble_has_a_remedy():
    assert set(REMEDIES) == {state for state, _ in SYMPTOMS}


def test_a_verdict_reads_as_one_line():
    text = str(diagnose([row(80.0, Score__real_above_fake=1.0) for _ in range(6)]))
    assert text.startswith("discriminator too strong: ")
    assert "\n" not in text
