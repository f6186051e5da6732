"""JSON forms of scores and images."""

from __future__ import annotations

import base64

import pytest
import torch

from mnist_gan.artifacts.scoring import LabelSource, Score
from mnist_gan.studio.services.present import format_percent, image_json, score_json, with_article


@pytest.mark.parametrize(
    ("label", "source", "part"),
    [
        (8, "given", "this image, judged as an 8, a 25 % chance"),
        (7, "recognized", "this image, recognized as a 7, a 25 % chance"),
        (7, "requested", "this image, drawn as a 7, a 25 % chance"),
        (2, "highest", "this image, with label 2, for which it is highest, a 25 % chance"),
        (None, None, "this image a 25 % chance"),
    ],
)
def test_score_json_says_where_the_label_comes_from(label: int | None, source: LabelSource | None, part: str):
    score = Score(verdict="FAKE", probability_real=0.25, logit=-1.0, label=label, label_source=source)
    assert part in score_json(score)["sentence"]


def test_with_article_agrees_with_the_number():
    names = ["1", "8", "11", "18", "80", "Ankle boot"]
    assert [with_article(name) for name in names] == ["a 1", "an 8", "an 11", "an 18", "an 80", "“Ankle boot”"]


@pytest.mark.parametrize(("chance", "text"), [(0.0, "less than 1 %"), (0.5, "50 %"), (1.0, "more than 99 %")])
def test_format_percent_never_rounds_to_certainty(chance: float, text: str):
    assert format_percent(chance) == text


def test_image_json_averages_channels():
    image = torch.tensor([[[0]], [[90]], [[30]]], dtype=torch.uint8)
    assert image_json(image) == {"side": 1, "pixels": base64.b64encode(bytes([40])).decode()}
