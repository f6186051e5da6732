from __future__ import annotations

import json
from importlib import resources

import pytest
import safetensors.torch
import torch

from mnist_gan.config import DataConfig
from mnist_gan.data import load_dataset
from mnist_gan.errors import ArtifactError
from mnist_gan.evaluation import mnistnet
from mnist_gan.evaluation.mnistnet import (
    ARCHITECTURES,
    DIGESTS,
    fold_batchnorm_,
    init_weights,
    load_judge,
    network_from_bytes,
    predict_logits,
)
from mnist_gan.storage import sha256_bytes

JUDGES = sorted(ARCHITECTURES)


@pytest.fixture(params=JUDGES)
def name(request):
    return request.param


@pytest.fixture
def weights(name):
    return resources.files("mnist_gan.weights") / f"{name}.safetensors"


def test_shipped_weights_are_small_and_have_their_provenance(name, weights):
    content = weights.read_bytes()
    assert len(content) < 1 << 20
    with safetensors.safe_open(str(weights), "pt") as file:
        facts = json.loads(file.metadata()["facts"])
    beside = json.loads((resources.files("mnist_gan.weights") / f"{name}.json").read_text())
    assert beside == {**facts, "sha256": sha256_bytes(content)}
    assert facts["judge"] == name
    assert facts["test_accuracy"] >= 0.996
    assert f"--judge {name}" in facts["command"]


def test_judge_features_are_64_to_128_wide(name):
    judge = load_judge(name)
    seen = judge.predict(torch.zeros(2, 1, 28, 28, dtype=torch.uint8))
    assert seen.features.shape == (2, judge.network.feature_dim)
    assert 64 <= judge.network.feature_dim <= 128
    assert seen.logits.shape == (2, 1, 10)


def test_load_judge_refuses_a_flipped_byte(name, weights, tmp_path, monkeypatch):
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / f"{name}.safetensors").write_bytes(bytes(content))
    monkeypatch.setattr("mnist_gan.evaluation.mnistnet.resources.files", lambda package: tmp_path)
    load_judge.cache_clear()
    with pytest.raises(ArtifactError, match="not the ones released"):
        load_judge(name)


def test_load_judge_names_the_remedy_for_missing_weights(name, tmp_path, monkeypatch):
    monkeypatch.setattr("mnist_gan.evaluation.mnistnet.resources.files", lambda package: tmp_path)
    load_judge.cache_clear()
    with pytest.raises(ArtifactError, match="install mnist-gan again"):
        load_judge(name)


def test_judge_prediction_does_not_depend_on_the_batch(name):
    images = torch.randint(0, 256, (601, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    judge = load_judge(name)
    whole, part = judge.predict(images), judge.predict(images[590:])
    assert torch.allclose(whole.features[590:], part.features, rtol=1e-4, atol=1e-4)


def test_judge_predicts_channels_separately(name):
    images = torch.randint(0, 256, (4, 3, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    judge = load_judge(name)
    stacked = judge.predict(images)
    singly = [judge.predict(images[:, c : c + 1]) for c in range(3)]
    assert torch.allclose(stacked.features, torch.cat([one.features for one in singly], dim=1), atol=1e-4)
    digits = [one.classes for one in singly]
    assert stacked.classes.tolist() == (100 * digits[0] + 10 * digits[1] + digits[2]).tolist()


def test_judge_resizes_other_sizes(name):
    small = torch.randint(0, 256, (2, 1, 14, 14), dtype=torch.uint8)
    assert load_judge(name).predict(small).features.isfinite().all()


def test_network_from_bytes_has_no_gradient(name):
    content = safetensors.torch.save(ARCHITECTURES[name]().state_dict())
    assert not any(p.requires_grad for p in network_from_bytes(name, content).parameters())


def test_fold_batchnorm_keeps_the_function(name):
    network = ARCHITECTURES[name]()
    init_weights(network, generator=torch.Generator().manual_seed(0))
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            for statistics in (module.running_mean, module.running_var):
                assert statistics is not None
                statistics.uniform_(0.5, 2)
            torch.nn.init.normal_(module.weight)
    network.eval()
    images = torch.randint(0, 256, (3, 1, 28, 28), dtype=torch.uint8)
    before = predict_logits(network, images)
    fold_batchnorm_(network)
    assert not [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d)]
    assert torch.allclose(predict_logits(network, images), before, rtol=1e-3, atol=1e-4)


def test_init_weights_depends_on_the_generator_alone(name):
    one, other = ARCHITECTURES[name](), ARCHITECTURES[name]()
    init_weights(one, generator=torch.Generator().manual_seed(3))
    init_weights(other, generator=torch.Generator().manual_seed(3))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_judges_differ():
    assert DIGESTS["mnistnet"] != DIGESTS["mnistnet-b"]
    assert load_judge("mnistnet").network.feature_dim != load_judge("mnistnet-b").network.feature_dim


@pytest.mark.slow
@pytest.mark.mnist
def test_judge_reads_the_test_digits_and_its_features_have_the_stated_variance(name, mnist_dir):
    dataset = load_dataset(DataConfig(dir=str(mnist_dir)))
    judge = load_judge(name)
    held_out = judge.predict(dataset.held_out_images)
    assert (held_out.classes == dataset.held_out_labels).double().mean() >= 0.996
    # 100 by construction over all training images; a tenth of them suffices here
    features = judge.predict(dataset.images[::10]).features
    assert float(features.double().var(0).sum()) == pytest.approx(mnistnet.TOTAL_VARIANCE, rel=0.05)
