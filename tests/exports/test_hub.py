import pytest
import torch
from tests.support.fake_hub import TOKEN, fake_hub
from tests.support.gans import tiny_gan

from mnist_gan.artifacts.gan import GAN
from mnist_gan.errors import ArtifactError, ConfigError
from mnist_gan.exports import push

pytest.importorskip("huggingface_hub")
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")  # in huggingface_hub itself


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.setattr("mnist_gan.artifacts.hub.cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)  # the fake has git-LFS alone
    with fake_hub() as served:
        monkeypatch.setenv("HF_ENDPOINT", served.url)
        yield served


def test_push_makes_one_commit_that_loads_again(server):
    gan = tiny_gan(facts={"cur_nimg": 60})
    address = push(gan, "hf://me/digits", name="Digits", private=True)
    assert address == f"{server.url}/me/digits/commit/{server.sha('me/digits', 1)}"
    assert server.newest("me/digits").keys() == {*gan.files(), "README.md", "manifest.json"}
    assert b"# Digits" in server.newest("me/digits")["README.md"]
    assert "me/digits" in server.private
    assert torch.equal(GAN.load("hf://me/digits").sample(3), gan.sample(3))


def test_push_to_the_same_repository_replaces_the_model(server):
    push(tiny_gan(), "hf://me/digits", name="Digits")
    unconditional = tiny_gan(num_classes=0)
    push(unconditional, "hf://me/digits", name="Digits")
    assert not GAN.load("hf://me/digits").conditional


def test_push_without_a_token_is_refused(server, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(ArtifactError, match="cannot be pushed: the hub refused the access; log in"):
        push(tiny_gan(), "hf://me/digits", name="Digits")
    assert server.repos == {}


def test_push_needs_an_address(server):
    with pytest.raises(ConfigError, match="write hf://USER/NAME"):
        push(tiny_gan(), "digits", name="Digits")
