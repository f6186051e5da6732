"""Adversarial losses, one function per formula.

Each takes logits, the raw outputs of the discriminator D, and returns one value per sample for the named network to
minimize. With s the logistic sigmoid, -log s(x) is computed as softplus(-x) and -log(1 - s(x)) as softplus(x), which
are accurate for logits of any size.
"""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812 - torch's own habit
from jaxtyping import Float
from torch import Tensor

Logits = Float[Tensor, "n"]


def cross_entropy_discriminator_loss(
    real_logits: Logits, fake_logits: Logits, *, label_smoothing: float = 0.0
) -> Logits:
    """-t log s(D(x)) - (1 - t) log(1 - s(D(x))) - log(1 - s(D(G(z)))), with t = 1 - label_smoothing.

    Goodfellow et al. 2014, eq. 1, for D: the same in the minimax and the non-saturating game. One-sided label
    smoothing: Salimans et al. 2016, section 3.4.
    """
    target = 1.0 - label_smoothing
    loss = target * F.softplus(-real_logits) + F.softplus(fake_logits)
    return loss + label_smoothing * F.softplus(real_logits) if label_smoothing else loss


def minimax_generator_loss(fake_logits: Logits) -> Logits:
    """log(1 - s(D(G(z)))): Goodfellow et al. 2014, eq. 1. Its gradient vanishes where D rejects confidently."""
    return -F.softplus(fake_logits)


def non_saturating_generator_loss(fake_logits: Logits) -> Logits:
    """-log s(D(G(z))): Goodfellow et al. 2014, section 3, last paragraph."""
    return F.softplus(-fake_logits)


def least_squares_discriminator_loss(
    real_logits: Logits, fake_logits: Logits, *, label_smoothing: float = 0.0
) -> Logits:
    """(D(x) - b)**2 / 2 + (D(G(z)) - a)**2 / 2 with a = 0 and b = 1 - label_smoothing: Mao et al. 2017, eq. 2."""
    return 0.5 * (real_logits - (1.0 - label_smoothing)).square() + 0.5 * fake_logits.square()


def least_squares_generator_loss(fake_logits: Logits) -> Logits:
    """(D(G(z)) - c)**2 / 2 with c = 1: Mao et al. 2017, eq. 2."""
    return 0.5 * (fake_logits - 1.0).square()


def hinge_discriminator_loss(real_logits: Logits, fake_logits: Logits) -> Logits:
    """max(0, 1 - D(x)) + max(0, 1 + D(G(z))): Lim & Ye 2017; Miyato et al. 2018, eq. 16."""
    return F.relu(1.0 - real_logits) + F.relu(1.0 + fake_logits)


def hinge_generator_loss(fake_logits: Logits) -> Logits:
    """-D(G(z)): Lim & Ye 2017; Miyato et al. 2018, eq. 17."""
    return -fake_logits


def wasserstein_discriminator_loss(real_logits: Logits, fake_logits: Logits) -> Logits:
    """D(G(z)) - D(x): Arjovsky et al. 2017, eq. 2 and 3, negated.

    It estimates the Wasserstein distance only for a Lipschitz D: use a gradient penalty or weight clipping.
    """
    return fake_logits - real_logits


def wasserstein_generator_loss(fake_logits: Logits) -> Logits:
    """-D(G(z)): Arjovsky et al. 2017, theorem 3."""
    return -fake_logits


def relativistic_discriminator_loss(real_logits: Logits, fake_logits: Logits) -> Logits:
    """-log s(D(x) - D(G(z))): the RSGAN of Jolicoeur-Martineau 2018, the RpGAN of Huang et al. 2024, eq. 2.

    Compares sample i of one batch with sample i of the other; a single logit has no meaning.
    """
    return F.softplus(fake_logits - real_logits)


def relativistic_generator_loss(fake_logits: Logits, real_logits: Logits) -> Logits:
    """-log s(D(G(z)) - D(x)): the RSGAN of Jolicoeur-Martineau 2018, in its non-saturating form."""
    return F.softplus(real_logits - fake_logits)
