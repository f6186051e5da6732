"""The recipe race: candidates trained for equal time, ranked by their distance to real digits.

    python benchmarks/recipes.py calibrate                                 # speed of each, relative to start
    python benchmarks/recipes.py race --log race.jsonl                     # every candidate once
    python benchmarks/recipes.py race --only c-half c-full --seeds 1 2 3   # finalists, other seeds
    python benchmarks/recipes.py rank --log race.jsonl                     # print the table again

Every candidate gets the time in which `start` sees `--nimg` images. Schedules count images, so the speed of each
candidate is measured first, relative to `start`: the median of alternating short trainings, because a busy machine
slows both. The length of its training follows from that. The result then depends on the number of threads but not on
the speed of the machine, and several races can share one. The distance is `fd10k_mnistnet` of the averaged generator
after a quarter, half and all of the training. One JSON object per candidate is appended to the log when it is done.
docs/results.md reports the logs in benchmarks/logs.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mnist_gan import experiment, presets, sampling
from mnist_gan.config import (
    Config,
    DiscriminatorConfig,
    GeneratorConfig,
    ObjectiveConfig,
    OptimizerConfig,
    TrainingConfig,
)
from mnist_gan.data import load_dataset
from mnist_gan.errors import DivergenceError
from mnist_gan.evaluation import JudgeName, Reference
from mnist_gan.evaluation.frechet import fit_gaussian, frechet_distance
from mnist_gan.evaluation.samples import labels_in_proportion
from mnist_gan.models import Generator
from mnist_gan.training import Tick

MARKS = (1 / 4, 1 / 2, 1.0)
JUDGES: tuple[JudgeName, ...] = ("mnistnet", "mnistnet-b")
NUM_IMAGES = 10_000


def change(config: Config, **groups: dict[str, Any]) -> Config:
    """Replace fields in groups of a config, such as optimizer={"g_lr": 1e-3}."""
    parts = {name: dataclasses.replace(getattr(config, name), **fields) for name, fields in groups.items()}
    return dataclasses.replace(config, **parts)


def both_rates(rate: float) -> dict[str, float]:
    return {"g_lr": rate, "d_lr": rate}


def start() -> Config:
    """Baseline of the race: a compact conditional pair at full resolution."""
    return Config(
        preset="start",
        generator=GeneratorConfig(family="dcgan", z_dim=64, channels=(64, 32, 16), norm="batch"),
        discriminator=DiscriminatorConfig(family="dcgan", channels=(16, 32, 64), norm="none"),
        objective=ObjectiveConfig(loss="non_saturating", r1_gamma=1.0, penalty_interval=8),
        optimizer=OptimizerConfig(g_lr=2e-3, d_lr=2e-3, beta1=0.0, beta2=0.99, warmup_nimg=5_000, decay="cosine"),
        training=TrainingConfig(batch_size=128, conditional=True, ema_halflife_nimg=15_000.0),
    )


def candidates() -> dict[str, Config]:
    """All candidates: `start`, its variations in one setting, other families, and combinations."""
    base = start()
    G, D = "generator", "discriminator"
    half_g = {G: {"channels": (64, 32), "image_stride": 2}}
    half_d = {D: {"channels": (32, 64), "image_stride": 2}}
    return {
        "start": base,
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
        "classifier": change(base, objective={"classifier_weight": 0.1}),
        "classifier-1": change(base, objective={"classifier_weight": 1.0}),
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
        "half-res": change(base, **half_g, **half_d),
        "half-res-g": change(base, **half_g),
        "half-res-d": change(base, **half_d),
        "half-res-d-wide": change(base, **{D: {"channels": (48, 96), "image_stride": 2}}),
        "half-res-wide": change(
            base, **{G: {"channels": (128, 64), "image_stride": 2}, D: {"channels": (64, 128), "image_stride": 2}}
        ),
        **combinations(base),
        **longer(base),
        "classic-mlp": presets.classic_mlp(),
        "classic-dcgan": presets.classic_dcgan(),
        "wgan-gp": presets.wgan_gp(),
        "hinge-sn": presets.hinge_sn(),
        "r3gan": presets.r3gan(),
    }


def combinations(base: Config) -> dict[str, Config]:
    """Winning variations combined, and variations of those (`c-`)."""
    G, D = "generator", "discriminator"
    full = change(base, training={"batch_size": 64}, objective={"classifier_weight": 0.1})
    half_d = change(full, **{D: {"channels": (32, 64), "image_stride": 2}})
    half = change(half_d, **{G: {"channels": (64, 32), "image_stride": 2}})
    return {
        "c-full": full,
        "c-half-d": half_d,
        "c-half": half,
        "c-half-batch-32": change(half, training={"batch_size": 32}),
        "c-half-classifier-0.03": change(half, objective={"classifier_weight": 0.03}),
        "c-half-classifier-0.3": change(half, objective={"classifier_weight": 0.3}),
        "c-half-lr-1e-3": change(half, optimizer=both_rates(1e-3)),
        "c-half-lr-3e-3": change(half, optimizer=both_rates(3e-3)),
        "c-half-linear": change(half, optimizer={"decay": "linear"}),
        "c-half-gamma-0.3": change(half, objective={"r1_gamma": 0.3}),
        "c-half-r1-every-4": change(half, objective={"penalty_interval": 4}),
        "c-half-wide-d": change(half, **{D: {"channels": (48, 96), "image_stride": 2}}),
        "c-half-wide": change(
            half, **{G: {"channels": (128, 64), "image_stride": 2}, D: {"channels": (64, 128), "image_stride": 2}}
        ),
    }


def longer(base: Config) -> dict[str, Config]:
    """Candidates for a longer training, based on networks at half resolution (`l-`)."""
    G, D = "generator", "discriminator"
    half = combinations(base)["c-half-classifier-0.03"]
    full_g = change(half, **{G: {"channels": (64, 32, 16), "image_stride": 1}})
    return {
        "l-half": half,
        "l-gamma-0.3": change(half, objective={"r1_gamma": 0.3}),
        "l-classifier-0.01": change(half, objective={"classifier_weight": 0.01}),
        "l-wide": change(half, **{G: {"channels": (96, 48)}, D: {"channels": (48, 96)}}),
        "l-wide-g": change(half, **{G: {"channels": (128, 64)}}),
        "l-full-g": full_g,
        "l-full-g-wide": change(full_g, **{G: {"channels": (128, 64, 16)}}),
        "l-full-g-gamma-3": change(full_g, objective={"r1_gamma": 3.0}),
        "l-full-g-momentum-0.5": change(full_g, optimizer={"beta1": 0.5}),
        "l-full-g-classifier-0.015": change(full_g, objective={"classifier_weight": 0.015}),
    }


def measure_generator(G: Generator, reference: Reference) -> dict[str, float]:
    """Distance of 10,000 images of `G`, and their agreement with the labels asked for."""
    n, seed = NUM_IMAGES, 20_000
    labels = labels_in_proportion(reference.labels, n=n, seed=seed) if G.shape.num_classes else None
    images = sampling.render(G, sampling.draw_latents(G, n=n, seed=seed), labels)
    judged = reference.judge.predict(images)
    judge = reference.judge.name.replace("-", "_")
    figures = {f"fd10k_{judge}": frechet_distance(fit_gaussian(judged.features), reference.gaussian)}
    if labels is not None:
        figures[f"agreement_{judge}"] = float((judged.classes == labels).double().mean())
    return figures


def measure_average(tick: Tick, config: Config, references: list[Reference]) -> dict[str, float]:
    """Figures of the averaged generator at a tick, by every judge."""
    G = experiment.averaged_generator(tick.state, config)
    return {name: value for reference in references for name, value in measure_generator(G, reference).items()}


def cost_key(config: Config) -> str:
    """Settings that determine the time of a step; candidates with equal keys share a calibration."""
    objective = config.objective
    return repr(
        (
            config.generator,
            config.discriminator,
            config.training.batch_size,
            config.training.d_steps,
            config.training.conditional,
            config.training.precision,
            objective.loss,
            objective.penalty_interval,
            bool(objective.classifier_weight),
            [bool(gamma) for gamma in (objective.r1_gamma, objective.r2_gamma, objective.gp_lambda)],
        )
    )


def speed(config: Config) -> float:
    return float(experiment.dry_run(config, seconds=1.0).img_per_sec)


def calibrate(configs: dict[str, Config], path: Path, *, threads: int) -> None:
    """Measure the speed of each candidate relative to `start`; saves the medians of three in `path`."""
    known = json.loads(path.read_text()) if path.exists() else {}
    base = change(start(), training={"threads": threads})
    by_cost = {cost_key(configs[name]): ratio for name, ratio in known.items() if name in configs}
    by_cost[cost_key(base)] = 1.0
    for name, config in configs.items():
        if cost_key(config) not in by_cost:
            timed = change(config, training={"threads": threads})
            ratios = []
            for _ in range(3):
                before, own, after = speed(base), speed(timed), speed(base)
                ratios.append(2 * own / (before + after))
            by_cost[cost_key(config)] = statistics.median(ratios)
        known[name] = by_cost[cost_key(config)]
        print(f"{name}: {known[name]:.3f}", flush=True)
        path.write_text(json.dumps(known, indent=1) + "\n")


def train_and_measure(config: Config, *, references: list[Reference], nimg: int) -> Iterator[dict[str, Any]]:
    """Train in memory and measure at each mark; yields one row per mark."""
    tick_nimg = max(config.training.batch_size * config.training.d_steps, nimg // 32)
    config = change(config, training={"total_nimg": nimg, "epochs": None}, run={"tick_nimg": tick_nimg})
    marks, spent = list(MARKS), 0.0
    for tick in experiment.train(config):
        spent += tick.seconds
        due = [mark for mark in marks if tick.cur_nimg >= mark * nimg]
        if due:
            marks = [mark for mark in marks if mark not in due]
            figures = measure_average(tick, config, references)
            yield {"mark": due[-1], "cur_nimg": tick.cur_nimg, "seconds": spent, **figures}


def run_candidate(name: str, config: Config, *, nimg: int, judges: tuple[JudgeName, ...]) -> dict[str, Any]:
    """Train one candidate for `nimg` images; returns its log entry."""
    dataset = load_dataset(config.data)
    references = [Reference.of(dataset, judge=judge) for judge in judges]
    entry: dict[str, Any] = {"name": name, "seed": config.training.seed, "nimg": nimg}
    try:
        entry["marks"] = list(train_and_measure(config, references=references, nimg=nimg))
    except DivergenceError as error:
        entry["diverged"] = str(error)
    return entry


def format_value(value: float, form: str) -> str:
    return "–" if math.isnan(value) else format(value, form)


def rank(entries: list[dict[str, Any]]) -> str:
    """Table of candidates, best final distance first; a row has the medians over the seeds of a candidate."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for entry in entries:
        if "marks" in entry:
            rows.setdefault(entry["name"], []).append(entry)

    def at(group: list[dict[str, Any]], index: int, figure: str) -> float:
        return float(statistics.median(entry["marks"][index].get(figure, float("nan")) for entry in group))

    lines = ["| candidate | seeds | images | at 1/4 | at 1/2 | fd10k_mnistnet | agreement | fd10k_mnistnet_b |"]
    lines.append("|---" * 8 + "|")
    for name, group in sorted(rows.items(), key=lambda item: at(item[1], -1, "fd10k_mnistnet")):
        early = " | ".join(f"{at(group, index, 'fd10k_mnistnet'):.3g}" for index in range(2))
        images = statistics.median(entry["nimg"] for entry in group)
        final, second = at(group, -1, "fd10k_mnistnet"), at(group, -1, "fd10k_mnistnet_b")
        agreement = at(group, -1, "agreement_mnistnet")
        last = f"**{final:.3g}** | {format_value(agreement, '.1%')} | {format_value(second, '.3g')}"
        lines.append(f"| {name} | {len(group)} | {images:,.0f} | {early} | {last} |")
    diverged = sorted({entry["name"] for entry in entries if "diverged" in entry})
    return "\n".join([*lines, *(["", f"Diverged: {', '.join(diverged)}."] if diverged else [])])


def read_log(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def main() -> None:
    """Calibrate, race, rank a log, or list the candidates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["calibrate", "race", "rank", "list"])
    parser.add_argument("--log", type=Path, default=Path("race.jsonl"), help="log of the race (default race.jsonl)")
    parser.add_argument("--speeds", type=Path, default=Path("speeds.json"), help="calibration (default speeds.json)")
    parser.add_argument(
        "--nimg", type=int, default=100_000, help="images that start sees in the time of each candidate"
    )
    parser.add_argument("--only", nargs="+", help="candidates (default: all)")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="seeds (default 0)")
    parser.add_argument("--threads", type=int, default=2, help="processor threads (default 2)")
    parser.add_argument("--second-judge", action="store_true", help="measure with the second judge too")
    arguments = parser.parse_args()
    entrants = candidates()
    chosen = {name: entrants[name] for name in arguments.only or entrants}
    match arguments.what:
        case "list":
            print("\n".join(entrants))
        case "calibrate":
            calibrate(chosen, arguments.speeds, threads=arguments.threads)
        case "rank":
            print(rank(read_log(arguments.log)))
        case "race":
            race(chosen, arguments)


def race(chosen: dict[str, Config], arguments: argparse.Namespace) -> None:
    ratios = json.loads(arguments.speeds.read_text())
    judges = JUDGES if arguments.second_judge else JUDGES[:1]
    for seed in arguments.seeds:
        for name, config in chosen.items():
            if any((entry["name"], entry["seed"]) == (name, seed) for entry in read_log(arguments.log)):
                continue
            seeded = change(config, training={"seed": seed, "threads": arguments.threads})
            entry = run_candidate(name, seeded, nimg=int(arguments.nimg * ratios[name]), judges=judges)
            with arguments.log.open("a") as log:
                log.write(json.dumps(entry) + "\n")
            print(name, seed, json.dumps(entry.get("marks", ["diverged"])[-1]), flush=True)


if __name__ == "__main__":
    main()
