"""Owns what is wrong with one value under the field rules, in words that never quote the value."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

# Says what is wrong with a value, or None.
ValueRule = Callable[[Any], str | None]

TEXT = "text"
BYTES = "bytes"
NUMBER = "number"
ENUM = "enum"
BOOL = "bool"
DURATION = "duration"
MESSAGE = "message"

# Which rules make sense for a value of which kind. Those of lists and maps are apart.
RULES_OF_KIND: dict[str, set[str]] = {
    TEXT: {"required", "uuid", "min_length", "max_length", "pattern", "max_bytes"},
    BYTES: {"required", "min_bytes", "max_bytes"},
    NUMBER: {"required", "minimum", "maximum"},
    ENUM: {"required", "defined"},
    BOOL: set(),
    DURATION: {"required", "minimum", "maximum"},
    MESSAGE: {"required"},
}

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_KINDS = {
    FieldDescriptor.CPPTYPE_BOOL: BOOL,
    FieldDescriptor.CPPTYPE_ENUM: ENUM,
    FieldDescriptor.CPPTYPE_MESSAGE: MESSAGE,
}


def kind_of(field: FieldDescriptor) -> str:
    """Which of the kinds above a value of this field is."""
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return TEXT if field.type == FieldDescriptor.TYPE_STRING else BYTES
    if field.message_type is not None:
        is_duration = field.message_type.full_name == "google.protobuf.Duration"
        return DURATION if is_duration else MESSAGE
    return _KINDS.get(field.cpp_type, NUMBER)


def rules_of_value(field: FieldDescriptor, rules: Any) -> list[ValueRule]:
    """The rules that each value of `field` keeps, besides `required`."""
    kind = kind_of(field)
    found: list[ValueRule] = []
    if kind == TEXT:
        if rules.uuid:
            return [_uuid]
        if rules.HasField("min_length") or rules.HasField("max_length"):
            found.append(_length(rules, "min_length", "max_length", "characters"))
        if rules.HasField("max_bytes"):
            most = rules.max_bytes
            found.append(
                lambda value: (
                    f"has more than {most:,} bytes in UTF-8"
                    if len(value) * 4 > most and len(value.encode()) > most
                    else None
                )
            )
        found.append(pattern(rules.pattern, "it") if rules.pattern else without_nul)
    elif kind == BYTES and (rules.HasField("min_bytes") or rules.HasField("max_bytes")):
        found.append(_length(rules, "min_bytes", "max_bytes", "bytes"))
    elif kind in (NUMBER, DURATION) and (rules.HasField("minimum") or rules.HasField("maximum")):
        found.append(_within(rules, kind))
    elif kind == ENUM and rules.defined:
        assert field.enum_type is not None
        known = frozenset(field.enum_type.values_by_number)
        found.append(lambda value: None if value in known else "is not a value of this release")
    return found


def rules_of_count(rules: Any) -> list[ValueRule]:
    """The rules that a list or map keeps as a whole, besides `unique`."""
    found: list[ValueRule] = [not_empty] if rules.required else []
    if rules.HasField("min_items") or rules.HasField("max_items"):
        found.append(_length(rules, "min_items", "max_items", "elements"))
    return found


def not_empty(value: Any) -> str | None:
    """For texts, bytes, lists and maps."""
    return None if value else "must not be empty"


def not_zero(value: Any) -> str | None:
    """For numbers and enums."""
    return None if value else "must be set"


def all_different(values: Any) -> str | None:
    """For lists of scalars."""
    return None if len(set(values)) == len(values) else "has an element more than once"


def _uuid(value: str) -> str | None:
    if _UUID.fullmatch(value):
        return None
    return "must be a UUID: 36 characters, lower case, with hyphens"


def without_nul(value: str) -> str | None:
    """For every text: PostgreSQL stores all characters but this one."""
    return "must not contain the character NUL" if "\0" in value else None


def pattern(expression: str, what: str) -> ValueRule:
    """A regular expression that the whole text must match; `what` is "it" or "a key"."""
    matches = re.compile(expression).fullmatch
    subject = "" if what == "it" else f"has {what} that "
    description = f"{subject}{'must' if what == 'it' else 'does not'} match {expression}"
    return lambda value: None if matches(value) and "\0" not in value else description


def _length(rules: Any, least_name: str, most_name: str, unit: str) -> ValueRule:
    least: int = getattr(rules, least_name)
    most = getattr(rules, most_name) if rules.HasField(most_name) else None

    def length(value: Any) -> str | None:
        size = len(value)
        if size < least:
            return f"has {size:,} {unit}; at least {least:,} are needed"
        if most is not None and size > most:
            return f"has {size:,} {unit}; at most {most:,} are allowed"
        return None

    return length


def _within(rules: Any, kind: str) -> ValueRule:
    least = rules.minimum if rules.HasField("minimum") else None
    most = rules.maximum if rules.HasField("maximum") else None
    unit = " seconds" if kind == DURATION else ""

    def within(value: Any) -> str | None:
        if kind == DURATION:
            value = value.seconds + value.nanos / 1e9
        if least is not None and not value >= least:
            return f"must be at least {least:,}{unit}"
        if most is not None and not value <= most:
            return f"must be at most {most:,}{unit}"
        return None

    return within
