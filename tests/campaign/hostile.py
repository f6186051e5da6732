"""Malicious models, checkpoints and runs."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.campaign.tally import Row, Scale, Tally
from tests.campaign.victims import Result, command, fork
from tests.campaign.workspace import Workspace

from mnist_gan import storage
from mnist_gan.errors import ArtifactError, MnistGanError, PluginError

SECONDS: Final = 1.0
"""Allowed processor time."""
MEMORY: Final = 256 << 20
"""Allowed growth of memory."""
G: Final = "generator.safetensors"
D: Final = "discriminator.safetensors"
CONFIG: Final = "config.json"
MANIFEST: Final = "manifest.json"
STATE: Final = "state.safetensors"
COUNTERS: Final = "state.json"
GIGABYTES: Final = 20 << 30
ZEROS: Final = Path("/dev/zero")
OF_PLUGINS: Final = {"a config that names a class", "a config that names a function"}
"""Dotted names are those of plug-ins: the model is refused as one whose plug-in was not named (exit code 2)."""
UNREAD: Final = "an unread pickle in a model"
"""The one case that loads, since no reader opens the file."""

Description = dict[str, Any]
Spoil = Callable[[Path], object]
"""Changes a committed directory."""


class MaliciousPickle:
    """An object that creates the canary file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch '{self.canary}'",)


class Checker:
    """Runs actions that must be refused, within limits of time and memory and without running code."""

    def __init__(self, tally: Tally, canary: Path) -> None:
        self.tally, self.canary = tally, canary

    def check_refused(self, action: Callable[[], Any], case: str, *, codes: set[int], seconds: float = SECONDS) -> None:
        """Count a command that must exit with one of the codes."""
        result = fork(action, timeout=20)
        problems = self._problems(result, seconds)
        if result.code not in codes:
            problems.append(str(result))
        if "Traceback" in result.output:
            problems.append("a traceback was printed")
        self.tally.check_problems(case, problems)

    def check_load(self, model: Path, case: str) -> None:
        """Count a load of a model, which must be refused unless the case is `UNREAD`."""

        def load() -> str:
            from mnist_gan import GAN

            try:
                GAN.load(model)
            except MnistGanError as error:
                return f"{type(error).__name__}: {error}"
            return ""

        result = fork(load, timeout=20)
        problems = self._problems(result, SECONDS)
        if result.value is None:
            problems.append(str(result))
        elif case != UNREAD and not result.value.startswith((ArtifactError.__name__, PluginError.__name__)):
            problems.append(f"load raised {result.value!r}")
        self.tally.check_problems(case, problems)

    def _problems(self, result: Result, seconds: float) -> list[str]:
        problems = []
        if self.canary.exists():
            problems.append("code was run")
            self.canary.unlink()
        if result.processor_seconds > seconds:
            problems.append(f"took {result.processor_seconds:.1f} s")
        if result.grown_bytes > MEMORY:
            problems.append(f"took {result.grown_bytes >> 20} MB")
        return problems


def inject(tally: Tally, scale: Scale, folder: Path) -> None:
    """Use each malicious file in every way that a user would."""
    del scale  # every case is short
    workspace = Workspace(folder)
    workspace.reference()
    checker = Checker(tally, folder / "canary")
    payload = pickle.dumps(MaliciousPickle(checker.canary))
    _load_models(checker, workspace, payload)
    _load_pickles(checker, workspace, payload)
    for case, spoil in spoiled_checkpoints(payload).items():
        with workspace.copy("whole") as root:
            newest, *older = sorted((root / "checkpoints").iterdir(), reverse=True)
            for checkpoint in older:
                shutil.rmtree(checkpoint)
            spoil(newest)
            checker.check_refused(
                workspace.resume("victim"), f"a checkpoint with {case}", codes={4}, seconds=3 * SECONDS
            )
    _resume_links(checker, workspace)


def _load_models(checker: Checker, workspace: Workspace, payload: bytes) -> None:
    sample = command("sample", "--run", workspace.folder / "model", "--out", workspace.folder / "x.png")
    for case, spoil in spoiled_models(payload).items():
        model = workspace.folder / "model"
        shutil.copytree(workspace.root("whole") / "model", model)
        spoil(model)
        checker.check_load(model, case)
        if case != UNREAD:
            checker.check_refused(sample, case, codes={2} if case in OF_PLUGINS else {4})
        shutil.rmtree(model)


def _load_pickles(checker: Checker, workspace: Workspace, payload: bytes) -> None:
    for name in ("model.pt", "model.pkl", "model.safetensors", "model.pth", "model.bin", "model"):
        file = workspace.folder / name
        file.write_bytes(payload)
        case = f"a pickle named {name}"
        checker.check_load(file, case)
        sample = command("sample", "--run", file, "--out", workspace.folder / "x.png")
        score = command("score", file, "--run", workspace.root("whole"))
        checker.check_refused(sample, case, codes={4})
        checker.check_refused(score, f"{case}, score", codes={2, 3, 4})
        checker.check_refused(command("train", "--config", file), f"{case}, train", codes={2, 3, 4})
        checker.check_refused(command("evaluate", file), f"{case}, evaluate", codes={3, 4})
        file.unlink()


def _resume_links(checker: Checker, workspace: Workspace) -> None:
    """Resume runs with a file that is a link, through which nothing may be written."""
    for name in ("metrics.jsonl", ".lock", "config.toml", "environment.json"):
        case, target = f"a run whose {name} is a link", workspace.folder / "precious"
        with workspace.copy("whole") as root:
            target.write_bytes((root / name).read_bytes() if (root / name).exists() else b"precious\n")
            before = target.read_bytes()
            (root / name).unlink(missing_ok=True)
            (root / name).symlink_to(target)
            checker.check_refused(workspace.resume("victim"), case, codes={4, 74}, seconds=3 * SECONDS)
            if target.read_bytes() != before:
                checker.tally.lost.append(f"{case}: its target was changed")


def spoiled_models(payload: bytes) -> dict[str, Spoil]:
    """Descriptions of malicious models, and functions that make them of a valid one with a matching manifest."""
    return {
        UNREAD: put("extra.pkl", payload),
        **{f"a pickle as {name}": put(name, payload) for name in (G, D, CONFIG)},
        **_spoiled_tensors(),
        **_spoiled_configs(payload),
        **_spoiled_manifests(payload),
        "tensors that are a device": partial(_link, name=G, target=ZEROS),
        "tensors that are a pipe": partial(_pipe, name=G),
        "tensors that are a link": _move_and_link,
        "a config that is a link": partial(_link, name=CONFIG, target=Path("/etc/passwd")),
    }


def _spoiled_tensors() -> dict[str, Spoil]:
    f32 = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}

    def tensors(fields: Description, data: bytes = b"") -> Spoil:
        header = json.dumps(fields).encode()
        return put(G, struct.pack("<Q", len(header)) + header + data)

    return {
        "a header with a length of gigabytes": put(G, struct.pack("<Q", GIGABYTES) + b"{}"),
        "a header of 200 MB": partial(_put_sparse, name=G, size=200 << 20),
        "a file of 20 GB": partial(_put_sparse, name=G, size=GIGABYTES),
        "overlapping tensors": tensors({"a": f32, "b": {**f32, "data_offsets": [8, 24]}}, bytes(24)),
        "a tensor outside its file": tensors({"a": {**f32, "data_offsets": [0, 1 << 40]}}),
        "a tensor of exabytes": tensors({"a": {"dtype": "F32", "shape": [1 << 60], "data_offsets": [0, 1 << 62]}}),
        "a tensor of negative size": tensors({"a": {**f32, "shape": [-4]}}, bytes(16)),
        "a tensor of an unknown type": tensors({"a": {**f32, "dtype": "EVIL"}}, bytes(16)),
        "a hundred thousand tensors": tensors({f"t{i}": {**f32, "data_offsets": [0, 0]} for i in range(100_000)}),
        "weights that are NaN": _put_nan,
    }


def _spoiled_configs(payload: bytes) -> dict[str, Spoil]:
    def setting(table: str, field: str, value: Any) -> Spoil:
        return change(CONFIG, lambda described: described["config"][table].__setitem__(field, value))

    def entry(table: str, field: str, value: Any) -> Spoil:
        return change(CONFIG, lambda described: described[table].__setitem__(field, value))

    return {
        "a config that names a class": setting("generator", "family", "torch.nn.Linear"),
        "a config that names a function": setting("objective", "loss", "os.system"),
        "a config that names a path": setting("generator", "family", "../../evil.py"),
        "a config with an unknown field": setting("generator", "__reduce__", "os.system"),
        "widths of billions": setting("generator", "channels", [10**9, 10**9]),
        "a width of 400 digits": setting("discriminator", "channels", [10**400]),
        "the largest allowed widths": setting("generator", "channels", [65_536] * 4),
        "a million layers": setting("generator", "channels", [1] * 1_000_000),
        "a z of billions": setting("generator", "z_dim", 10**9),
        "images of a billion pixels": entry("shape", "resolution", 1 << 15),
        "a billion classes": entry("shape", "num_classes", 10**9),
        "an infinite learning rate": setting("optimizer", "g_lr", 10**400),
        "an invalid calibration": change(CONFIG, lambda d: d.update(calibration={"scale": "x", "bias": 1e999})),
        "invalid metrics": entry("facts", "metrics", [payload.hex()]),
        "a deeply nested config": put(CONFIG, b"[" * 200_000),
        "a config of 50 MB": put(CONFIG, b'{"a": "' + b"x" * (50 << 20) + b'"}'),
    }


def _spoiled_manifests(payload: bytes) -> dict[str, Spoil]:
    def write(content: bytes) -> Spoil:
        return lambda model: (model / MANIFEST).write_bytes(content)

    def name_file(name: str) -> Spoil:
        return change(MANIFEST, lambda d: d["files"].__setitem__(name, next(iter(d["files"].values()))))

    names = ("../../../etc/passwd", "/etc/passwd", "..", "sub/file", "C:\\evil", "nul\0byte", "", "a\nb", "\ud800")
    return {
        "a pickle as the manifest": write(payload),
        **{f"a manifest that names {name!r}": name_file(name) for name in names},
        "a deeply nested manifest": write(b"[" * 200_000),
        "a manifest of 2 MB": write(b" " * (2 << 20)),
        "a manifest of another version": change(MANIFEST, lambda d: d.update(version=2)),
        "a size in a manifest that is not a number": change(MANIFEST, lambda d: d["files"][G].update(bytes="many")),
        "a manifest that is a device": partial(_link, name=MANIFEST, target=ZEROS),
        "a manifest that is a pipe": partial(_pipe, name=MANIFEST),
    }


def spoiled_checkpoints(payload: bytes) -> dict[str, Spoil]:
    """The same for checkpoints."""

    def counters(**changes: Any) -> Spoil:
        return change(COUNTERS, lambda described: described.update(changes))

    return {
        "a pickle as tensors": put(STATE, payload),
        "a pickle as counters": put(COUNTERS, payload),
        "20 GB of tensors": partial(_put_sparse, name=STATE, size=GIGABYTES),
        "text as cur_nimg": counters(cur_nimg="1"),
        "a negative cur_nimg": counters(cur_nimg=-5),
        "a step of a thousand digits": counters(step=10**1000),
        "a learning rate of NaN": counters(lr_scale=float("nan")),
        "no step": counters(step=None),
        "tensors that are a pipe": partial(_pipe, name=STATE),
        "counters that are a device": partial(_link, name=COUNTERS, target=ZEROS),
    }


def put(name: str, content: bytes) -> Spoil:
    """Replace a file of a committed directory, with a matching manifest."""

    def spoil(folder: Path) -> None:
        (folder / name).write_bytes(content)
        _describe(folder, name, size=len(content), sha256=storage.sha256_bytes(content))

    return spoil


def change(name: str, edit: Callable[[Description], object]) -> Spoil:
    """Edit a JSON file of a committed directory; a matching manifest is written unless it is the edited file."""

    def spoil(folder: Path) -> None:
        described = json.loads((folder / name).read_bytes())
        edit(described)
        content = json.dumps(described).encode()
        if name == MANIFEST:
            (folder / name).write_bytes(content + b"\n")
        else:
            put(name, content)(folder)

    return spoil


def _put_sparse(folder: Path, *, name: str, size: int) -> None:
    """Replace a file by a sparse one of any size, with a manifest that states the size."""
    _describe(folder, name, size=size, sha256="0" * 64)
    with (folder / name).open("wb") as file:
        file.write(struct.pack("<Q", size - 8))
        file.truncate(size)


def _describe(folder: Path, name: str, *, size: int, sha256: str) -> None:
    change(MANIFEST, lambda described: described["files"].update({name: {"bytes": size, "sha256": sha256}}))(folder)


def _put_nan(model: Path) -> None:
    content = (model / G).read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    fields = json.loads(content[8 : 8 + length])
    offsets = [field["data_offsets"][0] for field in fields.values() if field.get("dtype") == "F32"]
    place = 8 + length + min(offsets)
    put(G, content[:place] + struct.pack("<f", float("nan")) + content[place + 4 :])(model)


def _link(folder: Path, *, name: str, target: Path) -> None:
    (folder / name).unlink()
    (folder / name).symlink_to(target)


def _move_and_link(model: Path) -> None:
    (model / G).rename(model / "other")
    (model / G).symlink_to(model / "other")


def _pipe(folder: Path, *, name: str) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)


ROW = Row(
    name="hostile",
    provoked="malicious models, checkpoints and runs: a pickle under any name, a header of gigabytes, overlapping "
    "tensors, a config with a class, a path or sizes of billions, a manifest with paths outside, links, pipes, devices",
    holds="refused with less than a second of processor time (resuming: three) and 256 MB of memory; no code is run, "
    "and nothing outside is read or changed",
    inject=inject,
)
