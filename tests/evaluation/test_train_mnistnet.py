from __future__ import annotations

import pytest
import torch

from mnist_gan.errors import DataError
from mnist_gan.evaluation.mnistnet import MnistNet, init_weights, predict_logits
from mnist_gan.evaluation.train_mnistnet import scale_features_, train_judge


def test_scale_features_keeps_the_logits_and_sets_the_variance(made_up):
    network = MnistNet()
    init_weights(network, generator=torch.Generator().manual_seed(0))
    network.eval()
    before = predict_logits(network, made_up.images[:50])
    scale_features_(network, made_up.images)
    assert torch.allclose(predict_logits(network, made_up.images[:50]), before, rtol=1e-3, atol=1e-4)
    with torch.no_grad():
        features = network.features(made_up.images.float() / 127.5 - 1)
    assert float(features.double().var(0).sum()) == pytest.approx(100, rel=1e-3)


def test_train_judge_refuses_other_data(made_up):
    with pytest.raises(DataError, match="made-up is another data set"):
        train_judge("mnistnet", made_up)
