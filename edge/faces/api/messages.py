"""clarifai-grpc's messages to and from the plain dicts of the core."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.struct_pb2 import Struct
from google.protobuf.unknown_fields import UnknownFieldSet

_CONCEPT, _CONFIG = "clarifai.api.Concept", "clarifai.api.OutputConfig"
_CLOSED = 2
"""``OutputConfig.closed_environment``, which clients of before autumn 2023 send and newer messages do not have."""


def to_dict(message: Message) -> dict[str, Any]:
    """A request in the shape of its JSON, with two differences: bytes stay bytes, uncopied, and a concept always has
    its ``value``.

    Over gRPC an absent value and 0 are the same message and mean "not shown", while JSON without one means "shown".
    """
    full = message.DESCRIPTOR.full_name
    fields = {field.name: _value(field, value) for field, value in message.ListFields()}
    if full == _CONCEPT:
        fields.setdefault("value", 0.0)
    elif full == _CONFIG and any(one.field_number == _CLOSED and one.data == 1 for one in UnknownFieldSet(message)):
        fields["closed_environment"] = True
    return fields


def _value(field: Any, value: Any) -> Any:
    if field.message_type is None:
        return value if isinstance(value, str | bytes | int | float) else list(value)
    if field.message_type.GetOptions().map_entry:
        plain = field.message_type.fields_by_name["value"].message_type is None
        return {str(key): one if plain else _message(one) for key, one in value.items()}
    return _message(value) if isinstance(value, Message) else [_message(one) for one in value]


def _message(message: Message) -> Any:
    if message.DESCRIPTOR.file.package == "google.protobuf":  # times, free-form structures: JSON knows how
        return MessageToDict(message)
    return to_dict(message)


def to_message(body: Mapping[str, Any], empty: Message) -> Message:
    """``empty``, filled with an answer's body; what the messages do not know is left out.

    By a plan per kind of message: json_format takes ten times as long, two thirds of a millisecond for a prediction.
    Raises ValueError or TypeError when a value cannot be what its field is.
    """
    message = type(empty)(**_fields(_plan(empty.DESCRIPTOR), body))
    model = body.get("model")
    if isinstance(model, Mapping):
        config = model.get("output_info", {}).get("output_config", {})
        if config.get("closed_environment"):
            message.model.output_info.output_config.MergeFromString(bytes((_CLOSED << 3, 1)))
    return message


_Plan = dict[str, "Callable[[Any], Any] | None"]
"""Fields of a message by name, and how JSON's value becomes what a message's constructor takes; None: it is that."""


@cache
def _plan(descriptor: Any) -> _Plan:
    return {field.name: _reader(field) for field in descriptor.fields}


def _reader(field: Any) -> Callable[[Any], Any] | None:
    kind = field.message_type
    if kind is None:
        return None
    if kind.GetOptions().map_entry:
        return dict
    found = _MADE.get(kind.full_name) or _message_reader(kind)
    return found if not _several(field) else lambda values: [found(value) for value in values]


def _message_reader(kind: Any) -> Callable[[Any], Any]:
    if kind.file.package == "google.protobuf":  # of which no answer of ours has one so far
        return lambda value: ParseDict(value, GetMessageClass(kind)(), ignore_unknown_fields=True)
    return lambda value: _fields(_plan(kind), value)  # planned when it is needed: messages hold their own kind


def _several(field: Any) -> bool:
    return bool(field.is_repeated if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED)


def _fields(plan: _Plan, values: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for key, value in values.items():
        if key in plan and value is not None:
            read = plan[key]
            found[key] = value if read is None else read(value)
    return found


def _seconds(text: str) -> dict[str, int]:
    at = datetime.fromisoformat(text)
    return {"seconds": int(at.replace(microsecond=0).timestamp()), "nanos": 1000 * at.microsecond}


def _struct(values: Mapping[str, Any]) -> Struct:
    found = Struct()
    found.update(values)
    return found


_MADE: dict[str, Callable[[Any], Any]] = {"google.protobuf.Timestamp": _seconds, "google.protobuf.Struct": _struct}
