"""The networks: three families of generators and discriminators, conditional or not, for images of any size."""

from mnist_gan.models.base import Discriminator, Generator, ImageShape
from mnist_gan.models.build import build_discriminator, build_generator
from mnist_gan.models.flops import flops_per_image

__all__ = ["Discriminator", "Generator", "ImageShape", "build_discriminator", "build_generator", "flops_per_image"]
