import json
from pathlib import Path

import pytest
import torch
from tests.support.fake_hub import TOKEN, FakeHub, fake_hub
from tests.support.gans import tiny_gan

from mnist_gan.artifacts import hub
from mnist_gan.artifacts.gan import GAN
from mnist_gan.cli import main
from mnist_gan.errors import ArtifactError, ConfigError

pytest.importorskip("huggingface_hub")


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A hub with the model me/digits; the cache is empty."""
    monkeypatch.setattr("mnist_gan.artifacts.hub.cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    with fake_hub() as served:
        monkeypatch.setenv("HF_ENDPOINT", served.url)
        tiny_gan().save(tmp_path / "model", card="a card")
        served.repos["me/digits"] = [{path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}]
        yield served


def damage(server: FakeHub, name: str, content: bytes) -> None:
    server.repos["me/digits"].append({**server.newest("me/digits"), name: content})


def test_load_takes_a_model_of_the_hub(server: FakeHub) -> None:
    gan = GAN.load("hf://me/digits")
    assert torch.equal(gan.sample(5, seed=3), tiny_gan().sample(5, seed=3))


def test_load_downloads_a_commit_once_and_fetches_no_other_files(server: FakeHub) -> None:
    server.newest("me/digits")["pytorch_model.bin"] = b"a pickle"
    GAN.load("hf://me/digits")
    assert not [line for line in server.requests if line.endswith(("pytorch_model.bin", "README.md"))]
    server.requests.clear()
    GAN.load("hf://me/digits@main")
    assert len(server.requests) == 1


def test_load_without_a_connection_takes_the_copy_of_an_earlier_download(server: FakeHub, monkeypatch) -> None:
    expected = GAN.load("hf://me/digits").sample(2)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert torch.equal(GAN.load("hf://me/digits").sample(2), expected)
    with pytest.raises(ArtifactError, match="the hub cannot be reached for hf://me/other"):
        GAN.load("hf://me/other")


def test_load_refuses_damaged_weights_of_the_hub_and_keeps_nothing(server: FakeHub, tmp_path: Path) -> None:
    weights = bytearray(server.newest("me/digits")["generator.safetensors"])
    weights[-1] ^= 1
    damage(server, "generator.safetensors", bytes(weights))
    with pytest.raises(ArtifactError, match="sha256 differs from the manifest"):
        GAN.load("hf://me/digits")
    assert list((tmp_path / "cache").rglob("*.safetensors")) == []


def test_load_refuses_a_repository_that_is_no_model(server: FakeHub) -> None:
    server.repos["me/other"] = [{"pytorch_model.bin": b"a pickle"}]
    with pytest.raises(ArtifactError, match=r"hf://me/other is not a model of mnist-gan: it has no config\.json"):
        GAN.load("hf://me/other")


def test_load_refuses_large_files_before_the_download(server: FakeHub, monkeypatch) -> None:
    monkeypatch.setattr("mnist_gan.artifacts.gan.MAX_CONFIG_BYTES", 10)
    with pytest.raises(ArtifactError, match=r"config\.json has [\d,]+ bytes, above the limit of 10"):
        GAN.load("hf://me/digits")
    assert not [line for line in server.requests if "resolve" in line]


@pytest.mark.parametrize("revision", ["", "@nosuch"])
def test_load_names_a_missing_repository_or_revision(server: FakeHub, revision: str) -> None:
    name = "me/digits" if revision else "me/nosuch"
    with pytest.raises(ArtifactError, match="no such repository or revision"):
        GAN.load(f"hf://{name}{revision}")


def test_load_of_a_private_repository_needs_a_token(server: FakeHub, monkeypatch) -> None:
    server.private.add("me/digits")
    with pytest.raises(ArtifactError, match="set HF_TOKEN"):
        GAN.load("hf://me/digits")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert GAN.load("hf://me/digits").conditional


@pytest.mark.parametrize("address", ["hf://digits", "hf://a/b/c", "hf://a/b@", "hf://"])
def test_address_is_user_and_name(address: str) -> None:
    with pytest.raises(ConfigError, match="write hf://USER/NAME"):
        hub.parse_address(address)


def test_sample_takes_a_model_of_the_hub(server: FakeHub, tmp_path: Path) -> None:
    out = tmp_path / "x.npz"
    assert main(["sample", "--run", "hf://me/digits", "--n", "2", "--out", str(out)]) == 0
    assert out.is_file()


def test_manifest_of_the_hub_is_required(server: FakeHub) -> None:
    manifest = json.loads(server.newest("me/digits")["manifest.json"])
    del manifest["files"]["generator.safetensors"]
    damage(server, "manifest.json", json.dumps(manifest).encode() + b"\n")
    with pytest.raises(ArtifactError, match=r"its manifest\.json has no generator\.safetensors"):
        GAN.load("hf://me/digits")
