"""The market table: every country that has a calling code is in one region at a time."""

from datetime import UTC, date, datetime

import phonenumbers

from services.billing.domain.markets import MARKETS, MarketRow, Markets


def test_every_country_with_a_calling_code_is_in_a_region() -> None:
    codes = {row.country_code: row.calling_code for row in MARKETS.rows}
    assert codes == {
        country: phonenumbers.country_code_for_region(country)
        for country in phonenumbers.SUPPORTED_REGIONS
    }


def test_a_number_s_market_follows_from_its_calling_code() -> None:
    number = phonenumbers.parse("+963944123456")
    country = phonenumbers.region_code_for_number(number)
    assert MARKETS.region_of(country or "", datetime(2026, 1, 1, tzinfo=UTC)) == "middle_east"


def test_a_country_changes_its_region_at_a_date_and_never_in_the_past() -> None:
    markets = Markets(
        [
            MarketRow("asia_pacific", "KZ", 7, date(2018, 8, 1)),
            MarketRow("central_eastern_europe", "KZ", 7, date(2026, 10, 1)),
        ]
    )
    change = datetime(2026, 10, 1, tzinfo=UTC)
    assert markets.region_of("KZ", change) == "central_eastern_europe"
    assert markets.region_of("KZ", change.replace(month=9)) == "asia_pacific"
    assert markets.region_of("QQ", change) is None
