"""The commands `hudhud billing`: rate cards, prices, the audit."""

from __future__ import annotations

from pathlib import Path

import click

from services.local.billing_calls import (
    as_operator,
    currency_option,
    file_argument,
    text_of,
    time_of,
)
from services.local.billing_corrections import credit, rerating
from services.local.billing_parties import issuer, profile, taxes
from services.local.billing_statements import export as export_costs
from services.local.billing_statements import focus_check, invoice, statement, usage
from services.local.errors import LocalError
from services.local.terminal import console

# As in cli.py, what a command needs is imported when it is called.

# Ten million entries take minutes.
_AUDIT_SECONDS_MAX = 3600.0


@click.group()
def billing() -> None:
    """What messages cost, and whether every cent is accounted for."""


for _command in (
    *(statement, usage, invoice, export_costs, focus_check),
    *(credit, rerating, issuer, profile, taxes),
):
    billing.add_command(_command)


@billing.command()
@click.option("--overdue-seconds", default=600, show_default=True, help="See CheckLedger.")
def audit(overdue_seconds: int) -> None:
    """Add up and compare the whole ledger; fails if anything does not hold."""
    from hudhud.billing.v1 import billing_service_pb2 as pb

    request = pb.CheckLedgerRequest()
    request.overdue_after.FromSeconds(overdue_seconds)
    checked = as_operator(
        lambda caller: caller.billing.CheckLedger(request, timeout=_AUDIT_SECONDS_MAX)
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
@file_argument
@currency_option
def check(file: Path, currency: str) -> None:
    """Name everything that is wrong with a card, by line; fails if anything is."""
    from hudhud.billing.v1 import billing_service_pb2 as pb

    request = pb.CheckRateCardRequest(currency_code=currency, csv=text_of(file))
    response = as_operator(lambda caller: caller.billing.CheckRateCard(request))
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
@file_argument
@currency_option
@click.option("--name", default="", help="What the card is called, for ever; else the file's name.")
def import_(file: Path, currency: str, name: str) -> None:
    """Import a card: all its rows begin as they say, or none."""
    from hudhud.billing.v1 import billing_service_pb2 as pb

    request = pb.ImportRateCardRequest(
        name=name or file.stem, currency_code=currency, csv=text_of(file)
    )
    response = as_operator(lambda caller: caller.billing.ImportRateCard(request))
    console.print(
        f"[green]Imported[/] {response.name}: {response.rate_count} rates,"
        f" {response.rule_count} free rules."
    )


@card.command()
@currency_option
@click.option("--at", default="", help="When, as in RFC 3339; else now.")
def export(currency: str, at: str) -> None:
    """Print what is in force in a currency, as a card."""
    from hudhud.billing.v1 import billing_service_pb2 as pb

    request = pb.ExportRateCardRequest(currency_code=currency)
    if at:
        request.at_time.CopyFrom(time_of(at))
    response = as_operator(lambda caller: caller.billing.ExportRateCard(request))
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
    response = as_operator(lambda caller: caller.billing.Quote(request))
    click.echo(json_format.MessageToJson(response.outcomes[0], ensure_ascii=False))
