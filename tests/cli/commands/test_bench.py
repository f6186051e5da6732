from __future__ import annotations

import json

import pytest
from tests.support.plugins import write_plugin

from mnist_gan.cli import main
from mnist_gan.experiment.bench import PARTS


@pytest.mark.slow
@pytest.mark.mnist
def test_bench_measures_a_preset(mnist_dir, capsys):
    assert main(["bench", "classic-mlp", "--seconds", "0.2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["classic-mlp"]
    assert set(found["parts"]) == {*PARTS}
    assert found["parts"]["penalty"] == 0
    assert found["step_nimg"] == 64
    assert found["img_per_sec"] > 0
    assert found["share_of_peak"] == pytest.approx(
        found["step_flops"] * found["img_per_sec"] / 64 / found["peak_flops_per_sec"]
    )
    assert found["peak_memory"] > 100e6


@pytest.mark.slow
@pytest.mark.mnist
def test_bench_measures_the_presets_of_a_plug_in(mnist_dir, capsys, tmp_path):
    assert main(["bench", "--plugin", str(write_plugin(tmp_path)), "--seconds", "0.2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [*found] == ["ideas.short"]
    assert found["ideas.short"]["img_per_sec"] > 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["quik"], "did you mean quick"),
        (["--seconds", "0"], "must be more than 0"),
        (["--seconds", "nan"], "must be more than 0"),
        (["--threads", "0"], "training.threads is 0"),
    ],
)
def test_bench_reports_a_mistake(arguments, said, capsys):
    assert main(["bench", *arguments]) == 2
    assert said in capsys.readouterr().err
