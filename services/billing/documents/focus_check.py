"""Owns the check of a cost file against the rules of FOCUS 1.2 that a file can show to be kept.

Whether a price is the one on the price list, or an invoice comes to its rows, no file can show.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, NamedTuple

from services.billing.documents import focus_columns as focus

_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?([eE]-?\d+)?")
_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")
_CUSTOM: Final = re.compile(r"x_[A-Z][A-Za-z0-9]*")
_PLACEHOLDERS: Final = frozenset(("n/a", "na", "null", "none", "not applicable"))
FAULTS_MAX: Final = 1000

Row = Mapping[str, str]


class FocusFault(NamedTuple):
    """What is wrong, where: line 1 is the header."""

    line: int
    column: str
    description: str

    def __str__(self) -> str:
        """For people: "line 3, BilledCost: is null"."""
        return f"line {self.line}, {self.column}: {self.description}"


def check_focus(lines: Iterable[str]) -> list[FocusFault]:
    """Everything that is wrong with a CSV file, at most 1,000 faults of it."""
    faults: list[FocusFault] = []
    for fault in _faults(lines):
        faults.append(fault)
        if len(faults) == FAULTS_MAX:
            break
    return faults


def _faults(lines: Iterable[str]) -> Iterator[FocusFault]:
    reader = csv.reader(lines, strict=True)
    try:
        header = next(reader, [])
        yield from _faults_of_header(header)
        parents: dict[tuple[str, str], str] = {}
        for values in reader:
            line = reader.line_num
            if len(values) != len(header):
                yield FocusFault(line, "", f"has {len(values)} fields, the header {len(header)}")
                continue
            row = {name: value for name, value in zip(header, values, strict=True) if value}
            for column, description in _faults_of_row(row, frozenset(header), parents):
                yield FocusFault(line, column, description)
    except csv.Error as error:
        yield FocusFault(reader.line_num, "", f"is no CSV: {error}")


def _faults_of_header(header: list[str]) -> Iterator[FocusFault]:
    for name, column in focus.COLUMNS.items():
        if column.is_mandatory and name not in header:
            yield FocusFault(1, name, "is mandatory and not there")
    for name in dict.fromkeys(header):
        if header.count(name) > 1:
            yield FocusFault(1, name, "is there twice")
        if name not in focus.COLUMNS and not _CUSTOM.fullmatch(name):
            yield FocusFault(1, name, "is no column of FOCUS 1.2, and not named like x_OfYourOwn")


def _faults_of_row(
    row: Row, header: frozenset[str], parents: dict[tuple[str, str], str]
) -> Iterator[tuple[str, str]]:
    """Column and description. What is null is not in the row."""
    malformed = set()
    for name in sorted(header & focus.COLUMNS.keys()):
        column, value = focus.COLUMNS[name], row.get(name)
        if value is None:
            if not column.is_nullable:
                yield name, "is null"
            continue
        wrong = _FORMS[column.kind](value)
        if wrong is None and column.allowed and value not in column.allowed:
            wrong = "is none of the allowed values"
        if wrong is None and (value.casefold() in _PLACEHOLDERS or not value.strip()):
            wrong = "stands for null, which is an empty field"
        if wrong:
            malformed.add(name)
            yield name, wrong
    sound = {name: value for name, value in row.items() if name not in malformed}
    yield from _faults_of_nulls(sound, header - malformed)
    yield from _faults_of_sums(sound)
    yield from _faults_of_times(sound)
    child = sound.get("ServiceSubcategory", "")
    if "ServiceCategory" in sound and focus.PARENTS.get(child) not in (
        None,
        sound["ServiceCategory"],
    ):
        yield "ServiceSubcategory", f"belongs to {focus.PARENTS[child]}"
    for name, parent in focus.ONE_PARENT:
        if name in sound and parent in sound:
            first = parents.setdefault((name, sound[name]), sound[parent])
            if first != sound[parent]:
                yield name, f"has another {parent} than before"


def _faults_of_nulls(row: Row, header: frozenset[str]) -> Iterator[tuple[str, str]]:
    category = row.get("ChargeCategory")
    is_correction = row.get("ChargeClass") == "Correction"
    for name, other in focus.TOGETHER:
        if {name, other} <= header and (name in row) != (other in row):
            yield name, f"must be null where {other} is, and only there"
    for name, other in focus.ONLY_WITH:
        if other in header and name in row and other not in row:
            yield name, f"must be null where {other} is"
    for name in focus.PRICED:
        if category == "Tax" and name in row:
            yield name, "must be null for tax"
        if category in ("Usage", "Purchase") and not is_correction and name in header - row.keys():
            yield name, "must not be null for usage and purchases"
    if "ConsumedQuantity" in row and category not in (None, "Usage"):
        yield "ConsumedQuantity", "must be null for all but usage"
    is_measured = category == "Usage" and row.get("CommitmentDiscountStatus") != "Unused"
    if "ConsumedQuantity" in header - row.keys() and is_measured and not is_correction:
        yield "ConsumedQuantity", "must not be null for usage"
    if category == "Purchase" and row.get("ChargeFrequency") == "Usage-Based":
        yield "ChargeFrequency", "must not be Usage-Based for purchases"


def _faults_of_sums(row: Row) -> Iterator[tuple[str, str]]:
    is_correction = row.get("ChargeClass") == "Correction"
    for name in focus.NOT_NEGATIVE:
        if name in row and Decimal(row[name]) < 0:
            yield name, "is below zero"
    for price, cost in focus.PRODUCTS:
        if is_correction or not {price, cost, "PricingQuantity"} <= row.keys():
            continue
        product = Decimal(row[price]) * Decimal(row["PricingQuantity"])
        if product != Decimal(row[cost]):
            yield cost, f"is not {price} times PricingQuantity, {product}"
    if row.get("ChargeCategory") == "Credit" and "BilledCost" in row:
        for cost in ("ListCost", "ContractedCost", "EffectiveCost"):
            if cost in row and Decimal(row[cost]) != Decimal(row["BilledCost"]):
                yield cost, "must be the BilledCost for credits"


def _faults_of_times(row: Row) -> Iterator[tuple[str, str]]:
    for period in ("BillingPeriod", "ChargePeriod"):
        start, end = row.get(f"{period}Start"), row.get(f"{period}End")
        # Of this form the earlier text is the earlier time.
        if start and end and start >= end:
            yield f"{period}End", "is not after its start"


def _number(value: str) -> str | None:
    return None if _NUMBER.fullmatch(value) else "is not a number such as -12.5"


def _time(value: str) -> str | None:
    if _TIME.fullmatch(value):
        try:
            datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        except ValueError:
            pass
        else:
            return None
    return "is not a time in UTC such as 2026-10-01T00:00:00Z"


def _currency(value: str) -> str | None:
    return None if value in focus.CURRENCIES else "is no currency of ISO 4217"


def _object(value: str) -> str | None:
    try:
        parsed = json.loads(value)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        return "is no object in JSON"
    if any(isinstance(each, (dict, list)) for each in parsed.values()):
        return "has a value that is neither text, a number, true, false nor null"
    return None


_FORMS: Final[dict[focus.Kind, Callable[[str], str | None]]] = {
    "text": lambda value: None,  # noqa: ARG005
    "number": _number,
    "time": _time,
    "currency": _currency,
    "object": _object,
}
