"""`mnist-gan export`: writes a model as ONNX, a page, a `torch.export` program, or to the Hugging Face hub."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from mnist_gan.cli import options
from mnist_gan.cli.values import ModelArgument, Switch
from mnist_gan.errors import EXIT_OK, ConfigError

if TYPE_CHECKING:
    from mnist_gan.artifacts.gan import GAN

Target: TypeAlias = Literal["onnx", "html", "torch", "hub"]
TITLES: Final = {"shipped": "The model that comes with mnist-gan"}


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Export a model for use elsewhere.

    onnx: both networks for onnxruntime. html: one page that draws and judges in any browser, without a network. torch:
    both networks for PyTorch without this package. hub: the model folder, to the Hugging Face hub.
    """

    run: ModelArgument = None
    runs_dir: Path = Path("runs")
    """Folder of runs."""
    to: Target | None = None
    """Format; required."""
    out: str | None = None
    """New file (html), new folder (onnx, torch), or hf://USER/NAME (hub). None: a name from the model's, as in
    quick.html or quick-onnx."""
    dtype: Literal["float32", "float16"] = "float32"
    """Numbers of the weights and of the computation, for onnx and torch."""
    private: Switch = False
    """Create the repository on the hub as a private one."""


@options.command("export", ExportOptions)
def main(chosen: ExportOptions) -> int:
    """Run the command and return its exit code."""
    target = _target(chosen)

    from mnist_gan.artifacts.gan import GAN  # imports torch
    from mnist_gan.cli.lookup import find_model

    model = find_model(chosen.run, runs_dir=chosen.runs_dir)
    gan = GAN.load(model)
    name = model.resolve().name
    title = TITLES.get(str(model), name)
    match target:
        case "html":
            sentence = _write_page(gan, Path(chosen.out or f"{name}.html"), title)
        case "hub":
            sentence = _push(gan, chosen, title)
        case _:
            sentence = _write_folder(gan, target, Path(chosen.out or f"{name}-{target}"), title, chosen)
    print(sentence)
    return EXIT_OK


def _target(chosen: ExportOptions) -> Target:
    """The format, after a check of the options that depend on it."""
    if chosen.to is None:
        raise ConfigError("--to is missing; add --to onnx, --to html, --to torch or --to hub")
    if chosen.dtype != "float32" and chosen.to in {"html", "hub"}:
        raise ConfigError(f"--to {chosen.to} takes no --dtype; leave it out")
    if chosen.private and chosen.to != "hub":
        raise ConfigError(f"--to {chosen.to} takes no --private; leave it out")
    if chosen.to == "hub" and not (chosen.out or "").startswith("hf://"):
        raise ConfigError("--to hub needs the name of a repository; add --out hf://USER/NAME")
    if chosen.to == "html" and chosen.out and Path(chosen.out).suffix.lower() not in {".html", ".htm"}:
        raise ConfigError(f"--out {chosen.out} must end in .html")
    return chosen.to


def _write_page(gan: GAN, out: Path, title: str) -> str:
    from mnist_gan.exports.page import save_page

    page = save_page(out, gan, name=title)
    return f"{page.path}: {title}, for any browser ({page.size / 1e6:.2f} MB)"


def _write_folder(gan: GAN, target: Target, out: Path, title: str, chosen: ExportOptions) -> str:
    from mnist_gan.exports.onnx import OPSET, save_onnx
    from mnist_gan.exports.program import save_programs

    save = save_onnx if target == "onnx" else save_programs
    comparison = save(out, gan, name=title, dtype=chosen.dtype)
    files = "ONNX" if target == "onnx" else "torch.export programs"
    kind = f"{files}, opset {OPSET}, {chosen.dtype}" if target == "onnx" else f"{files}, {chosen.dtype}"
    return f"{out}: generator and discriminator as {kind}\n{comparison.describe()}"


def _push(gan: GAN, chosen: ExportOptions, title: str) -> str:
    from mnist_gan.exports.hub import push

    address = chosen.out or ""
    return f"{address}: pushed {title} ({push(gan, address, name=title, private=chosen.private)})"
