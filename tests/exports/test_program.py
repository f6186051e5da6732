import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from tests.support.gans import tiny_gan

from mnist_gan.errors import ConfigError
from mnist_gan.exports import save_programs

ELSEWHERE = """
import sys
import zipfile
sys.modules["mnist_gan"] = None  # an import of the package would fail
import numpy as np, torch
G = torch.export.load("out/generator.pt2").module()
D = torch.export.load("out/discriminator.pt2").module()
image, image_float = G(torch.from_numpy(np.load("z.npy")), torch.arange(7))
logit, probability = D(image, torch.arange(7))
np.savez("drawn.npz", image=image.numpy(), probability=probability.detach().numpy())
"""


@pytest.mark.slow
def test_programs_run_without_this_package(tmp_path):
    gan = tiny_gan()
    found = save_programs(tmp_path / "out", gan, name="Digits")
    assert (found.n, found.levels) == (1000, 0)
    from mnist_gan.sampling import draw_latents

    np.save(tmp_path / "z.npy", draw_latents(gan.G, n=7, seed=5).numpy())
    subprocess.run([sys.executable, "-c", ELSEWHERE], cwd=tmp_path, check=True)
    drawn, expected = np.load(tmp_path / "drawn.npz"), gan.sample(7, seed=5)
    assert np.array_equal(drawn["image"], expected.numpy())
    assert np.allclose(drawn["probability"], gan.probability_real(expected, labels=gan.labels(7)))
    with zipfile.ZipFile(tmp_path / "out" / "generator.pt2") as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("facts.json"))
        assert json.loads(archive.read(name))["name"] == "Digits"


def test_programs_need_a_new_folder(tmp_path):
    (tmp_path / "kept.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is not an empty folder"):
        save_programs(tmp_path, tiny_gan(), name="x")
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]
