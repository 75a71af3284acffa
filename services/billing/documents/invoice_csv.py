"""Owns an invoice as CSV (RFC 4180): a row for each line, each tax and each sum."""

from __future__ import annotations

import csv
import io
from typing import Final

from services.billing.domain.invoices import Invoice
from services.billing.domain.money import decimal

COLUMNS: Final = (
    "number",
    "corrects_number",
    "issue_day",
    "month",
    "row",
    "type",
    "category",
    "channel",
    "market",
    "free_rule",
    "unit_price",
    "messages",
    "units",
    "list_amount",
    "tax_rate_percent",
    "amount",
    "currency",
    "seller",
    "seller_tax_id",
    "buyer",
    "buyer_tax_id",
)


def invoice_csv(invoice: Invoice) -> str:
    """The rows "line" and "tax" add up to the row "total"; amounts are exact decimals."""
    shared = {
        "number": invoice.number_text,
        "corrects_number": invoice.corrects_number,
        "issue_day": invoice.issue_day.isoformat(),
        "month": invoice.month,
        "currency": invoice.currency_code,
        "seller": invoice.seller.legal_name,
        "seller_tax_id": invoice.seller.tax_id,
        "buyer": invoice.buyer.legal_name,
        "buyer_tax_id": invoice.buyer.tax_id,
    }
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="")
    writer.writeheader()
    for line in invoice.lines:
        writer.writerow(
            {
                **shared,
                "row": "line",
                **{name: value or "" for name, value in line.key._asdict().items()},
                "unit_price": "" if line.unit_price is None else decimal(line.unit_price),
                "messages": line.message_count,
                "units": line.units,
                "list_amount": decimal(line.listed),
                "amount": decimal(line.amount),
            }
        )
    writer.writerow({**shared, "row": "net", "amount": decimal(invoice.net)})
    for tax, amount in invoice.taxes:
        writer.writerow(
            {
                **shared,
                "row": "tax",
                "type": tax.name,
                "tax_rate_percent": decimal(tax.rate_ppm * 100),
                "amount": decimal(amount),
            }
        )
    writer.writerow({**shared, "row": "total", "amount": decimal(invoice.total)})
    return text.getvalue()
