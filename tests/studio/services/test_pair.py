"""Pairs of runs: equal terms, what differs, and how it is said."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from mnist_gan import presets
from mnist_gan.errors import ConfigError
from mnist_gan.studio.errors import NotFoundError
from mnist_gan.studio.services import pair
from mnist_gan.studio.services.form import chosen_config
from mnist_gan.studio.services.library import Library
from mnist_gan.studio.services.pair import Side, describe_difference, matched, read_side, settings_that_differ, stem_of


def recipe(preset: str = "quick", **changes: Any) -> Side:
    return Side(config=chosen_config(preset, {name.replace("__", "."): value for name, value in changes.items()}))


def test_matched_gives_two_new_runs_the_same_number_of_threads(monkeypatch):
    monkeypatch.setattr(pair, "usable_cores", lambda: 5)
    first, second = matched(recipe(), recipe(objective__r1_gamma=0.0))
    assert (first.config.training.threads, second.config.training.threads) == (2, 2)
    assert list(settings_that_differ(first.config, second.config)) == ["objective.r1_gamma"]


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (recipe(), recipe(), "the same"),
        (recipe(), recipe(objective__r1_gamma=1.0), "the same"),  # the value of the recipe
        (recipe("flash"), recipe("flash", objective__r1_gamma=0.0), "flash measures its length"),
        (recipe(), Side(config=presets.quick(), base="run"), "both from one run"),
        (Side(config=presets.quick(), base="run"), Side(config=presets.flash(), base="run", is_new=False), "length"),
        (Side(config=presets.quick(), base="run"), Side(config=presets.best(), base="run", is_new=False), "the same"),
    ],
)
def test_matched_refuses_sides_that_cannot_be_compared(first, second, said):
    with pytest.raises(ConfigError, match=said):
        matched(first, second)


def test_side_that_is_a_run_has_its_settings_and_threads(studio_runs: Path):
    library = Library(studio_runs)
    first = read_side({"run": "tiny"}, library=library)
    second = read_side({"run": "tiny", "changes": {"optimizer.beta1": 0.9}}, library=library)
    assert not first.is_new
    _, new = matched(first, second)
    assert new.config.training.threads == first.config.training.threads
    assert settings_that_differ(first.config, new.config) == {"optimizer.beta1": (0.5, 0.9)}
    with pytest.raises(ConfigError, match="would be the same"):
        matched(first, first)


@pytest.mark.parametrize(
    "body", [None, [], {}, {"preset": "quick", "run": "tiny"}, {"run": 3}, {"preset": "quick", "more": 1}]
)
def test_side_refuses_anything_but_a_recipe_or_a_run(studio_runs: Path, body):
    with pytest.raises(ConfigError):
        read_side(body, library=Library(studio_runs))


def test_side_refuses_a_run_that_does_not_exist(studio_runs: Path):
    with pytest.raises(NotFoundError):
        read_side({"run": "../tiny"}, library=Library(studio_runs))


def test_settings_that_differ_leave_out_names_records_and_rounded_lengths():
    length = {"training.total_nimg": 1_200_000}
    first, second = (chosen_config("quick", length | changes) for changes in ({}, {"training.batch_size": 100}))
    training = dataclasses.replace(second.training, total_nimg=1_200_000 + 64)
    other = dataclasses.replace(
        second, preset="mine", run=dataclasses.replace(second.run, previews=3), training=training
    )
    assert list(settings_that_differ(first, other)) == ["training.batch_size"]
    longer = dataclasses.replace(first, training=dataclasses.replace(first.training, total_nimg=1_200_064))
    assert list(settings_that_differ(first, longer)) == ["training.total_nimg"]  # a step longer


def test_settings_that_differ_leave_out_the_use_of_the_cores():
    """The load of the machine decides on them, and not the user."""
    first = recipe().config
    training = dataclasses.replace(first.training, threads=2, shards=2)
    second = dataclasses.replace(first, training=training)
    assert settings_that_differ(first, second) == {}


def test_difference_is_said_in_words_and_counted():
    quick = presets.quick()
    one = chosen_config("quick", {"objective.loss": "wasserstein"})
    assert describe_difference(settings_that_differ(quick, one)) == (
        "One difference. Loss: non-saturating (Goodfellow et al. 2014) and Wasserstein (Arjovsky et al. 2017)."
    )
    two = chosen_config("quick", {"training.conditional": False, "training.batch_size": 128})
    assert (
        describe_difference(settings_that_differ(quick, two))
        == "2 differences. Batch size: 64 and 128; Labels: on and off."
    )
    assert describe_difference({}) == "No setting that affects the training differs."


@pytest.mark.parametrize(
    ("changes", "stem"),
    [
        ({"objective.r1_gamma": 0.0}, "quick-r1_gamma-0"),
        ({"optimizer.g_lr": 1e-5}, "quick-g_lr-1e-05"),
        ({"data.real_range": "0 to 255"}, "quick-real_range-0-255"),
        ({"training.conditional": False, "training.batch_size": 128}, "quick-2-differences"),
    ],
)
def test_second_run_is_named_after_the_difference(changes, stem):
    assert stem_of(presets.quick(), chosen_config("quick", changes)) == stem
