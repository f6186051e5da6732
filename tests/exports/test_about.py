import hashlib

from tests.support.gans import tiny_gan

from mnist_gan.exports.about import facts_of


def test_facts_name_digits_licence_and_digests(tmp_path):
    gan = tiny_gan(facts={"untrained_classes": [3, 7]})
    gan.save(tmp_path / "model")
    facts = facts_of(gan, name="Digits")
    assert (facts["name"], facts["digits"], facts["z_dim"], facts["license"]) == (
        "Digits",
        "0,1,2,4,5,6,8,9",
        "4",
        "mit",
    )
    content = (tmp_path / "model" / "generator.safetensors").read_bytes()
    assert facts["generator_sha256"] == hashlib.sha256(content).hexdigest()


def test_facts_of_an_unconditional_model_say_that_it_takes_no_label():
    assert facts_of(tiny_gan(num_classes=0), name="x")["digits"] == "none: the model takes no label"
