from __future__ import annotations

import dataclasses
import json
import math


def test_evaluation_to_dict_is_plain_json_with_the_figures(perfect):
    _, found = perfect
    text = json.dumps(found.to_dict(), allow_nan=False)
    read = json.loads(text)
    assert read["figures"]["fd500_mnistnet"]["value"] == found.figures["fd500_mnistnet"].value
    assert read["memorization"]["pixels"]["closest"][0]["distance"] > 0
    assert found.row()["Metric/fd500_mnistnet"] == found.figures["fd500_mnistnet"].value


def test_evaluation_to_dict_writes_non_finite_values_as_null(perfect):
    _, found = perfect
    figure = dataclasses.replace(found.figures["diversity"], value=math.nan, ceiling=math.inf)
    changed = dataclasses.replace(found, figures={"diversity": figure})
    assert changed.to_dict()["figures"]["diversity"]["value"] is None
    assert changed.to_dict()["figures"]["diversity"]["ceiling"] is None
    assert changed.row() == {}
