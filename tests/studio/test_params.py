"""Values of JSON bodies and of queries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mnist_gan.errors import ConfigError
from mnist_gan.studio.params import Query, check_fields, number, whole_number


@pytest.mark.parametrize(
    "read",
    [
        lambda: number("1", "x", low=0, high=1),
        lambda: number(True, "x", low=0, high=1),
        lambda: number(float("nan"), "x", low=0, high=1),
        lambda: number(10**400, "x", low=0, high=1),
        lambda: whole_number(1.0, "x", low=0, high=1),
        lambda: whole_number(2, "x", low=0, high=1),
        lambda: check_fields({"x": 1, "y": 2}, "y"),
        lambda: Query({"x": "-1"}).whole("x", high=5),
        lambda: Query({"x": "1e0"}).number("x", low=0, high=5),
        lambda: Query({"x": "\u0663"}).number("x", low=0, high=5),
        lambda: Query({"x": "1,2,3"}).numbers("x", low=0, high=5, most=2),
        lambda: Query({"x": "exe"}).choice("x", ["png", "npz"]),
    ],
)
def test_params_refuse_an_invalid_value_by_its_name(read: Callable[[], Any]):
    with pytest.raises(ConfigError, match="x"):
        read()


def test_query_reads_values_and_defaults():
    query = Query({"a": "-3", "b": "+.5", "c": "1,,2"})
    assert query.whole("a", low=-5, high=5) == -3
    assert query.number("b", low=0, high=1) == 0.5
    assert query.numbers("c", low=0, high=5, most=3) == (1.0, 0.0, 2.0)
    assert (query.whole("none", high=5), query.number("none", low=0, high=1), query.text("none")) == (None, None, None)
    assert query.choice("none", ["png", "npz"]) == "png"


def test_numbers_return_their_values():
    assert (number(1, "x", low=0, high=1), whole_number(1, "x", low=0, high=1)) == (1.0, 1)
