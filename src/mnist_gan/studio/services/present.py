"""JSON forms of images, digits and scores that several pages show."""

from __future__ import annotations

import base64

from jaxtyping import UInt8
from torch import Tensor

from mnist_gan.artifacts.scoring import Score
from mnist_gan.studio import api
from mnist_gan.studio.services.judging import Recognition, to_gray


def image_json(image: UInt8[Tensor, "c h w"]) -> api.Gray:
    """Gray levels of an image, row by row, as base64."""
    gray = to_gray(image)
    return {"side": gray.shape[-1], "pixels": base64.b64encode(gray.numpy().tobytes()).decode()}


def recognition_json(recognition: Recognition) -> api.Recognition:
    """The digit that mnistnet recognizes, and the probability of each."""
    return {"digit": recognition.digit, "probabilities": recognition.probabilities}


def score_json(score: Score) -> api.Score:
    """A score, with a sentence about it."""
    name = str(score.label if score.label_name is None else score.label_name)
    origin = {
        "given": f", judged as {with_article(name)},",
        "recognized": f", recognized as {with_article(name)},",
        "requested": f", drawn as {with_article(name)},",
        "highest": f", with label {name}, for which it is highest,",
        None: "",
    }[score.label_source]
    chance = format_percent(score.probability_real)
    sentence = f"The discriminator gives this image{origin} a {chance} chance of being real."
    return {
        "verdict": score.verdict,
        "probability_real": score.probability_real,
        "logit": score.logit,
        "label": score.label,
        "label_source": score.label_source,
        "label_name": score.label_name,
        "sentence": sentence,
    }


def with_article(name: str) -> str:
    """A number with its article, "a 7" or "an 8"; another name of a class in quotes."""
    if not name.isdigit():
        return f"“{name}”"
    return f"{'an' if name.startswith('8') or name in {'11', '18'} else 'a'} {name}"


def format_percent(chance: float) -> str:
    """A probability as a percentage, never rounded to 0 % or 100 %."""
    if chance < 0.01:
        return "less than 1 %"
    return "more than 99 %" if chance > 0.99 else f"{100 * chance:.0f} %"
