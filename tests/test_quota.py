"""Processor quotas of containers, and usable cores under one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mnist_gan import quota as quotas
from mnist_gan.quota import processor_quota, usable_cores


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(f"{content}\n")


def own_group(tmp_path: Path, line: str) -> Path:
    (tmp_path / "own").write_text(f"{line}\n")
    return tmp_path / "own"


@pytest.mark.parametrize(("content", "quota"), [("50000 100000", 0.5), ("max 100000", None), ("odd", None)])
def test_processor_quota_of_version_2(tmp_path, content, quota):
    write(tmp_path / "groups", cpu__max=content)
    assert processor_quota(tmp_path / "groups", own_group=own_group(tmp_path, "0::/")) == quota


def test_processor_quota_is_the_smallest_of_a_group_and_its_parents(tmp_path):
    write(tmp_path / "groups" / "pod", cpu__max="150000 100000")
    write(tmp_path / "groups" / "pod" / "box", cpu__max="max 100000")
    assert processor_quota(tmp_path / "groups", own_group=own_group(tmp_path, "0::/pod/box")) == 1.5


@pytest.mark.parametrize(("quota", "expected"), [("50000", 0.5), ("-1", None)])
def test_processor_quota_of_version_1(tmp_path, quota, expected):
    write(tmp_path / "groups" / "cpu,cpuacct", cpu__cfs_quota_us=quota, cpu__cfs_period_us="100000")
    assert processor_quota(tmp_path / "groups", own_group=own_group(tmp_path, "4:cpu,cpuacct:/")) == expected


def test_processor_quota_without_control_groups_is_none(tmp_path):
    assert processor_quota(tmp_path / "none", own_group=tmp_path / "none") is None


@pytest.mark.parametrize(("quota", "expected"), [(None, 4), (2.5, 2), (0.5, 1), (9.0, 4)])
def test_usable_cores_are_whole_and_at_least_one(monkeypatch, quota, expected):
    monkeypatch.setattr(quotas, "processor_quota", lambda: quota)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    assert usable_cores() == expected
