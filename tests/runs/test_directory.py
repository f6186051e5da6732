"""The run directory: reading its config, creating, finding and locking runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.support.run_files import write_run

from mnist_gan import presets
from mnist_gan.errors import ArtifactError, ConfigError, RunBusyError, StorageError
from mnist_gan.runs import RunDirectory
from mnist_gan.runs.directory import MAX_DESCRIPTION_BYTES, create_run, find_runs, last_change
from mnist_gan.storage import is_locked, write_committed_directory


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return write_run(tmp_path / "runs" / "one")


def test_run_directory_is_a_path(run):
    assert os.fspath(run) == str(run.root)
    assert RunDirectory(Path(run)) == run


def test_run_directory_lists_files_inside_its_root():
    run = RunDirectory(Path("root"))
    names = [name for name in dir(RunDirectory) if isinstance(getattr(RunDirectory, name), property)]
    paths = [value for name in names if isinstance(value := getattr(run, name), Path)]
    assert len({*paths}) == len(paths) > 15
    assert all(path.is_relative_to("root") for path in paths)
    assert run.sample(7) == Path("root/samples/epoch-0007.png")


def test_read_config_returns_what_was_written(run):
    assert run.read_config() == presets.quick()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_read_config_reads_a_file_saved_by_powershell(run, encoding):
    expected, text = run.read_config(), run.config.read_text()
    run.config.write_bytes(text.replace("\n", "\r\n").encode(encoding))
    assert run.read_config() == expected


def test_read_config_of_another_folder_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match=r"is not a run: it has no config\.toml"):
        RunDirectory(tmp_path).read_config()
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match="is not a run"):
        RunDirectory(tmp_path / "file").read_config()


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"\xff", ArtifactError, "not UTF-8"),
        (b"#" * (MAX_DESCRIPTION_BYTES + 1), ArtifactError, "cannot be read"),
        (b"[training]\nseed = 'one'\n", ConfigError, r"config\.toml"),
    ],
)
def test_read_config_refuses_a_damaged_file(run, content, error, message):
    run.config.write_bytes(content)
    with pytest.raises(error, match=message):
        run.read_config()


def test_has_rows_is_true_from_the_first_row_on(run):
    assert run.has_rows()
    run.metrics.write_bytes(b"")
    assert not run.has_rows()
    run.metrics.unlink()
    assert not run.has_rows()


def test_has_model_is_true_for_a_committed_model(run):
    assert not run.has_model
    write_committed_directory(run.model, {"generator.safetensors": b"weights"})
    assert run.has_model


@pytest.mark.parametrize("name", ["config", "environment", "metrics", "lock"])
def test_refuse_links_names_a_file_that_is_a_link(run, tmp_path, name):
    run.refuse_links()
    path: Path = getattr(run, name)
    path.unlink(missing_ok=True)
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArtifactError, match=f"{path.name} is not a regular file"):
        run.refuse_links()


def test_refuse_links_accepts_a_folder_that_is_a_link(run, tmp_path):
    (tmp_path / "disk").mkdir()
    run.checkpoints.symlink_to(tmp_path / "disk")
    run.refuse_links()


def test_locked_refuses_a_second_holder_until_the_end_of_the_block(run):
    with run.locked():
        assert is_locked(run.lock)
        with pytest.raises(RunBusyError, match="another process is training"), run.locked():
            pass
    assert not is_locked(run.lock)


def test_create_run_makes_a_folder_of_that_name(tmp_path):
    run = create_run(tmp_path / "new" / "runs", name="a-run_1.2", preset="quick")
    assert run.root == tmp_path / "new" / "runs" / "a-run_1.2"
    assert run.root.is_dir()


def test_create_run_without_a_name_takes_the_preset_and_a_free_number(tmp_path):
    runs = [create_run(tmp_path, name=None, preset="quick") for _ in range(3)]
    assert len({run.root for run in runs}) == 3
    assert all(run.root.name.startswith("quick-") for run in runs)


@pytest.mark.parametrize("name", ["", ".", "..", "../out", "a/b", "a b", "-x", "x" * 101, "shipped", "über"])
def test_create_run_refuses_an_invalid_name(tmp_path, name):
    with pytest.raises(ConfigError, match="name"):
        create_run(tmp_path / "runs", name=name, preset="quick")
    assert not (tmp_path / "runs").exists()


def test_create_run_does_not_overwrite_a_run(run):
    with pytest.raises(ConfigError, match=r"exists and is not overwritten.*mnist-gan resume"):
        create_run(run.root.parent, name="one", preset="quick")


def test_create_run_in_the_place_of_a_file_is_a_storage_error(tmp_path):
    (tmp_path / "runs").touch()
    with pytest.raises(StorageError, match="choose another --runs-dir"):
        create_run(tmp_path / "runs", name="one", preset="quick")


def test_find_runs_lists_the_last_changed_first_and_no_other_folders(run):
    older = write_run(run.root.parent / "two")
    os.utime(older.metrics, (1, 1))
    (run.root.parent / "no-run").mkdir()
    assert find_runs(run.root.parent) == [run, older]
    assert find_runs(run.root / "nowhere") == []


def test_last_change_is_that_of_the_rows_or_else_of_the_config(run):
    os.utime(run.metrics, (20, 20))
    os.utime(run.config, (10, 10))
    assert last_change(run) == 20
    run.metrics.unlink()
    assert last_change(run) == 10
    run.config.unlink()
    assert last_change(run) == 0


@pytest.mark.parametrize("name", ["notes.txt", "metrics.jsonl"])
def test_create_run_leaves_a_folder_with_other_files_alone(tmp_path, name):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / name).write_text("mine")
    with pytest.raises(ConfigError, match="exists and is not overwritten"):
        create_run(tmp_path, name="taken", preset="quick")


def test_create_run_does_not_take_the_folder_of_a_start_that_another_process_makes(tmp_path):
    starting = create_run(tmp_path, name="starting", preset="quick")
    with starting.locked(), pytest.raises(ConfigError, match="exists and is not overwritten"):
        create_run(tmp_path, name="starting", preset="quick")


def test_name_of_a_link_is_its_own(run, monkeypatch):
    link = run.root.parent / "link"
    link.symlink_to(run.root.name)
    assert RunDirectory(link).name == "link"
    monkeypatch.chdir(run.root)
    assert RunDirectory(Path()).name == run.root.name
