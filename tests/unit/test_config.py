"""Settings come from the environment once, and a wrong one is said before anything is done."""

import pytest

from edge.config import Config
from edge.errors import InvalidArgument


def test_an_empty_environment_gives_the_defaults():
    assert Config.from_environment({}) == Config()


def test_every_variable_is_read():
    found = Config.from_environment(
        {
            "EDGE_STORE": "/data/one",
            "EDGE_RUNTIME": "tflite-runtime",
            "EDGE_DELEGATE": "edgetpu",
            "EDGE_THREADS": "3",
            "EDGE_BACKBONES": "/data/backbones",
        }
    )
    assert found == Config("/data/one", "tflite-runtime", "edgetpu", 3, "/data/backbones")


def test_a_variable_that_is_set_to_nothing_counts_as_unset():
    names = ("EDGE_STORE", "EDGE_RUNTIME", "EDGE_DELEGATE", "EDGE_THREADS", "EDGE_BACKBONES")
    assert Config.from_environment(dict.fromkeys(names, "")) == Config()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EDGE_RUNTIME", "onnx"),
        ("EDGE_DELEGATE", "gpu"),
        ("EDGE_THREADS", "-1"),
        ("EDGE_THREADS", "many"),
        ("EDGE_THREADS", "65"),
        ("EDGE_THREADS", "1.5"),
        ("EDGE_THREADS", "²"),
        ("EDGE_THREADS", "9" * 5000),
    ],
)
def test_a_value_that_cannot_work_is_refused_by_name(name, value):
    with pytest.raises(InvalidArgument, match=f"{name}=.* is not .*"):
        Config.from_environment({name: value})
