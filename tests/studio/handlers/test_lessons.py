"""The table of lessons over HTTP."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from tests.studio.conftest import Running

from mnist_gan.studio.lessons import LESSONS
from mnist_gan.studio.services.plane import plane_config


def test_lessons_are_listed_with_their_experiments_and_the_source_of_their_function(shared_server: Running) -> None:
    listed = shared_server.get("/api/lessons")["lessons"]
    assert [lesson["name"] for lesson in listed] == [lesson.name for lesson in LESSONS]
    for lesson in listed:
        assert f"def {lesson['function'].rpartition('.')[2]}(" in lesson["source"]
        assert lesson["experiments"]


def test_addresses_of_games_have_the_settings_of_the_experiment(shared_server: Running) -> None:
    for lesson in shared_server.get("/api/lessons")["lessons"]:
        for experiment in lesson["experiments"]:
            if "picture" in experiment:
                assert shared_server.client.get(experiment["picture"]).headers["content-type"] == "image/png"
                continue
            setup = experiment["setup"]
            plane_config(setup["data"], setup["changes"], limit=setup.get("limit"))
            address = urlsplit(experiment["address"])
            query = {name: values[0] for name, values in parse_qs(address.query).items()}
            assert address.path == "/plane"
            changes = setup["changes"] | {name: setup[name] for name in ("limit",) if name in setup}
            assert query == {"data": setup["data"], **{name: str(value) for name, value in changes.items()}}


def test_address_of_two_trainings_has_the_settings_of_each(shared_server: Running) -> None:
    lessons = {lesson["name"]: lesson["digits"] for lesson in shared_server.get("/api/lessons")["lessons"]}
    assert lessons["task"] is None
    assert lessons["labels"] == "/runs?preset=quick&training.total_nimg=60000&b.training.conditional=false"


def test_section_is_one_of_the_theory_page(shared_server: Running) -> None:
    page = shared_server.client.get("/theory").text
    for lesson in shared_server.get("/api/lessons")["lessons"]:
        path, _, anchor = lesson["section_address"].partition("#")
        assert path == "/theory"
        assert f'<h2 id="{anchor}">' in page
