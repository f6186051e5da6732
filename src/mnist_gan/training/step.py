"""One step of adversarial training: Algorithm 1 of Goodfellow et al. (2014), with what ten years have added."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TypeAlias

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from mnist_gan import rng
from mnist_gan.config import Config
from mnist_gan.models import Discriminator
from mnist_gan.objectives import Objective, clip_weights_, gradient_penalty, r1_penalty, r2_penalty
from mnist_gan.training.averaging import update_average
from mnist_gan.training.schedules import ema_beta, learning_rate_factor
from mnist_gan.training.state import TrainState

Images = Float[Tensor, "n c h w"]
Labels = Int64[Tensor, "n"] | None
Judgement: TypeAlias = tuple[Float[Tensor, "n"], Float[Tensor, "n k"] | None]


def statistic_names(config: Config, objective: Objective) -> tuple[str, ...]:
    """What a step adds to `TrainState.sums`, in order."""
    losses = ("Loss/G/loss", "Loss/D/loss")
    penalty = ("Loss/D/penalty",) if config.objective.needs_input_gradient else ()
    classifier = ("Loss/D/classifier",) if config.classifies else ()
    scores = ("Loss/scores/real", "Loss/scores/fake")
    return (*losses, *penalty, *classifier, *scores, *objective.opinion.statistic_names)


def train_step(
    state: TrainState,
    config: Config,
    objective: Objective,
    *,
    batches: list[tuple[Images, Int64[Tensor, "n"]]],
    total_nimg: int,
) -> None:
    """`d_steps` discriminator steps, one on each of `batches`, then one generator step; updates `state` in place.

    The generator's step is taken on the last batch of generated images: they were drawn once, with their graph, and the
    discriminator that judges them again has moved on by its own step.
    """
    _set_learning_rates(state, config, total_nimg=total_nimg)
    for index, (real_images, labels) in enumerate(batches):
        given = labels if config.training.conditional else None
        last = index == len(batches) - 1
        fake_images = generate(state, config, index=index, labels=given, n=len(real_images), with_graph=last)
        d_stats = discriminator_step(
            state,
            config,
            objective,
            real_images=real_images,
            fake_images=fake_images.detach(),
            labels=given,
            index=index,
        )
    g_loss = generator_step(state, config, objective, real_images=real_images, fake_images=fake_images, labels=given)
    batch_nimg = sum(len(real_images) for real_images, _ in batches)
    state.cur_nimg += batch_nimg
    state.step += 1
    _average(state, config, batch_nimg=batch_nimg)
    state.sums += torch.stack([g_loss, *d_stats, torch.ones_like(g_loss)]).to(state.sums.dtype)


def discriminator_step(
    state: TrainState,
    config: Config,
    objective: Objective,
    *,
    real_images: Images,
    fake_images: Images,
    labels: Labels,
    index: int = 0,
) -> list[Float[Tensor, ""]]:
    """Score, loss, penalty, update. Returns the step's statistics, on the device, in the order of `statistic_names`."""
    with _arithmetic(config, real_images.device):
        (real_logits, real_classes), (fake_logits, _) = _judge_both(state.D, config, real_images, fake_images, labels)
    loss = objective.discriminator_loss(real_logits, fake_logits).mean()
    total, statistics = loss, [loss.detach()]
    if config.objective.needs_input_gradient:
        penalty = torch.zeros_like(loss)
        count = state.step * config.training.d_steps + index
        if count % config.objective.penalty_interval == 0:
            penalty = _penalty(state, config, real_images, fake_images, labels, position=count)
            total = total + config.objective.penalty_interval * penalty
        statistics.append(penalty.detach())
    if real_classes is not None:
        misread = _misread(real_classes, labels)
        total = total + config.objective.classifier_weight * misread
        statistics.append(misread.detach())
    statistics += [real_logits.detach().mean(), fake_logits.detach().mean()]
    state.d_optimizer.zero_grad()
    total.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
    state.d_optimizer.step()
    if config.objective.weight_clip:
        clip_weights_(state.D, config.objective.weight_clip)
    return [*statistics, *objective.opinion.statistics(real_logits.detach(), fake_logits.detach())]


def generator_step(
    state: TrainState,
    config: Config,
    objective: Objective,
    *,
    real_images: Images,
    fake_images: Images,
    labels: Labels,
) -> Float[Tensor, ""]:
    """Score the generated images, whose graph reaches back to the generator, and update it. Returns its loss.

    The discriminator's weights take no gradient here: only the path to the images is computed.
    """
    with _frozen(state.D):
        with _arithmetic(config, fake_images.device):
            fake_logits, fake_classes = _judge(state.D, config, fake_images, labels)
            real_logits = _real_logits_for_generator(state.D, objective, real_images, labels)
        loss = total = objective.generator_loss(fake_logits, real_logits).mean()
        if fake_classes is not None:
            total = loss + config.objective.classifier_weight * _misread(fake_classes, labels)
        state.g_optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
    state.g_optimizer.step()
    return loss.detach()


def generate(
    state: TrainState, config: Config, *, labels: Labels, n: int, index: int = 0, with_graph: bool = True
) -> Images:
    """Draw `n` images from the z that belongs to this step's batch `index`, with their graph or without."""
    device = state.sums.device
    position = state.step * config.training.d_steps + index
    source = rng.generator(config.training.seed, "train/z", position, device=device)
    z = torch.randn(n, config.generator.z_dim, generator=source, device=device)
    with torch.set_grad_enabled(with_graph), _arithmetic(config, device):
        images: Images = state.G(z, labels).float()
    return images


def _judge(D: Discriminator, config: Config, images: Images, labels: Labels) -> Judgement:
    """The logits, and the labels' logits where there is an auxiliary classifier."""
    if labels is None or not config.classifies:
        return D(images, labels).float(), None
    logits, class_logits = D.judge_and_read(images, labels)
    return logits.float(), class_logits.float()


def _judge_both(
    D: Discriminator, config: Config, real_images: Images, fake_images: Images, labels: Labels
) -> tuple[Judgement, Judgement]:
    """What is said of both batches: in one pass, unless BatchNorm would let each see the other's statistics."""
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


def _penalty(
    state: TrainState, config: Config, real_images: Images, fake_images: Images, labels: Labels, *, position: int
) -> Float[Tensor, ""]:
    """The sum of the penalties that are on, as one number, in float32 whatever the networks' arithmetic."""
    objective = config.objective
    terms: list[Float[Tensor, "n"]] = []
    if objective.r1_gamma:
        terms.append(r1_penalty(state.D, real_images, labels, gamma=objective.r1_gamma))
    if objective.r2_gamma:
        terms.append(r2_penalty(state.D, fake_images, labels, gamma=objective.r2_gamma))
    if objective.gp_lambda:
        source = rng.generator(config.training.seed, "train/interpolation", position, device=real_images.device)
        mix = torch.rand(len(real_images), generator=source, device=real_images.device)
        terms.append(
            gradient_penalty(state.D, real_images, fake_images, labels, mix=mix, gp_lambda=objective.gp_lambda)
        )
    return torch.stack(terms).sum(dim=0).mean()


def _real_logits_for_generator(
    D: nn.Module, objective: Objective, real_images: Images, labels: Labels
) -> Float[Tensor, "n"] | None:
    if not objective.generator_needs_real:
        return None
    with torch.no_grad():
        logits: Float[Tensor, "n"] = D(real_images, labels).float()
    return logits


def _set_learning_rates(state: TrainState, config: Config, *, total_nimg: int) -> None:
    factor = learning_rate_factor(config.optimizer, cur_nimg=state.cur_nimg, total_nimg=total_nimg) * state.lr_scale
    state.g_optimizer.param_groups[0]["lr"] = config.optimizer.g_lr * factor
    state.d_optimizer.param_groups[0]["lr"] = config.optimizer.d_lr * factor


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
