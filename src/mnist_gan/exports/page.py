"""One HTML file with both networks, their weights and all scripts; it needs no network and no server."""

from __future__ import annotations

import base64
import html
import json
import re
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

from mnist_gan import sampling, storage
from mnist_gan.artifacts.gan import GAN
from mnist_gan.errors import ConfigError
from mnist_gan.exports.about import facts_of
from mnist_gan.exports.bundle import bundle_modules
from mnist_gan.exports.networks import check_images
from mnist_gan.exports.plan import Weights, plan_discriminator, plan_generator
from mnist_gan.paths import user_path
from mnist_gan.torch_defaults import default_torch_state

MAX_PARAMETERS: Final = 25_000_000
"""Parameters of both networks; each takes 2.7 bytes of the page."""
CHANNELS: Final = (1, 3)
PLACEHOLDER: Final = re.compile(r"{{(\w+)}}")
DIRECTIONS: Final = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A written page."""

    path: Path
    size: int
    """In bytes."""


@default_torch_state()
def save_page(path: Path | str, gan: GAN, *, name: str) -> Page:
    """Write a page that draws and judges with `gan`; see docs/export.md.

    Args:
        path: name of the file, which must not exist.
        gan: a model of one of the families of this package, grey or with three channels.
        name: title of the page.

    Raises:
        ConfigError: the file exists, or a page cannot carry the model.
        StorageError: the file cannot be written.
    """
    path = user_path(path)
    if path.exists():
        raise ConfigError(f"{path} exists; choose another name or remove it")
    content = render_page(gan, name=name).encode()
    storage.write_bytes(path, content)
    return Page(path=path, size=len(content))


@default_torch_state()
def render_page(gan: GAN, *, name: str) -> str:
    """The HTML of `save_page`.

    Raises:
        ConfigError: a page cannot carry the model.
    """
    plan = describe_model(gan)
    facts = facts_of(gan, name=name)
    is_digit = gan.draws_digits
    texts = {
        "title": name,
        "made_with": facts["made_with"],
        "class_title": "Digit" if is_digit else "Class",
        "class_word": "digit" if is_digit else "class",
        "about": _about(facts),
    }
    files = resources.files("mnist_gan.exports") / "pages"
    shared = resources.files("mnist_gan.web")
    style = (shared / "css" / "style.css").read_text("utf-8") + (files / "page.css").read_text("utf-8")
    parts = {key: html.escape(text) for key, text in texts.items()} | {
        "style": style,
        "script": bundle_modules(_modules(), entry="page"),
        "model": _json(plan),
    }
    return PLACEHOLDER.sub(lambda found: parts[found[1]], (files / "page.html").read_text("utf-8"))


def describe_model(gan: GAN) -> dict[str, Any]:
    """The plan of both networks, their weights as base64, the directions, and all that the page needs of the model.

    Raises:
        ConfigError: the model draws points, has other than 1 or 3 channels, is too large, or is of another family.
    """
    check_images(gan)
    shape = gan.shape
    if shape.channels not in CHANNELS:
        raise ConfigError(
            f"a page shows images of 1 or 3 channels, and this model draws {shape.channels}; export it with --to onnx"
        )
    parameters = sum(tensor.numel() for network in (gan.G, gan.D) for tensor in network.parameters())
    if parameters > MAX_PARAMETERS:
        raise ConfigError(
            f"this model has {parameters:,} parameters, and a page carries up to {MAX_PARAMETERS:,}; export it with "
            "--to onnx"
        )
    weights = Weights()
    generator, discriminator = plan_generator(gan.G, weights), plan_discriminator(gan.D, weights)
    directions = _directions(gan, weights)
    halves, singles = (base64.b64encode(content).decode() for content in weights.content())
    best = gan.best_label_calibration
    return {
        "side": shape.resolution,
        "channels": shape.channels,
        "classes": list(gan.classes),
        "names": list(gan.class_names),
        "generator": generator,
        "discriminator": discriminator,
        "directions": directions,
        "real_range": list(gan.config.data.real_range),
        "calibration": asdict(gan.calibration),
        "best_label_calibration": None if best is None else asdict(best),
        "form": asdict(gan.form),
        "halves": halves,
        "singles": singles,
    }


def _directions(gan: GAN, weights: Weights) -> list[dict[str, Any]]:
    found = sampling.find_directions(gan.G, count=DIRECTIONS)
    return [
        {
            "name": found.names[k],
            "explanation": found.explanation(k),
            "vector": weights.add_vector(found.vectors[k].numpy()),
        }
        for k in range(len(found))
    ]


def _about(facts: dict[str, str]) -> str:
    return (
        f"Made with {facts['made_with']}. Licence of the model: {facts['license'].upper()}. "
        f"Generator sha256 {facts['generator_sha256']}, discriminator sha256 {facts['discriminator_sha256']}."
    )


def _modules() -> dict[str, str]:
    folders = (resources.files("mnist_gan.exports") / "pages" / "js", resources.files("mnist_gan.web") / "js")
    return {
        file.name.removesuffix(".js"): file.read_text("utf-8")
        for folder in folders
        for file in folder.iterdir()
        if file.name.endswith(".js")
    }


def _json(value: Any) -> str:
    """JSON that cannot end its script element."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
