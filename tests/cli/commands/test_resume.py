import os
import signal
from pathlib import Path

import pytest
from tests.support.program import metric_rows, newest_weights, start_program, wait_for

from mnist_gan.cli import main
from mnist_gan.runs import RunDirectory
from mnist_gan.runs.state import Plateau, read_plateau, write_plateau


def stop_by_signal(number: int, words: list[str], *, code: int) -> None:
    """Train the run "stopped" in a process, and stop it after its first row."""
    process = start_program([*words, "--name", "stopped"])
    metrics = Path("runs") / "stopped" / "metrics.jsonl"
    wait_for(lambda: metrics.exists() and metrics.stat().st_size > 0, process=process)
    process.send_signal(number)
    output, message = process.communicate(timeout=300)
    assert process.returncode == code, message
    assert output == ""
    assert "resume runs/stopped`" in message
    assert "Traceback" not in message


@pytest.mark.slow
def test_train_saves_and_ends_at_sigterm(workdir, train_small):
    stop_by_signal(signal.SIGTERM, [*train_small, "--epochs", "100000", "--run.tick-nimg", "100"], code=75)


@pytest.mark.slow
def test_resume_ends_a_stopped_run_as_if_it_had_never_stopped(workdir, train_small, capsys):
    words = [*train_small, "--epochs", "4", "--training.batch-size", "4", "--run.tick-nimg", "100"]
    stop_by_signal(signal.SIGINT, words, code=130)
    assert main(["resume", "stopped"]) == 0
    assert "Done: runs/stopped (1,600 images seen" in capsys.readouterr().out
    assert main([*words, "--name", "whole"]) == 0
    stopped, whole = workdir / "runs" / "stopped", workdir / "runs" / "whole"
    assert metric_rows(stopped) == metric_rows(whole)
    assert newest_weights(stopped) == newest_weights(whole)


@pytest.mark.slow
def test_resume_refuses_a_run_that_another_process_trains(workdir, train_small, capsys):
    process = start_program([*train_small, "--epochs", "100000", "--name", "busy"])
    try:
        wait_for(lambda: (workdir / "runs" / "busy" / "metrics.jsonl").exists(), process=process)
        assert main(["resume", "busy"]) == 74
        assert "another process is training runs/busy" in capsys.readouterr().err
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=300)
    assert process.returncode == 75


def test_resume_takes_the_newest_run_by_default(workdir, train_small, capsys):
    assert main([*train_small, "--epochs", "1", "--name", "older"]) == 0
    assert main([*train_small, "--epochs", "1", "--name", "newer"]) == 0
    os.utime(workdir / "runs" / "older" / "metrics.jsonl", (1, 1))
    capsys.readouterr()
    assert main(["resume"]) == 0
    assert "runs/newer" in capsys.readouterr().out


def test_resume_continues_a_run_that_ended_on_a_plateau_only_on_request(workdir, train_small, capsys):
    assert main([*train_small, "--epochs", "1", "--name", "flat"]) == 0
    run = RunDirectory(workdir / "runs" / "flat")
    write_plateau(run, Plateau(cur_nimg=200))
    capsys.readouterr()
    assert main(["resume", "flat"]) == 0
    printed = capsys.readouterr()
    assert "ended on a plateau after 200 images; `mnist-gan resume runs/flat --beyond-plateau`" in printed.err
    assert printed.out.startswith("Done: runs/flat (200 images seen")
    assert main(["resume", "flat", "--beyond-plateau"]) == 0
    assert read_plateau(run) == Plateau(cur_nimg=200, passed=True)
    assert main(["resume", "flat"]) == 0
    assert "plateau" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["resume"], 4, "there is no run in runs"),
        (["resume", "nowhere"], 4, "there is no run nowhere"),
        (["resume", "a", "b"], 2, "unexpected argument 'b'"),
    ],
)
def test_resume_reports_a_mistake_in_one_sentence(workdir, capsys, words, code, sentence):
    assert main(words) == code
    message = capsys.readouterr().err
    assert sentence in message
    assert message.count("\n") == 1
