"""Truncation: latents scaled towards their mean, for more typical and less varied images."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from mnist_gan.errors import ConfigError

MAX_PSI = 2.0


def truncate(z: Float[Tensor, "n z_dim"], *, psi: float) -> Float[Tensor, "n z_dim"]:
    """Scale latents towards the mean of z, which is 0: psi * z.

    StyleGAN's truncation (Karras et al. 2019, arXiv:1812.04948, appendix B), `mean + psi * (w - mean)`, applied to z
    because these generators have no mapping network. psi = 1 changes nothing; smaller is more typical and less varied;
    above 1 is more unusual. An image stays recognizable as psi changes, unlike with resampling of values beyond a
    threshold (Brock et al. 2019, arXiv:1809.11096, section 3.1).

    The generator was trained on z of length about sqrt(z_dim); for other lengths its images are extrapolations. Metrics
    are defined for psi = 1.

    Raises:
        ConfigError: psi is not between 0 and 2.
    """
    if not 0 <= psi <= MAX_PSI:
        raise ConfigError(f"truncation psi is {psi}; it must be between 0 and {MAX_PSI:g} (1 changes nothing)")
    return z if psi == 1 else psi * z
