"""Credit notes and re-ratings: what was booked stays; new entries point at what they correct."""

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from hudhud.billing.v1 import account_pb2, rerating_pb2
from hudhud.billing.v1 import billing_service_pb2 as billing_pb
from hudhud.billing.v1 import correction_service_pb2 as pb
from services.billing.settlement import expire_reservations
from services.billing.store import corrections
from services.kit.clock import new_id
from services.kit.errors import Refusal
from tests.billing.house import House
from tests.billing.parties import (
    MARKETING,
    SERVICE,
    UNIT,
    UTILITY,
    Business,
    check_ledger,
    new_currency,
    open_business,
    set_terms,
)
from tests.billing.test_rate_cards import card, load


async def charge_of(business: Business, message_id: str) -> int:
    request = billing_pb.ListEntriesRequest(
        business_id=business.business_id, reference_id=message_id
    )
    entries = (await business.operator.ListEntries(request)).entries
    captures = (account_pb2.Entry.TYPE_CAPTURE, account_pb2.Entry.TYPE_LATE_CAPTURE)
    [entry_id] = [int(entry.entry_id) for entry in entries if entry.type in captures]
    return entry_id


async def delivered(business: Business, category: Any = MARKETING, **item: Any) -> str:
    made = business.item(category=category, **item)
    await business.reserve(made)
    await business.receipt("delivered", made.message_id)
    return made.message_id


def credit(business: Business, entry_id: int, micros: int, note_id: str = "") -> Any:
    return pb.CreateCreditNoteRequest(
        credit_note_id=note_id or str(new_id()),
        business_id=business.business_id,
        entry_id=entry_id,
        amount=business.money(micros),
        reason="It said the wrong thing.",
    )


async def test_a_credit_note_gives_back_part_of_a_charge_once(business: Business) -> None:
    entry_id = await charge_of(business, await delivered(business))
    request = credit(business, entry_id, 3 * UNIT)
    account = (await business.operator.CreateCreditNote(request)).account
    assert account.available == business.money(9 * UNIT)
    assert (await business.operator.CreateCreditNote(request)).account == account
    listed = billing_pb.ListEntriesRequest(
        business_id=business.business_id, reference_id=request.credit_note_id
    )
    [entry] = (await business.operator.ListEntries(listed)).entries
    assert (entry.type, entry.corrects_entry_id, entry.category) == (
        account_pb2.Entry.TYPE_CREDIT_NOTE,
        entry_id,
        MARKETING,
    )
    assert (await business.ledger())["adjustments"] == -3 * UNIT
    assert await check_ledger(business.house) == []


async def test_a_credit_note_reduces_what_is_owed_first(house: House) -> None:
    business = await open_business(house, 0)
    await set_terms(business, credit_limit=10 * UNIT)
    entry_id = await charge_of(business, await delivered(business))
    account = (await business.operator.CreateCreditNote(credit(business, entry_id, UNIT))).account
    assert (account.owed, account.available) == (business.money(3 * UNIT), business.money(0))


async def test_no_credit_note_gives_back_more_than_was_charged(business: Business) -> None:
    paid, open_item = await delivered(business), business.item()
    await business.reserve(open_item)
    entry_id = await charge_of(business, paid)
    other = await open_business(business.house)
    await business.operator.CreateCreditNote(credit(business, entry_id, 3 * UNIT, str(new_id())))
    used = credit(business, entry_id, UNIT // 2)
    await business.operator.CreateCreditNote(used)
    before = await business.ledger()
    wrong_currency = credit(business, entry_id, 1)
    wrong_currency.amount.currency_code = other.currency
    bad = {
        "CREDIT_EXCEEDS_CHARGE": credit(business, entry_id, UNIT // 2 + 1),
        "CREDIT_NOTE_ID_REUSED": credit(business, entry_id, 1, used.credit_note_id),
        "ENTRY_NOT_CHARGED": credit(business, entry_id - 1, 1),
        "ACCOUNT_CURRENCY_DIFFERS": wrong_currency,
        "AMOUNT_INVALID": credit(business, entry_id, 0),
        "ENTRY_NOT_CHARGED: ": credit(other, entry_id, 1),
    }
    for reason, request in bad.items():
        with pytest.raises(Refusal, match=reason):
            await business.operator.CreateCreditNote(request)
    stranger = credit(business, entry_id, 1)
    stranger.business_id = str(new_id())
    with pytest.raises(Refusal, match="ACCOUNT_NOT_FOUND"):
        await business.operator.CreateCreditNote(stranger)
    own = await business.house.business(business.business_id)
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await own.CreateCreditNote(credit(business, entry_id, 1))
    assert await business.ledger() == before


async def test_many_credit_notes_at_once_never_exceed_the_charge(business: Business) -> None:
    entry_id = await charge_of(business, await delivered(business))
    outcomes = await asyncio.gather(
        *(business.operator.CreateCreditNote(credit(business, entry_id, UNIT)) for _ in range(8)),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, Refusal) for outcome in outcomes) == 4
    assert await business.balances() == (10 * UNIT, 0)


@pytest.mark.parametrize(
    ("amount", "corrects"),
    [(4 * UNIT + 1, 0), (1, -1), (1, 10**6)],
    ids=["more than was charged", "of a reservation", "of nothing"],
)
async def test_sql_by_hand_cannot_give_back_what_was_not_charged(
    business: Business, amount: int, corrects: int
) -> None:
    entry_id = await charge_of(business, await delivered(business))
    guest = await business.house.guest()
    with pytest.raises(asyncpg.CheckViolationError, match="a correction is of no charge"):
        await guest.execute(
            "INSERT INTO entries (business_id, type, from_account, to_account, amount_micros,"
            " currency_code, reference_id, category, corrects_entry_id, create_time) VALUES"
            " ($1, 'credit_note', 'adjustments', 'available', $2, $3, $4, 'marketing', $5, now())",
            business.business_id,
            amount,
            business.currency,
            new_id(),
            entry_id + corrects,
        )


def proposal(business: Business, rows: str, rerating_id: str = "") -> pb.ProposeReratingRequest:
    """Over everything from yesterday until now."""
    request = pb.ProposeReratingRequest(
        rerating_id=rerating_id or str(new_id()),
        currency_code=business.currency,
        csv=card(rows, business.currency),
        reason="Marketing to Syria was twice as dear as agreed.",
    )
    now = business.house.clock.now()
    request.from_time.FromDatetime(now - timedelta(days=1))
    request.to_time.FromDatetime(now)
    return request


async def test_a_period_is_rated_again_reviewed_and_then_booked(house: House) -> None:
    one = await open_business(house)
    two = await open_business(house, 20 * UNIT, one.currency)
    dear = [await delivered(one), await delivered(two), await delivered(two)]
    cheap = await delivered(two, UTILITY)
    free = await delivered(two, SERVICE, window_open=True)
    open_item = two.item(category=MARKETING)
    await two.reserve(open_item)
    house.clock.advance(1)
    # Marketing was too dear, utility too cheap; what is free or still open is left alone.
    request = proposal(one, "rate,app,SY,marketing,CUR,,,2,,\nrate,app,ZZ,utility,CUR,,,1.5,,")
    proposed = (await one.operator.ProposeRerating(request)).rerating
    assert (proposed.state, proposed.item_count) == (rerating_pb2.Rerating.STATE_PROPOSED, 4)
    assert (proposed.charged, proposed.corrected) == (
        one.money(13 * UNIT),
        one.money(7 * UNIT + UNIT // 2),
    )
    assert (await one.operator.ProposeRerating(request)).rerating == proposed
    listed = await one.operator.ListReratingItems(
        pb.ListReratingItemsRequest(rerating_id=request.rerating_id, page_size=3)
    )
    rest = await one.operator.ListReratingItems(
        pb.ListReratingItemsRequest(
            rerating_id=request.rerating_id, page_token=listed.next_page_token
        )
    )
    items = [*listed.items, *rest.items]
    assert {item.message_id for item in items} == {*dear, cheap}
    assert free not in {item.message_id for item in items}
    # Nothing is booked before somebody decides.
    assert await one.balances() == (6 * UNIT, 0)

    applied = (
        await one.operator.ApplyRerating(pb.ApplyReratingRequest(rerating_id=request.rerating_id))
    ).rerating
    assert applied.state == rerating_pb2.Rerating.STATE_APPLIED
    assert await one.balances() == (8 * UNIT, 0)
    # 20 - 8 - 1 - 4 held, + 4 back, - 0.5 more.
    assert await two.balances() == (7 * UNIT + 4 * UNIT - UNIT // 2, 4 * UNIT)
    # Again, and from several at once, books nothing more.
    await asyncio.gather(
        *(
            one.operator.ApplyRerating(pb.ApplyReratingRequest(rerating_id=request.rerating_id))
            for _ in range(4)
        )
    )
    assert await one.balances() == (8 * UNIT, 0)
    with pytest.raises(Refusal, match="RERATING_CLOSED"):
        await one.operator.RejectRerating(pb.RejectReratingRequest(rerating_id=request.rerating_id))
    assert await check_ledger(house) == []
    # Rated again by the same card, nothing differs any more.
    again = (
        await one.operator.ProposeRerating(proposal(one, request.csv.partition("\n")[2]))
    ).rerating
    assert again.item_count == 0


async def test_an_application_that_was_cut_off_goes_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    business = await open_business(house, 40 * UNIT)
    for _ in range(5):
        await delivered(business)
    house.clock.advance(1)
    request = proposal(business, "rate,app,ZZ,marketing,CUR,,,1,,")
    await business.operator.ProposeRerating(request)
    apply = pb.ApplyReratingRequest(rerating_id=request.rerating_id)
    with monkeypatch.context() as broken:
        monkeypatch.setattr("services.billing.actions.apply_rerating._BOOKED_AT_ONCE", 2)
        insert, times = corrections.insert_corrections, iter(range(9))

        async def fail_the_second_time(*arguments: Any) -> None:
            await insert(*arguments)
            if next(times):
                raise OSError("the machine stops")

        broken.setattr(corrections, "insert_corrections", fail_the_second_time)
        with pytest.raises(Refusal, match="INTERNAL"):
            await business.operator.ApplyRerating(apply)
    assert await business.balances() == (26 * UNIT, 0)
    await business.operator.ApplyRerating(apply)
    assert await business.balances() == (35 * UNIT, 0)


async def test_what_was_corrected_meanwhile_is_left_out(business: Business) -> None:
    message_id = await delivered(business)
    business.house.clock.advance(1)
    request = proposal(business, "rate,app,ZZ,marketing,CUR,,,1,,")
    await business.operator.ProposeRerating(request)
    entry_id = await charge_of(business, message_id)
    await business.operator.CreateCreditNote(credit(business, entry_id, 4 * UNIT))
    await business.operator.ApplyRerating(pb.ApplyReratingRequest(rerating_id=request.rerating_id))
    assert await business.balances() == (10 * UNIT, 0)


async def test_the_tiers_of_a_corrected_card_count_anew(house: House) -> None:
    business = await open_business(house, 40 * UNIT)
    for _ in range(3):
        await delivered(business)
    house.clock.advance(1)
    request = proposal(
        business,
        "rate,app,ZZ,marketing,CUR,1,2,4,,\nrate,app,ZZ,marketing,CUR,3,,3,,",
    )
    proposed = (await business.operator.ProposeRerating(request)).rerating
    assert (proposed.item_count, proposed.corrected) == (1, business.money(3 * UNIT))


async def test_the_card_that_was_in_force_changes_nothing(house: House) -> None:
    """Whatever counted towards a tier when a message was accepted does so again."""
    business = await open_business(house, 100 * UNIT, new_currency())
    rows = """
rate,app,ZZ,utility,CUR,1,2,1,,
rate,app,ZZ,utility,CUR,3,,0.5,,
rate,app,ZZ,service,CUR,1,1,1,,
rate,app,ZZ,service,CUR,2,,0.5,,
""".strip()
    await load(house, f"tiers {business.currency}", rows, business.currency)
    house.clock.advance(1)
    refused, given_up, late = business.item(), business.item(seconds=60), business.item(seconds=60)
    # The third and fourth had two before them, whatever became of those.
    dear = [business.item(), business.item()]
    assert await business.reserve(refused, given_up, *dear) == [UNIT, UNIT, UNIT // 2, UNIT // 2]
    await business.receipt("refused", refused.message_id)
    assert await business.reserve(late) == [UNIT // 2]
    house.clock.advance(60)
    while await expire_reservations(house.database):
        pass
    last = business.item()
    assert await business.reserve(last) == [UNIT // 2]
    await business.receipt("delivered", late.message_id)
    free = business.item(category=SERVICE, window_open=True)
    paid = business.item(category=SERVICE)
    assert await business.reserve(free, paid) == [0, UNIT // 2]
    delivered = [*dear, last, free, paid]
    await business.receipt("delivered", *(item.message_id for item in delivered))
    house.clock.advance(1)
    proposed = (await business.operator.ProposeRerating(proposal(business, rows))).rerating
    assert proposed.item_count == 0
    # And one that differs in one tier changes that tier alone.
    cheaper = proposal(business, rows.replace("utility,CUR,3,,0.5", "utility,CUR,3,,0.25"))
    proposed = (await business.operator.ProposeRerating(cheaper)).rerating
    assert (proposed.item_count, proposed.corrected) == (4, business.money(UNIT))


async def test_a_rejected_re_rating_books_nothing_ever(business: Business) -> None:
    await delivered(business)
    business.house.clock.advance(1)
    request = proposal(business, "rate,app,ZZ,marketing,CUR,,,1,,")
    await business.operator.ProposeRerating(request)
    reject = pb.RejectReratingRequest(rerating_id=request.rerating_id)
    rejected = (await business.operator.RejectRerating(reject)).rerating
    assert rejected.state == rerating_pb2.Rerating.STATE_REJECTED
    assert (await business.operator.RejectRerating(reject)).rerating == rejected
    with pytest.raises(Refusal, match="RERATING_CLOSED"):
        await business.operator.ApplyRerating(
            pb.ApplyReratingRequest(rerating_id=request.rerating_id)
        )
    assert await business.balances() == (6 * UNIT, 0)


async def test_bad_proposals(house: House) -> None:
    business = await open_business(house, currency=new_currency())
    await load(house, business.currency, "rate,app,ZZ,utility,CUR,,,1,,", business.currency)
    good = proposal(business, "rate,app,ZZ,utility,CUR,,,2,,")
    await business.operator.ProposeRerating(good)
    reused = proposal(business, "rate,app,ZZ,utility,CUR,,,3,,", good.rerating_id)
    early = proposal(business, "rate,app,ZZ,utility,CUR,,,2,,")
    early.to_time.FromDatetime(house.clock.now() + timedelta(seconds=1))
    empty = proposal(business, "rate,app,ZZ,utility,CUR,,,2,,")
    empty.to_time.CopyFrom(empty.from_time)
    bad = {
        "RERATING_ID_REUSED": reused,
        "RERATING_NOT_PAST": early,
        "RERATING_NOT_PAST: ": empty,
        "line 2: no tier": proposal(business, "rate,app,ZZ,utility,CUR,2,,2,,"),
        "CURRENCY_WRONG": proposal(business, "rate,app,ZZ,utility,XXX,,,2,,"),
    }
    for reason, request in bad.items():
        with pytest.raises(Refusal, match=reason):
            await business.operator.ProposeRerating(request)
    unknown = str(new_id())
    for call in (
        business.operator.GetRerating(pb.GetReratingRequest(rerating_id=unknown)),
        business.operator.ApplyRerating(pb.ApplyReratingRequest(rerating_id=unknown)),
        business.operator.RejectRerating(pb.RejectReratingRequest(rerating_id=unknown)),
        business.operator.ListReratingItems(pb.ListReratingItemsRequest(rerating_id=unknown)),
    ):
        with pytest.raises(Refusal, match="RERATING_NOT_FOUND"):
            await call
    with pytest.raises(Refusal, match="page_token"):
        await business.operator.ListReratingItems(
            pb.ListReratingItemsRequest(rerating_id=good.rerating_id, page_token="?")
        )
