"""The recipe race: candidates trained for an equal time, ranked by their distance to the real digits.

    python benchmarks/recipes.py race --seconds 60 --out race.jsonl      # every candidate once
    python benchmarks/recipes.py race --only quick batch-64 --seeds 1 2 3  # finalists, fresh seeds
    python benchmarks/recipes.py rank race.jsonl                         # the table again

Schedules are in images, so each candidate is timed first and its training is as long as fits the seconds at that speed.
The distance is `fd10k_mnistnet` of the averaged generator, taken at an eighth, a quarter, half and all of the
training; the time that this takes is not counted. One JSON object a candidate is appended to the log as soon as it is
done.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mnist_gan import experiment, presets, sampling
from mnist_gan.config import Config
from mnist_gan.data import load_dataset
from mnist_gan.errors import DivergenceError
from mnist_gan.evaluation import JudgeName, Reference, fit_gaussian, frechet_distance
from mnist_gan.evaluation.samples import labels_in_proportion
from mnist_gan.models import Generator

MARKS = (1 / 8, 1 / 4, 1 / 2, 1.0)
JUDGES: tuple[JudgeName, ...] = ("mnistnet", "mnistnet-b")
NUM_IMAGES = 10_000


def change(config: Config, **groups: dict[str, Any]) -> Config:
    """A config with fields of its groups replaced, such as optimizer={"g_lr": 1e-3}."""
    parts = {name: dataclasses.replace(getattr(config, name), **fields) for name, fields in groups.items()}
    return dataclasses.replace(config, **parts)


def both_rates(rate: float) -> dict[str, float]:
    return {"g_lr": rate, "d_lr": rate}


def candidates() -> dict[str, Config]:
    """Every entry of the race: `quick`, what differs from it in one thing, and other families."""
    base = presets.quick()
    G, D = "generator", "discriminator"
    return {
        "quick": base,
        "unconditional": change(base, training={"conditional": False}),
        "batch-64": change(base, training={"batch_size": 64}),
        "batch-256": change(base, training={"batch_size": 256}),
        "lr-1e-3": change(base, optimizer=both_rates(1e-3)),
        "lr-4e-3": change(base, optimizer=both_rates(4e-3)),
        "lr-d-twice": change(base, optimizer={"d_lr": 4e-3}),
        "lr-g-half": change(base, optimizer={"g_lr": 1e-3}),
        "momentum-0.5": change(base, optimizer={"beta1": 0.5}),
        "beta2-0.9": change(base, optimizer={"beta2": 0.9}),
        "constant-lr": change(base, optimizer={"decay": "constant"}),
        "linear-decay": change(base, optimizer={"decay": "linear"}),
        "late-decay": change(base, optimizer={"decay": "linear", "decay_start": 0.5}),
        "gamma-0.2": change(base, objective={"r1_gamma": 0.2}),
        "gamma-5": change(base, objective={"r1_gamma": 5.0}),
        "r1-every-4": change(base, objective={"penalty_interval": 4}),
        "r1-every-16": change(base, objective={"penalty_interval": 16}),
        "r1-r2": change(base, objective={"r2_gamma": 1.0}),
        "no-penalty": change(base, objective={"r1_gamma": 0.0}),
        "hinge": change(base, objective={"loss": "hinge"}),
        "least-squares": change(base, objective={"loss": "least_squares"}),
        "spectral": change(base, discriminator={"norm": "spectral"}, objective={"r1_gamma": 0.0}),
        "bn-in-d": change(base, discriminator={"norm": "batch"}, objective={"r1_gamma": 0.0}),
        "no-bn-in-g": change(base, generator={"norm": "none"}),
        "relativistic": change(
            base, generator={"norm": "none"}, objective={"loss": "relativistic", "r2_gamma": 1.0, "penalty_interval": 1}
        ),
        "relativistic-bn": change(base, objective={"loss": "relativistic"}),
        "ema-5k": change(base, training={"ema_halflife_nimg": 5_000.0}),
        "ema-40k": change(base, training={"ema_halflife_nimg": 40_000.0}),
        "z-16": change(base, generator={"z_dim": 16}),
        "z-128": change(base, generator={"z_dim": 128}),
        "wide-g": change(base, generator={"channels": (128, 64, 32)}),
        "narrow-g": change(base, generator={"channels": (64, 32, 8)}),
        "coarse-g": change(base, generator={"channels": (128, 32, 8)}),
        "wide-d": change(base, discriminator={"channels": (32, 64, 128)}),
        "coarse-d": change(base, discriminator={"channels": (8, 32, 128)}),
        "resnet": change(base, **{G: {"family": "resnet", "norm": "none"}, D: {"family": "resnet"}}),
        "resnet-d": change(base, **{D: {"family": "resnet"}}),
        "float32": change(base, training={"precision": "float32"}),
        "bfloat16": change(base, training={"precision": "bfloat16"}),
        "classic-mlp": presets.classic_mlp(),
        "classic-dcgan": presets.classic_dcgan(),
        "wgan-gp": presets.wgan_gp(),
        "hinge-sn": presets.hinge_sn(),
        "r3gan": presets.r3gan(),
    }


def measure(G: Generator, reference: Reference) -> dict[str, float]:
    """Distance of 10,000 images of `G`, and the judge's agreement with the digits asked for."""
    n, seed = NUM_IMAGES, 20_000
    labels = None
    if G.shape.num_classes:
        labels = labels_in_proportion(reference.labels, n=n, num_classes=reference.num_classes, seed=seed)
    images = sampling.render(G, sampling.draw_latents(G, n=n, seed=seed), labels)
    seen = reference.judge.look(images)
    found = {f"fd10k_{reference.judge.name}": frechet_distance(fit_gaussian(seen.features), reference.gaussian)}
    if labels is not None:
        found[f"agreement_{reference.judge.name}"] = float((seen.classes == labels).double().mean())
    return found


def follow(config: Config, *, references: list[Reference], nimg: int, seconds: float) -> Iterator[dict[str, Any]]:
    """Train in memory and measure at each mark; yields one row a mark."""
    tick = max(config.training.batch_size * config.training.d_steps, nimg // 64)
    config = change(config, training={"total_nimg": nimg, "epochs": None}, run={"tick_nimg": tick})
    marks, spent = list(MARKS), 0.0
    for now in experiment.train(config):
        spent += now.seconds
        due = [mark for mark in marks if now.cur_nimg >= mark * nimg]
        if due:
            marks = [mark for mark in marks if mark not in due]
            G = experiment.averaged_generator(now.state, config)
            found = {name: value for reference in references for name, value in measure(G, reference).items()}
            yield {"mark": due[-1], "cur_nimg": now.cur_nimg, "seconds": spent, **found}


def compete(
    name: str, config: Config, *, seconds: float, nimg: int | None, judges: tuple[JudgeName, ...]
) -> dict[str, Any]:
    """Time one candidate, train it for what fits, and describe what came of it."""
    dataset = load_dataset(config.data, say=lambda _: None)
    references = [Reference.of(dataset, judge=judge) for judge in judges]
    estimate = experiment.dry_run(config, seconds=4.0)
    nimg = nimg or int(estimate.img_per_sec * seconds)
    entry: dict[str, Any] = {"name": name, "seed": config.training.seed, "budget": seconds, "nimg": nimg}
    try:
        entry["marks"] = list(follow(config, references=references, nimg=nimg, seconds=seconds))
    except DivergenceError as error:
        entry["diverged"] = str(error)
    return entry | {"img_per_sec": estimate.img_per_sec}


def rank(entries: list[dict[str, Any]]) -> str:
    """A table, the best last distance first; several seeds of one candidate are one row with their median."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for entry in entries:
        if "marks" in entry:
            rows.setdefault(entry["name"], []).append(entry)

    def at(group: list[dict[str, Any]], index: int, figure: str) -> float:
        return statistics.median(entry["marks"][index].get(figure, float("nan")) for entry in group)

    lines = ["| candidate | seeds | img/s | images | 1/8 | 1/4 | 1/2 | fd10k_mnistnet | agreement | fd10k_mnistnet-b |"]
    lines.append("|---" * 10 + "|")
    for name, group in sorted(rows.items(), key=lambda item: at(item[1], -1, "fd10k_mnistnet")):
        early = " | ".join(f"{at(group, index, 'fd10k_mnistnet'):.2f}" for index in range(3))
        speed = statistics.median(entry["img_per_sec"] for entry in group)
        images = statistics.median(entry["nimg"] for entry in group)
        final, second = at(group, -1, "fd10k_mnistnet"), at(group, -1, "fd10k_mnistnet-b")
        agreement = at(group, -1, "agreement_mnistnet")
        lines.append(
            f"| {name} | {len(group)} | {speed:,.0f} | {images:,.0f} | {early} "
            f"| **{final:.3f}** | {agreement:.2%} | {second:.3f} |"
        )
    diverged = sorted({entry["name"] for entry in entries if "diverged" in entry})
    return "\n".join([*lines, *(["", f"Diverged: {', '.join(diverged)}."] if diverged else [])])


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def main() -> None:
    """Race, or rank a log."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["race", "rank", "list"])
    parser.add_argument(
        "log", nargs="?", type=Path, default=Path("race.jsonl"), help="log of the race (default race.jsonl)"
    )
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="training time of each candidate in seconds (default 60)"
    )
    parser.add_argument("--nimg", type=int, help="images for each candidate, instead of a time")
    parser.add_argument("--only", nargs="+", help="candidates (default: all)")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="seeds (default 0)")
    parser.add_argument("--second-judge", action="store_true", help="measure with the second judge too")
    arguments = parser.parse_args()
    everyone = candidates()
    if arguments.what == "list":
        for name, config in everyone.items():
            print(name, config.generator.family, config.discriminator.family)
        return
    if arguments.what == "race":
        done = {(entry["name"], entry["seed"]) for entry in read(arguments.log)}
        for seed in arguments.seeds:
            for name in arguments.only or everyone:
                if (name, seed) in done:
                    continue
                config = change(everyone[name], training={"seed": seed})
                judges = JUDGES if arguments.second_judge else JUDGES[:1]
                entry = compete(name, config, seconds=arguments.seconds, nimg=arguments.nimg, judges=judges)
                with arguments.log.open("a") as log:
                    log.write(json.dumps(entry) + "\n")
                print(name, seed, json.dumps(entry.get("marks", ["diverged"])[-1]), flush=True)
    print(rank(read(arguments.log)))


if __name__ == "__main__":
    main()
