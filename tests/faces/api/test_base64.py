"""Pictures as text: one library is fast, the other is always there, and nobody can tell which of them it was."""

import base64
import binascii
import builtins
import importlib
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.faces.api import requests
from edge.faces.api.statuses import Refused

TEXTS = st.one_of(
    st.text(max_size=40),
    st.text("ABCDabcd0189+/= \n\r\t-_é", max_size=40),
    st.binary(max_size=60).map(lambda data: base64.b64encode(data).decode()),
    st.binary(max_size=200).map(lambda data: base64.encodebytes(data).decode()),
)


def wanted(text):
    """What the standard library says of a text without its white space; None: that it is not base64."""
    for one in (text, "".join(text.split())):
        try:
            return base64.b64decode(one, validate=True)
        except (binascii.Error, ValueError):
            continue
    return None


@given(TEXTS)
def test_every_text_is_read_as_the_standard_library_reads_it(text):
    expected = wanted(text)
    if text and expected is None:
        with pytest.raises(Refused):
            requests.picture({"base64": text}, 30300)
    else:
        assert requests.picture({"base64": text}, 30300) == (expected if text else None)


def test_it_works_without_the_fast_library(monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name == "pybase64":
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.delitem(sys.modules, "pybase64", raising=False)
    bare = importlib.util.module_from_spec(requests.__spec__)
    requests.__spec__.loader.exec_module(bare)
    assert bare.b64decode is base64.b64decode
    assert bare.picture({"base64": "QUJD"}, 30300) == b"ABC"
