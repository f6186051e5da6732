"""Models that a stranger made to do harm."""

from __future__ import annotations

import copy
import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.campaign.tally import Row, Scale, Tally
from tests.campaign.victims import command, fork
from tests.campaign.world import Place

from mnist_gan import storage
from mnist_gan.errors import ArtifactError, MnistGanError

SECONDS: Final = 1.0
MEMORY: Final = 256 << 20
G: Final = "generator.safetensors"
D: Final = "discriminator.safetensors"
MODEL_FILES: Final = (G, D, "config.json", "manifest.json")
GIGABYTES: Final = 20 << 30


class Explosive:
    """What a pickle runs when it is read: it makes the canary."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch '{self.canary}'",)


def play(tally: Tally, scale: Scale, folder: Path) -> None:
    """Each is opened the ways that a user would open it."""
    place = Place(folder)
    place.whole()
    canary = folder / "canary"
    payload = pickle.dumps(Explosive(canary))
    for what, spoil in cases(payload).items():
        model = folder / "model"
        shutil.copytree(place.root("whole") / "model", model)
        spoil(model)
        _open(tally, place, model, canary, what=what)
        _remove(model)
    for name in ("model.pt", "model.pkl", "model.safetensors", "model.pth", "model.bin", "model"):
        file = folder / name
        file.write_bytes(payload)
        _open(tally, place, file, canary, what=f"a pickle called {name}")
        for arguments in (("score", file, "--run", place.root("whole")), ("train", "--config", file)):
            _refused(
                tally, command(*arguments), canary, what=f"a pickle called {name}, {arguments[0]}", codes={2, 3, 4}
            )
        _refused(tally, command("evaluate", file), canary, what=f"a pickle called {name}, evaluate", codes={3, 4})
        _remove(file)
    for what, spoil in checkpoints(payload).items():
        root = place.root("victim")
        shutil.copytree(place.root("whole"), root)
        for checkpoint in list((root / "checkpoints").iterdir())[1:]:
            shutil.rmtree(checkpoint)
        spoil(next((root / "checkpoints").iterdir()))
        _refused(
            tally, place.resuming("victim"), canary, what=f"a checkpoint with {what}", codes={4}, seconds=3 * SECONDS
        )
        _remove(root)
    _outside(tally, place, canary)


def cases(payload: bytes) -> dict[str, Callable[[Path], None]]:
    """What is wrong, in words -> what makes a model wrong in that way, with a manifest that fits."""

    def put(name: str, content: bytes) -> Callable[[Path], None]:
        return lambda model: commit(model, {name: content})

    def header(fields: dict[str, Any], data: bytes = b"") -> Callable[[Path], None]:
        return put(G, tensors(fields, data))

    def config(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
        def spoil(model: Path) -> None:
            described = json.loads((model / "config.json").read_bytes())
            change(described)
            commit(model, {"config.json": json.dumps(described).encode()})

        return spoil

    def manifest(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
        def spoil(model: Path) -> None:
            described = json.loads((model / "manifest.json").read_bytes())
            change(described)
            (model / "manifest.json").write_text(json.dumps(described) + "\n")

        return spoil

    def setting(table: str, field: str, value: Any) -> Callable[[Path], None]:
        return config(lambda described: described["config"][table].__setitem__(field, value))

    f32 = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
    overlapping = {"a": f32, "b": {**f32, "data_offsets": [8, 24]}}
    return {
        **{f"a pickle as {name}": put(name, payload) for name in MODEL_FILES[:3]},
        "a pickle as manifest.json": lambda model: _write(model / "manifest.json", payload),
        "a pickle beside the model": put("extra.pkl", payload),
        "a header that says it has gigabytes": put(G, struct.pack("<Q", GIGABYTES) + b"{}"),
        "a header of 200 MB": lambda model: sparse(model, G, 200 << 20),
        "a file of 20 GB": lambda model: sparse(model, G, GIGABYTES),
        "tensors that overlap": header(overlapping, bytes(24)),
        "a tensor outside its file": header({"a": {**f32, "data_offsets": [0, 1 << 40]}}),
        "a tensor of exabytes": header({"a": {"dtype": "F32", "shape": [1 << 60], "data_offsets": [0, 1 << 62]}}),
        "a tensor of negative size": header({"a": {"dtype": "F32", "shape": [-4], "data_offsets": [0, 16]}}, bytes(16)),
        "a tensor of no known type": header({"a": {**f32, "dtype": "EVIL"}}, bytes(16)),
        "a header with a hundred thousand names": header(
            {f"t{i}": {**f32, "data_offsets": [0, 0]} for i in range(100_000)}
        ),
        "a config that names a class": setting("generator", "family", "torch.nn.Linear"),
        "a config that names a function": setting("objective", "loss", "os.system"),
        "a config that names a path": setting("generator", "family", "../../evil.py"),
        "a config with a field of its own": setting("generator", "__reduce__", "os.system"),
        "widths of billions": setting("generator", "channels", [10**9, 10**9]),
        "widths beyond any number": setting("discriminator", "channels", [10**400]),
        "the widest widths that are allowed": setting("generator", "channels", [65_536] * 4),
        "a million layers": setting("generator", "channels", [1] * 1_000_000),
        "a z of billions": setting("generator", "z_dim", 10**9),
        "images of a billion pixels": config(lambda d: d["shape"].__setitem__("resolution", 1 << 15)),
        "a billion classes": config(lambda d: d["shape"].__setitem__("num_classes", 10**9)),
        "an infinite learning rate": setting("optimizer", "g_lr", 10**400),
        "a calibration that is none": config(lambda d: d.__setitem__("calibration", {"scale": "x", "bias": 1e999})),
        "metrics that are none": config(lambda d: d["facts"].__setitem__("metrics", [payload.hex()])),
        "a config nested without end": put("config.json", b"[" * 200_000),
        "a config of 50 MB": put("config.json", b'{"a": "' + b"x" * (50 << 20) + b'"}'),
        "weights that are NaN": _nan,
        **{
            f"a manifest that names {name[:40]!r}": manifest(
                lambda d, name=name: d["files"].__setitem__(name, next(iter(d["files"].values())))  # type: ignore[misc]
            )
            for name in (
                "../../../etc/passwd",
                "/etc/passwd",
                "..",
                "sub/file",
                "C:\\evil",
                "nul\0byte",
                "",
                "a\nb",
                "\ud800",
            )
        },
        "a manifest nested without end": lambda model: _write(model / "manifest.json", b"[" * 200_000),
        "a manifest of 2 MB": lambda model: _write(model / "manifest.json", b" " * (2 << 20)),
        "a manifest of another version": manifest(lambda d: d.__setitem__("version", 2)),
        "sizes in a manifest that are no numbers": manifest(lambda d: d["files"][G].__setitem__("bytes", "many")),
        "a manifest that is a device": lambda model: _link(model / "manifest.json", Path("/dev/zero")),
        "a manifest that is a pipe": lambda model: _pipe(model / "manifest.json"),
        "tensors that are a device": lambda model: _link(model / G, Path("/dev/zero")),
        "tensors that are a pipe": lambda model: _pipe(model / G),
        "a config that is a link to elsewhere": lambda model: _link(model / "config.json", Path("/etc/passwd")),
        "tensors that are a link": lambda model: _moved_and_linked(model / G),
    }


def checkpoints(payload: bytes) -> dict[str, Callable[[Path], None]]:
    """The same for a run that is resumed."""

    def counters(**changes: Any) -> Callable[[Path], None]:
        def spoil(checkpoint: Path) -> None:
            described = json.loads((checkpoint / "state.json").read_bytes())
            commit(checkpoint, {"state.json": json.dumps({**described, **changes}).encode()})

        return spoil

    state = "state.safetensors"
    return {
        "a pickle for tensors": lambda path: commit(path, {state: payload}),
        "a pickle for counters": lambda path: commit(path, {"state.json": payload}),
        "20 GB of tensors": lambda path: sparse(path, state, GIGABYTES),
        "a clock that is text": counters(cur_nimg="1"),
        "a clock that is negative": counters(cur_nimg=-5),
        "a clock of a thousand digits": counters(step=10**1000),
        "a learning rate of NaN": counters(lr_scale=float("nan")),
        "no clock": counters(step=None),
        "tensors that are a pipe": lambda path: _pipe(path / state),
        "counters that are a device": lambda path: _link(path / "state.json", Path("/dev/zero")),
    }


def tensors(fields: dict[str, Any], data: bytes) -> bytes:
    """A safetensors file with any header."""
    header = json.dumps(fields).encode()
    return struct.pack("<Q", len(header)) + header + data


def commit(folder: Path, changes: dict[str, bytes]) -> None:
    """Put files into a committed folder, with a manifest that fits."""
    described = json.loads((folder / "manifest.json").read_bytes())
    for name, content in changes.items():
        (folder / name).write_bytes(content)
        described["files"][name] = {"bytes": len(content), "sha256": storage.sha256_bytes(content)}
    (folder / "manifest.json").write_text(json.dumps(described) + "\n")


def sparse(folder: Path, name: str, size: int) -> None:
    """A file of any size that takes no room, with a manifest that agrees on the size."""
    described = json.loads((folder / "manifest.json").read_bytes())
    described["files"][name] = {"bytes": size, "sha256": "0" * 64}
    (folder / "manifest.json").write_text(json.dumps(described) + "\n")
    with (folder / name).open("wb") as file:
        file.write(struct.pack("<Q", size - 8))
        file.truncate(size)


def _nan(model: Path) -> None:
    content = (model / G).read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    fields = json.loads(content[8 : 8 + length])
    start = min(
        field["data_offsets"][0] for field in fields.values() if isinstance(field, dict) and field.get("dtype") == "F32"
    )
    place = 8 + length + start
    commit(model, {G: content[:place] + struct.pack("<f", float("nan")) + content[place + 4 :]})


def _outside(tally: Tally, place: Place, canary: Path) -> None:
    """A run that is resumed must not write through a link."""
    for name in ("metrics.jsonl", ".lock", "config.toml", "environment.json"):
        root, target = place.root("victim"), place.folder / "precious"
        shutil.copytree(place.root("whole"), root)
        target.write_bytes((root / name).read_bytes() if (root / name).exists() else b"precious\n")
        before = copy.copy(target.read_bytes())
        (root / name).unlink(missing_ok=True)
        (root / name).symlink_to(target)
        _refused(
            tally, place.resuming("victim"), canary, what=f"a run whose {name} is a link", codes={4, 74}, seconds=3.0
        )
        if target.read_bytes() != before:
            tally.lost.append(f"a run whose {name} is a link: what it leads to was changed")
        _remove(root)


def _open(tally: Tally, place: Place, model: Path, canary: Path, *, what: str) -> None:
    def load() -> str:
        from mnist_gan import GAN

        try:
            GAN.load(model)
        except MnistGanError as error:
            return f"{type(error).__name__}: {error}"
        return ""

    beside = what == "a pickle beside the model"  # a file that is not read does no harm
    ended = fork(load, timeout=20)
    problems = _measured(ended, canary)
    if ended.value is None:
        problems.append(f"exit code {ended.code}: {ended.said}")
    elif not beside and not ended.value.startswith(ArtifactError.__name__):
        problems.append(f"load said {ended.value!r}")
    tally.check(not problems, f"{what}: {'; '.join(problems)}")
    if not beside:
        _refused(
            tally, command("sample", "--run", model, "--out", place.folder / "x.png"), canary, what=what, codes={4}
        )


def _refused(
    tally: Tally,
    action: Callable[[], Any],
    canary: Path,
    *,
    what: str,
    codes: set[int],
    seconds: float = SECONDS,
) -> None:
    ended = fork(action, timeout=20)
    problems = _measured(ended, canary, seconds=seconds)
    if ended.code not in codes:
        problems.append(f"exit code {ended.code}: {ended.said}")
    if "Traceback" in ended.output:
        problems.append("a traceback was shown")
    tally.check(not problems, f"{what}: {'; '.join(problems)}")


def _measured(ended: Any, canary: Path, *, seconds: float = SECONDS) -> list[str]:
    problems = []
    if canary.exists():
        problems.append("the canary was made: code was run")
        canary.unlink()
    if ended.processor_seconds > seconds:
        problems.append(f"took {ended.processor_seconds:.1f} s")
    if ended.grown_bytes > MEMORY:
        problems.append(f"took {ended.grown_bytes >> 20} MB")
    return problems


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _link(path: Path, target: Path) -> None:
    path.unlink()
    path.symlink_to(target)


def _moved_and_linked(path: Path) -> None:
    other = path.with_name("other")
    path.rename(other)
    path.symlink_to(other)


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


ROW = Row(
    name="hostile",
    provoked="models, checkpoints and runs made to do harm: a pickle under any name, a header of gigabytes, "
    "tensors that "
    "overlap, a config that names a class or a path or asks for billions, a manifest that points "
    "elsewhere, links, pipes, "
    "devices",
    holds="refused in under a second of processor time "
    "(resuming: three) and with less than 256 MB more memory; no code is run, nothing "
    "outside is read or changed",
    play=play,
)
