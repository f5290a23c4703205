"""Messages that no client would send: an answer with a documented status, never a fault, never a change."""

import random

import pytest

from edge.faces.api import grpc as face
from edge.faces.api.keys import ANYONE
from edge.faces.api.statuses import TEXTS

_TEXTS = (
    "",
    "a",
    "m",
    "red",
    "../../etc/passwd",
    "x" * 5000,
    "مرحبا",
    "\u202eabc",
    "a\x00b",
    "https://127.0.0.1/x.png",
    "🌱",
)
_NUMBERS = (0, 1, 2**31 - 1, 128)
_REALS = (0.0, 1.0, -1.0, 1e38, float("nan"), float("inf"), 0.5)


def fill(message, chance, depth=0):
    """Set about every other field to something."""
    for field in message.DESCRIPTOR.fields:
        if chance.random() < 0.5 or depth > 6:
            continue
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            continue
        if field.message_type is not None:
            one = getattr(message, field.name)
            for part in [one.add() for _ in range(chance.randint(1, 3))] if hasattr(one, "add") else [one]:
                if not part.DESCRIPTOR.full_name.startswith("google.protobuf."):
                    fill(part, chance, depth + 1)
        else:
            put(message, field, chance)


def put(message, field, chance):
    kinds = {field.CPPTYPE_STRING: _TEXTS, field.CPPTYPE_BOOL: (True,), field.CPPTYPE_FLOAT: _REALS}
    values = (b"", b"<html>", b"\x89PNG") if field.type == field.TYPE_BYTES else kinds.get(field.cpp_type, _NUMBERS)
    values = _REALS if field.cpp_type == field.CPPTYPE_DOUBLE else values
    value = next(iter(field.enum_type.values)).number if field.enum_type is not None else chance.choice(values)
    one = getattr(message, field.name)
    if hasattr(one, "append"):
        one.extend([value] * chance.randint(1, 3))
    else:
        setattr(message, field.name, value)


@pytest.fixture
def translator(trained, keys, options):
    made = face.Translator(trained, keys, options)
    yield made
    made.close()


@pytest.mark.parametrize("method", face.methods(), ids=lambda one: one.rpc)
def test_a_message_with_anything_in_it_gets_a_documented_status(translator, method, capfd):
    chance = random.Random(method.rpc)
    for _ in range(40):
        message = method.request()
        fill(message, chance)
        if hasattr(message, "model_id") and chance.random() < 0.7:
            message.model_id = "m"
        answer, encoded = translator.work(method, message.SerializeToString(), ANYONE, "1")
        status = method.response.FromString(encoded).status
        assert status.code == answer.body["status"]["code"]
        assert status.code in TEXTS
        assert status.code != 99009, capfd.readouterr().err
        assert "Traceback" not in status.details


def test_bytes_that_are_anything_get_a_documented_status(translator):
    chance = random.Random(0)
    for method in face.methods():
        for size in (1, 5, 50, 500):
            _, encoded = translator.work(method, chance.randbytes(size), ANYONE, "1")
            assert method.response.FromString(encoded).status.code in set(TEXTS) - {99009}
