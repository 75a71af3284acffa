"""The commands `hudhud billing` that correct what was booked: credit notes and re-rating."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from services.local.billing_calls import (
    Work,
    as_operator,
    currency_option,
    file_argument,
    id_option,
    micros_typed,
    text_of,
    time_of,
)
from services.local.terminal import console

# As in cli.py, what a command needs is imported when it is called.

# A month of a large business is rated again in minutes.
_SECONDS_MAX = 3600.0
_ITEMS_AT_ONCE = 1000

_rerating = click.argument("rerating_id")


@click.command()
@click.argument("business_id")
@click.argument("entry_id", type=int)
@click.argument("amount")
@click.option("--reason", required=True, help="Why, in words that the business may read.")
@id_option
def credit(business_id: str, entry_id: int, amount: str, reason: str, id_: str) -> None:
    """Give back an AMOUNT such as 0.05 of what an entry charged."""
    from hudhud.billing.v1 import account_pb2, billing_service_pb2, correction_service_pb2
    from services.billing.documents.amounts import grouped
    from services.kit.clock import new_id
    from services.local.parties import Caller

    micros = micros_typed(amount)

    async def give_back(caller: Caller) -> Any:
        account = await caller.billing.GetAccount(
            billing_service_pb2.GetAccountRequest(business_id=business_id)
        )
        currency = account.account.available.currency_code
        return await caller.corrections.CreateCreditNote(
            correction_service_pb2.CreateCreditNoteRequest(
                credit_note_id=id_ or str(new_id()),
                business_id=business_id,
                entry_id=entry_id,
                amount=account_pb2.Money(currency_code=currency, amount_micros=micros),
                reason=reason,
            )
        )

    account = as_operator(give_back).account
    console.print(
        f"[green]Given back.[/] Available: {grouped(account.available.amount_micros)},"
        f" owed: {grouped(account.owed.amount_micros)} {account.available.currency_code}.",
        soft_wrap=True,
    )


@click.group()
def rerating() -> None:
    """Price a period again by a corrected card: propose, read, then apply or reject."""


@rerating.command()
@file_argument
@currency_option
@click.option("--from", "first", required=True, help="Accepted from this day or time on, UTC.")
@click.option("--to", "last", required=True, help="And before this one, which is over.")
@click.option("--reason", required=True, help="Why, in words.")
@id_option
def propose(file: Path, currency: str, first: str, last: str, reason: str, id_: str) -> None:
    """Find what a corrected card, a FILE, prices otherwise; nothing is booked yet."""
    from hudhud.billing.v1 import correction_service_pb2
    from services.kit.clock import new_id

    request = correction_service_pb2.ProposeReratingRequest(
        rerating_id=id_ or str(new_id()),
        currency_code=currency,
        csv=text_of(file),
        from_time=time_of(first),
        to_time=time_of(last),
        reason=reason,
    )
    _show(lambda caller: caller.corrections.ProposeRerating(request, timeout=_SECONDS_MAX))


@rerating.command()
@_rerating
def show(rerating_id: str) -> None:
    """Say where a re-rating stands, and what it comes to."""
    from hudhud.billing.v1 import correction_service_pb2

    request = correction_service_pb2.GetReratingRequest(rerating_id=rerating_id)
    _show(lambda caller: caller.corrections.GetRerating(request))


@rerating.command()
@_rerating
def items(rerating_id: str) -> None:
    """Print every message of a re-rating as CSV, to be reviewed."""
    from hudhud.billing.v1 import correction_service_pb2
    from services.billing.domain.money import decimal
    from services.local.parties import Caller

    async def read(caller: Caller) -> None:
        click.echo("business_id,message_id,entry_id,charged,corrected")
        page_token = ""
        while True:
            page = await caller.corrections.ListReratingItems(
                correction_service_pb2.ListReratingItemsRequest(
                    rerating_id=rerating_id, page_size=_ITEMS_AT_ONCE, page_token=page_token
                )
            )
            for each in page.items:
                charged, corrected = each.charged.amount_micros, each.corrected.amount_micros
                click.echo(
                    f"{each.business_id},{each.message_id},{each.entry_id},"
                    f"{decimal(charged)},{decimal(corrected)}"
                )
            page_token = page.next_page_token
            if not page_token:
                return

    as_operator(read)


@rerating.command()
@_rerating
def apply(rerating_id: str) -> None:
    """Book an adjustment for each message; cut off, the same again goes on."""
    from hudhud.billing.v1 import correction_service_pb2

    request = correction_service_pb2.ApplyReratingRequest(rerating_id=rerating_id)
    _show(lambda caller: caller.corrections.ApplyRerating(request, timeout=_SECONDS_MAX))


@rerating.command()
@_rerating
def reject(rerating_id: str) -> None:
    """Close a re-rating of which nothing was booked, for ever."""
    from hudhud.billing.v1 import correction_service_pb2

    request = correction_service_pb2.RejectReratingRequest(rerating_id=rerating_id)
    _show(lambda caller: caller.corrections.RejectRerating(request))


def _show(call: Work) -> None:
    """Make the call, and print the re-rating that it answers with."""
    from hudhud.billing.v1 import rerating_pb2
    from services.billing.documents.amounts import grouped

    found = as_operator(call).rerating
    state = rerating_pb2.Rerating.State.Name(found.state).removeprefix("STATE_").lower()
    console.print(
        f"{found.rerating_id}: {state}, {found.item_count:,} messages, charged"
        f" {grouped(found.charged.amount_micros)}, corrected"
        f" {grouped(found.corrected.amount_micros)} {found.charged.currency_code}",
        soft_wrap=True,
    )
