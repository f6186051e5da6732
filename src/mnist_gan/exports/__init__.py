"""Exports: a model as ONNX, as a `torch.export` program, as one HTML page, and on the Hugging Face hub."""

from mnist_gan.exports.comparison import Comparison, compare
from mnist_gan.exports.hub import push
from mnist_gan.exports.networks import Dtype, ImageGenerator, ImageScorer
from mnist_gan.exports.onnx import save_onnx
from mnist_gan.exports.page import save_page
from mnist_gan.exports.program import save_programs

__all__ = [
    "Comparison",
    "Dtype",
    "ImageGenerator",
    "ImageScorer",
    "compare",
    "push",
    "save_onnx",
    "save_page",
    "save_programs",
]
