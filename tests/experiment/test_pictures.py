"""The pictures at the end of a run."""

from __future__ import annotations

from mnist_gan.experiment.pictures import draw_pictures
from mnist_gan.runs import RunDirectory


def test_draw_pictures_logs_a_failure(tmp_path, caplog):
    draw_pictures(RunDirectory(tmp_path), [], floors={})
    assert len(caplog.messages) == 1
    assert "no sample grids" in caplog.messages[0]
