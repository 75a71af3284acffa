"""The commands `hudhud billing` that say who issues invoices, to whom, and with which taxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from services.local.billing_calls import as_operator, micros_typed
from services.local.errors import LocalError
from services.local.terminal import console

if TYPE_CHECKING:
    from hudhud.billing.v1 import invoice_pb2

# As in cli.py, what a command needs is imported when it is called.

_name = click.option("--name", required=True, help="The registered name, in any script.")
_address = click.option("--address", multiple=True, required=True, help="A line; repeat it.")
_country = click.option("--country", required=True, help="As in ISO 3166-1, such as SY.")
_tax_id = click.option("--tax-id", default="", help="What its tax office knows it by.")


@click.command()
@click.argument("code")
@_name
@_address
@_country
@_tax_id
@click.option("--time-zone", default="UTC", show_default=True, help="Of its days and years.")
def issuer(
    code: str, name: str, address: Sequence[str], country: str, tax_id: str, time_zone: str
) -> None:
    """Say who issues invoices whose numbers begin with CODE, from now on."""
    from hudhud.billing.v1 import invoice_pb2, statement_service_pb2

    request = statement_service_pb2.SetIssuerRequest(
        issuer=invoice_pb2.Issuer(
            issuer_code=code, party=_party(name, address, country, tax_id), time_zone=time_zone
        )
    )
    as_operator(lambda caller: caller.statements.SetIssuer(request))
    console.print(f"[green]Set.[/] {code} issues invoices.", soft_wrap=True)


@click.command()
@click.argument("business_id")
@_name
@_address
@_country
@_tax_id
def profile(business_id: str, name: str, address: Sequence[str], country: str, tax_id: str) -> None:
    """Say to whom a business's invoices are issued, from now on."""
    from hudhud.billing.v1 import statement_service_pb2

    request = statement_service_pb2.SetBillingProfileRequest(
        business_id=business_id, party=_party(name, address, country, tax_id)
    )
    as_operator(lambda caller: caller.statements.SetBillingProfile(request))
    console.print("[green]Set.[/]")


@click.command()
@click.argument("issuer_code")
@click.argument("country")
@click.argument("first_day")
@click.option("--tax", multiple=True, help="Such as VAT=19, in percent; repeat it. None: no tax.")
@click.option("--note", default="", help="What the law wants said, such as why there is none.")
def taxes(issuer_code: str, country: str, first_day: str, tax: Sequence[str], note: str) -> None:
    """Say which taxes an issuer adds for buyers of a COUNTRY, for months that end on FIRST_DAY
    or later. ZZ is every country without taxes of its own.
    """
    from hudhud.billing.v1 import statement_service_pb2

    request = statement_service_pb2.SetTaxesRequest(
        issuer_code=issuer_code,
        country_code=country,
        first_day=first_day,
        taxes=[_tax(each) for each in tax],
        note=note,
    )
    as_operator(lambda caller: caller.statements.SetTaxes(request))
    console.print(f"[green]Set[/] from {first_day} on.", soft_wrap=True)


def _party(name: str, address: Sequence[str], country: str, tax_id: str) -> invoice_pb2.Party:
    from hudhud.billing.v1 import invoice_pb2

    return invoice_pb2.Party(
        legal_name=name, address_lines=address, country_code=country, tax_id=tax_id
    )


def _tax(text: str) -> invoice_pb2.Tax:
    """A tax that somebody typed as NAME=PERCENT."""
    from hudhud.billing.v1 import invoice_pb2

    name, equals, percent = text.rpartition("=")
    if not equals:
        raise LocalError(f"{text} is no tax such as VAT=19.")
    # A percent is ten thousand millionths, and so many micros a hundred.
    rate_ppm, rest = divmod(micros_typed(percent), 100)
    if rest or not 0 <= rate_ppm <= 1_000_000:
        raise LocalError(f"{percent} is no rate from 0 to 100 percent with at most four decimals.")
    return invoice_pb2.Tax(name=name, rate_ppm=rate_ppm)
