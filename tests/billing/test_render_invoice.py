"""RenderInvoice: a document for people and a table for programs, the same bytes each time."""

import csv
import io
import re
import zlib
from decimal import Decimal
from typing import Any

import pytest

from hudhud.billing.v1 import invoice_pb2
from hudhud.billing.v1 import statement_service_pb2 as pb
from tests.billing.house import House
from tests.billing.invoicing import go_into_next_month, go_past, issue, open_buyer
from tests.billing.parties import MARKETING, UNIT
from tests.billing.periods import deliver, refusal_of


async def test_a_table_adds_up_to_its_total(house: House) -> None:
    business = await open_buyer(house, 100 * UNIT)
    month = go_into_next_month(house)
    await deliver(business, 3, category=MARKETING)
    await deliver(business, 2, country="QA")
    go_past(house, month)
    invoice = await issue(business, month)
    own = await house.business(business.business_id)
    response = await own.RenderInvoice(
        pb.RenderInvoiceRequest(
            business_id=business.business_id,
            number=invoice.number,
            format=pb.RenderInvoiceRequest.FORMAT_CSV,
        )
    )
    assert response.media_type == "text/csv"
    rows = list(csv.DictReader(io.StringIO(response.content.decode(), newline="")))
    assert {row["number"] for row in rows} == {invoice.number}
    assert [row["row"] for row in rows] == ["line", "line", "net", "tax", "total"]
    parts = [Decimal(row["amount"]) for row in rows if row["row"] in ("line", "tax")]
    assert sum(parts) == Decimal(rows[-1]["amount"]) == Decimal("21.24")
    assert rows[3]["tax_rate_percent"] == "18.00"
    assert rows[0]["buyer"] == invoice.buyer.legal_name


@pytest.mark.parametrize("language", ["en", "ar"])
async def test_a_document_is_the_same_bytes_each_time(house: House, language: str) -> None:
    business = await open_buyer(house, 1000 * UNIT)
    month = go_into_next_month(house)
    await deliver(business, 2)
    go_past(house, month)
    invoice = await issue(business, month)
    request = pb.RenderInvoiceRequest(
        business_id=business.business_id, number=invoice.number, language_code=language
    )
    first = await business.operator.RenderInvoice(request)
    house.clock.advance(86_400)
    second = await business.operator.RenderInvoice(request)
    assert first.media_type == "application/pdf"
    assert first.content == second.content
    assert first.content.startswith(b"%PDF-")
    letters = letters_of(first.content)
    # Every letter can be found and copied; the Arabic one is shaped, with a font that is embedded.
    assert set("شركة هدهد" if language == "ar" else "Zeytin Gıda") - {" "} <= letters
    assert b"/FontFile2" in first.content


@pytest.mark.parametrize(
    ("name", "shaped"),
    [
        ("บริษัท ฮุดฮุด จำกัด", "บริษัท"),
        ("हुदहुद प्राइवेट लिमिटेड", "हुदलिम"),
        ("شرکت می\u200cخواهم", "شرکت"),
        ("Зейтин ΑΕ Ł", "ЗейтинΑΕŁ"),
    ],
)
async def test_a_buyer_is_printed_in_its_own_script(house: House, name: str, shaped: str) -> None:
    content = (await rendered_for(house, name)).content
    assert set(shaped) <= letters_of(content)


async def test_what_would_be_boxes_is_refused_and_the_table_has_it(house: House) -> None:
    name = "呼呼有限公司 ☃"
    refusal = await refusal_of(rendered_for(house, name))
    assert refusal.reason.name == "INVOICE_NOT_PRINTABLE"
    assert refusal.metadata["letters"] == "☃公司呼有限"
    table = await rendered_for(house, name, format=pb.RenderInvoiceRequest.FORMAT_CSV)
    assert name in table.content.decode()
    many = "".join(map(chr, range(0x4E00, 0x4E00 + 100)))
    refusal = await refusal_of(rendered_for(house, many))
    assert refusal.metadata["letters"] == many[:40] + "…"


async def rendered_for(house: House, name: str, **said: Any) -> pb.RenderInvoiceResponse:
    """The invoice of a buyer of this name."""
    business = await open_buyer(house, 10 * UNIT)
    party = invoice_pb2.Party(legal_name=name, address_lines=["1"], country_code="IN")
    await business.operator.SetBillingProfile(
        pb.SetBillingProfileRequest(business_id=business.business_id, party=party)
    )
    month = go_into_next_month(house)
    await deliver(business)
    go_past(house, month)
    invoice = await issue(business, month)
    response: pb.RenderInvoiceResponse = await business.operator.RenderInvoice(
        pb.RenderInvoiceRequest(business_id=business.business_id, number=invoice.number, **said)
    )
    return response


def letters_of(content: bytes) -> set[str]:
    """The letters that the fonts of a PDF say that their glyphs stand for."""
    letters: set[str] = set()
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", content, re.DOTALL):
        try:
            text = zlib.decompress(stream).decode("latin-1")
        except zlib.error:
            text = stream.decode("latin-1")
        if "beginbfchar" in text:
            for target in re.findall(r"<[0-9A-F]{4}> <([0-9A-F]+)>", text):
                letters |= set(bytes.fromhex(target).decode("utf-16-be", "ignore"))
    return letters


async def test_what_is_not_there_is_not_rendered(house: House) -> None:
    business = await open_buyer(house, UNIT)
    whose = {"business_id": business.business_id}
    for change, reason in (
        ({"number": "HUDHUD-2026-000001"}, "INVOICE_NOT_FOUND"),
        ({"number": ""}, "INVALID_FIELD"),
        ({"number": "X", "language_code": "tlh"}, "INVALID_FIELD"),
        ({"number": "X", "format": 9}, "INVALID_FIELD"),
    ):
        request = pb.RenderInvoiceRequest(**whose, **change)
        refusal = await refusal_of(business.operator.RenderInvoice(request))
        assert refusal.reason.name == reason
