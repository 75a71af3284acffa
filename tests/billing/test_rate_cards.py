"""CheckRateCard, ImportRateCard, ExportRateCard: a card's rows begin together or not at all."""

import asyncio
from typing import Any

import pytest

from hudhud.billing.v1 import account_pb2
from hudhud.billing.v1 import billing_service_pb2 as pb
from services.kit.errors import Refusal
from tests.billing.house import House
from tests.billing.parties import AUTHENTICATION, SERVICE, UTILITY, new_currency, open_business

HEAD = "item,channel,market,category,currency,tier_from,tier_to,value,valid_from,valid_to\n"
GOOD = """
rate,app,SY,utility,CUR,1,2,0.005,,
rate,app,SY,utility,CUR,3,,0.0045,,
rate,app,middle_east,utility,CUR,,,0.006,,
rate,sms,ZZ,authentication,CUR,,,0.03,,
rate,app,ZZ,authentication_international,CUR,,,0.09,2990-01-01,2990-06-01T12:00:00+02:00
free_reply,app,,,CUR,,,off,,
free_allowance,app,,,CUR,,,1000,,
free_entry_point,app,,,CUR,,,72,,
""".strip()

# Each bad file, the reasons by line. Lines count from 1, the head being the first.
FAULTS = {
    "rate,app,SY,utility,CUR,,,-0.01,,": [(2, "AMOUNT_INVALID")],
    "rate,app,SY,utility,CUR,,,0.0000001,,": [(2, "AMOUNT_INVALID")],
    "rate,app,SY,utility,CUR,,,1e3,,": [(2, "AMOUNT_INVALID")],
    "rate,app,SY,utility,CUR,,,1000000001,,": [(2, "AMOUNT_INVALID")],
    "rate,app,QQ,utility,CUR,,,1,,": [(2, "MARKET_UNKNOWN")],
    "rate,app,atlantis,utility,CUR,,,1,,": [(2, "MARKET_UNKNOWN")],
    "rate,app,,utility,CUR,,,1,,": [(2, "MARKET_UNKNOWN")],
    "rate,app,SY,utility,XXX,,,1,,": [(2, "CURRENCY_WRONG")],
    "rate,app,SY,utility,CUR,,,1,2020-01-01,": [(2, "RATE_IN_THE_PAST")],
    "rate,pigeon,SY,utility,CUR,,,1,,": [(2, "INVALID_FIELD")],
    "rate,app,SY,gossip,CUR,,,1,,": [(2, "INVALID_FIELD")],
    "rate,app,SY,utility,CUR,0,,1,,": [(2, "INVALID_FIELD")],
    "rate,app,SY,utility,CUR,,,1,yesterday,": [(2, "INVALID_FIELD")],
    "rate,app,SY,utility,CUR,,,1,2990-01-01T00:00:00,": [(2, "INVALID_FIELD")],
    "rate,app,SY,utility,CUR,,,1,2990-02-01,2990-01-01": [(2, "INVALID_FIELD")],
    "rate,app,SY,utility,CUR": [(2, "INVALID_FIELD")],
    "gift,app,SY,utility,CUR,,,1,,": [(2, "INVALID_FIELD")],
    'rate,app,"SY': [(2, "INVALID_FIELD")],
    "": [(1, "INVALID_FIELD")],
    # Tiers.
    "rate,app,SY,utility,CUR,1,10,1,,\nrate,app,SY,utility,CUR,10,,1,,": [(3, "RATE_OVERLAPS")],
    "rate,app,SY,utility,CUR,,,1,,\nrate,app,SY,utility,CUR,,,2,,": [(3, "RATE_OVERLAPS")],
    "rate,app,SY,utility,CUR,1,10,1,,\nrate,app,SY,utility,CUR,12,,1,,": [(3, "RATE_GAP")],
    "rate,app,SY,utility,CUR,2,,1,,": [(2, "RATE_GAP")],
    "rate,app,SY,utility,CUR,1,10,1,,": [(2, "RATE_GAP")],
    "rate,app,SY,utility,CUR,3,2,1,,": [(2, "INVALID_FIELD"), (2, "RATE_GAP"), (2, "RATE_GAP")],
    # Times.
    "rate,app,SY,utility,CUR,,,1,2990-01-01,2990-03-01\nrate,app,SY,utility,CUR,,,1,2990-02-01,": [
        (3, "RATE_OVERLAPS")
    ],
    "rate,app,SY,utility,CUR,,,1,2990-01-01,2990-02-01\nrate,app,SY,utility,CUR,,,1,2990-03-01,": [
        (3, "RATE_GAP")
    ],
    # Rules.
    "free_reply,app,,,CUR,,,24,,": [(2, "INVALID_FIELD")],
    "free_allowance,app,,,CUR,,,on,,": [(2, "INVALID_FIELD")],
    "free_allowance,app,SY,,CUR,,,9,,": [(2, "INVALID_FIELD")],
    "free_reply,app,,,CUR,,,on,,\nfree_reply,app,,,CUR,,,off,,": [(3, "RATE_OVERLAPS")],
    "free_reply,app,,,CUR,,,on,2020-01-01,": [(2, "RATE_IN_THE_PAST")],
    # Every fault is named, in the order of the lines.
    "rate,fax,SY,gossip,CUR,,,-,,\nrate,app,QQ,utility,CUR,,,1,,\n"
    "rate,app,SY,utility,CUR,,,-1,2020-01-01,": [
        (2, "INVALID_FIELD"),
        (2, "INVALID_FIELD"),
        (2, "AMOUNT_INVALID"),
        (3, "MARKET_UNKNOWN"),
        (4, "AMOUNT_INVALID"),
        (4, "RATE_IN_THE_PAST"),
    ],
}


def card(rows: str, currency: str) -> str:
    return HEAD + rows.replace("CUR", currency)


async def check(house: House, rows: str, currency: str) -> list[tuple[int, str]]:
    request = pb.CheckRateCardRequest(currency_code=currency, csv=card(rows, currency))
    response = await (await house.operator()).CheckRateCard(request)
    return [(fault.line, fault.reason) for fault in response.faults]


async def load(house: House, name: str, rows: str, currency: str) -> Any:
    return await (await house.operator()).ImportRateCard(
        pb.ImportRateCardRequest(name=name, currency_code=currency, csv=card(rows, currency))
    )


async def export(house: House, currency: str) -> str:
    request = pb.ExportRateCardRequest(currency_code=currency)
    text: str = (await (await house.anyone()).ExportRateCard(request)).csv
    return text


@pytest.mark.parametrize("rows", FAULTS)
async def test_each_fault_has_its_line_and_reason_and_nothing_is_imported(
    house: House, rows: str
) -> None:
    currency = new_currency()
    assert await check(house, rows, currency) == FAULTS[rows]
    with pytest.raises(Refusal) as caught:
        await load(house, f"bad {currency}", rows, currency)
    line, reason = FAULTS[rows][0]
    assert caught.value.reason.name == reason
    assert caught.value.message.startswith(f"line {line}: ")
    assert caught.value.violations[0].field == f"line {line}"
    assert await export(house, currency) == HEAD


async def test_a_file_without_its_head_is_none(house: House) -> None:
    request = pb.CheckRateCardRequest(currency_code="USD", csv="rate,app,SY,utility,USD,,,1,,\n")
    [fault] = (await (await house.operator()).CheckRateCard(request)).faults
    assert (fault.line, fault.reason) == (1, "INVALID_FIELD")
    assert "item,channel,market" in fault.description


async def test_a_card_is_imported_once_and_exported_again(house: House) -> None:
    currency = new_currency()
    assert await check(house, GOOD, currency) == []
    imported = await load(house, f"card {currency}", GOOD, currency)
    assert (imported.rate_count, imported.rule_count) == (5, 3)
    assert await load(house, f"card {currency}", GOOD, currency) == imported
    with pytest.raises(Refusal, match="CARD_NAME_REUSED"):
        await load(house, f"card {currency}", GOOD + "\n", currency)
    day = house.clock.now()
    begun = await export(house, currency)
    lines = begun.splitlines()
    # What begins in 2990 is not in force.
    assert len(lines) == 8
    assert lines[1].startswith(f"rate,app,SY,utility,{currency},1,2,0.005,{day:%Y-%m-%d}")
    assert lines[-1].startswith(f"free_allowance,app,,,{currency},,,1000,")
    # It reads its own writing.
    again = new_currency()
    undated = "\n".join(",".join([*line.split(",")[:8], "", ""]) for line in lines[1:])
    assert await check(house, undated.replace(currency, again), again) == []


async def test_a_new_card_takes_the_place_of_the_old_and_changes_no_past_price(
    house: House,
) -> None:
    business = await open_business(house, currency=new_currency())
    currency = business.currency
    await load(house, f"one {currency}", "rate,app,ZZ,utility,CUR,,,0.01,,", currency)
    early = business.item()
    assert await business.reserve(early) == [10_000]
    house.clock.advance(1)
    # A second card at the same time overlaps; a later one follows.
    rows = "rate,app,ZZ,utility,CUR,,,0.02,,"
    assert await check(house, rows, currency) == []
    await load(house, f"two {currency}", rows, currency)
    assert await check(house, rows, currency) == [(2, "RATE_OVERLAPS")]
    assert await business.reserve(early, business.item()) == [10_000, 20_000]
    await business.receipt("delivered", early.message_id)
    assert await business.entries(early.message_id) == [
        ("RESERVATION", 10_000),
        ("CAPTURE", 10_000),
    ]


async def test_of_two_who_import_at_once_one_does(house: House) -> None:
    currency = new_currency()
    outcomes = await asyncio.gather(
        *(load(house, f"{number} {currency}", GOOD, currency) for number in range(6)),
        return_exceptions=True,
    )
    refusals = [outcome for outcome in outcomes if isinstance(outcome, Refusal)]
    assert {refusal.reason.name for refusal in refusals} == {"RATE_OVERLAPS"}
    assert len(refusals) == 5


async def test_only_an_operator_imports(house: House) -> None:
    business = await open_business(house)
    own = await house.business(business.business_id)
    for call in (
        own.CheckRateCard(pb.CheckRateCardRequest(currency_code="USD", csv=HEAD)),
        own.ImportRateCard(pb.ImportRateCardRequest(name="x", currency_code="USD", csv=HEAD)),
    ):
        with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
            await call


async def test_the_categories_and_markets_of_a_card_price_messages(house: House) -> None:
    business = await open_business(house, currency=new_currency())
    await load(
        house,
        f"card {business.currency}",
        """
rate,app,SY,utility,CUR,,,1,,
rate,app,middle_east,utility,CUR,,,2,,
rate,app,ZZ,utility,CUR,,,3,,
rate,rcs,ZZ,utility,CUR,,,0.5,,
rate,app,ZZ,authentication,CUR,,,0.25,,
rate,app,ZZ,service,CUR,,,0.125,,
free_reply,app,,,CUR,,,off,,
""".strip(),
        business.currency,
    )
    items = [business.item(category=UTILITY, country=country) for country in ("SY", "JO", "FR")]
    rcs = business.item(country="SY")
    rcs.channel = account_pb2.CHANNEL_RCS
    assert await business.reserve(*items, rcs) == [1_000_000, 2_000_000, 3_000_000, 500_000]
    assert await business.reserve(
        business.item(category=AUTHENTICATION),
        business.item(category=SERVICE, window_open=True),
    ) == [250_000, 125_000]
