"""The live channel: whole files, and readers that survive any content."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mnist_gan.errors import StorageError
from mnist_gan.runs import RunDirectory, channel


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    (tmp_path / "run").mkdir()
    return RunDirectory(tmp_path / "run")


HOSTILE = [
    b"",
    b"{",
    b"[]",
    b"\xff",
    b"[" * 100_000,
    b'{"cur_nimg": NaN}',
    b'{"epoch": 1e999}',
    b'{"step": -Infinity}',
    b'{"x": "' + b"x" * channel.MAX_JSON_BYTES + b'"}',
]


@pytest.mark.parametrize("content", HOSTILE, ids=lambda content: content[:12])
def test_read_json_refuses_what_is_not_a_small_finite_object(tmp_path, content):
    (tmp_path / "x.json").write_bytes(content)
    assert channel.read_json(tmp_path / "x.json") is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_read_json_does_not_wait_for_a_fifo(tmp_path):
    os.mkfifo(tmp_path / "x.json")
    assert channel.read_json(tmp_path / "x.json") is None
    assert channel.read_json(tmp_path) is None
    assert channel.read_json(tmp_path / "missing") is None


def test_read_json_does_not_follow_a_link(tmp_path):
    (tmp_path / "secret.json").write_text('{"a": 1}')
    (tmp_path / "x.json").symlink_to(tmp_path / "secret.json")
    assert channel.read_json(tmp_path / "x.json") is None


def test_send_heartbeat_does_not_touch_the_target_of_a_link(run, tmp_path):
    run.live.mkdir()
    run.heartbeat.symlink_to(tmp_path / "elsewhere")
    channel.send_heartbeat(run)
    assert not (tmp_path / "elsewhere").exists()


def test_read_live_status_leaves_out_unknown_fields_and_wrong_types(run):
    published = {"state": "training", "cur_nimg": "many", "step": True, "time": 1.5, "floor": None, "other": 1}
    channel.publish_json(run.live_status, published)
    assert channel.read_live_status(run) == {"state": "training", "time": 1.5}


def test_publish_replaces_the_whole_file(run):
    for content in (b"long content", b"short"):
        channel.publish(run.preview_image, content)
        assert run.preview_image.read_bytes() == content
    assert [path.name for path in run.live.iterdir()] == ["preview.png"]


def test_publish_does_not_create_a_deleted_run_anew(run):
    run.root.rmdir()
    channel.publish(run.live_status, b"{}")
    channel.send_heartbeat(run)
    assert not run.root.exists()
    with pytest.raises(StorageError):
        channel.send_command(run, {"command": "stop"})


def test_receive_commands_takes_each_once_in_order(run):
    for steps in (1, 2, 3):
        channel.send_command(run, {"command": "step", "steps": steps})
    assert [command["steps"] for command in channel.receive_commands(run)] == [1, 2, 3]
    assert channel.receive_commands(run) == []


def test_receive_commands_deletes_invalid_files(run):
    run.commands.mkdir(parents=True)
    for number, content in enumerate(HOSTILE):
        (run.commands / f"{number}.json").write_bytes(content)
    if hasattr(os, "mkfifo"):
        os.mkfifo(run.commands / "fifo.json")
    channel.send_command(run, {"command": "stop"})
    assert channel.receive_commands(run) == [{"command": "stop"}]
    assert not list(run.commands.iterdir())


def test_has_client_is_true_for_a_while_after_a_heartbeat(run):
    assert not channel.has_client(run)
    channel.send_heartbeat(run)
    assert channel.has_client(run)
    old = run.heartbeat.stat().st_mtime - channel.CLIENT_SECONDS
    os.utime(run.heartbeat, (old, old))
    assert not channel.has_client(run)
