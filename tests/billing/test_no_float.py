"""Money is whole numbers: nothing in billing that handles it knows a fraction."""

import ast
import re
from pathlib import Path

import pytest

BILLING = Path(__file__).parents[2] / "services/billing"
FILES = sorted(
    path
    for path in BILLING.rglob("*.py")
    # Seconds of waiting, and millimetres of paper.
    if path.name not in ("config.py", "settlement.py", "invoice_pdf.py")
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(BILLING)))
def test_no_float_touches_money(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        assert not is_fraction(node), f"line {getattr(node, 'lineno', '?')}"


def is_fraction(node: ast.AST) -> bool:
    match node:
        case ast.Constant(value=float()) | ast.Name(id="float"):
            return True
        case ast.BinOp(op=ast.Div(), right=ast.Constant(value=str())):
            return False  # a path is joined by the same sign
        case ast.BinOp(op=ast.Div()):
            return True
    return False


@pytest.mark.parametrize(
    "path", sorted(BILLING.glob("migrations/*.sql")), ids=lambda path: path.stem
)
def test_no_column_of_the_ledger_is_a_fraction(path: Path) -> None:
    code = re.sub(r"--.*", "", path.read_text()).lower()
    assert not re.search(r"\b(real|float\d?|double precision|money|numeric|decimal)\b", code)
