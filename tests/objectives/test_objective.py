import dataclasses
import math

import pytest
import torch

from mnist_gan.config import ObjectiveConfig
from mnist_gan.objectives import (
    build_objective,
    cross_entropy_discriminator_loss,
    hinge_discriminator_loss,
    hinge_generator_loss,
    least_squares_discriminator_loss,
    least_squares_generator_loss,
    minimax_generator_loss,
    non_saturating_generator_loss,
    relativistic_discriminator_loss,
    wasserstein_discriminator_loss,
    wasserstein_generator_loss,
)

REAL, FAKE = torch.tensor([-1.5, 0.25, 2.0]), torch.tensor([0.5, -1.0, 1.0])
NAMED = {
    "minimax": (cross_entropy_discriminator_loss, minimax_generator_loss),
    "non_saturating": (cross_entropy_discriminator_loss, non_saturating_generator_loss),
    "least_squares": (least_squares_discriminator_loss, least_squares_generator_loss),
    "hinge": (hinge_discriminator_loss, hinge_generator_loss),
    "wasserstein": (wasserstein_discriminator_loss, wasserstein_generator_loss),
}


@pytest.mark.parametrize("name", NAMED)
def test_objective_has_the_pair_of_losses_of_its_name(name):
    objective = build_objective(ObjectiveConfig(loss=name))
    discriminator_loss, generator_loss = NAMED[name]
    assert torch.equal(objective.discriminator_loss(REAL, FAKE), discriminator_loss(REAL, FAKE))
    assert torch.equal(objective.generator_loss(FAKE, None), generator_loss(FAKE))
    assert not objective.generator_needs_real


def test_relativistic_objective_needs_real_logits_for_the_generator():
    objective = build_objective(ObjectiveConfig(loss="relativistic"))
    assert objective.generator_needs_real
    assert torch.equal(objective.discriminator_loss(REAL, FAKE), relativistic_discriminator_loss(REAL, FAKE))
    # its roles are those of the discriminator's, exchanged
    assert torch.equal(objective.generator_loss(FAKE, REAL), relativistic_discriminator_loss(FAKE, REAL))
    with pytest.raises(ValueError, match="pass the logits of both"):
        objective.generator_loss(FAKE, None)


@pytest.mark.parametrize("name", ["minimax", "non_saturating", "least_squares"])
def test_label_smoothing_changes_the_real_side_only(name):
    plain = build_objective(ObjectiveConfig(loss=name))
    smooth = build_objective(ObjectiveConfig(loss=name, label_smoothing=0.1))
    real = REAL.clone().requires_grad_()
    fake = FAKE.clone().requires_grad_()
    gradients = [torch.autograd.grad(o.discriminator_loss(real, fake).sum(), (real, fake)) for o in (plain, smooth)]
    assert (gradients[0][0] != gradients[1][0]).all()
    assert torch.equal(gradients[0][1], gradients[1][1])
    assert torch.equal(plain.generator_loss(FAKE, None), smooth.generator_loss(FAKE, None))


@pytest.mark.parametrize(
    ("config", "boundary"),
    [
        (ObjectiveConfig(loss="minimax"), 0.0),
        (ObjectiveConfig(loss="non_saturating"), 0.0),
        (ObjectiveConfig(loss="hinge"), 0.0),
        (ObjectiveConfig(loss="least_squares"), 0.5),
        (ObjectiveConfig(loss="non_saturating", label_smoothing=0.2), math.log(0.4 / 0.6)),
        (ObjectiveConfig(loss="least_squares", label_smoothing=0.2), 0.4),
        (ObjectiveConfig(loss="wasserstein"), None),
        (ObjectiveConfig(loss="relativistic"), None),
    ],
    ids=lambda value: value.loss if isinstance(value, ObjectiveConfig) else str(value),
)
def test_boundary_is_the_optimal_logit_of_an_image_equally_likely_real_and_generated(config, boundary):
    objective = build_objective(config)
    if boundary is None:
        assert objective.decision_rule.boundary is None
        return
    assert objective.decision_rule.boundary == pytest.approx(boundary)
    # where the densities are equal, the best logit minimizes the loss of one image that comes once as each
    logits = torch.linspace(-3, 3, 6001, dtype=torch.float64)
    loss = objective.discriminator_loss(logits, logits)
    lowest = logits[loss <= loss.min() + 1e-9]  # the hinge loss is flat from -1 to 1
    assert float(lowest.mean()) == pytest.approx(boundary, abs=1e-3)


def test_objective_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        build_objective(ObjectiveConfig()).generator_needs_real = True  # type: ignore[misc]
