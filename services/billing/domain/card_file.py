"""Owns the file form of a rate card: a CSV with a row for each rate and each free rule.

    item,channel,market,category,currency,tier_from,tier_to,value,valid_from,valid_to
    rate,app,SY,utility,USD,1,250000,0.005,2026-10-01,
    rate,app,SY,utility,USD,250001,,0.0045,2026-10-01,
    free_reply,app,,,USD,,,on,2026-10-01,
    free_entry_point,app,,,USD,,,72,2026-10-01,
    free_allowance,app,,,USD,,,1000,2026-10-01,

A rate's value is the price of one unit in the currency's main unit, with at most six decimals, so
that nothing is rounded. A rule's is "on" or "off", hours for an entry point, messages a month for
the allowance. A date is 00:00 UTC of that day; a time is written as in RFC 3339; an empty
valid_from is the moment of the import.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeVar

from services.billing.domain.free_rules import FreeRule, RuleKind, RuleRow
from services.billing.domain.money import Money, micros_of
from services.billing.domain.rate_faults import (
    RateFault,
    RateFaultKind,
    Span,
    find_rate_faults,
    find_rule_faults,
)
from services.billing.domain.rates import Category, Channel, Rate, RateKind

COLUMNS: Final = [
    *("item", "channel", "market", "category", "currency"),
    *("tier_from", "tier_to", "value", "valid_from", "valid_to"),
]
ROWS_MAX: Final = 20_000

_RULES: Final = {f"free_{rule}": rule for rule in FreeRule}
_ITEMS: Final = ("rate", *_RULES)
_NUMBER: Final = re.compile(r"\d{1,15}", re.ASCII)
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)

Word = TypeVar("Word", bound=StrEnum)


@dataclass(slots=True)
class CardFile:
    """What a file says: its sound rows, each with its line, and what is wrong with the others."""

    rates: list[Rate] = field(default_factory=list)
    rate_lines: list[int] = field(default_factory=list)
    rules: list[RuleRow] = field(default_factory=list)
    rule_lines: list[int] = field(default_factory=list)
    # By line: the first line of a file is 1.
    faults: list[RateFault] = field(default_factory=list)


class _BadCell(Exception):
    def __init__(self, kind: RateFaultKind, description: str) -> None:
        self.fault = kind, description


def read_card(text: str, currency_code: str, now: datetime) -> CardFile:
    """The rows of a card in this currency; what cannot be read is among the faults."""
    card = CardFile()
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        if [cell.strip() for cell in next(reader, [])] != COLUMNS:
            description = f"the first line must be {','.join(COLUMNS)}"
            card.faults.append(RateFault(1, RateFaultKind.MALFORMED, description))
            return card
        for cells in reader:
            if any(cells):
                _read_row(
                    card, reader.line_num, [cell.strip() for cell in cells], currency_code, now
                )
    except csv.Error as error:
        card.faults.append(RateFault(reader.line_num, RateFaultKind.MALFORMED, str(error)))
    if not card.rates and not card.rules and not card.faults:
        card.faults.append(RateFault(1, RateFaultKind.MALFORMED, "there is no row after the first"))
    if len(card.rates) + len(card.rules) > ROWS_MAX:
        description = f"a card has at most {ROWS_MAX} rows"
        card.faults.append(RateFault(ROWS_MAX, RateFaultKind.MALFORMED, description))
    return card


def find_card_faults(
    card: CardFile,
    standing: Mapping[RateKind, Sequence[Span]],
    standing_rules: Iterable[tuple[RuleKind, datetime]],
    now: datetime,
) -> list[RateFault]:
    """Everything that speaks against the card, by line."""
    faults = list(card.faults)
    for found, lines in (
        (find_rate_faults(card.rates, standing, now), card.rate_lines),
        (find_rule_faults(card.rules, standing_rules, now), card.rule_lines),
    ):
        faults += [RateFault(lines[each.index], each.kind, each.description) for each in found]
    return sorted(faults, key=lambda fault: fault.index)


def write_card(rates: Iterable[Rate], rules: Iterable[RuleRow]) -> str:
    """The file of these rates and rules."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for rate in rates:
        writer.writerow(
            (
                "rate",
                rate.channel.value,
                rate.market,
                rate.category.value,
                rate.price.currency_code,
                rate.tier_from,
                rate.tier_to or "",
                _decimal(rate.price.amount_micros),
                _time(rate.valid_from_time),
                _time(rate.valid_to_time) if rate.valid_to_time else "",
            )
        )
    for rule in rules:
        on_or_off = ("off", "on")[bool(rule.amount)] if rule.rule is FreeRule.REPLY else None
        writer.writerow(
            (
                f"free_{rule.rule}",
                rule.channel.value,
                *("", ""),
                rule.currency_code,
                *("", ""),
                on_or_off or rule.amount or "off",
                _time(rule.valid_from_time),
                "",
            )
        )
    return text.getvalue()


def _read_row(
    card: CardFile, line: int, cells: Sequence[str], currency_code: str, now: datetime
) -> None:
    """Take in one row, or everything that is wrong with its cells."""
    if len(cells) != len(COLUMNS):
        description = f"the row has {len(cells)} cells instead of {len(COLUMNS)}"
        card.faults.append(RateFault(line, RateFaultKind.MALFORMED, description))
        return
    row = dict(zip(COLUMNS, cells, strict=True))
    if row["item"] not in _ITEMS:
        description = f"item must be one of {', '.join(_ITEMS)}"
        card.faults.append(RateFault(line, RateFaultKind.MALFORMED, description))
        return
    cell = _Cells(row, line, card.faults)
    if row["currency"] != currency_code:
        cell.wrong(RateFaultKind.CURRENCY, f"the card is in {currency_code}")
    channel = cell.word("channel", Channel)
    begins = cell.time("valid_from") or now
    before = len(card.faults)
    if row["item"] == "rate":
        category = cell.word("category", Category)
        micros = cell.micros("value")
        tier_from, tier_to = cell.number("tier_from") or 1, cell.number("tier_to")
        ends = cell.time("valid_to")
        if None not in (channel, category, micros) and cell.sound:
            assert channel is not None
            assert category is not None
            assert micros is not None
            price = Money(currency_code, micros)
            card.rates.append(
                Rate(category, row["market"], price, begins, 0, channel, tier_from, tier_to, ends)
            )
            card.rate_lines.append(line)
        return
    rule = _RULES[row["item"]]
    for name in ("market", "category", "tier_from", "tier_to", "valid_to"):
        if row[name]:
            cell.wrong(RateFaultKind.MALFORMED, f"{name} must be empty for {row['item']}")
    amount = cell.amount_of(rule)
    if channel is not None and amount is not None and cell.sound and len(card.faults) == before:
        card.rules.append(RuleRow(rule, channel, currency_code, amount, begins))
        card.rule_lines.append(line)


@dataclass(slots=True)
class _Cells:
    """The cells of one row, read one by one: what is wrong is written down, and None comes back."""

    row: Mapping[str, str]
    line: int
    faults: list[RateFault]
    sound: bool = True

    def wrong(self, kind: RateFaultKind, description: str) -> None:
        self.sound = False
        self.faults.append(RateFault(self.line, kind, description))

    def word(self, name: str, words: type[Word]) -> Word | None:
        try:
            return words(self.row[name])
        except ValueError:
            self.wrong(RateFaultKind.MALFORMED, f"{name} must be one of {', '.join(words)}")
            return None

    def number(self, name: str) -> int | None:
        text = self.row[name]
        if not text:
            return None
        if _NUMBER.fullmatch(text) and int(text) > 0:
            return int(text)
        self.wrong(RateFaultKind.MALFORMED, f"{name} must be a whole number of 1 or more")
        return None

    def micros(self, name: str) -> int | None:
        try:
            return micros_of(self.row[name])
        except ValueError as error:
            self.wrong(RateFaultKind.PRICE, f"{name} {error}")
            return None

    def time(self, name: str) -> datetime | None:
        text = self.row[name]
        if not text:
            return None
        try:
            if _DAY.fullmatch(text):
                return datetime.fromisoformat(text).replace(tzinfo=UTC)
            time = datetime.fromisoformat(text)
            if time.tzinfo is not None:
                return time.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        self.wrong(
            RateFaultKind.MALFORMED,
            f"{name} must be a date such as 2026-10-01 or a time such as 2026-10-01T00:00:00Z",
        )
        return None

    def amount_of(self, rule: FreeRule) -> int | None:
        text = self.row["value"]
        if text == "off":
            return 0
        if rule is FreeRule.REPLY:
            if text == "on":
                return 1
            self.wrong(RateFaultKind.MALFORMED, 'value must be "on" or "off"')
            return None
        if not _NUMBER.fullmatch(text):
            self.wrong(RateFaultKind.MALFORMED, 'value must be a whole number, or "off"')
            return None
        return int(text)


def _decimal(micros: int) -> str:
    return f"{Decimal(micros).scaleb(-6).normalize():f}"


def _time(time: datetime) -> str:
    if (time.hour, time.minute, time.second, time.microsecond) == (0, 0, 0, 0):
        return time.date().isoformat()
    return time.isoformat().replace("+00:00", "Z")
