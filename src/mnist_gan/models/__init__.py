"""Networks: three families of generators and discriminators, conditional or not, for square images of any size."""

from mnist_gan.models.averaging import reestimate_batch_norm, update_average
from mnist_gan.models.base import Discriminator, Generator, ImageShape
from mnist_gan.models.build import build_discriminator, build_generator
from mnist_gan.models.flops import flops_per_image

__all__ = [
    "Discriminator",
    "Generator",
    "ImageShape",
    "build_discriminator",
    "build_generator",
    "flops_per_image",
    "reestimate_batch_norm",
    "update_average",
]
