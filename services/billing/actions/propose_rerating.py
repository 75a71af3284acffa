"""Owns ProposeRerating."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from services.billing.domain.card_file import find_card_faults, read_card
from services.billing.domain.corrections import (
    Proposal,
    Rerating,
    ReratingItem,
    Step,
    rerate,
)
from services.billing.domain.payers import payer_of
from services.billing.domain.rate_card import RateCard
from services.billing.domain.rates import RateKind
from services.billing.errors import card_refused, rerating_id_reused, rerating_not_past
from services.billing.store import accounts, corrections, reratings
from services.kit.database import Connection, Database

# So many are read, priced and written at once.
_PAGE: Final = 5000


async def propose_rerating(database: Database, proposal: Proposal, text: str) -> Rerating:
    """The proposal with its sums: made now, or before under the same id.

    Refuses with RERATING_ID_REUSED, RERATING_NOT_PAST, and for the card as ImportRateCard does.
    """
    card = _card(text, proposal)

    async def propose(connection: Connection) -> Rerating:
        await reratings.hold_rerating(connection, proposal.rerating_id)
        earlier = await reratings.find_rerating(connection, proposal.rerating_id)
        if earlier is not None:
            if earlier.proposal != proposal:
                raise rerating_id_reused(proposal.rerating_id)
            return earlier
        now = database.clock.now()
        if not proposal.from_time < proposal.to_time <= now:
            raise rerating_not_past()
        await reratings.insert_rerating(connection, proposal, now)
        place = 0
        for business_id in await reratings.businesses_in(connection, proposal.currency_code):
            place = await _propose_for(connection, business_id, proposal, card, place)
        made = await reratings.find_rerating(connection, proposal.rerating_id)
        assert made is not None  # it was just written
        return made

    return await database.run("propose_rerating", propose)


def _card(text: str, proposal: Proposal) -> RateCard:
    read = read_card(text, proposal.currency_code, proposal.from_time)
    # It begins in the past on purpose, and stands beside no other.
    long_ago = datetime.min.replace(tzinfo=proposal.from_time.tzinfo)
    if faults := find_card_faults(read, {}, (), long_ago):
        raise card_refused(faults)
    # What was used in the month before the period is counted by the prices that begin with it.
    first: dict[RateKind, datetime] = {}
    for rate in read.rates:
        first[rate.kind] = min(rate.valid_from_time, first.get(rate.kind, rate.valid_from_time))
    card = RateCard()
    for number, rate in enumerate(read.rates, start=1):
        counts_before = rate.valid_from_time == first[rate.kind] <= proposal.from_time
        begins = long_ago if counts_before else rate.valid_from_time
        card.add([replace(rate, rate_id=number, valid_from_time=begins)])
    return card


async def _propose_for(
    connection: Connection, business_id: UUID, proposal: Proposal, card: RateCard, place: int
) -> int:
    """Add what differs of one business, from beyond `place` on; tell the last place."""
    account = await accounts.get_account(connection, business_id)
    assert account is not None  # it was listed
    payer = payer_of(account)
    month = proposal.from_time.astimezone(payer.zone).replace(
        day=1, hour=0, minute=0, second=0, microsecond=0
    )
    items: list[ReratingItem] = []
    steps = [step async for step in _steps(connection, business_id, month, proposal.to_time)]
    for charge, micros in rerate(steps, payer, card, proposal.from_time):
        place += 1
        items.append(
            ReratingItem(
                place,
                business_id,
                charge.message_id,
                charge.entry_id,
                charge.charged.amount_micros,
                micros,
            )
        )
    for start in range(0, len(items), _PAGE):
        await reratings.insert_items(connection, proposal.rerating_id, items[start : start + _PAGE])
    return place


async def _steps(
    connection: Connection, business_id: UUID, since: datetime, until: datetime
) -> AsyncIterator[Step]:
    """What counted towards a business's volume, in its order."""
    after = None
    while True:
        page = await corrections.read_steps(connection, business_id, since, until, after, _PAGE)
        for _, step in page:
            yield step
        if len(page) < _PAGE:
            return
        after = page[-1][0]
