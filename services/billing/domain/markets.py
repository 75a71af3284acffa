"""Owns the market table: which region a country is priced with, from when on.

The table is data/markets.csv. A country's own code is a market too, and goes before its region;
'ZZ' is every country that neither prices.
"""

from __future__ import annotations

import csv
from bisect import bisect_right
from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from importlib import resources
from typing import Final, NamedTuple

from services.billing.domain.rates import EVERYWHERE


class MarketRow(NamedTuple):
    """A country is in a region from a day on, 00:00 UTC."""

    region: str
    country_code: str
    calling_code: int
    valid_from: date


class Markets:
    """Looks countries up."""

    def __init__(self, rows: Iterable[MarketRow]) -> None:
        self.rows = sorted(rows, key=lambda row: (row.country_code, row.valid_from))
        self._of_country: dict[str, list[tuple[datetime, str]]] = {}
        for row in self.rows:
            begins = datetime.combine(row.valid_from, time(), UTC)
            self._of_country.setdefault(row.country_code, []).append((begins, row.region))
        self.names = {EVERYWHERE, *self._of_country, *(row.region for row in self.rows)}

    def region_of(self, country_code: str, at: datetime) -> str | None:
        """The region that the country is in at a time; None for a country not in the table."""
        rows = self._of_country.get(country_code)
        if rows is None:
            return None
        if len(rows) == 1:
            return rows[0][1]
        begun = bisect_right(rows, at, key=lambda row: row[0])
        return rows[max(begun - 1, 0)][1]

    @classmethod
    def read(cls) -> Markets:
        """The table of this release."""
        text = (resources.files("services.billing") / "data" / "markets.csv").read_text("utf-8")
        return cls(
            MarketRow(
                row["region"],
                row["country_code"],
                int(row["calling_code"]),
                date.fromisoformat(row["valid_from"]),
            )
            for row in csv.DictReader(text.splitlines())
        )


MARKETS: Final = Markets.read()
