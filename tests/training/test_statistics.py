import dataclasses

import pytest
import torch

from mnist_gan import presets
from mnist_gan.training import StatisticSums, statistic_names

CPU = torch.device("cpu")


def scalars(**values: float) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(value) for name, value in values.items()}


def test_statistic_names_are_losses_scores_and_the_accuracy_of_the_decision_rule():
    assert statistic_names(presets.get("hinge-sn")) == (
        "Loss/G/loss",
        "Loss/D/loss",
        "Loss/scores/real",
        "Loss/scores/fake",
        "Score/real_accuracy",
        "Score/fake_accuracy",
    )


def test_statistic_names_include_the_penalty_and_the_classifier_where_they_are_on():
    assert statistic_names(presets.get("quick"))[2:4] == ("Loss/D/penalty", "Loss/D/classifier")
    assert "Loss/D/classifier" not in statistic_names(presets.get("r3gan"))
    assert "Score/real_above_fake" in statistic_names(presets.get("r3gan"))


def test_statistic_names_of_an_unconditional_training_have_no_classifier():
    quick = presets.get("quick")
    unconditional = dataclasses.replace(quick, training=dataclasses.replace(quick.training, conditional=False))
    assert "Loss/D/classifier" not in statistic_names(unconditional)


def test_sums_add_by_name_and_count_steps():
    sums = StatisticSums(("a", "b"), device=CPU)
    sums.add(scalars(b=10.0, a=1.0, unused=7.0))
    sums.add(scalars(a=2.0, b=20.0))
    assert sums.read() == ({"a": 3.0, "b": 30.0}, 2)


def test_sums_store_totals_in_the_order_of_names_with_the_steps_last():
    sums = StatisticSums(("a", "b"), device=CPU)
    sums.add(scalars(b=10.0, a=1.0))
    assert sums.totals.tolist() == [1.0, 10.0, 1.0]
    assert sums.totals.dtype == torch.float64


def test_sums_are_zero_after_clear():
    sums = StatisticSums(("a",), device=CPU)
    sums.add(scalars(a=1.0))
    sums.clear()
    assert sums.read() == ({"a": 0.0}, 0)


def test_sums_refuse_a_step_that_lacks_a_statistic():
    with pytest.raises(KeyError, match="b"):
        StatisticSums(("a", "b"), device=CPU).add(scalars(a=1.0))
