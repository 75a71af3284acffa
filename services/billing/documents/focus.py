"""Owns a month's costs as the FinOps Foundation's FOCUS 1.2 has them (focus.finops.org), in CSV.

Each day's messages of one kind and price are a row of usage; a correction of the ledger is a row of
its own, and so is each tax of a document. Null is an empty field.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from services.billing.domain.costs import Charge, CostCorrection
from services.billing.domain.invoices import Invoice, InvoiceKind, charged, tax_of
from services.billing.domain.money import decimal
from services.billing.domain.periods import Period
from services.billing.domain.rates import EVERYWHERE, Category, Channel
from services.billing.domain.statements import MovementKey

COLUMNS: Final = (
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingAccountType",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "InvoiceId",
    "InvoiceIssuerName",
    "ListCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SkuId",
    "SkuMeter",
    "SkuPriceDetails",
    "SkuPriceId",
    "x_Channel",
    "x_EntryId",
    "x_FreeRule",
    "x_IssuerLegalName",
    "x_Market",
    "x_MessageCount",
)
PROVIDER: Final = "Hudhud"
_ROWS_IN_A_PART: Final = 1000


@dataclass(frozen=True, slots=True)
class Costs:
    """A month of a business."""

    business_id: UUID
    business_name: str
    currency_code: str
    period: Period
    charges: list[Charge]
    corrections: list[CostCorrection]
    documents: list[Invoice]


def focus_csv(costs: Costs) -> Iterator[str]:
    """The file, in parts."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="")
    writer.writeheader()
    for number, row in enumerate(_rows(costs), start=1):
        writer.writerow(row)
        if number % _ROWS_IN_A_PART == 0:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()


def _rows(costs: Costs) -> Iterator[dict[str, Any]]:
    """Rows without the columns that are null."""
    documents = {document.invoice_id: document for document in costs.documents}
    invoice = next(
        (
            document
            for document in costs.documents
            if document.kind is InvoiceKind.INVOICE and document.period == costs.period
        ),
        None,
    )
    for charge in costs.charges:
        yield {**_shared(costs, invoice), **_usage(charge, costs)}
    for correction in costs.corrections:
        document = documents[correction.invoice_id] if correction.invoice_id else None
        yield {**_shared(costs, document), **_correction(correction, costs)}
    start, end = costs.period.start_time, costs.period.end_time
    for document in costs.documents:
        if document is invoice or (
            document.kind is InvoiceKind.CREDIT_NOTE and start <= document.issue_time < end
        ):
            yield from ({**_shared(costs, document), **row} for row in _taxes(document, costs))


def _shared(costs: Costs, document: Invoice | None) -> dict[str, Any]:
    """What every row says, and on which document it stands."""
    row = {
        "BillingAccountId": costs.business_id,
        "BillingAccountName": costs.business_name,
        "BillingAccountType": "Business",
        "BillingCurrency": costs.currency_code,
        "BillingPeriodStart": _moment(costs.period.start_time),
        "BillingPeriodEnd": _moment(costs.period.end_time),
        "InvoiceIssuerName": PROVIDER,
        "ProviderName": PROVIDER,
        "PublisherName": PROVIDER,
        "ServiceCategory": "Integration",
        "ServiceSubcategory": "Messaging",
        "ServiceName": "Hudhud Messages",
    }
    if document is None:
        return row
    return {
        **row,
        "InvoiceId": document.number_text,
        "x_IssuerLegalName": document.seller.legal_name,
    }


def _usage(charge: Charge, costs: Costs) -> dict[str, Any]:
    key = charge.key
    unit = "Segments" if key.channel is Channel.SMS else "Messages"
    sku = f"message.{key.channel or Channel.APP}.{key.category}"
    market = key.market or EVERYWHERE
    contracted = charged(key, charge.unit_price)
    cost = decimal(charged(key, charge.listed))
    # The specification has quantities as decimals, and readers that guess a type would not.
    quantity = f"{charge.units}.0"
    return {
        **_on(charge.day, costs.period),
        "ChargeCategory": "Usage",
        "ChargeDescription": f"{_what(key)} at {decimal(charge.unit_price)} each",
        "ChargeFrequency": "Usage-Based",
        "BilledCost": cost,
        "EffectiveCost": cost,
        "ContractedCost": cost,
        "ContractedUnitPrice": decimal(contracted),
        "ListCost": decimal(charge.listed),
        "ListUnitPrice": decimal(charge.unit_price),
        "PricingCategory": "Standard",
        "PricingQuantity": quantity,
        "PricingUnit": unit,
        "ConsumedQuantity": quantity,
        "ConsumedUnit": unit,
        "SkuId": sku,
        "SkuMeter": unit,
        "SkuPriceId": f"{sku}.{market}.{costs.currency_code}.{charge.unit_price}",
        "SkuPriceDetails": json.dumps({"x_Market": market}),
        "x_MessageCount": charge.message_count,
        **_custom(key),
    }


def _correction(correction: CostCorrection, costs: Costs) -> dict[str, Any]:
    cost = decimal(correction.amount)
    row = {
        **_on(correction.day, costs.period),
        "ChargeCategory": "Adjustment",
        "ChargeDescription": f"Correction: {_what(correction.key)}",
        "ChargeFrequency": "One-Time",
        **dict.fromkeys(("BilledCost", "EffectiveCost", "ContractedCost", "ListCost"), cost),
        "x_EntryId": correction.entry_id,
        **_custom(correction.key),
    }
    return {**row, "ChargeClass": "Correction"} if correction.is_of_earlier else row


def _taxes(document: Invoice, costs: Costs) -> Iterator[dict[str, Any]]:
    listed = sum(line.listed for line in document.lines)
    is_credit_note = document.kind is InvoiceKind.CREDIT_NOTE
    for tax, amount in document.taxes:
        cost = decimal(amount)
        row = {
            "ChargePeriodStart": _moment(costs.period.start_time),
            "ChargePeriodEnd": _moment(costs.period.end_time),
            "ChargeCategory": "Tax",
            "ChargeDescription": f"{tax.name} of {document.number_text}",
            "ChargeFrequency": "One-Time",
            **dict.fromkeys(("BilledCost", "EffectiveCost", "ContractedCost"), cost),
            "ListCost": cost if is_credit_note else decimal(tax_of(listed, tax.rate_ppm)),
        }
        yield {**row, "ChargeClass": "Correction"} if is_credit_note else row


def _on(day: date, period: Period) -> dict[str, str]:
    of_day = Period(day, day, period.time_zone)
    return {
        "ChargePeriodStart": _moment(of_day.start_time),
        "ChargePeriodEnd": _moment(of_day.end_time),
    }


def _custom(key: MovementKey) -> dict[str, Any]:
    return {
        "x_Channel": key.channel or "",
        "x_Market": key.market or "",
        "x_FreeRule": key.free_rule or "",
    }


def _what(key: MovementKey) -> str:
    """In words: "marketing messages by sms to SY"."""
    category = (key.category or Category.SERVICE).replace("_", " ")
    return f"{category} messages by {key.channel or Channel.APP} to {key.market or EVERYWHERE}"


def _moment(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
