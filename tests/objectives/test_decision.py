import pytest
import torch

from mnist_gan.objectives import DecisionRule, chance_real_above_fake


def normal(n: int, *, mean: float = 0.0, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + mean


def as_numbers(statistics: dict[str, torch.Tensor]) -> dict[str, float]:
    return {name: value.item() for name, value in statistics.items()}


def test_decision_rule_gives_the_accuracy_and_counts_a_logit_on_the_boundary_half():
    rule, logits = DecisionRule(boundary=0.5), torch.tensor([0.6, 0.5, 0.4, 9.0])
    found = as_numbers(rule.statistics(logits, logits))
    assert found == pytest.approx({"Score/real_accuracy": 2.5 / 4, "Score/fake_accuracy": 1.5 / 4})


def test_decision_rule_that_calls_everything_real_is_right_on_real_images_only():
    found = as_numbers(DecisionRule(boundary=0.5).statistics(torch.ones(3), torch.ones(3)))
    assert found == {"Score/real_accuracy": 1.0, "Score/fake_accuracy": 0.0}


def test_decision_rule_without_a_boundary_compares_real_with_generated():
    rule = DecisionRule(boundary=None)
    found = as_numbers(rule.statistics(torch.tensor([2.0, 2.0]), torch.tensor([1.0, 3.0])))
    assert found == {"Score/real_above_fake": 0.5}


@pytest.mark.parametrize("boundary", [None, 0.0])
def test_decision_rule_names_its_statistics_in_their_order(boundary):
    rule = DecisionRule(boundary=boundary)
    assert rule.statistic_names == tuple(rule.statistics(torch.zeros(2), torch.zeros(2)))


def test_chance_real_above_fake_by_hand():
    real, fake = torch.tensor([1.0, 2.0]), torch.tensor([0.0, 1.0, 3.0])
    # of six pairs, 1 > 0, 2 > 0 and 2 > 1 are won; 1 = 1 counts half
    assert chance_real_above_fake(real, fake).item() == pytest.approx(3.5 / 6)
    assert chance_real_above_fake(torch.zeros(4), torch.zeros(5)).item() == 0.5


def test_chance_real_above_fake_equals_a_count_over_all_pairs():
    real, fake = normal(50, mean=0.5).round(decimals=1), normal(40, seed=1).round(decimals=1)
    wins = (real[:, None] > fake).double() + 0.5 * (real[:, None] == fake).double()
    assert chance_real_above_fake(real, fake).item() == pytest.approx(wins.mean().item())
