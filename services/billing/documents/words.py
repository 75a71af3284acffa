"""Owns the words of an invoice in the languages it is printed in."""

from __future__ import annotations

from typing import Final

from services.billing.domain.invoices import InvoiceLine

_ENGLISH: Final = {
    "invoice": "Invoice",
    "credit_note": "Credit note",
    "issued": "Issued on",
    "month": "Month",
    "corrects": "Corrects invoice",
    "seller": "From",
    "buyer": "To",
    "tax_id": "Tax ID",
    "what": "Messages",
    "count": "Count",
    "units": "Units",
    "unit_price": "Unit price",
    "amount": "Amount",
    "net": "Net",
    "total": "Total",
    "owed": "Owed on the account at issue",
    "settled": "Paid from the prepaid balance.",
    "page": "Page",
    "utility": "Utility",
    "authentication": "Authentication",
    "authentication_international": "Authentication, international",
    "marketing": "Marketing",
    "service": "Service",
    "app": "app",
    "sms": "SMS",
    "rcs": "RCS",
    "late_capture": "delivered late",
    "credit_note_entry": "credit",
    "adjustment": "correction of the price",
    "reply": "free: reply in its window",
    "entry_point": "free: came by your link",
    "allowance": "free: monthly allowance",
    "ZZ": "other countries",
}
_ARABIC: Final = {
    "invoice": "فاتورة",
    "credit_note": "إشعار دائن",
    "issued": "تاريخ الإصدار",
    "month": "الشهر",
    "corrects": "تصحيح الفاتورة",
    "seller": "من",
    "buyer": "إلى",
    "tax_id": "الرقم الضريبي",
    "what": "الرسائل",
    "count": "العدد",
    "units": "الوحدات",
    "unit_price": "سعر الوحدة",
    "amount": "المبلغ",
    "net": "الصافي",
    "total": "الإجمالي",
    "owed": "المستحق على الحساب عند الإصدار",
    "settled": "مدفوعة من الرصيد المسبق الدفع.",
    "page": "صفحة",
    "utility": "خدمات",
    "authentication": "رموز تحقق",
    "authentication_international": "رموز تحقق دولية",
    "marketing": "تسويق",
    "service": "ردود",
    "app": "التطبيق",
    "sms": "SMS",
    "rcs": "RCS",
    "late_capture": "وصلت متأخرة",
    "credit_note_entry": "مبلغ معاد",
    "adjustment": "تصحيح السعر",
    "reply": "مجانية: رد ضمن النافذة",
    "entry_point": "مجانية: عبر رابطكم",
    "allowance": "مجانية: الحصة الشهرية",
    "ZZ": "بلدان أخرى",
}
WORDS: Final = {"en": _ENGLISH, "ar": _ARABIC}


def description(line: InvoiceLine, words: dict[str, str]) -> str:
    """What a line is for, such as "Marketing · SMS · SY · delivered late"."""
    key = line.key
    parts: list[str | None] = [
        key.category and words[key.category],
        key.channel and words[key.channel],
        words.get(key.market, key.market) if key.market else None,
        words.get("credit_note_entry" if key.type == "credit_note" else key.type),
        key.free_rule and words[key.free_rule],
    ]
    return " · ".join(part for part in parts if part)
