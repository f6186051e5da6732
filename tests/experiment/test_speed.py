"""The recent speed of a training."""

from __future__ import annotations

import pytest

from mnist_gan.experiment.speed import WINDOW_SECONDS, RecentSpeed


def test_speed_is_unknown_before_the_first_images():
    speed = RecentSpeed(0.0, 640)
    assert speed.img_per_sec is None
    speed.add(1.0, 640)
    assert speed.img_per_sec is None


def test_speed_of_a_resumed_run_counts_its_own_images():
    speed = RecentSpeed(10.0, 5000)
    speed.add(12.0, 6000)
    assert speed.img_per_sec == 500


def test_speed_does_not_jump_with_the_last_interval():
    speed = RecentSpeed(0.0, 0)
    for k in range(1, 101):
        speed.add(k * 0.5, k * 100)
    for slow_down in (8.0, 0.1):
        speed.add(50.0 + slow_down, 10_100)
        assert speed.img_per_sec == pytest.approx(200, rel=0.2)


def test_speed_includes_evaluations():
    speed, now = RecentSpeed(0.0, 0), 0.0
    for k in range(1, 61):
        now += 6.0 if k % 10 == 0 else 1.0
        speed.add(now, k * 100)
    assert speed.img_per_sec == pytest.approx(6000 / 90)


def test_speed_survives_a_suspended_machine():
    speed = RecentSpeed(0.0, 0)
    for k in range(1, 61):
        speed.add(k + (3600.0 if k > 30 else 0.0), k * 100)
        assert speed.img_per_sec is not None
        assert 60 <= speed.img_per_sec <= 100


def test_speed_follows_a_lasting_change():
    speed = RecentSpeed(0.0, 0)
    speed.add(1000.0, 1_000_000)
    for k in range(1, 400):
        speed.add(1000.0 + k, 1_000_000 + 10 * k)
        if k > WINDOW_SECONDS:
            assert speed.img_per_sec == pytest.approx(10, rel=0.1)


def test_speed_begins_again_after_a_rollback():
    speed = RecentSpeed(0.0, 0)
    speed.add(10.0, 1000)
    speed.add(20.0, 500)
    assert speed.img_per_sec is None
    speed.add(30.0, 700)
    assert speed.img_per_sec == 20
