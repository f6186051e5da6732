"""Names of parts of plug-ins, and where a part is defined."""

from functools import partial

import pytest
from torch import nn

from mnist_gan.errors import PluginError
from mnist_gan.registry import MAX_NAME, is_plugin_name, look_up, name_of, place_of


class Network(nn.Module):
    def forward(self, x):
        return x


@pytest.mark.parametrize("name", ["ideas.margin", "a-b.c_d", "python.__main__.Tiny"])
def test_is_plugin_name_accepts_a_plugin_and_a_part(name):
    assert is_plugin_name(name)


@pytest.mark.parametrize(
    "name", ["hinge", ".margin", "ideas.", "1.x", "a b.c", "a/b.c", "a.b" * MAX_NAME, 7, "ideas.x\n"]
)
def test_is_plugin_name_refuses_everything_else(name):
    assert not is_plugin_name(name)


def test_look_up_returns_the_part():
    assert look_up({"ideas.margin": 1}, "ideas.margin", field="objective.loss") == 1


@pytest.mark.parametrize(
    ("parts", "name", "message"),
    [
        ({}, "ideas.margin", "of the plug-in ideas; name the plug-in's file with --plugin FILE"),
        ({"ideas.margin": 1}, "ideas.margn", "which the plug-in ideas does not have; did you mean ideas.margin?"),
        ({}, "python.a.B", "an object that a Python program passed; pass it again from Python, with objective="),
    ],
)
def test_look_up_says_what_to_pass(parts, name, message):
    with pytest.raises(PluginError, match=message):
        look_up(parts, name, field="objective.loss")


def test_place_of_gives_file_and_line_of_a_function_and_of_a_forward():
    line = Network.forward.__code__.co_firstlineno
    assert place_of(Network()) == place_of(Network) == f"{__file__}, line {line}"
    own = test_place_of_gives_file_and_line_of_a_function_and_of_a_forward
    assert place_of(partial(own)) == f"{__file__}, line {own.__code__.co_firstlineno}"


def test_name_of_gives_module_and_class_of_an_object():
    assert name_of(Network()) == name_of(Network) == f"{__name__}.Network"
