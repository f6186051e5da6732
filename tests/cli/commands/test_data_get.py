from mnist_gan.cli import main
from mnist_gan.data import known_sets
from mnist_gan.data.known_sets import KnownSet


def test_get_refuses_an_unknown_name(workdir, capsys):
    assert main(["data", "get", "fashion-mnst"]) == 2
    assert "did you mean fashion-mnist?" in capsys.readouterr().err
    assert main(["data", "get"]) == 2
    assert "name one of fashion-mnist, kmnist" in capsys.readouterr().err


def test_get_without_a_connection_names_the_mirrors_and_writes_nothing(workdir, capsys, monkeypatch):
    unreachable = KnownSet(title="KMNIST", files={"a.gz": None}, mirrors=("http://127.0.0.1:9/",))
    monkeypatch.setitem(known_sets.KNOWN_SETS, "kmnist", unreachable)
    assert main(["data", "get", "kmnist"]) == 3
    assert "a.gz could not be downloaded (127.0.0.1:9: " in capsys.readouterr().err
    assert not list(workdir.iterdir())
