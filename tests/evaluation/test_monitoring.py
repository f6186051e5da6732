from __future__ import annotations

import pytest

from mnist_gan.evaluation import Reference, SampleProtocol, monitor, monitor_floor


def test_monitor_of_a_perfect_model_is_near_its_floor_and_repeatable(as_mnist, draw):
    protocol = SampleProtocol(num_images=500)
    found = monitor(draw, reference=as_mnist, conditional=True, protocol=protocol)
    row, floor = found.row(), monitor_floor(reference=as_mnist, protocol=protocol).row()
    assert row["Metric/fd500_mnistnet"] == pytest.approx(floor["Metric/fd500_mnistnet"], rel=0.3)
    assert row["Metric/agreement"] == pytest.approx(floor["Metric/agreement"], abs=0.1)
    assert {f"Metric/share/{digit}" for digit in range(10)} <= set(row)
    assert row == monitor(draw, reference=as_mnist, conditional=True, protocol=protocol).row()


def test_monitor_of_other_data_has_the_distance_alone(made_up, draw):
    reference = Reference.of(made_up, cache=None)
    row = monitor(draw, reference=reference, conditional=False, protocol=SampleProtocol(num_images=200)).row()
    assert set(row) == {"Metric/fd200_mnistnet"}
