"""Owns the search for everything that does not hold, from one snapshot of the whole ledger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from services.billing.domain.ledger import Fault
from services.billing.store.book_faults import BOOK_FAULTS
from services.billing.store.invoice_faults import INVOICE_FAULTS
from services.billing.store.message_faults import MESSAGE_FAULTS
from services.billing.store.price_faults import PRICE_FAULTS
from services.kit.database import Connection

_EXAMPLES_MAX: Final = 5

_OVERDUE: Final = """
    SELECT format('message %s of %s, until %s', message_id, business_id, expire_time)
    FROM open_reservations
    WHERE expire_time < $1
"""


async def find_faults(connection: Connection, overdue_since: datetime | None) -> Sequence[Fault]:
    """Everything that does not hold, with `overdue_since` also what is open and ended before it."""
    faults = []
    for what, query in _queries():
        if fault := await _find(connection, what, query):
            faults.append(fault)
    if overdue_since is not None and (
        fault := await _find(connection, "reservations open that ran out", _OVERDUE, overdue_since)
    ):
        faults.append(fault)
    return faults


def _queries() -> Iterator[tuple[str, str]]:
    groups: tuple[Mapping[str, str], ...] = (
        BOOK_FAULTS,
        MESSAGE_FAULTS,
        PRICE_FAULTS,
        INVOICE_FAULTS,
    )
    for group in groups:
        yield from group.items()


async def _find(connection: Connection, what: str, query: str, *arguments: object) -> Fault | None:
    rows = await connection.fetch(
        # Each query is written in this folder; nothing of a caller's is in it.
        f"SELECT count(*) OVER (), found.* FROM ({query}) AS found LIMIT {_EXAMPLES_MAX}",  # noqa: S608
        *arguments,
    )
    return Fault(what, rows[0][0], [row[1] for row in rows]) if rows else None
