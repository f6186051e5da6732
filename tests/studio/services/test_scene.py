"""Latents in addresses, and scenes of a model."""

from __future__ import annotations

import pytest
import torch
from tests.studio.conftest import Running

from mnist_gan.errors import ConfigError
from mnist_gan.studio.handlers.explore import parse_view
from mnist_gan.studio.params import Query
from mnist_gan.studio.services.queue import Cancelled
from mnist_gan.studio.services.scene import Scene, decode_z, encode_z


def test_decode_z_inverts_encode_z_up_to_float16():
    z = torch.randn(64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(decode_z(encode_z(z), z_dim=64), z.half().float())


@pytest.mark.parametrize("text", ["", "!", "AAAA", "A" * 9000, encode_z(torch.full((64,), float("inf")))])
def test_decode_z_refuses_anything_but_finite_numbers(text: str):
    with pytest.raises(ConfigError, match="z must be 64 numbers"):
        decode_z(text, z_dim=64)


def test_scene_stops_drawing_when_its_check_raises(shared_server: Running):
    def check() -> None:
        raise Cancelled

    scene = Scene.open(parse_view(Query({"model": "tiny"})), shared_server.studio.inference, check)
    with pytest.raises(Cancelled):
        scene.draw(scene.latent(), scene.labels([0]))


def test_scene_labels_take_the_digit_or_all_classes_in_turn(shared_server: Running):
    for query, expected in (({}, [8, 9, 0]), ({"digit": "3"}, [3, 3, 3])):
        view = parse_view(Query({"model": "tiny", **query}))
        labels = Scene.open(view, shared_server.studio.inference, lambda: None).labels([8, 9, 10])
        assert labels is not None
        assert labels.tolist() == expected
