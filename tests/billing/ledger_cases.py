"""The language of ledger cases: a table with a step in each row, and the balances after it.

    step                       | available | reserved | revenue | unsettled
    top up 10                  |        10 |          |         |
    reserve a marketing        |         6 |        4 |         |
    delivered a                |         6 |          |       4 |

Steps: `top up AMOUNT`; `credit AMOUNT`, the limit from then on; `reserve ID CATEGORY [in the
window] [for SECONDS s] [: REASON]`, where the reason is that of the refusal; `delivered ID...`,
`read ID...`, `refused ID...`, `expired ID...`, with `and` between them in one batch; `give back
AMOUNT of ID [: REASON]`; `wait SECONDS s`, after which what ran out is expired. An empty cell is
nothing, and so is a column that the table leaves out. Prices are those of `parties.PRICES`.
"""

import re
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID, uuid5

from hudhud.billing.v1 import billing_service_pb2 as billing_pb
from hudhud.billing.v1 import correction_service_pb2 as pb
from services.billing.message_events import MessageEvents
from services.billing.settlement import expire_reservations
from services.kit.clock import new_id
from services.kit.errors import Refusal
from tests.billing.parties import (
    MARKETING,
    SERVICE,
    UNIT,
    UTILITY,
    Business,
    message_changed,
    set_terms,
)

COLUMNS = ("available", "owed", "reserved", "revenue", "given back", "unsettled")
# What has its balance below zero.
OWING = {"owed": "receivable", "given back": "adjustments"}
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
    assert set(head[1:]) <= set(COLUMNS)
    rows = []
    for step, *cells in lines:
        said = dict(zip(head[1:], cells, strict=True))
        rows.append(Row(step, {name: Decimal(said.get(name) or 0) for name in COLUMNS}))
    return rows


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
    elif match := re.fullmatch(r"credit ([\d.]+)", step):
        await set_terms(business, credit_limit=int(Decimal(match[1]) * UNIT))
    elif match := re.fullmatch(r"give back ([\d.]+) of (\w+)(?: : (\w+))?", step):
        told = await _give_back(business, int(Decimal(match[1]) * UNIT), match[2])
        assert told == (match[3] or ""), step
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
    unsettled = Decimal(len(await business.unsettled()))
    seen = {
        name: Decimal(-balances[OWING[name]] if name in OWING else balances[name]) / UNIT
        for name in COLUMNS[:-1]
    }
    return {**seen, "unsettled": unsettled}


async def _give_back(business: Business, micros: int, name: str) -> str:
    """The reason of the refusal, if it is refused."""
    message_id = str(_message_id(business, name))
    listed = billing_pb.ListEntriesRequest(
        business_id=business.business_id, reference_id=message_id
    )
    entries = (await business.operator.ListEntries(listed)).entries
    request = pb.CreateCreditNoteRequest(
        credit_note_id=str(new_id()),
        business_id=business.business_id,
        entry_id=entries[0].entry_id,
        amount=business.money(micros),
        reason="a case",
    )
    try:
        await business.operator.CreateCreditNote(request)
    except Refusal as refusal:
        return refusal.reason.name
    return ""


def _message_id(business: Business, name: str) -> UUID:
    return uuid5(UUID(business.business_id), name)
