"""Previews of a running training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.support.live import (
    newest_state,
    pending_commands,
    run_with_commands,
    send_and_wait,
    training_in_thread,
    wait_for,
)
from tests.support.tiny import tiny_config

from mnist_gan import experiment
from mnist_gan.experiment import control
from mnist_gan.experiment.preview import Previewer
from mnist_gan.runs import RunDirectory, channel
from mnist_gan.runs.channel import read_live_status


def newer_preview(directory: RunDirectory, *, step: int) -> dict[str, Any] | None:
    preview = channel.read_json(directory.preview)
    return preview if preview is not None and preview["step"] >= step else None


def test_preview_shows_the_step_of_a_paused_training(config, tmp_path):
    with training_in_thread(config, tmp_path) as directory:
        send_and_wait(directory, {"command": "pause"}, "paused")
        channel.send_command(directory, {"command": "step", "steps": 1})
        wait_for(lambda: not pending_commands(directory))
        step = wait_for(
            lambda: read_live_status(directory)["state"] == "paused" and read_live_status(directory)["step"]
        )
        preview = wait_for(lambda: newer_preview(directory, step=step))
        assert sum(preview["scores"]["real"]) == sum(preview["scores"]["generated"]) == 100
        assert len(preview["scores"]["edges"]) == 41
        assert preview["digits"] is None  # made-up digits are none of MNIST's
        assert directory.preview_image.read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("poll_every_step")
def test_preview_changes_no_weight(config, tmp_path, monkeypatch):
    monkeypatch.setattr(control, "PREVIEW_SECONDS", (0.0, 0.0))
    monkeypatch.setattr(control, "PREVIEW_SHARE", 1e9)
    published = []
    publish = channel.publish_json

    def counting(path: Path, value: Any) -> None:
        published.append(path.name)
        publish(path, value)

    monkeypatch.setattr(channel, "publish_json", counting)
    alone = run_with_commands(config, "alone", tmp_path)
    assert "preview.json" not in published
    directory = RunDirectory(tmp_path / "seen")

    def stop() -> bool:
        channel.send_heartbeat(directory)
        return False

    seen = experiment.run(config, name="seen", runs_dir=tmp_path, stop=stop).directory
    assert published.count("preview.json") > 30
    assert newest_state(seen) == newest_state(alone)
    assert (seen.model / "generator.safetensors").read_bytes() == (alone.model / "generator.safetensors").read_bytes()


@pytest.mark.usefixtures("poll_every_step")
def test_preview_that_fails_does_not_end_the_training(config, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("mnist_gan.experiment.preview.draw_samples", lambda *_, **__: 1 / 0)

    def stop() -> bool:
        channel.send_heartbeat(RunDirectory(tmp_path / "run"))
        return False

    outcome = experiment.run(config, name="run", runs_dir=tmp_path, stop=stop)
    assert outcome.finished
    assert len([message for message in caplog.messages if "previews are disabled" in message]) == 1


def read_all(directory: RunDirectory) -> dict[str, bytes]:
    """Files of the kept previews by name."""
    return {path.name: path.read_bytes() for path in sorted(directory.previews.iterdir())}


def test_previews_are_kept_at_shares_of_the_training_without_a_client(idx_dir, tmp_path):
    alone = experiment.run(tiny_config(idx_dir), name="alone", runs_dir=tmp_path).directory
    assert not alone.previews.exists()
    config = tiny_config(idx_dir, run={"previews": 4})
    kept = experiment.run(config, name="kept", runs_dir=tmp_path).directory
    assert list(kept.kept_previews()) == [0, 60, 100, 160, 200]  # steps of 20 images
    first, last = (channel.read_json(kept.kept_preview(cur_nimg)) or {} for cur_nimg in (0, 200))
    assert (first["step"], last["step"]) == (0, 10)
    assert first["scores"] != last["scores"]
    assert kept.kept_preview(60).with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert newest_state(kept) == newest_state(alone)


def test_previews_of_a_resumed_run_are_those_of_an_uninterrupted_one(idx_dir, tmp_path):
    config = tiny_config(idx_dir, run={"previews": 10, "checkpoint_nimg": 100})
    whole = experiment.run(config, name="whole", runs_dir=tmp_path).directory
    directory = RunDirectory(tmp_path / "parted")

    def lost() -> bool:
        if (directory.root / "previews" / "0000000140.json").exists():
            raise KeyboardInterrupt  # no checkpoint is written: resuming goes back to image 100
        return False

    with pytest.raises(KeyboardInterrupt):
        experiment.run(config, name="parted", runs_dir=tmp_path, stop=lost)
    assert max(directory.kept_previews()) == 140
    (directory.previews / "0000000140.json").write_text("of another training")
    (directory.previews / "notes.json").write_text("not a preview")
    experiment.resume(directory.root)
    assert read_all(directory) == read_all(whole) | {"notes.json": b"not a preview"}


@pytest.mark.usefixtures("poll_every_step")
def test_preview_that_is_kept_is_not_rendered_again_for_a_client(idx_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(control, "PREVIEW_SECONDS", (0.0, 0.0))
    monkeypatch.setattr(control, "PREVIEW_SHARE", 1e9)
    seen = []
    render = Previewer.render

    def counting(previewer: Previewer, *, keep: bool = False) -> None:
        seen.append(previewer._setup.state.cur_nimg)
        render(previewer, keep=keep)

    monkeypatch.setattr(Previewer, "render", counting)

    def stop() -> bool:
        channel.send_heartbeat(RunDirectory(tmp_path / "run"))
        return False

    experiment.run(tiny_config(idx_dir, run={"previews": 10}), name="run", runs_dir=tmp_path, stop=stop)
    assert len(seen) == len(set(seen)) > 10
