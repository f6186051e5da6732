from __future__ import annotations

import json
import re

import pytest
from tests.support.studies import TOML, results_of, small_study

from mnist_gan.studies.coordinator import read_progress
from mnist_gan.studies.folder import StudyDirectory
from mnist_gan.studies.report import render_report, to_json


@pytest.fixture
def page_and_json(tmp_path):
    study = small_study("target = 4.0\n", text=TOML.replace("seeds = 3", "seeds = 7"))
    directory = StudyDirectory(tmp_path / "study")
    values = {"ns": [float(k) for k in range(7)], "hinge": [k - 1.0 for k in range(7)]}
    results = results_of(study, directory, values, diverged=("hinge-seed2",))
    progress = read_progress(study, directory)
    return render_report(results, progress, name="small <1>"), to_json(results, progress)


def test_report_is_one_page_without_requests_or_scripts(page_and_json):
    page, _ = page_and_json
    tags = re.findall(r"<([a-z]+)", page)
    assert not {"script", "link", "img", "iframe"} & set(tags)
    assert "default-src 'none'" in page
    assert not re.search(r"(?:src|href)=|url\(|@import", page)
    assert tags.count("svg") >= 7


def test_report_has_the_results_failures_and_cost(page_and_json):
    page, _ = page_and_json
    for text in (
        "Study small &lt;1&gt;",
        "hinge-seed2",
        "Loss/D/loss is nan",
        "Time to 4",
        "prefers-color-scheme: dark",
    ):
        assert text in page
    assert "of processor time, tuning and failed trials included" in page


def test_json_has_values_and_statistics_without_infinities(page_and_json):
    _, content = page_and_json
    content = json.loads(json.dumps(content, allow_nan=False))
    hinge = content["arms"]["hinge"]
    assert hinge["trials"]["2"] == {
        "run": "hinge-seed2",
        "state": "diverged",
        "value": None,
        "images": [],
        "seconds": [],
        "values": [],
    }
    assert hinge["trials"]["3"]["values"] == [12.0, 2.0]
    assert (hinge["equal_images"]["failed"], hinge["versus_baseline_images"]["pairs"]) == (1, 7)
    assert content["arms"]["ns"]["versus_baseline_images"] is None
    assert content["arms"]["ns"]["time_to_target"]["images"]["met"] == 5
