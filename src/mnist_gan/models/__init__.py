"""Networks: three families of generators and discriminators, and those of plug-ins, for square images of any size."""

from mnist_gan.models.averaging import has_batch_norm, reestimate_batch_norm, update_average
from mnist_gan.models.base import Discriminator, Generator, ImageShape
from mnist_gan.models.build import build_discriminator, build_generator
from mnist_gan.models.custom import CustomDiscriminator, CustomGenerator, DiscriminatorNetwork, GeneratorNetwork
from mnist_gan.models.flops import flops_per_image

__all__ = [
    "CustomDiscriminator",
    "CustomGenerator",
    "Discriminator",
    "DiscriminatorNetwork",
    "Generator",
    "GeneratorNetwork",
    "ImageShape",
    "build_discriminator",
    "build_generator",
    "flops_per_image",
    "has_batch_norm",
    "reestimate_batch_norm",
    "update_average",
]
