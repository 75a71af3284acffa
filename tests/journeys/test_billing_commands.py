"""What a finance department types: `hudhud billing`."""

from __future__ import annotations

from pathlib import Path

from tests.journeys.parties import Parties
from tests.journeys.test_commands import run_python

MAIN = "import sys; from services.local.cli import main; sys.exit(main())"
CARD = """item,channel,market,category,currency,tier_from,tier_to,value,valid_from,valid_to
rate,app,ZZ,utility,EUR,,,0.01,,
rate,sms,ZZ,utility,EUR,,,0.07,,
free_allowance,app,,,EUR,,,100,,
"""


async def test_a_card_is_checked_imported_exported_and_quoted(
    parties: Parties, tmp_path: Path
) -> None:
    async def hudhud(*words: str) -> tuple[int, str]:
        return await run_python("-c", MAIN, "billing", *words, state=parties.doors.state)

    good, bad = tmp_path / "Europe 2026.csv", tmp_path / "bad.csv"
    good.write_text(CARD)
    bad.write_text(CARD.replace("ZZ", "QQ").replace("0.01", "-1"))
    code, printed = await hudhud("card", "check", str(bad), "--currency", "EUR")
    assert code == 1
    assert f"{bad}:2: AMOUNT_INVALID: the price must be from 0" in printed
    assert f"{bad}:3: MARKET_UNKNOWN: QQ is no market" in printed
    code, printed = await hudhud("card", "import", str(bad), "--currency", "EUR")
    assert code == 1
    assert "AMOUNT_INVALID" in printed
    assert (await hudhud("card", "check", str(good), "--currency", "EUR"))[0] == 0
    code, printed = await hudhud("card", "import", str(good), "--currency", "EUR")
    assert (code, "Imported Europe 2026: 2 rates, 1 free rules." in printed) == (0, True)
    code, printed = await hudhud("card", "export", "--currency", "EUR")
    assert (code, "rate,app,ZZ,utility,EUR,1,,0.01," in printed) == (0, True)
    assert (await hudhud("card", "export", "--currency", "EUR", "--at", "soon"))[0] == 1


async def test_a_price_before_anything_is_sent(parties: Parties) -> None:
    shop = await parties.business(with_receipt=False)
    words = ("quote", shop.business_id, "utility", "SY")
    code, printed = await run_python("-c", MAIN, "billing", *words, state=parties.doors.state)
    assert (code, '"countryCode": "SY"' in printed) == (0, True)
    words = ("quote", "nobody", "utility", "SY")
    code, printed = await run_python("-c", MAIN, "billing", *words, state=parties.doors.state)
    assert (code, "INVALID_FIELD" in printed) == (1, True)


async def test_the_audit_of_what_runs(parties: Parties) -> None:
    await parties.business(with_receipt=False)
    code, printed = await run_python("-c", MAIN, "billing", "audit", state=parties.doors.state)
    assert (code, "The ledger holds: " in printed) == (0, True), printed
