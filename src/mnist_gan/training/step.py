"""One step of adversarial training: Algorithm 1 of Goodfellow et al. (2014), with what ten years have added."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from mnist_gan import rng
from mnist_gan.config import Config
from mnist_gan.models import Discriminator, update_average
from mnist_gan.objectives import Objective, clip_weights_, gradient_penalty, r1_penalty, r2_penalty
from mnist_gan.schedules import ema_beta, learning_rate_factor
from mnist_gan.training.state import TrainState, set_learning_rate

Images = Float[Tensor, "n c h w"]
Labels = Int64[Tensor, "n"] | None
Judgement: TypeAlias = tuple[Float[Tensor, "n"], Float[Tensor, "n k"] | None]


def statistic_names(config: Config, objective: Objective) -> tuple[str, ...]:
    """What a step adds to `TrainState.sums`, in order."""
    losses = ("Loss/G/loss", "Loss/D/loss")
    penalty = ("Loss/D/penalty",) if config.objective.needs_input_gradient else ()
    classifier = ("Loss/D/classifier",) if config.classifies else ()
    scores = ("Loss/scores/real", "Loss/scores/fake")
    return (*losses, *penalty, *classifier, *scores, *objective.decision_rule.statistic_names)


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """What one discriminator step is given: real images, and the random numbers from which the rest is made."""

    real_images: Images
    labels: Labels
    """Of the real images, and what is asked of the generator; None for an unconditional pair."""
    z: Float[Tensor, "n z_dim"]
    mix: Float[Tensor, "n"] | None
    """Where between a real and a generated image the gradient penalty looks, from 0 to 1; None where it does not."""
    penalized: bool
    """Whether the penalties, which may be lazy, are due."""


Update: TypeAlias = Callable[[TrainState, Config, Objective, list[Turn]], None]


def draw_turn(
    state: TrainState, config: Config, *, real_images: Images, labels: Int64[Tensor, "n"], index: int = 0
) -> Turn:
    """The random numbers of this step's batch `index`, which depend on the seed and the clock alone."""
    settings, objective = config.training, config.objective
    position = state.step * settings.d_steps + index
    penalized = objective.needs_input_gradient and position % objective.penalty_interval == 0
    device, n = real_images.device, len(real_images)
    source = rng.generator(settings.seed, "train/z", position, device=device)
    z = torch.randn(n, config.generator.z_dim, generator=source, device=device)
    mix = None
    if penalized and objective.gp_lambda:
        source = rng.generator(settings.seed, "train/interpolation", position, device=device)
        mix = torch.rand(n, generator=source, device=device)
    given = labels if settings.conditional else None
    return Turn(real_images=real_images, labels=given, z=z, mix=mix, penalized=penalized)


def update_networks(state: TrainState, config: Config, objective: Objective, turns: list[Turn]) -> None:
    """The discriminator steps and the generator step: tensors alone, on the device, with no look at a value.

    The generator's step is taken on the last batch of generated images: they were drawn once, with their graph, and the
    discriminator that judges them again has moved on by its own step.
    """
    for turn in turns:
        fake_images = generate(state, config, turn, with_graph=turn is turns[-1])
        d_stats = discriminator_step(state, config, objective, turn, fake_images=fake_images.detach())
    g_loss = generator_step(state, config, objective, turns[-1], fake_images=fake_images)
    state.sums += torch.stack([g_loss, *d_stats, torch.ones_like(g_loss)]).to(state.sums.dtype)


def train_step(
    state: TrainState,
    config: Config,
    objective: Objective,
    *,
    batches: list[tuple[Images, Int64[Tensor, "n"]]],
    total_nimg: int,
    update: Update = update_networks,
) -> None:
    """`d_steps` discriminator steps, one on each of `batches`, then one generator step; changes `state` in place.

    `update` is `update_networks`, or does the same in another way.
    """
    _set_learning_rates(state, config, total_nimg=total_nimg)
    turns = [
        draw_turn(state, config, real_images=real_images, labels=labels, index=index)
        for index, (real_images, labels) in enumerate(batches)
    ]
    update(state, config, objective, turns)
    batch_nimg = sum(len(turn.real_images) for turn in turns)
    state.cur_nimg += batch_nimg
    state.step += 1
    _average(state, config, batch_nimg=batch_nimg)


def generate(state: TrainState, config: Config, turn: Turn, *, with_graph: bool = True) -> Images:
    """One image for each z, with their graph or without."""
    with torch.set_grad_enabled(with_graph), _arithmetic(config, turn.z.device):
        images: Images = state.G(turn.z, turn.labels).float()
    return images


def discriminator_step(
    state: TrainState, config: Config, objective: Objective, turn: Turn, *, fake_images: Images
) -> list[Float[Tensor, ""]]:
    """Score, loss, penalty, update. Returns the step's statistics, on the device, in the order of `statistic_names`."""
    with _arithmetic(config, fake_images.device):
        (real_logits, real_classes), (fake_logits, _) = _judge_both(state.D, config, turn, fake_images)
    loss = objective.discriminator_loss(real_logits, fake_logits).mean()
    total, statistics = loss, [loss.detach()]
    if config.objective.needs_input_gradient:
        penalty = torch.zeros_like(loss)
        if turn.penalized:
            penalty = _penalty(state.D, config, turn, fake_images)
            total = total + config.objective.penalty_interval * penalty
        statistics.append(penalty.detach())
    if real_classes is not None:
        misread = _misread(real_classes, turn.labels)
        total = total + config.objective.classifier_weight * misread
        statistics.append(misread.detach())
    statistics += [real_logits.detach().mean(), fake_logits.detach().mean()]
    state.d_optimizer.zero_grad()
    total.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
    state.d_optimizer.step()
    if config.objective.weight_clip:
        clip_weights_(state.D, config.objective.weight_clip)
    return [*statistics, *objective.decision_rule.statistics(real_logits.detach(), fake_logits.detach()).values()]


def generator_step(
    state: TrainState, config: Config, objective: Objective, turn: Turn, *, fake_images: Images
) -> Float[Tensor, ""]:
    """Score the generated images, whose graph reaches back to the generator, and update it. Returns its loss.

    The discriminator's weights take no gradient here: only the path to the images is computed.
    """
    with _frozen(state.D):
        with _arithmetic(config, fake_images.device):
            fake_logits, fake_classes = _judge(state.D, config, fake_images, turn.labels)
            real_logits = _real_logits_for_generator(state.D, objective, turn)
        loss = total = objective.generator_loss(fake_logits, real_logits).mean()
        if fake_classes is not None:
            total = loss + config.objective.classifier_weight * _misread(fake_classes, turn.labels)
        state.g_optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
    state.g_optimizer.step()
    return loss.detach()


def _judge(D: Discriminator, config: Config, images: Images, labels: Labels) -> Judgement:
    """The logits, and the labels' logits where there is an auxiliary classifier."""
    if labels is None or not config.classifies:
        return D(images, labels).float(), None
    logits, class_logits = D.judge_and_read(images, labels)
    return logits.float(), class_logits.float()


def _judge_both(D: Discriminator, config: Config, turn: Turn, fake_images: Images) -> tuple[Judgement, Judgement]:
    """What is said of both batches: in one pass, unless BatchNorm would let each see the other's statistics."""
    real_images, labels = turn.real_images, turn.labels
    if config.discriminator.norm == "batch":
        return _judge(D, config, real_images, labels), _judge(D, config, fake_images, labels)
    n, both_labels = len(real_images), None if labels is None else torch.cat([labels, labels])
    logits, classes = _judge(D, config, torch.cat([real_images, fake_images]), both_labels)
    if classes is None:
        return (logits[:n], None), (logits[n:], None)
    return (logits[:n], classes[:n]), (logits[n:], classes[n:])


def _misread(class_logits: Float[Tensor, "n k"], labels: Labels) -> Float[Tensor, ""]:
    """The cross-entropy of the right label, in nats: what the auxiliary classifier and the generator minimize."""
    return nn.functional.cross_entropy(class_logits, labels)  # type: ignore[arg-type] # never without labels


def _penalty(D: Discriminator, config: Config, turn: Turn, fake_images: Images) -> Float[Tensor, ""]:
    """The sum of the penalties that are on, as one number, in float32 whatever the networks' arithmetic."""
    objective, real_images, labels = config.objective, turn.real_images, turn.labels
    terms: list[Float[Tensor, "n"]] = []
    if objective.r1_gamma:
        terms.append(r1_penalty(D, real_images, labels, gamma=objective.r1_gamma))
    if objective.r2_gamma:
        terms.append(r2_penalty(D, fake_images, labels, gamma=objective.r2_gamma))
    if turn.mix is not None:
        terms.append(gradient_penalty(D, real_images, fake_images, labels, mix=turn.mix, gp_lambda=objective.gp_lambda))
    return torch.stack(terms).sum(dim=0).mean()


def _real_logits_for_generator(D: nn.Module, objective: Objective, turn: Turn) -> Float[Tensor, "n"] | None:
    if not objective.generator_needs_real:
        return None
    with torch.no_grad():
        logits: Float[Tensor, "n"] = D(turn.real_images, turn.labels).float()
    return logits


def _set_learning_rates(state: TrainState, config: Config, *, total_nimg: int) -> None:
    factor = learning_rate_factor(config.optimizer, cur_nimg=state.cur_nimg, total_nimg=total_nimg) * state.lr_scale
    for optimizer, rate in ((state.g_optimizer, config.optimizer.g_lr), (state.d_optimizer, config.optimizer.d_lr)):
        set_learning_rate(optimizer, rate * factor)


def _average(state: TrainState, config: Config, *, batch_nimg: int) -> None:
    beta = ema_beta(
        batch_nimg=batch_nimg,
        cur_nimg=state.cur_nimg,
        halflife_nimg=config.training.ema_halflife_nimg,
        rampup=config.training.ema_rampup,
    )
    update_average(state.G_ema, state.G, beta=beta)


def _arithmetic(config: Config, device: torch.device) -> contextlib.AbstractContextManager[object]:
    """The number format of the networks' forward and backward passes; weights stay float32."""
    low = config.training.precision == "bfloat16"
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=low)


@contextlib.contextmanager
def _frozen(module: nn.Module) -> Iterator[None]:
    """Take no gradients with respect to the module's weights inside the block."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)
