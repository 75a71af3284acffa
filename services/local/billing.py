"""The commands `hudhud billing`: rate cards, prices, the audit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from services.local.errors import LocalError
from services.local.state import state_folder
from services.local.terminal import console

if TYPE_CHECKING:
    from services.local.parties import Operator

# As in cli.py, what a command needs is imported when it is called.

# Ten million entries take minutes.
_AUDIT_SECONDS_MAX = 3600.0

_file = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
_currency = click.option("--currency", required=True, help="Of the card, as in ISO 4217.")


@click.group()
def billing() -> None:
    """What messages cost, and whether every cent is accounted for."""


@billing.command()
@click.option("--overdue-seconds", default=600, show_default=True, help="See CheckLedger.")
def audit(overdue_seconds: int) -> None:
    """Add up and compare the whole ledger; fails if anything does not hold."""
    from hudhud.billing.v1 import billing_service_pb2 as pb

    request = pb.CheckLedgerRequest()
    request.overdue_after.FromSeconds(overdue_seconds)
    checked = _as_operator(
        lambda operator: operator.billing.CheckLedger(request, timeout=_AUDIT_SECONDS_MAX)
    )
    for fault in checked.faults:
        console.print(fault, markup=False, soft_wrap=True)
    entries = sum(currency.entry_count for currency in checked.currencies)
    if checked.faults:
        raise LocalError(f"{len(checked.faults)} kinds of faults in {entries} entries.")
    console.print(f"[green]The ledger holds:[/] {entries} entries.")


@billing.group()
def card() -> None:
    """Rate cards: CSV files of prices and free rules in one currency."""


@card.command()
@_file
@_currency
def check(file: Path, currency: str) -> None:
    """Name everything that is wrong with a card, by line; fails if anything is."""
    from hudhud.billing.v1 import billing_service_pb2 as pb

    request = pb.CheckRateCardRequest(currency_code=currency, csv=_text(file))
    response = _as_operator(lambda operator: operator.billing.CheckRateCard(request))
    for fault in response.faults:
        console.print(
            f"{file}:{fault.line}: {fault.reason}: {fault.description}",
            markup=False,
            soft_wrap=True,
        )
    if response.faults:
        raise LocalError(f"{len(response.faults)} faults; nothing can be imported.")
    console.print("[green]The card can be imported.[/]")


@card.command(name="import")
@_file
@_currency
@click.option("--name", default="", help="What the card is called, for ever; else the file's name.")
def import_(file: Path, currency: str, name: str) -> None:
    """Import a card: all its rows begin as they say, or none."""
    from hudhud.billing.v1 import billing_service_pb2 as pb

    request = pb.ImportRateCardRequest(
        name=name or file.stem, currency_code=currency, csv=_text(file)
    )
    response = _as_operator(lambda operator: operator.billing.ImportRateCard(request))
    console.print(
        f"[green]Imported[/] {response.name}: {response.rate_count} rates,"
        f" {response.rule_count} free rules."
    )


@card.command()
@_currency
@click.option("--at", default="", help="When, as in RFC 3339; else now.")
def export(currency: str, at: str) -> None:
    """Print what is in force in a currency, as a card."""
    from hudhud.billing.v1 import billing_service_pb2 as pb

    request = pb.ExportRateCardRequest(currency_code=currency)
    if at:
        try:
            request.at_time.FromJsonString(at)
        except ValueError:
            raise LocalError(f"{at} is no time such as 2026-10-01T00:00:00Z.") from None
    response = _as_operator(lambda operator: operator.billing.ExportRateCard(request))
    click.echo(response.csv, nl=False)


@billing.command()
@click.argument("business_id")
@click.argument(
    "category", type=click.Choice(["utility", "authentication", "marketing", "service"])
)
@click.argument("country")
@click.option("--channel", type=click.Choice(["app", "sms", "rcs"]), default="app")
@click.option("--text", default="", help="Of an SMS: its segments are counted here.")
@click.option("--window-open", is_flag=True, help="The person wrote within 24 hours.")
def quote(
    business_id: str, category: str, country: str, channel: str, text: str, *, window_open: bool
) -> None:
    """Say what a message would cost, and which row or rule it is."""
    from google.protobuf import json_format

    from hudhud.billing.v1 import account_pb2
    from hudhud.billing.v1 import billing_service_pb2 as pb
    from hudhud.clearance.v1 import clearance_pb2
    from services.billing.domain.sms import segments_of

    item = pb.QuoteItem(
        category=clearance_pb2.Category.Value(f"CATEGORY_{category.upper()}"),
        destination_country=country,
        channel=account_pb2.Channel.Value(f"CHANNEL_{channel.upper()}"),
        segments=segments_of(text).number if channel == "sms" else 1,
        window_open=window_open,
    )
    request = pb.QuoteRequest(business_id=business_id, items=[item])
    response = _as_operator(lambda operator: operator.billing.Quote(request))
    click.echo(json_format.MessageToJson(response.outcomes[0], ensure_ascii=False))


def _as_operator(work: Callable[[Operator], Awaitable[Any]]) -> Any:
    from services.local.parties import Doors, Operator

    async def call() -> Any:
        async with Operator(Doors(state_folder())) as operator:
            return await work(operator)

    return asyncio.run(call())


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise LocalError(f"{file} is not text in UTF-8.") from None
