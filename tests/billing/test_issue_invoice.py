"""IssueInvoice: a month is closed once, under a number without a gap, and equals the ledger."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from hudhud.billing.v1 import account_pb2
from hudhud.billing.v1 import statement_service_pb2 as pb
from services.kit.clock import new_id
from tests.billing.house import House
from tests.billing.invoicing import (
    BUYER,
    SELLER,
    ZONE,
    give_back,
    go_into_next_month,
    go_past,
    issue,
    new_issuer_code,
    open_buyer,
)
from tests.billing.parties import MARKETING, UNIT, Business, check_ledger
from tests.billing.periods import deliver, go_to, open_business_in, refusal_of
from tests.billing.test_get_statement import statement_of


async def test_an_invoice_says_what_for_how_much_and_between_whom(house: House) -> None:
    business = await open_buyer(house, 100 * UNIT)
    month = go_into_next_month(house)
    await deliver(business, 3, category=MARKETING)
    await deliver(business, 2, country="QA")
    await business.reserve(business.item())  # on the road at the end of the month
    go_past(house, month)

    invoice = await issue(business, month)

    assert invoice.kind == invoice.KIND_INVOICE
    assert invoice.number == f"{new_issuer_code(business)}-{invoice.issue_day[:4]}-000001"
    assert (invoice.month, invoice.time_zone) == (f"{month:%Y-%m}", ZONE)
    assert (invoice.seller, invoice.buyer, invoice.tax_note) == (SELLER, BUYER, "Law 4")
    assert [
        (
            line.key.market,
            line.unit_price.amount_micros,
            line.message_count,
            line.units,
            line.amount.amount_micros,
        )
        for line in invoice.lines
    ] == [("ZZ", 4 * UNIT, 3, 3, 12 * UNIT), ("QA", 3 * UNIT, 2, 2, 6 * UNIT)]
    assert invoice.net == business.money(18 * UNIT)
    assert [(each.tax.name, each.amount) for each in invoice.taxes] == [
        ("VAT", business.money(3_240_000))
    ]
    assert invoice.total == business.money(21_240_000)
    assert invoice.owed == business.money(0)


async def test_the_totals_equal_the_ledger(house: House) -> None:
    business = await open_buyer(house, 19 * UNIT, rate_ppm=77_777)
    month = go_into_next_month(house)
    await deliver(business, 4, category=MARKETING)
    await deliver(business, 1, country="QA")
    go_past(house, month)
    statement = await statement_of(business, month, f"{month:%Y-%m}-28")
    invoice = await issue(business, month)
    captured = [
        -each.change.amount_micros
        for each in statement.movements
        if each.key.type == account_pb2.Entry.TYPE_CAPTURE
    ]
    assert invoice.net.amount_micros == sum(captured) == 19 * UNIT
    ledger = await business.ledger()
    assert ledger["revenue"] == 19 * UNIT
    # Nothing was left to pay the tax from: it is owed. 19 * 0.077777 is 1.477763.
    assert ledger["tax"] == invoice.taxes[0].amount.amount_micros == 1_477_763
    assert ledger["receivable"] == -invoice.owed.amount_micros == -1_477_763
    assert not await check_ledger(house)


async def test_the_same_month_again_is_the_same_invoice(house: House) -> None:
    business = await open_buyer(house, 100 * UNIT)
    month = go_into_next_month(house)
    await deliver(business)
    go_past(house, month)
    first, *others = await asyncio.gather(*(issue(business, month) for _ in range(4)))
    assert all(other == first for other in others)
    await deliver(business)
    assert await issue(business, month) == first
    assert (await business.ledger())["tax"] == first.taxes[0].amount.amount_micros


async def test_numbers_have_no_gap_whatever_fails(house: House) -> None:
    """Of several businesses at once, some of which are refused at the last moment."""
    issuer = await open_buyer(house, UNIT)
    code = new_issuer_code(issuer)
    businesses = [await open_buyer(house, 100 * UNIT) for _ in range(6)]
    month = go_into_next_month(house)
    for business in businesses:
        await deliver(business)
    go_past(house, month)
    guest = await house.guest()
    for business in businesses[::2]:
        # A transaction that was given a number and then fails.
        transaction = guest.transaction()
        await transaction.start()
        await issue_by_hand(guest, business, code)
        await transaction.rollback()
    invoices = await asyncio.gather(
        *(issue(business, month, issuer_code=code) for business in businesses)
    )
    numbers = sorted(int(invoice.number.rpartition("-")[2]) for invoice in invoices)
    assert numbers == [1, 2, 3, 4, 5, 6]


async def issue_by_hand(guest: asyncpg.Connection, business: Business, code: str) -> None:
    await guest.execute(
        """
        INSERT INTO invoices
            (invoice_id, business_id, kind, issuer_code, year, number, issue_time, issue_day, month,
             time_zone, start_time, end_time, currency_code, net_micros, tax_names, tax_rates_ppm,
             tax_amounts_micros, tax_note, owed_micros, seller_legal_name, seller_address_lines,
             seller_country_code, seller_tax_id, buyer_legal_name, buyer_address_lines,
             buyer_country_code, buyer_tax_id)
        VALUES (gen_random_uuid(), $1, 'invoice', $2, $3, 77, now(), '2026-01-01', '1999-01-01',
            'UTC', '1999-01-01', '1999-02-01', 'AAA', 0, '{}', '{}', '{}', '', 0, 's', '{}', 'SY',
            '', 'b', '{}', 'SY', '')
        """,
        business.business_id,
        code,
        house_year(business),
    )


def house_year(business: Business) -> int:
    year: int = business.house.clock.now().year
    return year


async def test_a_closed_month_takes_no_more_entries(house: House) -> None:
    business = await open_buyer(house, 100 * UNIT)
    month = go_into_next_month(house)
    await deliver(business)
    go_past(house, month)
    await issue(business, month)
    guest = await house.guest()
    with pytest.raises(asyncpg.CheckViolationError, match="closed"):
        await guest.execute(
            """
            INSERT INTO entries
                (business_id, type, from_account, to_account, amount_micros, currency_code,
                 reference_id, create_time)
            VALUES ($1, 'top_up', 'funding', 'available', 1, $2, gen_random_uuid(), $3)
            """,
            business.business_id,
            business.currency,
            datetime(month.year, month.month, 15, tzinfo=UTC),
        )


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE invoices SET net_micros = 0",
        "DELETE FROM invoices",
        "UPDATE invoice_lines SET amount_micros = 0",
        "DELETE FROM invoice_lines",
        "UPDATE invoice_numbers SET last_number = 0",
        "INSERT INTO invoice_numbers VALUES ('XX', 2026, 'invoice', 5)",
        "UPDATE taxes SET rates_ppm = '{0}'",
        "DELETE FROM issuers",
        "UPDATE billing_profiles SET tax_id = ''",
        "DELETE FROM invoiced_corrections",
    ],
)
async def test_nothing_of_an_invoice_changes_afterwards(house: House, statement: str) -> None:
    business = await open_buyer(house, 100 * UNIT)
    month = go_into_next_month(house)
    await deliver(business)
    go_past(house, month)
    await issue(business, month)
    owner = await house.owner()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await owner.execute(statement)


async def test_lines_come_with_their_invoice_and_make_its_net(house: House) -> None:
    business = await open_buyer(house, 100 * UNIT)
    month = go_into_next_month(house)
    await deliver(business)
    go_past(house, month)
    invoice = await issue(business, month)
    owner = await house.owner()
    late = """
        INSERT INTO invoice_lines
            (invoice_id, position, type, message_count, units, list_micros, amount_micros)
        VALUES ($1, 99, 'capture', 1, 1, 5, 5)
    """
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="no more lines"):
        await owner.execute(late, invoice.invoice_id)
    transaction = owner.transaction()
    await transaction.start()
    await issue_by_hand(owner, business, "HANDMADE")
    added = "SELECT invoice_id FROM invoices WHERE issuer_code = 'HANDMADE'"
    await owner.execute(late, await owner.fetchval(added))
    with pytest.raises(asyncpg.CheckViolationError, match="do not make its net"):
        await transaction.commit()


async def test_what_is_given_back_in_the_month_stands_on_its_invoice(house: House) -> None:
    business = await open_buyer(house, 100 * UNIT)
    month = go_into_next_month(house)
    [message_id, _] = await deliver(business, 2, category=MARKETING)
    await give_back(business, message_id, UNIT)
    go_past(house, month)
    invoice = await issue(business, month)
    assert [line.amount.amount_micros for line in invoice.lines] == [8 * UNIT, -UNIT]
    assert invoice.net == business.money(7 * UNIT)


async def test_months_are_closed_in_their_order_and_when_they_are_over(house: House) -> None:
    business = await open_buyer(house, 100 * UNIT)
    first = go_into_next_month(house)
    await deliver(business)
    second = go_into_next_month(house)
    await deliver(business)
    assert (await refusal_of(issue(business, second))).reason.name == "MONTH_NOT_OVER"
    go_past(house, second)
    assert (await refusal_of(issue(business, second))).reason.name == "EARLIER_MONTH_OPEN"
    await issue(business, first)
    await issue(business, second)
    other = await open_buyer(house, UNIT)
    refusal = await refusal_of(issue(business, second, issuer_code=new_issuer_code(other)))
    assert refusal.reason.name == "MONTH_CLOSED"


async def test_an_hour_after_the_month_it_can_be_closed(house: House) -> None:
    business = await open_buyer(house, 100 * UNIT)
    month = go_into_next_month(house)
    await deliver(business)
    after = month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
    go_to(house, after, 0, ZONE, 59)
    assert (await refusal_of(issue(business, month))).reason.name == "MONTH_NOT_OVER"
    go_to(house, after, 1, ZONE)
    await issue(business, month)


async def test_what_lacks_is_named(house: House) -> None:
    business = await open_buyer(house, 100 * UNIT)
    month = go_into_next_month(house)
    await deliver(business)
    go_past(house, month)
    stranger = await open_business_in(house, ZONE, UNIT)
    code = new_issuer_code(business)

    async def reason(of: Business, **change: Any) -> str:
        return (await refusal_of(issue(of, month, **change))).reason.name

    assert await reason(business, issuer_code="NOBODY") == "ISSUER_NOT_FOUND"
    assert await reason(stranger, issuer_code=code) == "BILLING_PROFILE_MISSING"
    assert await reason(business, business_id=str(new_id())) == "ACCOUNT_NOT_FOUND"
    assert await reason(business, month="2026-13") == "PERIOD_INVALID"
    assert await reason(business, month="9999-12") == "PERIOD_INVALID"
    assert await reason(business, month="0000-12") == "PERIOD_INVALID"
    assert await reason(business, month="October") == "INVALID_FIELD"
    assert await reason(business, month="2001-01") == "NOTHING_TO_INVOICE"
    assert await reason(business, issuer_code="h d") == "INVALID_FIELD"
    # A new issuer that nobody has said taxes of.
    issuer = {"issuer_code": "UNTAXED", "party": SELLER}
    await business.operator.SetIssuer(pb.SetIssuerRequest(issuer=issuer))
    assert await reason(business, issuer_code="UNTAXED") == "TAXES_MISSING"
    # Nothing was half done.
    assert (await issue(business, month)).number.endswith("-000001")


async def test_taxes_hold_from_their_day_on_and_by_country(house: House) -> None:
    business = await open_buyer(house, 100 * UNIT)
    month = go_into_next_month(house)
    await deliver(business)
    later = go_into_next_month(house)
    await deliver(business)
    go_past(house, later)
    change: dict[str, Any] = {"issuer_code": new_issuer_code(business), "first_day": str(later)}
    taxes = [{"name": "VAT", "rate_ppm": 200_000}, {"name": "City", "rate_ppm": 15_000}]
    await business.operator.SetTaxes(
        pb.SetTaxesRequest(**change, country_code="TR", taxes=taxes, note="New law")
    )
    await business.operator.SetTaxes(pb.SetTaxesRequest(**change, country_code="DE"))
    before = await issue(business, month)
    after = await issue(business, later)
    assert [each.amount.amount_micros for each in before.taxes] == [180_000]
    assert [each.amount.amount_micros for each in after.taxes] == [200_000, 15_000]
    assert after.tax_note == "New law"
    refusal = await refusal_of(
        business.operator.SetTaxes(pb.SetTaxesRequest(**change, country_code="TR"))
    )
    assert refusal.reason.name == "TAXES_DIFFER"


async def test_who_may_call(house: House) -> None:
    business = await open_buyer(house, UNIT)
    own = await house.business(business.business_id)
    other = await house.business(new_id())
    whose: dict[str, Any] = {"business_id": business.business_id}
    month = {"month": "2026-01", "issuer_code": "HUDHUD"}
    for call in (
        own.IssueInvoice(pb.IssueInvoiceRequest(**whose, **month)),
        own.CorrectInvoice(
            pb.CorrectInvoiceRequest(**whose, credit_note_id=str(new_id()), number="X")
        ),
        own.SetTaxes(
            pb.SetTaxesRequest(issuer_code="XX", country_code="SY", first_day="2026-01-01")
        ),
        own.SetIssuer(pb.SetIssuerRequest(issuer={"issuer_code": "XX", "party": SELLER})),
        other.SetBillingProfile(pb.SetBillingProfileRequest(**whose, party=BUYER)),
        other.GetBillingProfile(pb.GetBillingProfileRequest(**whose)),
        other.GetInvoice(pb.GetInvoiceRequest(**whose, number="X")),
        other.ListInvoices(pb.ListInvoicesRequest(**whose)),
        other.RenderInvoice(pb.RenderInvoiceRequest(**whose, number="X")),
    ):
        assert (await refusal_of(call)).reason.name == "CALLER_NOT_ALLOWED"
    profile = await own.GetBillingProfile(pb.GetBillingProfileRequest(**whose))
    assert profile.party == BUYER
