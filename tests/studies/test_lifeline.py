from __future__ import annotations

import subprocess

import pytest
from tests.support.run_files import write_run

from mnist_gan.experiment.process import last_line, start_program


def test_lifeline_runs_the_command_and_returns_its_exit_code(tmp_path):
    write_run(tmp_path / "runs" / "one")
    process = start_program(
        "mnist_gan.studies.lifeline",
        ["runs", "--runs-dir", str(tmp_path / "runs")],
        log=tmp_path / "log",
        stdin=subprocess.PIPE,
    )
    assert process.stdin is not None
    with process.stdin:
        assert process.wait(120) == 0
    assert "one" in last_line(tmp_path / "log")


@pytest.mark.slow
def test_lifeline_stops_a_training_when_its_parent_lets_go(idx_dir, tmp_path):
    words = f"train classic-mlp --data.dir {idx_dir} --data.limit 100 --training.total-nimg 100000000 --name endless"
    arguments = [*words.split(), "--run.no-evaluate", "--runs-dir", str(tmp_path)]
    process = start_program("mnist_gan.studies.lifeline", arguments, log=tmp_path / "log", stdin=subprocess.PIPE)
    assert process.stdin is not None
    try:
        while not any((tmp_path / "endless" / "checkpoints").glob("nimg-*")):
            assert process.poll() is None, last_line(tmp_path / "log")
            subprocess.run(["sleep", "0.1"], check=True)
        process.stdin.close()
        assert process.wait(120) == 75
    finally:
        process.stdin.close()
        process.kill()
        process.wait()
