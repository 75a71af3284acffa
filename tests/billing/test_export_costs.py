"""ExportCosts: a month as FOCUS 1.2, which passes the check and comes to the invoice."""

import csv
import io
from collections import Counter
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from hudhud.billing.v1 import statement_service_pb2 as pb
from services.billing.documents.focus_check import check_focus
from services.kit.clock import new_id
from tests.billing.house import House
from tests.billing.invoicing import (
    ZONE,
    give_back,
    go_into_next_month,
    go_past,
    issue,
    open_buyer,
)
from tests.billing.parties import MARKETING, SERVICE, UNIT, Business
from tests.billing.periods import deliver, go_to, refusal_of
from tests.billing.test_correct_invoice import correct


async def export(stub: Any, business: Business, month: date) -> str:
    request = pb.ExportCostsRequest(business_id=business.business_id, month=f"{month:%Y-%m}")
    async with stub.ExportCosts(request) as stream:
        return b"".join([response.csv async for response in stream]).decode()


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def faults_of(text: str) -> list[str]:
    # The currencies of tests are none of this world.
    return [
        str(fault)
        for fault in check_focus(io.StringIO(text, newline=""))
        if fault.column != "BillingCurrency"
    ]


async def test_the_file_passes_the_check_and_comes_to_the_invoices(house: House) -> None:
    business = await open_buyer(house, 200 * UNIT, rate_ppm=77_777)
    month = go_into_next_month(house)
    [first, *_] = await deliver(business, 3, category=MARKETING)
    await deliver(business, 2, country="QA")
    await deliver(business, category=SERVICE, window_open=True)
    await give_back(business, first, 2 * UNIT)
    go_to(house, month.replace(day=20), 23, ZONE)
    await deliver(business, 4)
    before = rows_of(await export(business.operator, business, month))
    assert {row["InvoiceId"] for row in before} == {""}
    later = go_into_next_month(house)
    invoice = await issue(business, month)
    await deliver(business, 1)
    await give_back(business, first, UNIT)
    credit_note = await correct(business, invoice.number)
    go_past(house, later)
    own = await house.business(business.business_id)

    texts = [await export(own, business, of) for of in (month, later)]

    assert [faults_of(text) for text in texts] == [[], []]
    rows = [row for text in texts for row in rows_of(text)]
    sums: Counter[str] = Counter()
    for row in rows:
        sums[row["InvoiceId"]] += Decimal(row["BilledCost"])  # type: ignore[assignment]
    assert sums[invoice.number] == Decimal(invoice.total.amount_micros) / UNIT
    assert sums[credit_note.number] == Decimal(credit_note.total.amount_micros) / UNIT
    assert sums[""] == 1  # the later month has no invoice yet
    classes = Counter((row["ChargeCategory"], row["ChargeClass"]) for row in rows)
    assert classes == {
        ("Usage", ""): 5,
        ("Adjustment", ""): 1,
        ("Adjustment", "Correction"): 1,
        ("Tax", ""): 1,
        ("Tax", "Correction"): 1,
    }


async def test_a_day_of_the_file_is_one_of_the_business(house: House) -> None:
    business = await open_buyer(house, 100 * UNIT)
    month = go_into_next_month(house)
    go_to(house, month.replace(day=5), 0, ZONE, 30)
    await deliver(business, 2)
    [row] = rows_of(await export(business.operator, business, month))
    assert row["ChargePeriodStart"] == f"{month:%Y-%m}-04T21:00:00Z"
    assert row["ChargePeriodEnd"] == f"{month:%Y-%m}-05T21:00:00Z"
    assert (row["PricingQuantity"], row["x_MessageCount"]) == ("2.0", "2")


async def test_what_makes_no_sense_is_refused(house: House) -> None:
    business = await open_buyer(house, UNIT)

    async def reason(stub: Any, **change: str) -> str:
        request = pb.ExportCostsRequest(
            **{"business_id": business.business_id, "month": "2026-10", **change}
        )

        async def read() -> None:
            async with stub.ExportCosts(request) as stream:
                async for _ in stream:
                    pass

        return (await refusal_of(read())).reason.name

    assert await reason(business.operator, month="2026-13") == "PERIOD_INVALID"
    assert await reason(business.operator, month="") == "INVALID_FIELD"
    assert await reason(business.operator, business_id=str(new_id())) == "ACCOUNT_NOT_FOUND"
    other = await house.business(new_id())
    assert await reason(other) == "CALLER_NOT_ALLOWED"


GOOD = {
    "BilledCost": "2.00",
    "BillingAccountId": "a",
    "BillingAccountName": "A",
    "BillingCurrency": "USD",
    "BillingPeriodEnd": "2026-11-01T00:00:00Z",
    "BillingPeriodStart": "2026-10-01T00:00:00Z",
    "ChargeCategory": "Usage",
    "ChargeClass": "",
    "ChargeDescription": "d",
    "ChargeFrequency": "Usage-Based",
    "ChargePeriodEnd": "2026-10-02T00:00:00Z",
    "ChargePeriodStart": "2026-10-01T00:00:00Z",
    "ConsumedQuantity": "4",
    "ConsumedUnit": "Messages",
    "ContractedCost": "2.00",
    "ContractedUnitPrice": "0.5",
    "EffectiveCost": "2.00",
    "InvoiceIssuerName": "H",
    "ListCost": "2.00",
    "ListUnitPrice": "0.5",
    "PricingCategory": "Standard",
    "PricingQuantity": "4",
    "PricingUnit": "Messages",
    "ProviderName": "H",
    "PublisherName": "H",
    "ServiceCategory": "Integration",
    "ServiceName": "S",
    "ServiceSubcategory": "Messaging",
    "SkuId": "sku",
    "SkuMeter": "Messages",
    "SkuPriceDetails": '{"x_Market": "SY"}',
    "SkuPriceId": "price",
    "x_Market": "SY",
}


def file_of(*rows: dict[str, str]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def columns_of(text: str) -> list[str]:
    return [fault.column for fault in check_focus(io.StringIO(text, newline=""))]


@pytest.mark.unit
def test_a_good_file_passes() -> None:
    assert columns_of(file_of(GOOD, GOOD)) == []


@pytest.mark.unit
@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"BilledCost": ""}, "BilledCost"),
        ({"BilledCost": "$2"}, "BilledCost"),
        ({"BilledCost": "+2"}, "BilledCost"),
        ({"BilledCost": "1,000"}, "BilledCost"),
        ({"BilledCost": "2E+3"}, "BilledCost"),
        ({"BillingCurrency": "usd"}, "BillingCurrency"),
        ({"BillingCurrency": "AAA"}, "BillingCurrency"),
        ({"BillingPeriodStart": "2026-10-01"}, "BillingPeriodStart"),
        ({"BillingPeriodStart": "2026-10-01T00:00:00+03:00"}, "BillingPeriodStart"),
        ({"BillingPeriodStart": "2026-02-30T00:00:00Z"}, "BillingPeriodStart"),
        ({"BillingPeriodEnd": "2026-10-01T00:00:00Z"}, "BillingPeriodEnd"),
        ({"ChargePeriodEnd": "2026-09-01T00:00:00Z"}, "ChargePeriodEnd"),
        ({"ChargeCategory": "usage"}, "ChargeCategory"),
        ({"ChargeClass": "Normal"}, "ChargeClass"),
        ({"ChargeFrequency": ""}, "ChargeFrequency"),
        ({"ConsumedUnit": ""}, "ConsumedUnit"),
        ({"ConsumedQuantity": "", "ConsumedUnit": ""}, "ConsumedQuantity"),
        ({"ListCost": "2.01"}, "ListCost"),
        ({"ContractedCost": "0"}, "ContractedCost"),
        ({"ListUnitPrice": "-0.5", "ListCost": "-2"}, "ListUnitPrice"),
        ({"ListUnitPrice": ""}, "ListUnitPrice"),
        ({"PricingUnit": ""}, "PricingUnit"),
        ({"PricingCategory": "Cheap"}, "PricingCategory"),
        ({"ProviderName": ""}, "ProviderName"),
        ({"PublisherName": "Not Applicable"}, "PublisherName"),
        ({"ServiceCategory": "Messaging"}, "ServiceCategory"),
        ({"ServiceCategory": "Web"}, "ServiceSubcategory"),
        ({"SkuPriceDetails": "Market=SY"}, "SkuPriceDetails"),
        ({"SkuPriceDetails": '{"x_Market": ["SY"]}'}, "SkuPriceDetails"),
        ({"SkuPriceId": "", "SkuPriceDetails": ""}, "SkuPriceId"),
        ({"ChargeCategory": "Purchase", "ConsumedQuantity": "", "ConsumedUnit": ""},
         "ChargeFrequency"),
    ],
)  # fmt: skip
def test_a_value_that_breaks_a_rule_is_found(change: dict[str, str], column: str) -> None:
    assert columns_of(file_of({**GOOD, **change})) == [column]


@pytest.mark.unit
def test_tax_has_no_price() -> None:
    assert set(columns_of(file_of({**GOOD, "ChargeCategory": "Tax"}))) == {
        "ListUnitPrice",
        "ContractedUnitPrice",
        "PricingQuantity",
        "PricingCategory",
        "SkuId",
        "SkuPriceId",
        "ConsumedQuantity",
    }


@pytest.mark.unit
def test_what_is_wrong_with_the_whole_file_is_found() -> None:
    lacking = {name: value for name, value in GOOD.items() if name != "EffectiveCost"}
    assert columns_of(file_of(lacking)) == ["EffectiveCost"]
    assert columns_of(file_of({**GOOD, "Market": "SY"})) == ["Market"]
    assert columns_of(file_of({**GOOD, "x_market": "SY"})) == ["x_market"]
    assert columns_of(file_of(GOOD, {**GOOD, "SkuId": "other"})) == ["SkuPriceId"]
    assert columns_of(file_of(GOOD) + "1,2\n") == [""]
    assert columns_of(file_of(GOOD).replace("x_Market", "BilledCost", 1)) != []
    assert len(columns_of("")) > 10
    assert columns_of('"') != []
