from __future__ import annotations

import re

import pytest
from tests.support.studies import TOML, small_study

from mnist_gan import config as config_module
from mnist_gan.errors import ConfigError
from mnist_gan.studies.plan import (
    TUNING_SEED,
    Budget,
    Range,
    draw_values,
    evaluation_share,
    from_toml,
    make_trial,
    merge,
    read_study,
    same_direction,
)

SEARCH = """
[tuning]
trials = 4
[search]
optimizer.g_lr = { low = 1e-4, high = 1e-2, scale = "log" }
"""


def test_final_trials_are_paired_by_seed_and_interleaved():
    order = [(arm.name, seed) for arm, seed in small_study().final_trials()]
    assert order == [("ns", 0), ("hinge", 0), ("hinge", 1), ("ns", 1), ("ns", 2), ("hinge", 2)]


def test_make_trial_sets_what_all_trials_share():
    study = small_study("points = [0.1, 0.25, 1.0]\n", text=TOML.replace("points = [0.5, 1.0]", ""))
    trial = make_trial(study, study.arms[1], stage="final", seed=2, nimg=2_000)
    training, run = trial.config.training, trial.config.run
    assert (trial.name, trial.config.objective.loss) == ("hinge-seed2", "hinge")
    assert (training.seed, training.total_nimg, training.epochs, training.threads) == (2, 2_000, None, 1)
    assert (run.evaluate_nimg, run.tick_nimg, run.pictures, run.tensorboard) == (100, 100, False, False)


def test_tuning_trials_draw_the_same_values_again_and_others_for_each_arm():
    study = small_study(text=TOML + SEARCH)
    values = [drawn["optimizer.g_lr"] for _, _, drawn in study.tuning_trials()]
    assert values == [drawn["optimizer.g_lr"] for _, _, drawn in study.tuning_trials()]
    assert len(set(values)) == 8
    assert all(1e-4 <= value <= 1e-2 for value in values)
    trial = make_trial(study, study.arms[0], stage="tuning", seed=3, nimg=40, values={"optimizer.g_lr": 1e-3})
    assert (trial.name, trial.config.training.seed) == ("ns-tune3", TUNING_SEED + 3)
    assert trial.config.optimizer.g_lr == 1e-3


def test_range_draws_uniformly_on_its_scale():
    log = Range(field="optimizer.g_lr", low=1e-4, high=1e-2, log=True)
    assert (log.draw(0.0), log.draw(0.5), log.describe()) == (1e-4, 1e-3, "0.0001 to 0.01, log-uniform")
    whole = Range(field="training.d_steps", low=1, high=5)
    assert (whole.draw(0.6), type(whole.draw(0.6))) == (3, int)
    assert Range(field="training.d_steps", choices=(1, 5)).draw(0.99) == 5


def test_draw_values_of_two_fields_are_independent():
    study = small_study(text=TOML + SEARCH + 'optimizer.d_lr = { low = 1e-4, high = 1e-2, scale = "log" }\n')
    drawn = draw_values(study.arms[0], 0, seed=0)
    assert drawn["optimizer.g_lr"] != drawn["optimizer.d_lr"]


def test_study_as_toml_reads_back_the_same_without_other_files(tmp_path):
    study = small_study("target = 5.0\n", text=TOML + SEARCH)
    (tmp_path / "copy.toml").write_text(study.to_toml())
    assert read_study(tmp_path / "copy.toml") == study


def test_evaluation_share_meets_every_point():
    assert evaluation_share((0.1, 0.25, 1.0)) == pytest.approx(0.05)
    assert evaluation_share((1.0,)) == 1.0


def test_merge_changes_nested_fields_and_keeps_the_original():
    base = {"optimizer": {"g_lr": 1.0, "d_lr": 2.0}}
    assert merge(base, {"optimizer.g_lr": 3.0, "run.pictures": False}) == {
        "optimizer": {"g_lr": 3.0, "d_lr": 2.0},
        "run": {"pictures": False},
    }
    assert base["optimizer"]["g_lr"] == 1.0


def test_arm_may_start_from_a_config_file(tmp_path):
    (tmp_path / "mine.toml").write_text('[objective]\nloss = "hinge"\n')
    study = from_toml('[arms.mine]\nconfig = "mine.toml"\n', source="x", folder=tmp_path)
    assert study.arms[0].config.objective.loss == "hinge"
    assert study.baseline == "mine"


def test_same_direction_turns_figures_of_which_higher_is_better():
    study = small_study('figure = "agreement"\n')
    assert (same_direction(0.9, study.options), same_direction(0.9, small_study().options)) == (-0.9, 0.9)


def test_budget_needs_exactly_one_length():
    with pytest.raises(ConfigError, match="budget needs either images or seconds"):
        Budget(images=10, seconds=1.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"sedes = 3\n{TOML}", "unknown field 'sedes'; the fields here are arms, baseline, budget"),
        (TOML.replace("images = 40", "images = 0"), "budget.images is 0; it must be a whole number from 1 to"),
        (TOML.replace("images = 40", "seconds = 0"), "budget.seconds is 0; it must be a finite number, more than 0"),
        (TOML.replace("images = 40", "image = 40"), "unknown field budget.image; the fields here are images, seconds"),
        (TOML.replace("seeds = 3", "seeds = 0"), "seeds is 0; it must be a whole number"),
        (TOML.replace('loss = "hinge"', 'loss = "non_saturating"'), "arms.ns and arms.hinge are equal; change one"),
        (TOML.replace('"classic-mlp"', '"clasic-mlp"', 1), "arms.ns: there is no preset 'clasic-mlp'; did you mean"),
        (
            TOML.replace("changes.objective.loss", "changes.objective.los"),
            "arms.hinge: changes: unknown field objective.los",
        ),
        (
            TOML + "changes.training.seed = 1\n",
            "arms.hinge.changes sets training.seed, which is the same for all trials",
        ),
        (TOML.replace('preset = "classic-mlp"', "", 1), "arms.ns needs either a preset or a config"),
        (TOML + "presets = 3\n", "unknown field arms.hinge.presets; the fields here are preset, config, plugin"),
        ("[budget]\nimages = 4\n", "the study has no arms; add a table such as [arms.quick]"),
        (f'baseline = "nss"\n{TOML}', "baseline is 'nss'; it must be one of the arms: ns, hinge"),
        (f'figure = "beauty"\n{TOML}', "figure is 'beauty', which is not a figure"),
        (f'figure = "diversity"\n{TOML}', "of which neither lower nor higher is better"),
        (TOML.replace("points = [0.5, 1.0]", "points = [0.5]"), "points are [0.5]; they must rise and end with 1.0"),
        (TOML + "[tuning]\ntrials = 3\n", "tuning needs a search space"),
        (TOML + "[search]\noptimizer.g_lr = 3\n", "search.optimizer.g_lr is 3; write a range, such as"),
        (TOML + SEARCH.replace("g_lr", "glr"), "search.optimizer.glr: there is no setting optimizer.glr"),
        (TOML + SEARCH.replace("1e-4", "0"), "search.optimizer.g_lr: a log scale needs a low above 0"),
        (TOML + SEARCH.replace("[tuning]\ntrials = 4", ""), "arms.ns.search needs tuning trials"),
        (TOML + SEARCH.replace("1e-4", "-1").replace("log", "linear"), "arms.ns: optimizer.g_lr is -1.0; it must be"),
        (TOML + 'plugin = "none.py"\n', "arms.hinge.plugin is none.py, and there is no such file in"),
        ("seeds = ", "study.toml is not valid TOML"),
        ("arms = 3\n", "arms must be tables, such as [arms.quick]"),
    ],
)
def test_from_toml_refuses_with_the_place(text: str, message: str, tmp_path):
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        from_toml(text, source="study.toml", folder=tmp_path)
    assert str(caught.value).startswith("study.toml")
    assert "\n" not in str(caught.value)


def test_read_study_names_a_file_that_is_missing(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.toml cannot be read: No such file"):
        read_study(tmp_path / "none.toml")


def test_trials_keep_the_recipe_apart_from_what_the_study_sets():
    study = small_study()
    one, other = (make_trial(study, study.arms[0], stage="final", seed=seed, nimg=40).config for seed in (0, 1))
    assert config_module.to_dict(one)["optimizer"] == config_module.to_dict(other)["optimizer"]
