from __future__ import annotations

import os

from mnist_gan.experiment.process import last_line, start_program


def test_start_program_writes_the_output_into_the_log(tmp_path):
    log = tmp_path / "logs" / "one.log"
    process = start_program("mnist_gan", ["no-such-command"], log=log)
    assert os.getsid(process.pid) == process.pid, "Ctrl-C in the terminal would reach it"
    assert process.wait(60) == 2
    assert "unknown command 'no-such-command'" in last_line(log)


def test_last_line_drops_the_name_of_the_program_and_empty_lines(tmp_path):
    log = tmp_path / "log"
    log.write_text("epoch 1\nmnist-gan: it diverged\n\n")
    assert last_line(log) == "it diverged"


def test_last_line_of_a_missing_log_says_so(tmp_path):
    assert last_line(tmp_path / "none") == "the training ended without a message"
