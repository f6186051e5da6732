import dataclasses

import pytest

from mnist_gan import presets
from mnist_gan.config import from_toml, to_toml
from mnist_gan.errors import ConfigError


@pytest.mark.parametrize("name", presets.PRESETS)
def test_preset_config_carries_the_name_of_its_recipe(name):
    assert presets.get(name).preset == presets.PRESETS[name].name == name


@pytest.mark.parametrize("name", presets.PRESETS)
def test_preset_survives_toml(name):
    assert from_toml(to_toml(presets.get(name))) == presets.get(name)


@pytest.mark.parametrize("recipe", presets.PRESETS.values(), ids=lambda recipe: recipe.name)
def test_recipe_texts_are_sentences(recipe):
    texts = [recipe.summary, *([recipe.lesson.look_at, recipe.lesson.cure] if recipe.lesson else [])]
    assert all(text.endswith(".") and text[0].isupper() for text in texts)
    assert not recipe.title.endswith(".")


def test_recipes_say_how_long_they_take_unless_the_data_are_the_users():
    assert [name for name, recipe in presets.PRESETS.items() if not recipe.minutes] == ["points"]


def test_presets_have_distinct_titles_and_configs():
    recipes = presets.PRESETS.values()
    assert len({recipe.title for recipe in recipes}) == len(recipes)
    nameless = [dataclasses.replace(recipe.make(), preset="") for recipe in recipes]
    assert len(set(nameless)) == len(recipes)


def test_failures_are_short_and_evaluated_often():
    assert list(presets.FAILURES) == ["collapse", "d-too-strong", "d-too-weak", "no-penalty", "wrong-range"]
    for recipe in presets.FAILURES.values():
        config = recipe.make()
        assert config.training.total_nimg == 32_000
        assert config.run.tick_nimg == config.run.evaluate_nimg == 4_000


CURES = [(name, recipe.lesson.changes) for name, recipe in presets.FAILURES.items() if recipe.lesson]


@pytest.mark.parametrize(("name", "changes"), CURES)
def test_failure_cure_changes_one_to_three_fields_to_other_values(name, changes):
    config = presets.get(name)
    assert 1 <= len(changes) <= 3
    for field, value in changes.items():
        group, _, key = field.partition(".")
        assert getattr(getattr(config, group), key) != value


def test_get_suggests_the_nearest_name():
    with pytest.raises(
        ConfigError, match=r"no preset 'quikc'; did you mean quick\? The presets are quick, flash, standard"
    ):
        presets.get("quikc")
    with pytest.raises(ConfigError, match="no preset 'xyz'; choose one of quick, flash, standard"):
        presets.get("xyz")
