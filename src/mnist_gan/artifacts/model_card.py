"""The model card: README.md of a model directory, in the layout of the Hugging Face hub.

It begins with a block of YAML between two lines of dashes (the hub's documentation, "Model cards"). Values are written
as JSON, a subset of YAML, so that no escaping is needed.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any, Final

import tomli_w
from torch import nn

from mnist_gan import config as config_module
from mnist_gan.artifacts.gan import CONFIG_NAME, DISCRIMINATOR_NAME, GAN, PLUGIN_NAME
from mnist_gan.data.provenance import default_class_names
from mnist_gan.runs.directory import GENERATOR_NAME
from mnist_gan.settings import settings_of
from mnist_gan.storage import MANIFEST_NAME
from mnist_gan.text import pluralize

LICENSE: Final = "mit"
TASK: Final = "unconditional-image-generation"
HUB_DATASETS: Final = {"mnist": "ylecun/mnist", "stacked-mnist": "ylecun/mnist"}
"""Names of the data sets on the hub."""
PENALTIES: Final = {"r1_gamma", "r2_gamma", "gp_lambda", "classifier_weight", "weight_clip", "label_smoothing"}


def render_model_card(gan: GAN, *, name: str) -> str:
    """Text of the card.

    Args:
        gan: the model. The card shows these of its `facts`: `data` (name of the data set), `data_source` (a sentence),
            `cur_nimg`, `step`, `train_sec` (seconds of training), `processor`, `device`, `versions` (by package), and
            `metrics` (values by protocol).
        name: name of the model, such as its run's.
    """
    return "\n".join([_front_matter(gan, name), *_body(gan, name)]) + "\n"


def _front_matter(gan: GAN, name: str) -> str:
    metrics = _metrics(gan.facts)
    data = str(gan.facts.get("data", ""))
    fields: dict[str, Any] = {
        "license": LICENSE,
        "library_name": "mnist-gan",
        "pipeline_tag": TASK,
        "tags": ["gan", "image-generation", "mnist", "pytorch", *(["conditional"] if gan.conditional else [])],
    }
    if data in HUB_DATASETS:
        fields["datasets"] = [HUB_DATASETS[data]]
    if metrics:
        fields["metrics"] = list(metrics)
        fields["model-index"] = _results(name, data, metrics)
    return "\n".join(["---", *(f"{key}: {json.dumps(value)}" for key, value in fields.items()), "---", ""])


def _results(name: str, data: str, metrics: Mapping[str, float]) -> list[dict[str, Any]]:
    """Metrics in the structure of the hub."""
    measured = [{"type": metric, "name": metric, "value": value} for metric, value in metrics.items()]
    dataset = {"type": HUB_DATASETS.get(data, data or "unknown"), "name": data or "unknown"}
    return [{"name": name, "results": [{"task": {"type": TASK}, "dataset": dataset, "metrics": measured}]}]


def _body(gan: GAN, name: str) -> Iterator[str]:
    yield f"# {name}\n"
    yield f"{_summary(gan)}\n"
    yield "## Use\n"
    yield f"```python\n{_loading_code(gan)}\n```\n"
    yield "On the command line, in the folder of this file:\n"
    classes = ["--classes", "0123456789"] if gan.draws_digits else []
    yield f"```\n{shlex.join(['mnist-gan', 'sample', '--run', '.', '--n', '80', *classes, '--out', 'grid.png'])}\n```\n"
    yield from _classes(gan)
    yield "## Training\n"
    yield from (f"- {sentence}" for sentence in _training(gan))
    yield ""
    metrics = _metrics(gan.facts)
    if metrics:
        yield "## Metrics\n"
        yield from _table(("metric", "value"), [(metric, f"{value:.4g}") for metric, value in metrics.items()])
        yield "\nA metric is named by its protocol; compare only values of the same name.\n"
    yield "## Limits\n"
    yield f"{_limits(gan)}\n"
    yield "## Files\n"
    yield from _table(("file", "what"), _files())
    yield "\n## Recipe\n"
    yield f"```toml\n{_recipe(gan).strip()}\n```\n"
    yield "## Licence\n"
    if gan.shape.is_points:
        yield "MIT, as mnist-gan itself."
        return
    yield "MIT, as mnist-gan itself. MNIST was published by Yann LeCun, Corinna Cortes and Christopher J. C. Burges."


def _summary(gan: GAN) -> str:
    data = gan.facts.get("data")
    kind = "A class-conditional generative" if gan.conditional else "A generative"
    learned = f"trained on {_data_title(str(data))}" if data else "trained with mnist-gan"
    shape = gan.shape
    if shape.is_points:
        return (
            f"{kind} adversarial network, {learned}: a generator that draws points of {shape.channels} coordinates, "
            "and the discriminator that it was trained against, which estimates how likely a point is to be real."
        )
    size = f"{shape.resolution} x {shape.resolution} pixels in {'grey' if shape.channels == 1 else 'colour'}"
    classes = pluralize(shape.num_classes, "class", "classes")
    asked = f" It draws one of {classes} on request." if gan.conditional else ""
    return (
        f"{kind} adversarial network, {learned}: a generator that draws images of {size}, and the discriminator that "
        f"it was trained against, which estimates how likely an image is to be real.{asked}"
    )


def _data_title(data: str) -> str:
    titles = {
        "mnist": "MNIST's handwritten digits",
        "digits": "the 8 x 8 handwritten digits of scikit-learn, enlarged",
        "stacked-mnist": "stacked MNIST, three digits as three colours",
    }
    return titles.get(data, f"the data set {data}")


def _loading_code(gan: GAN) -> str:
    shape = gan.shape
    digit = "digit=7, " if gan.conditional and shape.num_classes > 7 else ""
    dtype = str(shape.scaling.dtype).removeprefix("torch.")
    form = f"{dtype} (16, {shape.channels}, {shape.resolution}, {shape.resolution})"
    plugin = "" if gan.plugin.record_for(gan.config) is None else f', plugin="{PLUGIN_NAME}"'
    labels = ", labels=gan.labels(16, digit=7)" if digit else ", labels=gan.labels(16)" if gan.conditional else ""
    return "\n".join(
        [
            "from mnist_gan import GAN  # pip install mnist-gan",
            "",
            f'gan = GAN.load("."{plugin})  # this folder; from the hub: "hf://user/name", with mnist-gan[hub]',
            f"images = gan.sample(16, {digit}seed=0)  # {form}",
            f"probabilities = gan.probability_real(images{labels})  # that each image is real, in [0, 1]",
        ]
    )


def _classes(gan: GAN) -> Iterator[str]:
    """A table of the classes that have names."""
    if gan.conditional and gan.class_names != default_class_names(gan.shape.num_classes):
        yield "## Classes\n"
        yield from _table(("label", "class"), [(str(k), _cell(name)) for k, name in enumerate(gan.class_names)])
        yield ""


def _cell(text: str) -> str:
    """Text in a table, without the characters that Markdown and HTML would read as markup."""
    return re.sub(r"([\\`*_{}\[\]<>|&#~])", r"\\\1", text)


def _training(gan: GAN) -> Iterator[str]:
    config, facts = gan.config, gan.facts
    training, objective = config.training, config.objective
    if "data_source" in facts:
        yield f"Data: {facts['data_source']}"
    if "cur_nimg" in facts:
        steps = f", {pluralize(facts['step'], 'step')}" if "step" in facts else ""
        took = f", {_duration(facts['train_sec'])}" if "train_sec" in facts else ""
        yield f"Length: {facts['cur_nimg']:,} images{steps} of {training.batch_size} images{took}"
    where = [str(facts[key]) for key in ("device", "processor") if facts.get(key)]
    if where:
        yield f"Machine: {', '.join(where)}"
    yield f"Objective: {config_module.LOSS_LABELS.get(objective.loss, objective.loss)}"
    yield from _penalties(gan)
    record = gan.plugin.record_for(config)
    if record is not None:
        yield f"Plug-in: {record.file} (sha256 {record.sha256[:16]}), whose copy here is `{PLUGIN_NAME}`"
    yield f"Generator: {config.generator.family}, {_parameters(gan.G):,} parameters, z_dim {config.generator.z_dim}"
    yield f"Discriminator: {config.discriminator.family}, {_parameters(gan.D):,} parameters"
    average = training.ema_halflife_nimg
    if average:
        yield f"The generator is an exponential moving average with a half-life of {average:,.0f} images"
    if "latent_scale" in facts:
        yield f"Latent scale: {facts['latent_scale']:.3f}, contained in the weights"
    yield f"Seed: {training.seed}; preset: {config.preset}"
    yield "To train it again: save the recipe below as `recipe.toml` and run `mnist-gan train --config recipe.toml`"
    if facts.get("versions"):
        yield "Versions: " + ", ".join(f"{package} {version}" for package, version in facts["versions"].items())


def _penalties(gan: GAN) -> Iterator[str]:
    objective = gan.config.objective
    for name, setting in settings_of(type(objective)).items():
        if name in PENALTIES and getattr(objective, name):
            yield f"{setting.title}: {getattr(objective, name):g}"
    if gan.config.discriminator.norm == "spectral":
        yield "Spectral normalization of the discriminator"


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{pluralize(round(seconds), 'second')} of training"
    return f"{pluralize(minutes, 'minute')} of training" if minutes < 120 else f"{seconds / 3600:.1f} hours of training"


def _limits(gan: GAN) -> str:
    if gan.shape.is_points:
        return (
            "The model draws points, for learning about generative adversarial networks. The discriminator knows the "
            "points that it was trained on and its own generator."
        )
    if gan.facts.get("data") not in {None, "mnist", "digits", "stacked-mnist"}:
        return (
            "The model draws small images that resemble its training images, and may repeat some of them. The "
            "discriminator knows these and its own generator: it does not detect other forgeries and does not "
            "recognize classes."
        )
    return (
        "The model draws small images that look like handwriting, for learning about generative adversarial networks "
        "and comparing them. No person wrote these images, and they may repeat training images. The discriminator "
        "knows real digits and its own generator: it does not detect other forgeries and does not recognize digits."
    )


def _files() -> list[tuple[str, str]]:
    return [
        (f"`{GENERATOR_NAME}`", "the averaged generator's weights"),
        (f"`{DISCRIMINATOR_NAME}`", "the discriminator's weights"),
        (f"`{CONFIG_NAME}`", "the recipe, the images' shape, the calibration of the discriminator, and facts"),
        (f"`{MANIFEST_NAME}`", "size and sha256 of the files above, checked on every load"),
    ]


def _recipe(gan: GAN) -> str:
    """Config as TOML without `data.dir`: a card is published, and a path may name a person."""
    values = config_module.to_dict(gan.config)
    values["data"].pop("dir", None)
    values["data"].pop("file", None)
    return tomli_w.dumps(values)


def _table(header: tuple[str, str], rows: list[tuple[str, str]]) -> Iterator[str]:
    yield f"| {header[0]} | {header[1]} |"
    yield "|---|---|"
    yield from (f"| {left} | {right} |" for left, right in rows)


def _metrics(facts: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): float(value) for name, value in dict(facts.get("metrics", {})).items()}
