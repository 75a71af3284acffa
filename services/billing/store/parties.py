"""Owns the rows of who issues invoices, to whom, and with which taxes."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from services.billing.domain.invoices import Issuer, Party, Tax, TaxSet
from services.kit.database import Connection


async def insert_issuer(connection: Connection, issuer: Issuer, now: datetime) -> None:
    """Say who issues invoices under a code from now on."""
    await connection.execute(
        """
        INSERT INTO issuers
            (issuer_code, legal_name, address_lines, country_code, tax_id, time_zone, create_time)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        issuer.issuer_code,
        *party_columns(issuer.party),
        issuer.time_zone,
        now,
    )


async def get_issuer(connection: Connection, issuer_code: str) -> Issuer | None:
    """Who issues invoices under a code, if anybody does."""
    row = await connection.fetchrow(
        """
        SELECT legal_name, address_lines, country_code, tax_id, time_zone
        FROM issuers
        WHERE issuer_code = $1
        ORDER BY issuer_version DESC
        LIMIT 1
        """,
        issuer_code,
    )
    return (
        None if row is None else Issuer(issuer_code, read_party(tuple(row)[:4]), row["time_zone"])
    )


async def insert_profile(
    connection: Connection, business_id: UUID, party: Party, now: datetime
) -> None:
    """Say to whom a business's invoices are issued from now on."""
    await connection.execute(
        """
        INSERT INTO billing_profiles
            (business_id, legal_name, address_lines, country_code, tax_id, create_time)
        VALUES ($1, $2, $3, $4, $5, $6)
        """,
        business_id,
        *party_columns(party),
        now,
    )


async def get_profile(connection: Connection, business_id: UUID) -> Party | None:
    """To whom a business's invoices are issued, if it was said."""
    row = await connection.fetchrow(
        """
        SELECT legal_name, address_lines, country_code, tax_id
        FROM billing_profiles
        WHERE business_id = $1
        ORDER BY profile_version DESC
        LIMIT 1
        """,
        business_id,
    )
    return None if row is None else read_party(tuple(row))


async def insert_taxes(connection: Connection, taxes: TaxSet, now: datetime) -> None:
    """Add taxes, unless there are some of the same day."""
    await connection.execute(
        """
        INSERT INTO taxes
            (issuer_code, country_code, valid_from, names, rates_ppm, note, create_time)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (issuer_code, country_code, valid_from) DO NOTHING
        """,
        taxes.issuer_code,
        taxes.country_code,
        taxes.first_day,
        [tax.name for tax in taxes.taxes],
        [tax.rate_ppm for tax in taxes.taxes],
        taxes.note,
        now,
    )


async def find_taxes(
    connection: Connection, issuer_code: str, country_code: str, day: date
) -> TaxSet | None:
    """The taxes that hold on a day for buyers of a country, if any were ever said."""
    row = await connection.fetchrow(
        """
        SELECT country_code, valid_from, names, rates_ppm, note
        FROM taxes
        WHERE issuer_code = $1 AND country_code IN ($2, 'ZZ') AND valid_from <= $3
        ORDER BY country_code = 'ZZ', valid_from DESC
        LIMIT 1
        """,
        issuer_code,
        country_code,
        day,
    )
    if row is None:
        return None
    country_code, first_day, names, rates, note = row
    taxes = tuple(Tax(*pair) for pair in zip(names, rates, strict=True))
    return TaxSet(issuer_code, country_code, first_day, taxes, note)


def party_columns(party: Party) -> tuple[str, list[str], str, str]:
    """The columns of one side."""
    return party.legal_name, list(party.address_lines), party.country_code, party.tax_id


def read_party(columns: tuple[str, list[str], str, str]) -> Party:
    """One side, from its columns."""
    legal_name, address_lines, country_code, tax_id = columns
    return Party(legal_name, tuple(address_lines), country_code, tax_id)
