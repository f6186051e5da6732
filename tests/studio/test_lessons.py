"""The table of guided lessons: its texts, its sections, and its claims on a seed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mnist_gan.studio.lessons import BY_NAME, LESSONS, Claim, Game, GuidedLesson
from mnist_gan.studio.services.form import chosen_config
from mnist_gan.studio.services.pair import settings_that_differ
from mnist_gan.studio.services.plane import play_experiment

DOCS = Path(__file__).resolve().parents[2] / "docs" / "how-a-gan-works.md"
GAMES = [
    pytest.param(experiment, id=f"{lesson.name}-{number}")
    for lesson in LESSONS
    for number, experiment in enumerate(lesson.experiments)
    if isinstance(experiment, Game)
]
by_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)


def test_lessons_are_in_the_order_of_the_course() -> None:
    assert list(BY_NAME) == [
        "task",
        "d-step",
        "g-step",
        "game",
        "collapse",
        "saturation",
        "penalty",
        "learning-rates",
        "labels",
        "curves",
        "memorization",
    ]
    assert len({lesson.title for lesson in LESSONS}) == len(LESSONS)


@by_lesson
def test_lesson_names_a_section_of_the_explanation(lesson: GuidedLesson) -> None:
    headings = re.findall(r"^## (.+)$", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    assert lesson.section in headings


@by_lesson
def test_pair_of_digits_differs_in_one_setting(lesson: GuidedLesson) -> None:
    if lesson.digits is None:
        return
    both = dict(lesson.digits.both)
    first = chosen_config(lesson.digits.preset, both)
    second = chosen_config(lesson.digits.preset, both | dict(lesson.digits.difference))
    assert list(settings_that_differ(first, second)) == list(lesson.digits.difference)
    assert len(lesson.digits.difference) == 1


@by_lesson
def test_lesson_asks_two_questions_with_one_right_answer_each(lesson: GuidedLesson) -> None:
    for question in (lesson.prediction, lesson.check):
        assert 2 <= len(question.choices) <= 4
        assert len(set(question.choices)) == len(question.choices)
        assert 0 <= question.right < len(question.choices)
        assert question.text.endswith("?")
        assert question.why.endswith(".")


def test_right_answers_are_not_always_in_one_place() -> None:
    places = [question.right for lesson in LESSONS for question in (lesson.prediction, lesson.check)]
    assert max(places.count(place) for place in set(places)) <= 0.75 * len(places)


@by_lesson
def test_lesson_ends_with_two_sentences(lesson: GuidedLesson) -> None:
    assert len(re.findall(r"[.!?](?:\s|$)", lesson.takeaway)) == 2


@pytest.mark.parametrize(
    ("relation", "value", "found", "holds"),
    [("at most", 2.0, 2, True), ("at most", 2.0, 3, False), ("at least", 7.0, 8, True), ("at least", 7.0, None, False)],
)
def test_claim_holds_within_its_limit(relation: str, value: float, found: float | None, holds: bool) -> None:
    claim = Claim(figure="reached", relation=relation, value=value)  # type: ignore[arg-type]
    assert claim.holds({"reached": found}) is holds


@pytest.mark.slow
@pytest.mark.parametrize("experiment", GAMES)
def test_experiment_shows_what_its_lesson_claims(experiment: Game) -> None:
    figures = play_experiment(experiment, seed=0)
    assert experiment.claims
    assert [claim for claim in experiment.claims if not claim.holds(figures)] == []
