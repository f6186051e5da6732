"""Fewer surprises for less variety: latents moved towards their mean."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from mnist_gan.errors import ConfigError

MAX_PSI = 2.0


def truncate(z: Float[Tensor, "n z_dim"], *, psi: float) -> Float[Tensor, "n z_dim"]:
    """Latents moved towards the mean of z, which is 0: psi * z.

    This is the truncation of StyleGAN (Karras et al. 2019, arXiv:1812.04948, appendix B), `mean + psi * (w - mean)`,
    on z itself, since these generators have no mapping network. psi = 1 changes nothing; smaller is more typical and
    less varied; above 1 is more unusual. An image stays recognizably the same as psi changes, which drawing anew the
    values beyond a threshold (Brock et al. 2019, arXiv:1809.11096, section 3.1) does not give.

    It is a knob to look through, with no promise: the generator was trained on z of length about sqrt(z_dim) only, and
    what it draws for shorter ones was never asked of it in training. Metrics are meant for psi = 1.

    Raises:
        ConfigError: psi is not between 0 and 2.
    """
    if not 0 <= psi <= MAX_PSI:
        raise ConfigError(f"truncation psi is {psi}; it must be between 0 and {MAX_PSI:g} (1 changes nothing)")
    return z if psi == 1 else psi * z
