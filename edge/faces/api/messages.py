"""clarifai-grpc's messages to and from the plain dicts of the core."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
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

    Raises json_format.ParseError when a value cannot be what its field is.
    """
    message = ParseDict(body, empty, ignore_unknown_fields=True)
    model = body.get("model")
    if isinstance(model, Mapping):
        config = model.get("output_info", {}).get("output_config", {})
        if config.get("closed_environment"):
            message.model.output_info.output_config.MergeFromString(bytes((_CLOSED << 3, 1)))
    return message
