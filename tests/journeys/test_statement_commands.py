"""What a finance department types at the end of a month."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from tests.journeys.parties import Parties
from tests.journeys.test_billing_commands import MAIN
from tests.journeys.test_commands import run_python


async def test_a_month_is_stated_drawn_exported_and_checked(
    parties: Parties, tmp_path: Path
) -> None:
    async def hudhud(*words: str) -> tuple[int, str]:
        return await run_python("-c", MAIN, "billing", *words, state=parties.doors.state)

    shop = await parties.business(with_receipt=False)
    month = datetime.now(UTC).strftime("%Y-%m")
    code, printed = await hudhud("statement", shop.business_id, month)
    assert (code, "opening" in printed, "top up" in printed) == (0, True, True), printed
    assert (await hudhud("statement", shop.business_id, "2026-13"))[0] == 1
    code, printed = await hudhud("statement", "nobody", month)
    assert (code, "INVALID_FIELD" in printed) == (1, True), printed

    code, printed = await hudhud("usage", shop.business_id, month)
    assert (code, "Nothing was charged." in printed) == (0, True), printed
    assert (await hudhud("usage", shop.business_id, "soon"))[0] == 1

    file = tmp_path / "costs.csv"
    code, printed = await hudhud("export", shop.business_id, month, "--to", str(file))
    assert code == 0, printed
    code, printed = await hudhud("focus-check", str(file))
    assert (code, "keeps the rules" in printed) == (0, True), printed
    file.write_text(file.read_text().replace("BilledCost", "Cost"))
    code, printed = await hudhud("focus-check", str(file))
    assert (code, "BilledCost: is mandatory" in printed) == (1, True), printed
    file.write_bytes(b"\xff\xfe")
    assert (await hudhud("focus-check", str(file)))[0] == 1

    code, printed = await hudhud("invoice", "issue", shop.business_id, month, "--issuer", "HUDHUD")
    assert (code, "MONTH_NOT_OVER" in printed) == (1, True), printed
    code, printed = await hudhud("invoice", "list", shop.business_id)
    assert (code, printed.strip()) == (0, ""), printed
    words = ("invoice", "save", shop.business_id, "HUDHUD-2026-000001")
    code, printed = await hudhud(*words, str(tmp_path / "invoice.docx"))
    assert (code, "should end in .pdf or .csv" in printed) == (1, True), printed
    code, printed = await hudhud(*words, str(tmp_path / "invoice.pdf"))
    assert (code, "INVOICE_NOT_FOUND" in printed) == (1, True), printed
    code, printed = await hudhud("invoice", "correct", shop.business_id, "HUDHUD-2026-000001")
    assert (code, "INVOICE_NOT_FOUND" in printed) == (1, True), printed
