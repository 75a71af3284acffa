"""Money, rates and page tokens, without a database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.billing.domain.ledger import CurrencySums, Fault, find_unequal_sums, parse_entry_id
from services.billing.domain.money import Money
from services.billing.domain.rate_card import RateCard
from services.billing.domain.rates import EVERYWHERE, Category, Rate, RateKind, RatePage

START = datetime(2026, 1, 1, tzinfo=UTC)

rates = st.builds(
    lambda country, seconds, price: Rate(
        Category.UTILITY, country, Money("USD", price), START + timedelta(seconds=seconds)
    ),
    st.sampled_from(["SY", "QA", EVERYWHERE]),
    st.integers(0, 20),
    st.integers(0, 9),
)


def numbered(found: list[Rate]) -> list[Rate]:
    return [replace(each, rate_id=number) for number, each in enumerate(found, start=1)]


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "0.00 USD"),
        (1, "0.000001 USD"),
        (4500, "0.0045 USD"),
        (1_000_000, "1.00 USD"),
        (-1_500_000, "-1.50 USD"),
        (10**15, "1000000000.00 USD"),
    ],
)
def test_an_amount_reads_exactly(micros: int, text: str) -> None:
    assert str(Money("USD", micros)) == text


@given(
    found=st.lists(rates, unique_by=lambda rate: (rate.kind, rate.valid_from_time)),
    seconds=st.integers(-1, 21),
    country=st.sampled_from(["SY", "QA", "AE"]),
)
def test_the_rate_in_force_is_the_last_that_began(
    found: list[Rate], seconds: int, country: str
) -> None:
    card, at = RateCard(), START + timedelta(seconds=seconds)
    card.add(numbered(found))

    def last_of(code: str) -> Rate | None:
        begun = [r for r in numbered(found) if r.market == code and r.valid_from_time <= at]
        return max(begun, key=lambda rate: rate.valid_from_time, default=None)

    expected = last_of(country) or last_of(EVERYWHERE)
    ladder = card.find(Category.UTILITY, country, "USD", at)
    assert (ladder and ladder.rung(1)) == expected
    assert card.find(Category.UTILITY, country, "EUR", at) is None
    assert card.find(Category.MARKETING, country, "USD", at) is None


@given(found=st.lists(rates, unique_by=lambda rate: (rate.kind, rate.valid_from_time)))
def test_a_card_takes_each_rate_once_in_whatever_pieces(found: list[Rate]) -> None:
    whole, pieces = RateCard(), RateCard()
    whole.add(numbered(found))
    for end in (len(found) // 2, len(found), len(found)):
        pieces.add(numbered(found)[:end])
    assert vars(pieces) == vars(whole)


@given(micros=st.integers(-(10**15), 10**16), country=st.sampled_from(["SY", "ZZ"]))
def test_a_page_token_says_where_it_was(micros: int, country: str) -> None:
    page = RatePage(
        START + timedelta(microseconds=micros), RateKind(Category.SERVICE, country, "USD")
    )
    assert RatePage.parse(page.text()) == page


@given(st.text())
def test_any_other_text_is_no_page_token(text: str) -> None:
    page = RatePage.parse(text)
    assert page is None or page.text() == text
    number = parse_entry_id(text)
    assert number is None or str(number) == text.lstrip("0") or number == 0


def test_a_fault_shows_a_few_cases_and_how_many_there_are() -> None:
    assert str(Fault("broken", 2, ["a", "b"])) == "broken: 2 (a, b)"
    assert str(Fault("broken", 9, ["a", "b"])) == "broken: 9 (a, b, ...)"


def test_sums_that_differ_are_named() -> None:
    assert find_unequal_sums([CurrencySums("USD", 3, 3, 0, 0, 0, 0, 0)]) == []
    [fault] = find_unequal_sums([CurrencySums("USD", 3, 4, 0, 0, 0, 0, 0)])
    assert fault == "debits and credits in USD differ: 3 and 4"
