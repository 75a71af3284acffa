"""Answers of services as plain values, for `--json`: named as in the protos, numbers as numbers."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp


def as_data(message: Message) -> dict[str, Any]:
    """Every field of a message; what is absent is null."""
    return {field.name: _field(message, field) for field in message.DESCRIPTOR.fields}


def _field(message: Message, field: Any) -> Any:
    value = getattr(message, field.name)
    if field.is_repeated:
        return [_value(field, each) for each in value]
    if field.has_presence and not message.HasField(field.name):
        return None
    return _value(field, value)


def _value(field: Any, value: Any) -> Any:
    if isinstance(value, Timestamp):
        return value.ToJsonString()
    if isinstance(value, Message):
        return as_data(value)
    if field.enum_type is not None:
        return enum_name(field, value)
    return value


def enum_name(field: Any, value: int) -> str:
    """STATE_LIVE of an enum State is "live"."""
    known = field.enum_type.values_by_number.get(value)
    if known is None:
        return str(value)
    first = field.enum_type.values_by_number[0].name
    return str(known.name).removeprefix(first.removesuffix("UNSPECIFIED")).lower()


def name_of(message: Message, field: str) -> str:
    """The name of an enum's value in a field."""
    return enum_name(message.DESCRIPTOR.fields_by_name[field], getattr(message, field))
