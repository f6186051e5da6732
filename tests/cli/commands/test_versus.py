from __future__ import annotations

import pytest
from tests.support.studies import WrittenBackend

from mnist_gan.cli import main, studying


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["quick"], "versus compares two recipes, and 1 was named"),
        (["quick", "quick"], "arms.quick and arms.quick-2 are equal"),
        (["quick", "r3gan", "--seeds", "0"], "seeds is 0; it must be a whole number from 1"),
        (["quick", "r3gan", "--images", "0"], "budget.images is 0"),
        (["quick", "r3gan", "--images", "5", "--seconds", "5"], "budget needs either images or seconds"),
        (["quick", "r3gan", "--figure", "beauty"], "figure is 'beauty', which is not a figure"),
    ],
)
def test_versus_refuses_with_one_sentence(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["versus", *words]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_versus_runs_a_study_of_two_arms(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")

    def written(name, study, directory, **_):
        return WrittenBackend(directory, study)

    monkeypatch.setattr(studying, "choose_backend", written)
    assert main(["versus", "classic-mlp", "r3gan", "--seeds", "2", "--images", "128"]) == 0
    out, err = capsys.readouterr()
    assert "studio --runs-dir studies/classic-mlp-versus-r3gan/trials`, page Runs" in err
    assert "Equal images: after 128 images" in out
    assert (tmp_path / "studies" / "classic-mlp-versus-r3gan" / "report.html").is_file()
