"""One step of adversarial training."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from mnist_gan.config import Config
from mnist_gan.models import CustomDiscriminator, Discriminator, Generator
from mnist_gan.objectives import Objective, clip_weights_, gradient_penalty, r1_penalty, r2_penalty
from mnist_gan.training.inputs import StepInputs
from mnist_gan.training.statistics import Statistics

Images = Float[Tensor, "n c h w"]
Labels = Int64[Tensor, "n"] | None
Logits = Float[Tensor, "n"]
Scalar = Float[Tensor, ""]


@runtime_checkable
class Optimizer(Protocol):
    """The methods of `torch.optim.Optimizer` that a step calls."""

    def zero_grad(self) -> None:
        """Clear the gradients."""

    def step(self) -> object:
        """Update the weights by their gradients."""


@runtime_checkable
class Players(Protocol):
    """Both networks and their optimizers: a `TrainState`, or one shard of it."""

    @property
    def G(self) -> Generator: ...  # noqa: D102, N802
    @property
    def D(self) -> Discriminator: ...  # noqa: D102, N802
    @property
    def g_optimizer(self) -> Optimizer: ...  # noqa: D102
    @property
    def d_optimizer(self) -> Optimizer: ...  # noqa: D102


@runtime_checkable
class Step(Protocol):
    """`train_step`, or a function that wraps it."""

    def __call__(self, state: Any, config: Config, objective: Objective, *, inputs: Sequence[StepInputs]) -> Statistics:
        """Update both networks; see `train_step`."""


class Scores(NamedTuple):
    """Logits of a batch, and class logits where there is an auxiliary classifier."""

    logits: Logits
    class_logits: Float[Tensor, "n k"] | None


def train_step(state: Players, config: Config, objective: Objective, *, inputs: Sequence[StepInputs]) -> Statistics:
    """Algorithm 1 of Goodfellow et al. (2014), except that G learns from the last fake batch instead of a new one.

    Updates D once for each element of `inputs`, then G once against the updated D, in place. Returns statistics of the
    last updates. Runs on the device alone: nothing here synchronizes with the host.
    """
    for batch in inputs:
        fake_images = generate(state.G, config, batch, with_graph=batch is inputs[-1])
        d_statistics = discriminator_step(state, config, objective, batch=batch, fake_images=fake_images)
    return generator_step(state, config, objective, batch=batch, fake_images=fake_images) | d_statistics


def discriminator_step(
    state: Players, config: Config, objective: Objective, *, batch: StepInputs, fake_images: Images
) -> Statistics:
    """Update D once, in place; G is not changed. Returns D's losses, scores and accuracy before the update."""
    D, weights, fake_images = state.D, config.objective, fake_images.detach()
    real, fake = score_both(D, config, batch, fake_images)
    d_loss = objective.discriminator_loss(real.logits, fake.logits).mean()
    penalty = penalties(D, config, objective, batch, fake_images)
    class_loss = classifier_loss(real, batch.labels)
    class_weight = classifier_weight(config, batch)
    descend(state.d_optimizer, d_loss + weights.penalty_interval * penalty + class_weight * class_loss)
    if weights.weight_clip:
        clip_weights_(D, weights.weight_clip)
    losses = {"Loss/D/loss": d_loss, "Loss/D/penalty": penalty, "Loss/D/classifier": class_loss}
    return {name: loss.detach() for name, loss in losses.items()} | score_statistics(objective, real, fake)


def generator_step(
    state: Players, config: Config, objective: Objective, *, batch: StepInputs, fake_images: Images
) -> Statistics:
    """Update G once by the scores of its images, which must carry their graph, in place; D is not changed."""
    D, class_weight = state.D, classifier_weight(config, batch)
    with frozen(D):
        fake = score(D, config, fake_images, batch.labels)
        g_loss = objective.generator_loss(fake.logits, logits_to_compare(D, config, objective, batch)).mean()
        descend(state.g_optimizer, g_loss + class_weight * classifier_loss(fake, batch.labels))
    return {"Loss/G/loss": g_loss.detach()}


def generate(G: Generator, config: Config, batch: StepInputs, *, with_graph: bool = True) -> Images:
    """One image per z, float32; `with_graph` keeps the autograd graph for a generator update."""
    with torch.set_grad_enabled(with_graph), autocast(config, batch.z.device):
        images: Images = G(batch.z, batch.labels).float()
    return images


def score(D: Discriminator, config: Config, images: Images, labels: Labels) -> Scores:
    """Logits of `images` in float32."""
    with autocast(config, images.device):
        if labels is None or not config.classifies:
            return Scores(D(images, labels).float(), None)
        logits, class_logits = D.score_and_classify(images, labels)
        return Scores(logits.float(), class_logits.float())


def score_both(D: Discriminator, config: Config, batch: StepInputs, fake_images: Images) -> tuple[Scores, Scores]:
    """Score real and fake in one pass; separately with BatchNorm, which would mix their statistics.

    A discriminator of a plug-in may mix the images of a batch in other ways.
    """
    real_images, labels = batch.real_images, batch.labels
    if config.discriminator.norm == "batch" or isinstance(D, CustomDiscriminator):
        with autocast(config, fake_images.device):  # one cast of the weights for both passes
            return score(D, config, real_images, labels), score(D, config, fake_images, labels)
    n, both_labels = len(real_images), None if labels is None else torch.cat([labels, labels])
    logits, classes = score(D, config, torch.cat([real_images, fake_images]), both_labels)
    real_classes, fake_classes = (None, None) if classes is None else (classes[:n], classes[n:])
    return Scores(logits[:n], real_classes), Scores(logits[n:], fake_classes)


def logits_to_compare(D: Discriminator, config: Config, objective: Objective, batch: StepInputs) -> Logits | None:
    """Logits of the real images for a relativistic generator loss; None for any other loss."""
    if not objective.generator_needs_real:
        return None
    with torch.no_grad(), autocast(config, batch.z.device):
        logits: Logits = D(batch.real_images, batch.labels).float()
    return logits


def classifier_loss(scores: Scores, labels: Labels) -> Scalar:
    """Cross-entropy of the auxiliary classifier, in nats; 0 where there is none."""
    if scores.class_logits is None or labels is None:
        return scores.logits.new_zeros(())
    return cross_entropy(scores.class_logits, labels)


def classifier_weight(config: Config, batch: StepInputs) -> float | Scalar:
    """Weight of the auxiliary classifier at this time of the training."""
    weight, factor = config.objective.classifier_weight, batch.classifier_factor
    return weight if factor is None else weight * factor


def penalties(D: Discriminator, config: Config, objective: Objective, batch: StepInputs, fake_images: Images) -> Scalar:
    """Sum of the penalties that are on, in float32 at any precision; 0 where they do not apply to this update."""
    weights, real_images, labels = config.objective, batch.real_images, batch.labels
    if not batch.penalized:
        return real_images.new_zeros(())
    terms: list[Float[Tensor, "n"]] = []
    if weights.r1_gamma:
        terms.append(r1_penalty(D, real_images, labels, gamma=weights.r1_gamma))
    if weights.r2_gamma:
        terms.append(r2_penalty(D, fake_images, labels, gamma=weights.r2_gamma))
    if weights.gp_lambda and batch.mix is not None:
        terms.append(gradient_penalty(D, real_images, fake_images, labels, mix=batch.mix, gp_lambda=weights.gp_lambda))
    if objective.regularizer is not None and batch.mix is not None:
        terms.append(objective.regularizer(D, real_images, fake_images, labels, mix=batch.mix))
    penalty = torch.stack(terms).sum(dim=0).mean()
    return penalty if batch.penalty_factor is None else batch.penalty_factor * penalty


@torch.no_grad()
def score_statistics(objective: Objective, real: Scores, fake: Scores) -> Statistics:
    """Mean logits of both kinds, and the accuracy of the decision rule."""
    means = {"Loss/scores/real": real.logits.mean(), "Loss/scores/fake": fake.logits.mean()}
    return means | objective.decision_rule.statistics(real.logits, fake.logits)


def descend(optimizer: Optimizer, loss: Scalar) -> None:
    """Update the optimizer's weights once by the gradient of `loss`."""
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
    optimizer.step()


def autocast(config: Config, device: torch.device) -> torch.autocast:
    """Run the networks at the precision of `config`; weights stay float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=config.training.precision == "bfloat16")


@contextlib.contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Compute no gradients of the module's weights: gradients only pass through to its input."""
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)
