"""The table of lessons over HTTP."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from scripts import docpages
from tests.studio.conftest import Running

from mnist_gan.studio.handlers.lessons import section_address
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


def test_section_has_an_address_in_the_documentation_of_a_release() -> None:
    page = docpages.ROOT / "docs" / "how-a-gan-works.md"
    documentation = "https://example.org/x/blob/v1/docs/README.md"
    for lesson in LESSONS:
        address = section_address(lesson.section, documentation=documentation) or ""
        assert address.startswith("https://example.org/x/blob/v1/docs/how-a-gan-works.md#")
        assert address.rpartition("#")[2] in docpages.anchors(page)
        assert section_address(lesson.section, documentation=None) is None
    local = "https://github.com/OWNER/mnist-gan/blob/v1/docs/README.md"
    assert section_address("The task", documentation=local) is None
