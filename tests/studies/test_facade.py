from __future__ import annotations

import json

import pytest
from tests.support.studies import TOML, WrittenBackend, small_study

from mnist_gan.errors import ArtifactError, ConfigError
from mnist_gan.studies import facade
from mnist_gan.studies.folder import Attempt, StudyDirectory


def test_run_study_writes_report_and_json_also_after_an_error(tmp_path):
    study, directory = small_study(), StudyDirectory(tmp_path / "studies" / "small")
    end = {"ns-seed2": Attempt(trial="ns-seed2", state="failed", code=3, message="no data")}
    with pytest.raises(ConfigError, match="no data"):
        facade.run_study(study, directory, WrittenBackend(directory, study, end=end))
    assert json.loads(directory.results.read_text())["complete"] is False
    assert facade.failures(directory) == {"ns-seed2": "failed: no data"}
    assert facade.run_study(study, directory, WrittenBackend(directory, study))
    assert json.loads(directory.results.read_text())["complete"] is True
    assert "<title>Study small</title>" in directory.report.read_text()


def test_open_study_takes_a_file_a_folder_a_name_and_a_study_of_the_package(tmp_path):
    (tmp_path / "mine.toml").write_text(TOML)
    study, name = facade.open_study(str(tmp_path / "mine.toml"), studies_dir=tmp_path)
    assert (study, name) == (small_study(), "mine")
    directory = StudyDirectory(tmp_path / "other")
    directory.begin(study)
    for place in (str(directory.root), "other"):
        assert facade.open_study(place, studies_dir=tmp_path) == (study, "other")
    with pytest.raises(ConfigError, match="there is no study nope, neither as a file nor in"):
        facade.open_study("nope", studies_dir=tmp_path)


def test_shipped_study_tunes_every_arm_alike():
    study, _ = facade.open_study("losses")
    assert {arm.config.objective.loss for arm in study.arms} == {
        "minimax",
        "non_saturating",
        "least_squares",
        "hinge",
        "wasserstein",
        "relativistic",
    }
    assert study.tuned_arms == list(study.arms)
    assert len({(arm.config.generator, arm.config.training) for arm in study.arms}) == 1
    common = {"optimizer.g_lr", "optimizer.d_lr", "optimizer.beta1"}
    assert all(common <= {each.field for each in arm.search} for arm in study.arms)


def test_duel_makes_two_arms_of_presets_and_files(tmp_path):
    (tmp_path / "idea.toml").write_text('[objective]\nloss = "hinge"\n')
    study = facade.duel("quick", str(tmp_path / "idea.toml"), seeds=4, seconds=3.0)
    assert [arm.name for arm in study.arms] == ["quick", "idea"]
    assert (study.baseline, study.options.seeds, study.options.budget.seconds) == ("quick", 4, 3.0)
    assert [arm.config.run.previews for arm in study.arms] == [20, 20]  # for the studio's page Runs
    assert facade.duel("quick", "r3gan", seeds=2).options.budget.images == 1_100_000  # the length of quick


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        ("quick", "quick", "are equal; change one of them"),
        ("quick", "quikc", "there is no preset 'quikc'; did you mean quick"),
        ("quick", "none.toml", r"none\.toml cannot be read: No such file"),
    ],
)
def test_duel_refuses_with_one_sentence(one, other, message):
    with pytest.raises(ConfigError, match=message):
        facade.duel(one, other, seeds=2)


def test_find_study_names_what_is_missing(tmp_path):
    with pytest.raises(ArtifactError, match="there is no study nope, neither as a folder nor in"):
        facade.find_study("nope", studies_dir=tmp_path)


def test_predict_adds_up_seeds_and_tuning(tmp_path, monkeypatch):
    monkeypatch.setattr(facade, "measure_speeds", lambda trials, **_: dict.fromkeys(trials, 10.0))
    directory = StudyDirectory(tmp_path)
    study = small_study()
    _, seconds = facade.predict(study, directory, WrittenBackend(directory, study), show=lambda *_: None)
    assert seconds == pytest.approx(2 * 3 * 4.0 / 2)  # 40 images at 10 a second, two at once
