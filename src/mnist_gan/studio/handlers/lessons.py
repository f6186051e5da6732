"""The Lessons page: the table of guided lessons, with the source of the function that each is about."""

from __future__ import annotations

import functools
import inspect
from typing import Any, Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mnist_gan.artifacts.gan import SHIPPED
from mnist_gan.studio import api
from mnist_gan.studio.lessons import LESSONS, Digits, Game, GuidedLesson, Picture, Question
from mnist_gan.text import heading_anchor

PICTURES: Final = 8
"""Digits in a row."""


def get_lessons(_: Request) -> Response:
    """List the lessons with their experiments."""
    return JSONResponse(api.GuidedLessons(lessons=described()))


@functools.cache
def described() -> list[api.GuidedLesson]:
    """The lessons as JSON values."""
    return [_lesson_json(lesson) for lesson in LESSONS]


def _lesson_json(lesson: GuidedLesson) -> api.GuidedLesson:
    function = lesson.function
    return {
        "name": lesson.name,
        "title": lesson.title,
        "idea": lesson.idea,
        "prediction": _question_json(lesson.prediction),
        "experiments": [_experiment_json(each) for each in lesson.experiments],
        "reveal": lesson.reveal,
        "check": _question_json(lesson.check),
        "takeaway": lesson.takeaway,
        "section": lesson.section,
        "section_address": f"/theory#{heading_anchor(lesson.section)}",
        "function": f"{function.__module__}.{function.__qualname__}",
        "source": inspect.getsource(function),
        "digits": None if lesson.digits is None else _digits_address(lesson.digits),
    }


def _digits_address(digits: Digits) -> str:
    """Address of the form for two runs, filled in."""
    own = {f"b.{name}": value for name, value in digits.difference.items()}
    values = {"preset": digits.preset, **digits.both, **own}
    return f"/runs?{urlencode({name: _address_text(value) for name, value in values.items()})}"


def _address_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _question_json(question: Question) -> api.LessonQuestion:
    return {"text": question.text, "choices": list(question.choices), "right": question.right, "why": question.why}


def _experiment_json(experiment: Game | Picture) -> api.LessonGame | api.LessonPicture:
    if isinstance(experiment, Picture):
        view = {
            "model": SHIPPED,
            "digit": experiment.digit,
            "seed": experiment.seed,
            "n": PICTURES,
            "columns": PICTURES,
        }
        return {"title": experiment.title, "picture": f"/api/explore/samples?{urlencode(view | {'scale': 3})}"}
    limit: dict[str, int] = {} if experiment.limit is None else {"limit": experiment.limit}
    setup: Any = {"data": experiment.data, "changes": dict(experiment.changes), **limit}
    return {
        "title": experiment.title,
        "setup": setup,
        "moves": [{"kind": kind, "moves": moves} for kind, moves in experiment.moves],
        "figures": list(dict.fromkeys(claim.figure for claim in experiment.claims)),
        "address": f"/plane?{urlencode({'data': experiment.data, **experiment.changes, **limit})}",
    }


ROUTES: Final = [Route("/api/lessons", get_lessons)]
