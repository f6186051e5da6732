"""Judges by name: the two that ship, and those trained on other data sets, which the user's cache keeps.

A judge of another data set is named by it and by the digest of its images and labels: `fashion-mnist-1a2b3c4d`, and
`fashion-mnist-1a2b3c4d-b` for the second architecture.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Final, get_args

from mnist_gan.data import Dataset
from mnist_gan.errors import ArtifactError, ConfigError
from mnist_gan.evaluation.cache import digest_of
from mnist_gan.evaluation.mnistnet import Judge, JudgeName, load_judge, network_from_bytes
from mnist_gan.paths import cache_folder
from mnist_gan.storage import find_committed, read_committed_directory, sha256_bytes, write_committed_directory
from mnist_gan.torch_defaults import default_torch_state

SHIPPED_JUDGES: Final[tuple[JudgeName, ...]] = get_args(JudgeName)
NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
MAX_BYTES: Final = {"judge.safetensors": 1 << 26, "judge.json": 1 << 16}


def dataset_sha256(dataset: Dataset) -> str:
    """Digest of all images and labels of a data set."""
    return digest_of(dataset.images, dataset.labels, dataset.held_out_images, dataset.held_out_labels)


def own_judge_name(dataset: Dataset, architecture: JudgeName) -> str:
    """Name of the judge that is trained on a data set."""
    words = re.sub(r"[^a-z0-9]+", "-", dataset.name.lower()).strip("-") or "data"
    return f"{words}-{dataset_sha256(dataset)[:8]}" + ("-b" if architecture == "mnistnet-b" else "")


def own_judges(dataset: Dataset, *, folder: Path | None = None) -> tuple[str, ...]:
    """Names of the judges in the cache that were trained on a data set, the first architecture first."""
    names = [own_judge_name(dataset, architecture) for architecture in SHIPPED_JUDGES]
    return tuple(name for name in names if find_committed((folder or judges_folder()) / name) is not None)


def default_judges(dataset: Dataset, *, both: bool = False) -> tuple[str, ...]:
    """Judges for a data set: those trained on it if the cache has them, else the shipped ones.

    Args:
        dataset: real images.
        both: both architectures instead of the first.
    """
    own = () if dataset.is_mnist else own_judges(dataset)
    chosen = own if len(own) == len(SHIPPED_JUDGES) or (own and not both) else SHIPPED_JUDGES
    return chosen if both else chosen[:1]


@default_torch_state()
def open_judge(name: str = "mnistnet", *, folder: Path | None = None) -> Judge:
    """Load a judge by its name: a shipped one, or one from the cache.

    Args:
        name: mnistnet, mnistnet-b, or the name of a judge that `mnist-gan judge train` made.
        folder: folder of trained judges; None is that of the user's cache.

    Raises:
        ConfigError: there is no such judge.
        ArtifactError: its files are damaged.
    """
    if name in SHIPPED_JUDGES:
        return load_judge(name)
    directory = (folder or judges_folder()) / name
    if NAME.fullmatch(name) is None or find_committed(directory) is None:
        raise ConfigError(
            f"there is no judge {name!r}; the judges are {', '.join(SHIPPED_JUDGES)}, and those that "
            "`mnist-gan judge train DATA` made on this machine"
        )
    files = read_committed_directory(directory, most=MAX_BYTES)
    try:
        facts = json.loads(files["judge.json"])
        network = network_from_bytes(
            facts["architecture"],
            files["judge.safetensors"],
            channels=int(facts["channels"]),
            num_classes=int(facts["num_classes"]),
        )
        return Judge(
            name=name,
            digest=sha256_bytes(files["judge.safetensors"]),
            network=network,
            data_sha256=str(facts["data_sha256"]),
            accuracy=float(facts["test_accuracy"]),
        )
    except (KeyError, TypeError, ValueError, RuntimeError) as error:  # RuntimeError: weights of other shapes
        raise ArtifactError(f"the judge in {directory} cannot be read ({error}); train it again") from error


def describe_judges(*, folder: Path | None = None) -> list[dict[str, Any]]:
    """Provenance of every judge, the shipped ones first.

    Raises:
        ArtifactError: the files of a judge are damaged.
    """
    weights = resources.files("mnist_gan.weights")
    shipped = [json.loads((weights / f"{name}.json").read_text(encoding="utf-8")) for name in SHIPPED_JUDGES]
    rows = [{**facts, "architecture": facts["judge"], "data_set": "mnist"} for facts in shipped]
    own = sorted(path for path in (folder or judges_folder()).glob("*") if NAME.fullmatch(path.name))
    return rows + [json.loads(read_committed_directory(path, most=MAX_BYTES)["judge.json"]) for path in own]


def save_judge(name: str, content: bytes, facts: Mapping[str, Any], *, folder: Path | None = None) -> Path:
    """Write a trained judge to the cache and return its folder.

    Raises:
        StorageError: the folder cannot be written.
    """
    directory = (folder or judges_folder()) / name
    files = {"judge.safetensors": content, "judge.json": (json.dumps(facts, indent=2) + "\n").encode()}
    write_committed_directory(directory, files)
    return directory


def judges_folder() -> Path:
    """`judges` in the user's cache directory for mnist-gan."""
    return cache_folder() / "judges"
