"""Games on points of the plane: settings, pictures, and their number."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from mnist_gan import presets
from mnist_gan.config import DataConfig, ToyName
from mnist_gan.errors import ConfigError
from mnist_gan.studio.errors import NotFoundError
from mnist_gan.studio.services import plane
from mnist_gan.studio.services.plane import FIELD, MAX_GAMES, POINTS, Plane, View, describe, plane_config, read_changes

SMALL = {"training.batch_size": 16}


@pytest.fixture
def games() -> Plane:
    return Plane()


@pytest.mark.parametrize("data", ["ring8", "grid25", "swiss-roll"])
def test_plane_config_is_points_without_schedules(data: ToyName) -> None:
    config, preset = plane_config(data, {}), presets.get("points")
    assert (config.preset, config.data) == (data, DataConfig(name=data))
    assert (config.generator, config.discriminator, config.objective) == (
        preset.generator,
        preset.discriminator,
        preset.objective,
    )
    assert config.objective.penalty_decay == "constant"
    assert (config.optimizer.decay, config.optimizer.warmup_nimg) == ("constant", 0)
    assert config.optimizer.g_lr == preset.optimizer.g_lr


def test_plane_config_takes_changes_and_the_width_of_all_layers() -> None:
    config = plane_config("grid25", {"objective.loss": "hinge", "training.seed": 3}, width=16)
    assert config.objective.loss == "hinge"
    assert config.training.seed == 3
    assert set(config.generator.channels + config.discriminator.channels) == {16}
    assert len(config.generator.channels) == len(presets.get("grid25").generator.channels)


@pytest.mark.parametrize(
    ("data", "changes", "sizes", "words"),
    [
        ("mnist", {}, {}, "data must be one of"),
        (None, {}, {}, "data must be one of"),
        ("ring8", [], {}, "changes must be an object"),
        ("ring8", {"generator.family": "mlp"}, {}, "'generator.family' is not a field"),
        ("ring8", {"optimizer.g_lr": 100}, {}, "Learning rate of G is out of range"),
        ("ring8", {"objective.loss": "hinge", "objective.label_smoothing": 0.1}, {}, "label smoothing"),
        ("ring8", {}, {"limit": 9}, "limit must be one of"),
        ("ring8", {}, {"width": 7}, "width must be one of"),
    ],
)
def test_plane_config_refuses_what_it_cannot_play(
    data: object, changes: object, sizes: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        plane_config(data, changes, **sizes)


def test_read_changes_checks_values_and_refuses_what_needs_a_new_game() -> None:
    assert read_changes({"objective.r1_gamma": 1}) == {"objective.r1_gamma": 1.0}
    for changes in ({"training.seed": 1}, {"objective.r1_gamma": -1}, {"objective.loss": "none"}, None):
        with pytest.raises(ConfigError):
            read_changes(changes)


def test_describe_lists_every_toy_with_its_values() -> None:
    described = describe()
    assert [data["name"] for data in described["data"]] == [
        "ring8",
        "grid25",
        "swiss-roll",
        "two-moons",
        "checkerboard",
        "points",
    ]
    names = {field["name"] for field in described["fields"]}
    assert all(set(data["values"]) == names for data in described["data"])
    assert not next(field for field in described["fields"] if field["name"] == "training.seed")["live"]


@pytest.mark.parametrize("data", ["ring8", "swiss-roll", "two-moons", "checkerboard"])
def test_picture_shows_the_field_the_points_and_the_exact_answer(games: Plane, data: str) -> None:
    _, session = games.open(plane_config(data, SMALL, width=8))
    session.play("step", 2)
    picture = session.picture(View(optimum=True))
    sizes = {name: array.numel() for name, array in picture.arrays.items()}
    assert sizes["field"] == sizes["optimum"] == FIELD * FIELD
    assert sizes["points"] == 2 * POINTS
    assert sizes["arrows"] == 2 * plane.ARROWS
    assert picture.figures["d_moves"] == 2
    assert picture.figures["all_modes"] == (8 if data == "ring8" else None)
    assert 0.0 <= (picture.figures["least_d_loss"] or 0.0) <= 2 * math.log(2)
    assert bool(picture.arrays["points"].abs().max() <= 1)
    assert bool(session.real_points().abs().max() <= 1)


def test_reached_modes_count_points_at_any_distance(games: Plane) -> None:
    _, session = games.open(plane_config("ring8", SMALL, width=8))
    G = session.game.state.G
    with torch.no_grad():
        for weight in G.parameters():
            weight.zero_()
        list(G.parameters())[-1].copy_(torch.tensor([0.5, 0.0]).atanh())  # all points at one place, near the first mode
    figures = session.picture(View()).figures
    assert (figures["reached"], figures["modes"], figures["quality"]) == (1, 0, 0.0)


def test_limit_gives_the_game_few_points_and_counts_copies(games: Plane) -> None:
    _, session = games.open(plane_config("two-moons", SMALL, width=8, limit=12))
    assert len(session.real_points()) == 12
    assert len(session.held_out_points()) == plane.HELD_OUT
    assert session._copying(session.real_points())["copying"] == 0.0
    figures = session._copying(session.held_out_points())
    assert figures["copying"] == pytest.approx(1.0)
    assert figures["to_training"] == figures["held_out_to_training"]
    _, whole = games.open(plane_config("two-moons", SMALL, width=8))
    assert len(whole.real_points()) == plane.REAL_POINTS


def test_picture_leaves_the_game_as_it_is(games: Plane) -> None:
    _, session = games.open(plane_config("ring8", SMALL, width=8))
    session.play("D", 1)
    before = session.game.state.tensors()
    session.picture(View(optimum=True, average=True))
    assert all(torch.equal(tensor, before[name]) for name, tensor in session.game.state.tensors().items())
    session.play("G", 1)
    assert session.game.g_moves == 1


def test_picture_has_the_field_of_d_at_its_places_and_arrows_down_the_loss(games: Plane) -> None:
    _, session = games.open(plane_config("ring8", SMALL, width=8))
    session.play("step", 3)
    picture = session.picture(View())
    field, D = picture.arrays["field"], session.game.state.D
    middle = (torch.tensor([40, 9]) + 0.5) / FIELD * 2 - 1  # x of column 40, y of row 9
    with torch.no_grad():
        assert field[9, 40].item() == pytest.approx(D(middle.view(1, 2, 1, 1)).item(), rel=1e-4, abs=1e-5)
        points = picture.arrays["points"][: plane.ARROWS]
        moved = points + 1e-3 * torch.nn.functional.normalize(picture.arrays["arrows"], dim=1)
        higher = D(moved.view(-1, 2, 1, 1)) - D(points.reshape(-1, 2, 1, 1))
    assert (higher > 0).double().mean() > 0.9  # the non-saturating loss falls where the logit rises


def test_picture_of_a_loss_without_an_optimum_has_none(games: Plane) -> None:
    _, session = games.open(plane_config("ring8", {**SMALL, "objective.loss": "wasserstein"}, width=8))
    session.play("step", 1)
    picture = session.picture(View(optimum=True))
    assert "optimum" not in picture.arrays
    assert picture.figures["least_d_loss"] is None
    assert picture.figures["boundary"] is None


def test_games_of_equal_settings_are_equal(games: Plane) -> None:
    pictures = []
    for _ in range(2):
        _, session = games.open(plane_config("ring8", SMALL, width=8))
        session.play("step", 2)
        pictures.append(session.picture(View()))
    assert torch.equal(pictures[0].arrays["points"], pictures[1].arrays["points"])
    assert pictures[0].figures == pictures[1].figures


def test_a_drawing_of_dots_has_a_mode_for_each(games: Plane) -> None:
    dots = [[(-0.5, 0.0)], [(0.5, 0.0)], [(0.0, 0.5)]]
    _, session = games.open(plane_config("points", SMALL, width=8), strokes=dots)
    assert session.picture(View()).figures["all_modes"] == 3
    _, session = games.open(plane_config("points", SMALL, width=8), strokes=[*dots, [(-0.5, -0.5), (0.5, -0.5)]])
    session.play("step", 1)
    assert session.picture(View(optimum=True)).figures["all_modes"] is None
    with pytest.raises(ConfigError, match="no extent"):
        games.open(plane_config("points", SMALL), strokes=[])


def test_games_are_bounded_in_number_and_the_longest_idle_gives_way(games: Plane) -> None:
    ids = [games.open(plane_config("ring8", SMALL, width=8))[0] for _ in range(MAX_GAMES)]
    games.find(ids[0])
    games.open(plane_config("ring8", SMALL, width=8))
    assert len(games) == MAX_GAMES
    games.find(ids[0])
    with pytest.raises(NotFoundError, match="was closed"):
        games.find(ids[1])


def test_idle_games_are_forgotten(games: Plane) -> None:
    game_id, session = games.open(plane_config("ring8", SMALL, width=8))
    session.used -= plane.IDLE_SECONDS + 1
    with pytest.raises(NotFoundError):
        games.find(game_id)
    assert len(games) == 0


def test_end_closes_a_game_and_forgives_an_unknown_one(games: Plane) -> None:
    game_id, _ = games.open(plane_config("ring8", SMALL, width=8))
    games.end(game_id)
    games.end(game_id)
    assert len(games) == 0
