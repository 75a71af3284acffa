"""The commands `hudhud billing` for what a month came to: statements, usage, invoices, exports."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from services.local.billing_calls import as_business, as_operator, id_option
from services.local.errors import LocalError
from services.local.terminal import console

if TYPE_CHECKING:
    from services.local.parties import Caller

# As in cli.py, what a command needs is imported when it is called.

_BAR_WIDTH = 40
_SECONDS_MAX = 120.0

_business = click.argument("business_id")
_month = click.argument("month", metavar="MONTH")
_number = click.argument("number")
_api_key = click.option(
    "--api-key", envvar="HUDHUD_API_KEY", default="", help="Call as this business."
)


@click.command()
@_business
@_month
@_api_key
def statement(business_id: str, month: str, api_key: str) -> None:
    """Print what a business had, what moved and what it has, for a MONTH such as 2026-10."""
    from rich.table import Table

    from hudhud.billing.v1 import account_pb2, statement_service_pb2
    from hudhud.clearance.v1 import clearance_pb2
    from services.billing.documents.amounts import grouped

    first_day, last_day = _days(month)
    request = statement_service_pb2.GetStatementRequest(
        business_id=business_id, first_day=first_day, last_day=last_day
    )
    found = as_business(
        api_key, lambda caller: caller.statements.GetStatement(request, timeout=_SECONDS_MAX)
    ).statement
    currency = found.opening.total.currency_code
    table = Table("", "category", "channel", "market", title=f"{month}, {found.time_zone}")
    for head in ("messages", "amount", f"change {currency}"):
        table.add_column(head, justify="right")
    table.add_row("opening", *[""] * 5, grouped(found.opening.total.amount_micros))
    for movement in found.movements:
        key = movement.key
        table.add_row(
            _word(account_pb2.Entry.Type.Name(key.type), "TYPE_"),
            _word(clearance_pb2.Category.Name(key.category), "CATEGORY_"),
            _word(account_pb2.Channel.Name(key.channel), "CHANNEL_"),
            key.market,
            f"{movement.entry_count:,}",
            grouped(movement.amount.amount_micros),
            grouped(movement.change.amount_micros),
        )
    table.add_row("closing", *[""] * 5, grouped(found.closing.total.amount_micros))
    console.print(table)
    console.print(
        f"Closing: {grouped(found.closing.available.amount_micros)} available,"
        f" {grouped(found.closing.reserved.amount_micros)} reserved,"
        f" {grouped(found.closing.owed.amount_micros)} owed ({currency})."
    )


@click.command()
@_business
@_month
@_api_key
def usage(business_id: str, month: str, api_key: str) -> None:
    """Draw the messages and the money of each day of a MONTH such as 2026-10."""
    from hudhud.billing.v1 import statement_service_pb2
    from services.billing.documents.amounts import grouped

    first_day, last_day = _days(month)
    request = statement_service_pb2.GetUsageRequest(
        business_id=business_id, first_day=first_day, last_day=last_day
    )
    response = as_business(
        api_key, lambda caller: caller.statements.GetUsage(request, timeout=_SECONDS_MAX)
    )
    if not response.series:
        console.print("Nothing was charged.")
        return
    currency = response.series[0].points[0].amount.currency_code
    days = [
        (
            points[0].day,
            sum(point.messages for point in points),
            sum(point.amount.amount_micros for point in points),
        )
        for points in zip(*(each.points for each in response.series), strict=True)
    ]
    most = max(messages for _, messages, _ in days)
    for day, messages, micros in days:
        filled = -(-messages * _BAR_WIDTH // most)
        console.print(
            f"{day} [cyan]{'█' * filled}[/]{' ' * (_BAR_WIDTH - filled)}"
            f" {messages:>9,} {grouped(micros):>14} {currency}",
            soft_wrap=True,
        )


@click.group()
def invoice() -> None:
    """Invoices and credit notes."""


@invoice.command()
@_business
@_month
@click.option("--issuer", required=True, help="The code of who issues it.")
def issue(business_id: str, month: str, issuer: str) -> None:
    """Close a MONTH such as 2026-10 and issue its invoice."""
    from hudhud.billing.v1 import statement_service_pb2

    request = statement_service_pb2.IssueInvoiceRequest(
        business_id=business_id, month=month, issuer_code=issuer
    )
    _show(
        as_operator(
            lambda caller: caller.statements.IssueInvoice(request, timeout=_SECONDS_MAX)
        ).invoice
    )


@invoice.command()
@_business
@_number
@id_option
def correct(business_id: str, number: str, id_: str) -> None:
    """Issue a credit note over what the ledger has given back of an invoice."""
    from hudhud.billing.v1 import statement_service_pb2
    from services.kit.clock import new_id

    request = statement_service_pb2.CorrectInvoiceRequest(
        credit_note_id=id_ or str(new_id()), business_id=business_id, number=number
    )
    _show(as_operator(lambda caller: caller.statements.CorrectInvoice(request)).credit_note)


@invoice.command(name="list")
@_business
@_api_key
def list_(business_id: str, api_key: str) -> None:
    """List a business's newest invoices and credit notes."""
    from hudhud.billing.v1 import statement_service_pb2

    request = statement_service_pb2.ListInvoicesRequest(business_id=business_id)
    for each in as_business(
        api_key, lambda caller: caller.statements.ListInvoices(request)
    ).invoices:
        _show(each)


@invoice.command()
@_business
@_number
@click.argument("file", type=click.Path(dir_okay=False, writable=True, path_type=Path))
@click.option("--language", type=click.Choice(["en", "ar"]), default="en", show_default=True)
@_api_key
def save(business_id: str, number: str, file: Path, language: str, api_key: str) -> None:
    """Write an invoice or credit note to a FILE that ends in .pdf or .csv."""
    from hudhud.billing.v1 import statement_service_pb2

    formats = statement_service_pb2.RenderInvoiceRequest.Format
    name = f"FORMAT_{file.suffix.removeprefix('.').upper()}"
    if name not in ("FORMAT_PDF", "FORMAT_CSV"):
        raise LocalError(f"{file} should end in .pdf or .csv: it says which it is to be.")
    request = statement_service_pb2.RenderInvoiceRequest(
        business_id=business_id, number=number, format=formats.Value(name), language_code=language
    )
    rendered = as_business(api_key, lambda caller: caller.statements.RenderInvoice(request))
    file.write_bytes(rendered.content)
    console.print(f"[green]Wrote[/] {file}.", soft_wrap=True)


@click.command()
@_business
@_month
@click.option("--to", "file", type=click.Path(dir_okay=False, path_type=Path), help="Else printed.")
@_api_key
def export(business_id: str, month: str, file: Path | None, api_key: str) -> None:
    """Export what a MONTH such as 2026-10 cost, as FOCUS 1.2 in CSV."""
    from hudhud.billing.v1 import statement_service_pb2

    request = statement_service_pb2.ExportCostsRequest(business_id=business_id, month=month)

    async def read(caller: Caller) -> bytes:
        async with caller.statements.ExportCosts(request) as stream:
            return b"".join([response.csv async for response in stream])

    content = as_business(api_key, read)
    if file is None:
        click.echo(content, nl=False)
    else:
        file.write_bytes(content)
        console.print(f"[green]Wrote[/] {file}.", soft_wrap=True)


@click.command(name="focus-check")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def focus_check(file: Path) -> None:
    """Check a cost FILE against the rules of FOCUS 1.2; fails if it breaks any."""
    from services.billing.documents.focus_check import check_focus

    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            faults = check_focus(lines)
    except UnicodeDecodeError:
        raise LocalError(f"{file} is not text in UTF-8.") from None
    for fault in faults:
        console.print(f"{file}: {fault}", markup=False, soft_wrap=True)
    if faults:
        raise LocalError(f"{len(faults)} faults.")
    console.print("[green]The file keeps the rules of FOCUS 1.2.[/]")


def _days(month: str) -> tuple[str, str]:
    from services.billing.domain.periods import Period

    try:
        period = Period.month(month, "UTC")
    except ValueError:
        raise LocalError(f"{month} is no month such as 2026-10.") from None
    return period.first.isoformat(), period.last.isoformat()


def _show(document: Any) -> None:
    from services.billing.documents.amounts import grouped

    about = f" (corrects {document.corrects_number})" if document.corrects_number else ""
    console.print(
        f"{document.number}{about}  {document.month}"
        f"  {grouped(document.total.amount_micros)} {document.total.currency_code}",
        soft_wrap=True,
    )


def _word(name: str, prefix: str) -> str:
    word = name.removeprefix(prefix).replace("_", " ").lower()
    return "" if word == "unspecified" else word
