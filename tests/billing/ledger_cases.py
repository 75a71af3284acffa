"""The language of ledger cases: a table with a step in each row, and the balances after it.

    step                       | available | reserved | revenue | unsettled
    top up 10                  |        10 |          |         |
    reserve a marketing        |         6 |        4 |         |
    delivered a                |         6 |          |       4 |

Steps: `top up AMOUNT`; `reserve ID CATEGORY [in the window] [for SECONDS s] [: REASON]`, where the
reason is that of the refusal; `delivered ID...`, `read ID...`, `refused ID...`, `expired ID...`,
with `and` between them in one batch; `wait SECONDS s`, after which what ran out is expired. An
empty cell is nothing. Prices are those of `parties.PRICES`.
"""

import re
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID, uuid5

from services.billing.message_events import MessageEvents
from services.billing.settlement import expire_reservations
from tests.billing.parties import MARKETING, SERVICE, UNIT, UTILITY, Business, message_changed

COLUMNS = ("available", "reserved", "revenue", "unsettled")
CATEGORIES = {"utility": UTILITY, "marketing": MARKETING, "reply": SERVICE}
RESERVE = re.compile(
    r"reserve (?P<id>\w+) (?P<category>\w+)(?P<window> in the window)?"
    r"(?: for (?P<seconds>\d+) s)?(?: : (?P<reason>\w+))?"
)


class Row(NamedTuple):
    """A step and what the table says of the ledger after it."""

    step: str
    expected: dict[str, Decimal]


def parse(table: str) -> list[Row]:
    """The rows of a table, without its head."""
    head, *lines = [
        [cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()
    ]
    assert tuple(head[1:]) == COLUMNS
    return [
        Row(step, {name: Decimal(cell or 0) for name, cell in zip(COLUMNS, cells, strict=True)})
        for step, *cells in lines
    ]


async def play(business: Business, table: str) -> None:
    """Do each step in turn and compare the ledger with the table."""
    for step, expected in parse(table):
        await _do(business, step)
        assert await _ledger(business) == expected, f"after: {step}"


async def _do(business: Business, step: str) -> None:
    if match := RESERVE.fullmatch(step):
        item = business.item(
            _message_id(business, match["id"]),
            CATEGORIES[match["category"]],
            window_open=bool(match["window"]),
            seconds=int(match["seconds"] or 3600),
        )
        [outcome] = await business.reserve(item)
        if match["reason"] or isinstance(outcome, str):
            assert outcome == match["reason"], step
    elif match := re.fullmatch(r"top up ([\d.]+)", step):
        await business.top_up(int(Decimal(match[1]) * UNIT))
    elif match := re.fullmatch(r"wait (\d+) s", step):
        business.house.clock.advance(int(match[1]))
        while await expire_reservations(business.house.database, 3) == 3:
            pass
    else:
        events = []
        for change, *names in map(str.split, step.split(" and ")):
            for name in names:
                message_id = str(_message_id(business, name))
                events.append(message_changed(change, business.business_id, message_id))
        await MessageEvents(business.house.database).handle(events)


async def _ledger(business: Business) -> dict[str, Decimal]:
    balances = await business.ledger()
    assert sum(balances.values()) == 0
    seen = {name: Decimal(balances[name]) / UNIT for name in COLUMNS[:3]}
    return {**seen, "unsettled": Decimal(len(await business.unsettled()))}


def _message_id(business: Business, name: str) -> UUID:
    return uuid5(UUID(business.business_id), name)
