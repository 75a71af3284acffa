"""Owns the enforcement of the field rules that the protos declare (`hudhud.rules.v1`).

The rules of a message type are compiled once, to closures over its fields; a message without
rules costs nothing. A value that breaks a rule is described, never quoted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from hudhud.rules.v1 import rules_pb2
from services.kit.errors import CommonReasons, Refusal, Violation
from services.kit.value_rules import (
    BYTES,
    DURATION,
    MESSAGE,
    RULES_OF_KIND,
    TEXT,
    ValueRule,
    all_different,
    kind_of,
    not_empty,
    not_zero,
    pattern,
    rules_of_count,
    rules_of_value,
    without_nul,
)

# The generated types of extensions do not say what they extend.
FIELD_RULES: Any = rules_pb2.rules
ONEOF_RULES: Any = rules_pb2.oneof_rules

# Writes what is wrong with a message into the list, with paths relative to that message.
Check = Callable[[Any, list[Violation]], None]
_LIST_RULES = {"required", "min_items", "max_items", "unique"}
_MAP_RULES = {"required", "min_items", "max_items", "key_pattern"}

Method = TypeVar("Method", bound=Callable[..., Any])


def judged_apart(field_name: str) -> Callable[[Method], Method]:
    """Mark a servicer's method whose requests carry a list of items that are judged one by one.

    Before the method runs, the rules of the request are enforced except those inside the items of
    `field_name`. For each item the method asks `violations` or `check`, so that one bad item does
    not fail the others.
    """

    def mark(method: Method) -> Method:
        marked: Any = method
        marked.judged_apart = field_name
        return method

    return mark


def violations(message: Message) -> list[Violation]:
    """Every rule that `message` breaks, with paths such as `messages[3].text`."""
    found: list[Violation] = []
    check = compiled(message.DESCRIPTOR)
    if check is not None:
        check(message, found)
    return found


def check(message: Message) -> None:
    """Raise the refusal INVALID_FIELD if `message` breaks a rule."""
    if found := violations(message):
        raise refusal(found)


def refusal(found: Sequence[Violation]) -> Refusal:
    """The refusal INVALID_FIELD for these violations."""
    first = found[0]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return Refusal(
        CommonReasons.INVALID_FIELD,
        f"{first.field}: {first.description}{more}",
        metadata={"field": first.field},
        violations=found,
    )


@cache
def compiled(descriptor: Descriptor, apart: str = "") -> Check | None:
    """The check of a message type; None where there is nothing to check.

    `apart` names a repeated field whose items are left out. Raises ValueError for a rule that does
    not fit its field.
    """
    return _message_check(descriptor, {}, apart)


def _message_check(
    descriptor: Descriptor, above: dict[str, list[Check]], apart: str = ""
) -> Check | None:
    """`above` holds the checks of the types that this one is nested in, for types that recur."""
    if descriptor.full_name in above:
        enclosing = above[descriptor.full_name]
        return lambda message, found: _run(enclosing, message, found)
    checks: list[Check] = []
    above = {**above, descriptor.full_name: checks}
    for field in descriptor.fields:
        checks.extend(_field_checks(field, above, leave_items=field.name == apart))
    checks.extend(
        _oneof_check(oneof.name, [field.name for field in oneof.fields])
        for oneof in descriptor.oneofs
        if oneof.GetOptions().Extensions[ONEOF_RULES].required
    )
    if not checks:
        return None
    if len(checks) == 1:
        return checks[0]
    return lambda message, found: _run(checks, message, found)


def _run(checks: list[Check], message: Any, found: list[Violation]) -> None:
    for one in checks:
        one(message, found)


def _oneof_check(name: str, members: list[str]) -> Check:
    description = f"one of {', '.join(members)} must be set"

    def check_oneof(message: Any, found: list[Violation]) -> None:
        if message.WhichOneof(name) is None:
            found.append(Violation(name, description))

    return check_oneof


def _field_checks(
    field: FieldDescriptor, above: dict[str, list[Check]], *, leave_items: bool
) -> list[Check]:
    rules: Any = field.GetOptions().Extensions[FIELD_RULES]
    if _is_map(field):
        _refuse_unfit(field, rules, _MAP_RULES | RULES_OF_KIND[kind_of(_map_value(field))])
        return _map_checks(field, rules, above)
    if field.is_repeated:
        _refuse_unfit(field, rules, _LIST_RULES | RULES_OF_KIND[kind_of(field)])
        return _list_checks(field, rules, above, leave_items=leave_items)
    kind = kind_of(field)
    _refuse_unfit(field, rules, RULES_OF_KIND[kind])
    nested = _message_check(_type_of(field), above) if kind == MESSAGE else None
    value_rules = rules_of_value(field, rules)
    if field.has_presence:
        if not (value_rules or nested or rules.required):
            return []
        return [_present_check(field.name, value_rules, nested, required=rules.required)]
    if rules.required:
        value_rules = [not_empty if kind in (TEXT, BYTES) else not_zero, *value_rules]
    return [_value_check(field.name, value_rules)] if value_rules else []


def _value_check(name: str, value_rules: list[ValueRule]) -> Check:
    if len(value_rules) == 1:
        only = value_rules[0]

        def check_one(message: Any, found: list[Violation]) -> None:
            problem = only(getattr(message, name))
            if problem is not None:
                found.append(Violation(name, problem))

        return check_one

    def check_all(message: Any, found: list[Violation]) -> None:
        problem = _problem(value_rules, getattr(message, name))
        if problem is not None:
            found.append(Violation(name, problem))

    return check_all


def _present_check(
    name: str, value_rules: list[ValueRule], nested: Check | None, *, required: bool
) -> Check:
    """For a field that knows whether it was set: an absent one keeps every rule but `required`."""

    def check_present(message: Any, found: list[Violation]) -> None:
        if not message.HasField(name):
            if required:
                found.append(Violation(name, "must be set"))
            return
        value = getattr(message, name)
        problem = _problem(value_rules, value)
        if problem is not None:
            found.append(Violation(name, problem))
        elif nested is not None:
            before = len(found)
            nested(value, found)
            if len(found) > before:
                _lift(found, before, f"{name}.")

    return check_present


def _list_checks(
    field: FieldDescriptor, rules: Any, above: dict[str, list[Check]], *, leave_items: bool
) -> list[Check]:
    name = field.name
    list_rules = rules_of_count(rules)
    if rules.unique:
        if kind_of(field) in (MESSAGE, DURATION):
            raise ValueError(f"{field.full_name}: messages cannot be compared by `unique`")
        list_rules.append(all_different)
    checks = [_value_check(name, list_rules)] if list_rules else []
    if leave_items:
        return checks
    if kind_of(field) == MESSAGE:
        nested = _message_check(_type_of(field), above)
        if nested is not None:
            checks.append(_items_check(name, nested))
    elif value_rules := rules_of_value(field, rules):
        checks.append(_elements_check(name, value_rules))
    return checks


def _items_check(name: str, nested: Check) -> Check:
    def check_items(message: Any, found: list[Violation]) -> None:
        before = len(found)
        for index, item in enumerate(getattr(message, name)):
            nested(item, found)
            if len(found) > before:
                _lift(found, before, f"{name}[{index}].")
                before = len(found)

    return check_items


def _elements_check(name: str, value_rules: list[ValueRule]) -> Check:
    def check_elements(message: Any, found: list[Violation]) -> None:
        for index, element in enumerate(getattr(message, name)):
            problem = _problem(value_rules, element)
            if problem is not None:
                found.append(Violation(f"{name}[{index}]", problem))

    return check_elements


def _map_checks(field: FieldDescriptor, rules: Any, above: dict[str, list[Check]]) -> list[Check]:
    name = field.name
    value_field = _map_value(field)
    count_rules = rules_of_count(rules)
    checks = [_value_check(name, count_rules)] if count_rules else []
    key_rules: list[ValueRule] = []
    if rules.key_pattern:
        key_rules.append(pattern(rules.key_pattern, "a key"))
    elif _type_of(field).fields_by_name["key"].type == FieldDescriptor.TYPE_STRING:
        key_rules.append(without_nul)
    value_rules = rules_of_value(value_field, rules)
    nested = None
    if kind_of(value_field) == MESSAGE:
        nested = _message_check(_type_of(value_field), above)

    def check_entries(message: Any, found: list[Violation]) -> None:
        # A key may be anything that a caller made up, so the path counts entries instead.
        for index, (key, value) in enumerate(getattr(message, name).items()):
            problem = _problem(key_rules, key) or _problem(value_rules, value)
            if problem is not None:
                found.append(Violation(f"{name}[{index}]", problem))
            if nested is not None:
                before = len(found)
                nested(value, found)
                _lift(found, before, f"{name}[{index}].")

    return [*checks, check_entries] if key_rules or value_rules or nested else checks


def _problem(value_rules: list[ValueRule], value: Any) -> str | None:
    """What is wrong with a value; None where it keeps its rules."""
    for rule in value_rules:
        problem = rule(value)
        if problem is not None:
            return problem
    return None


def _lift(found: list[Violation], start: int, prefix: str) -> None:
    """Put the enclosing path before what was found since `start`."""
    found[start:] = [
        Violation(prefix + violation.field, violation.description) for violation in found[start:]
    ]


def _is_map(field: FieldDescriptor) -> bool:
    return bool(field.message_type and field.message_type.GetOptions().map_entry)


def _type_of(field: FieldDescriptor) -> Descriptor:
    assert field.message_type is not None
    return field.message_type


def _map_value(field: FieldDescriptor) -> FieldDescriptor:
    return _type_of(field).fields_by_name["value"]


def _refuse_unfit(field: FieldDescriptor, rules: Any, fit: set[str]) -> None:
    unfit = sorted({option.name for option, _ in rules.ListFields()} - fit)
    if unfit:
        raise ValueError(f"{field.full_name}: the rule {', '.join(unfit)} does not fit its type")
