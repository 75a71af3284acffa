"""What a finance department types to put right what was booked, and to prepare invoices."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from services.kit.clock import new_id
from services.local.parties import MICROS, Business
from tests.journeys.parties import (
    Parties,
    Person,
    is_received,
    receipt,
    spent_micros,
    wait_for_event,
)
from tests.journeys.test_billing_commands import MAIN
from tests.journeys.test_commands import run_python

HEAD = "item,channel,market,category,currency,tier_from,tier_to,value,valid_from,valid_to\n"
# A currency of this journey's own, so that re-rating it is nobody else's business.
CARD = HEAD + "rate,app,ZZ,utility,XTS,,,0.02,,\nfree_entry_point,app,,,XTS,,,72,,\n"
CORRECTED = HEAD + "rate,app,ZZ,utility,XTS,,,0.015,,\n"


class Desk:
    """Where the commands are typed."""

    def __init__(self, parties: Parties) -> None:
        self._state = parties.doors.state

    async def types(self, *words: str) -> tuple[int, str]:
        """The exit code of `hudhud billing` with these words, and what it printed."""
        return await run_python("-c", MAIN, "billing", *words, state=self._state)

    async def refuses(self, said: str, *words: str) -> None:
        """It fails, and says this."""
        code, printed = await self.types(*words)
        assert (code != 0, said in printed) == (True, True), printed


async def price_of_a_receipt(shop: Business, person: Person) -> int:
    """What one more receipt costs, in micros; it arrives."""
    message = receipt(person.phone_number)
    outcome = await shop.send(message)
    assert (await person.next_message()).message_id == message.message_id
    return int(outcome.accepted.price.amount_micros)


async def test_a_wrong_price_is_put_right_and_who_comes_by_a_link_costs_nothing(
    parties: Parties, tmp_path: Path
) -> None:
    desk = Desk(parties)
    card, corrected = tmp_path / "journey.csv", tmp_path / "corrected.csv"
    card.write_text(CARD)
    corrected.write_text(CORRECTED)
    code, printed = await desk.types("card", "import", str(card), "--currency", "XTS")
    assert code == 0, printed
    begins = datetime.now(UTC).isoformat()
    shop = await parties.business(currency_code="XTS")
    person = await parties.person()
    assert await price_of_a_receipt(shop, person) == 20_000
    message_id = await person.device.reply(shop.business_id, "I saw your sign", came_by_link=True)
    await wait_for_event(shop, is_received(message_id))
    assert await price_of_a_receipt(shop, person) == 0
    assert await spent_micros(shop) == 20_000

    ends = datetime.now(UTC).isoformat()
    rerating_id = str(new_id())
    period = ("--from", begins, "--to", ends, "--currency", "XTS", "--reason", "wrong card")
    words = ("rerating", "propose", str(corrected), *period, "--id", rerating_id)
    found = f"{rerating_id}: proposed, 1 messages, charged 0.02, corrected 0.015 XTS"
    code, printed = await desk.types(*words)
    assert (code, found in printed) == (0, True), printed
    again, listed, shown = await asyncio.gather(
        desk.types(*words),
        desk.types("rerating", "items", rerating_id),
        desk.types("rerating", "show", rerating_id),
    )
    assert again == shown == (0, printed)
    assert listed[0] == 0, listed
    assert listed[1].splitlines()[1].startswith(f"{shop.business_id},")
    assert listed[1].splitlines()[1].endswith(",0.02,0.015")
    entry_id = listed[1].splitlines()[1].split(",")[2]
    code, printed = await desk.types("rerating", "apply", rerating_id)
    assert (code, ": applied," in printed) == (0, True), printed
    code, printed = await desk.types(
        "credit", shop.business_id, entry_id, "0.005", "--reason", "sorry"
    )
    assert (code, "Available: 99.99," in printed) == (0, True), printed
    assert (await shop.account()).available.amount_micros == 100 * MICROS - 10_000
    await asyncio.gather(
        desk.refuses("RERATING_CLOSED", "rerating", "reject", rerating_id),
        desk.refuses("RERATING_NOT_FOUND", "rerating", "show", str(new_id())),
        desk.refuses("INVALID_FIELD", "rerating", "items", "nobody"),
        desk.refuses(
            "CREDIT_EXCEEDS_CHARGE", "credit", shop.business_id, entry_id, "9", "--reason", "x"
        ),
    )
    faults = (await parties.operator.check_ledger()).faults
    assert not [fault for fault in faults if shop.business_id in fault]


async def test_who_issues_invoices_to_whom_with_which_taxes(parties: Parties) -> None:
    desk = Desk(parties)
    shop = await parties.business(with_receipt=False)
    party = ("--name", "شركة هدهد", "--address", "شارع بغداد 12", "--country", "SY")
    code, printed = await desk.types("issuer", "JOURNEY", *party, "--time-zone", "Asia/Damascus")
    assert code == 0, printed
    taxes = ("taxes", "JOURNEY", "SY", "2026-01-01")
    outcomes = await asyncio.gather(
        desk.types(*taxes, "--tax", "VAT=7.7777", "--tax", "Levy=1", "--note", "Law 4"),
        desk.types("profile", shop.business_id, *party, "--tax-id", "T2"),
    )
    assert [code for code, _ in outcomes] == [0, 0], outcomes
    await asyncio.gather(
        desk.refuses("INVALID_FIELD", "issuer", "journey", *party),
        desk.refuses("ACCOUNT_NOT_FOUND", "profile", str(new_id()), *party),
        desk.refuses("TAXES_DIFFER", *taxes, "--tax", "VAT=8"),
    )
