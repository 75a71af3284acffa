"""CorrectInvoice: an invoice is corrected by a credit note, and by nothing else."""

from datetime import date
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hudhud.billing.v1 import invoice_pb2
from hudhud.billing.v1 import statement_service_pb2 as pb
from services.billing.domain.invoices import (
    InvoiceKind,
    NumberParts,
    number_text,
    parse_number,
    tax_of,
)
from services.kit.clock import new_id
from tests.billing.house import House
from tests.billing.invoicing import (
    give_back,
    go_into_next_month,
    go_past,
    issue,
    new_issuer_code,
    open_buyer,
)
from tests.billing.parties import MARKETING, UNIT, Business, check_ledger
from tests.billing.periods import deliver, refusal_of


async def correct(business: Business, number: str, **change: Any) -> invoice_pb2.Invoice:
    request = pb.CorrectInvoiceRequest(
        **{
            "credit_note_id": str(new_id()),
            "business_id": business.business_id,
            "number": number,
            **change,
        }
    )
    credit_note: invoice_pb2.Invoice = (await business.operator.CorrectInvoice(request)).credit_note
    return credit_note


async def invoiced(
    house: House, rate_ppm: int = 180_000
) -> tuple[Business, list[str], invoice_pb2.Invoice, date]:
    """A business with five delivered marketing messages on an invoice."""
    business = await open_buyer(house, 100 * UNIT, rate_ppm=rate_ppm)
    month = go_into_next_month(house)
    message_ids = await deliver(business, 5, category=MARKETING)
    go_past(house, month)
    return business, message_ids, await issue(business, month), month


async def test_a_credit_note_has_its_own_number_and_names_its_invoice(house: House) -> None:
    business, message_ids, invoice, _ = await invoiced(house)
    await give_back(business, message_ids[0], UNIT)
    await give_back(business, message_ids[1], 4 * UNIT)
    credit_note = await correct(business, invoice.number)
    assert credit_note.kind == credit_note.KIND_CREDIT_NOTE
    assert credit_note.number == invoice.number.replace(
        new_issuer_code(business), f"{new_issuer_code(business)}-CN"
    )
    assert credit_note.corrects_number == invoice.number
    assert (credit_note.month, credit_note.buyer) == (invoice.month, invoice.buyer)
    assert [line.amount.amount_micros for line in credit_note.lines] == [-5 * UNIT]
    assert credit_note.total == business.money(-5_900_000)
    assert (await business.ledger())["tax"] == invoice.taxes[0].amount.amount_micros - 900_000
    assert not await check_ledger(house)


async def test_the_same_id_again_is_the_same_credit_note(house: House) -> None:
    business, message_ids, invoice, _ = await invoiced(house)
    await give_back(business, message_ids[0], UNIT)
    credit_note = await correct(business, invoice.number)
    again = await correct(business, invoice.number, credit_note_id=credit_note.invoice_id)
    assert again == credit_note
    # What is stated on one is on no other.
    refusal = await refusal_of(correct(business, invoice.number))
    assert refusal.reason.name == "NOTHING_TO_CREDIT"


async def test_many_credit_notes_give_back_the_whole_tax_and_no_more(house: House) -> None:
    """Each of them rounds; all of them together do not."""
    business, message_ids, invoice, _ = await invoiced(house, rate_ppm=77_777)
    given = 0
    for message_id, micros in zip(message_ids, (1, 3_999_999, 4 * UNIT, 7, 13), strict=True):
        await give_back(business, message_id, micros)
        given += micros
        await correct(business, invoice.number)
        ledger = await business.ledger()
        kept = invoice.taxes[0].amount.amount_micros - tax_of(given, 77_777)
        assert ledger["tax"] == kept
    listed = await business.operator.ListInvoices(
        pb.ListInvoicesRequest(business_id=business.business_id, page_size=4)
    )
    rest = await business.operator.ListInvoices(
        pb.ListInvoicesRequest(business_id=business.business_id, page_token=listed.next_page_token)
    )
    numbers = [each.number for each in (*listed.invoices, *rest.invoices)]
    assert len(set(numbers)) == 6
    assert sorted(int(number[-6:]) for number in numbers) == [1, 1, 2, 3, 4, 5]


async def test_the_next_invoice_leaves_out_what_a_credit_note_is_for(house: House) -> None:
    business, message_ids, invoice, _ = await invoiced(house)
    later = go_into_next_month(house)
    await deliver(business)
    await give_back(business, message_ids[0], UNIT)
    go_past(house, later)
    following = await issue(business, later)
    assert following.net == business.money(UNIT)
    credit_note = await correct(business, invoice.number)
    assert credit_note.net == business.money(-UNIT)


async def test_what_makes_no_sense_is_refused(house: House) -> None:
    business, message_ids, invoice, _ = await invoiced(house)
    other, *_ = await invoiced(house)

    async def reason(of: Business, number: str, **change: Any) -> str:
        return (await refusal_of(correct(of, number, **change))).reason.name

    assert await reason(business, invoice.number) == "NOTHING_TO_CREDIT"
    await give_back(business, message_ids[0], UNIT)
    assert await reason(business, "HUDHUD-2026-999999") == "INVOICE_NOT_FOUND"
    assert await reason(business, "what you sent me") == "INVOICE_NOT_FOUND"
    assert await reason(other, invoice.number) == "INVOICE_NOT_FOUND"
    assert await reason(business, "") == "INVALID_FIELD"
    assert await reason(business, invoice.number, credit_note_id="1") == "INVALID_FIELD"
    assert await reason(business, "X", business_id=str(new_id())) == "ACCOUNT_NOT_FOUND"
    used = {"credit_note_id": invoice.invoice_id}
    assert await reason(business, invoice.number, **used) == "CREDIT_NOTE_ID_REUSED"
    credit_note = await correct(business, invoice.number)
    assert await reason(business, credit_note.number) == "NOTHING_TO_CREDIT"


@given(
    st.from_regex(r"[A-Z][A-Z0-9]{1,11}", fullmatch=True),
    st.sampled_from(InvoiceKind),
    st.integers(1000, 9999),
    st.integers(1, 10**9),
)
def test_a_number_says_its_parts(code: str, kind: InvoiceKind, year: int, number: int) -> None:
    parts = NumberParts(code, kind, year, number)
    assert parse_number(number_text(*parts)) == parts


@given(st.text(max_size=30))
def test_any_other_text_is_no_number(text: str) -> None:
    parts = parse_number(text)
    assert parts is None or number_text(*parts) == text


@given(st.integers(-(10**15), 10**15), st.integers(0, 10**6))
def test_a_tax_is_rounded_once_and_evenly(net: int, rate_ppm: int) -> None:
    tax = tax_of(net, rate_ppm)
    assert abs(tax * 10**6 - net * rate_ppm) * 2 <= 10**6
    assert tax_of(-net, rate_ppm) == -tax
