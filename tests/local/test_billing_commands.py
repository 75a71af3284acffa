"""What `hudhud billing` refuses before it calls anybody: what was typed makes no sense."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from services.local.billing import billing
from services.local.errors import LocalError

PERIOD = ("--from", "2026-01-01", "--to", "2026-02-01")
PROPOSE = ("rerating", "propose", "{card}", "--currency", "USD", "--reason", "x")
CREDIT = ("credit", "shop", "1")
TAXES = ("taxes", "HUDHUD", "SY", "2026-01-01", "--tax")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((*PROPOSE, "--from", "soon", "--to", "2026-02-01"), "soon is no time such as 2026-10-01"),
        ((*PROPOSE, "--from", "2026-01-01", "--to", "2026-13-01"), "is no time"),
        ((*PROPOSE, "--from", "2026-01-01T00:00", "--to", "2026-02-01"), "is no time"),
        (("rerating", "propose", "{bad}", *PROPOSE[3:], *PERIOD), "is not text in UTF-8"),
        ((*CREDIT, "0.0000001", "--reason", "x"), "has more than six decimals"),
        ((*CREDIT, "much", "--reason", "x"), "must be a number"),
        ((*CREDIT, "1e3", "--reason", "x"), "must be a number"),
        ((*TAXES, "19"), "19 is no tax such as VAT=19"),
        ((*TAXES, "VAT=a lot"), "must be a number"),
        ((*TAXES, "VAT=0.00001"), "is no rate from 0 to 100 percent"),
        ((*TAXES, "VAT=100.0001"), "is no rate from 0 to 100 percent"),
        ((*TAXES, "VAT=-1"), "is no rate from 0 to 100 percent"),
        (("card", "export", "--currency", "USD", "--at", "soon"), "soon is no time"),
        (("rerating", "show", "any"), "Hudhud never ran in"),
    ],
)
def test_what_makes_no_sense_is_said(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    files = {"card": tmp_path / "card.csv", "bad": tmp_path / "bad.csv"}
    files["card"].write_text("item\n")
    files["bad"].write_bytes(b"\xff\xfe")
    result = CliRunner(env={"HUDHUD_STATE_DIR": str(tmp_path)}).invoke(
        billing, [word.format(**files) for word in words]
    )
    assert isinstance(result.exception, LocalError), result.output
    assert said in str(result.exception)


@pytest.mark.parametrize(
    "words",
    [
        PROPOSE[:3],
        (*CREDIT[:2], "first", "1", "--reason", "x"),
        (*CREDIT, "1"),
        ("issuer", "HUDHUD", "--name", "x", "--country", "SY"),
        ("profile", "shop"),
        TAXES[:2],
    ],
)
def test_what_is_missing_is_asked_for(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(billing, list(words))
    assert result.exit_code == 2
    assert "Usage:" in result.output
