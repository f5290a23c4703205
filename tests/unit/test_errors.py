"""Every error is an ``EdgeError``, a builtin, has a code of its own and one of six kinds."""

import builtins
import pickle
from typing import get_args

import pytest

from edge import errors
from edge.errors import EdgeError, Kind

LEAVES = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, EdgeError)]
LEAVES.remove(EdgeError)


def test_there_are_errors():
    assert len(LEAVES) > 10


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.__name__)
def test_an_error_is_the_builtin_a_programmer_would_catch(leaf):
    plain = [one for one in leaf.__mro__ if getattr(builtins, one.__name__, None) is one]
    assert plain[0] not in (Exception, BaseException, object)


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.__name__)
def test_an_error_has_a_code_and_a_kind_of_its_own(leaf):
    assert vars(leaf)["code"].isidentifier()
    assert vars(leaf)["code"].islower()
    assert vars(leaf)["kind"] in get_args(Kind)
    assert leaf.__doc__


def test_codes_are_unique():
    codes = [leaf.code for leaf in LEAVES]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("leaf", [*LEAVES, EdgeError], ids=lambda leaf: leaf.__name__)
def test_an_error_prints_its_sentence_and_nothing_else(leaf):
    assert str(leaf("no such thing; make one")) == "no such thing; make one"
    assert str(pickle.loads(pickle.dumps(leaf("one sentence")))) == "one sentence"
