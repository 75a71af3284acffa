"""Wordings as text: cut, rendered, put together again."""

from hypothesis import given
from hypothesis import strategies as st

from services.policy.domain.texts import has_code, language_of, links_of
from services.policy.domain.verdicts import spans_of_parameters
from services.policy.domain.wordings import Segment, Wording

names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
literals = st.text(st.characters(exclude_characters="{}", exclude_categories=["Cs"]), min_size=1)
values = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.lists(st.one_of(names.map(lambda name: f"{{{{{name}}}}}"), literals)), st.data())
def test_a_wording_is_its_segments(pieces: list[str], data: st.DataObject) -> None:
    body = "".join(pieces)
    wording = Wording.read(body)
    again = "".join(
        segment.literal or f"{{{{{segment.parameter}}}}}" for segment in wording.segments
    )
    assert again == body
    given_values = {name: data.draw(values) for name in wording.parameters}
    rendered = wording.render(given_values)
    for name, span in spans_of_parameters(wording, given_values):
        assert rendered[span.start : span.end] == given_values[name]


def test_segments_keep_their_order_and_their_spaces() -> None:
    wording = Wording.read("{{a}}: {{b}} ({{a}})\n")
    assert wording.segments == (
        Segment("", "a"),
        Segment(": ", ""),
        Segment("", "b"),
        Segment(" (", ""),
        Segment("", "a"),
        Segment(")\n", ""),
    )
    assert wording.parameters == ("a", "b")


def test_languages_links_and_codes_are_seen() -> None:
    assert language_of("طلبك رقم 77 في الطريق") == "ar"
    assert language_of("Your order is on its way to حلب") == "en"
    assert language_of("سفارش شما در راه است و گم نمی‌شود") == "en"
    assert language_of("") == "en"
    for linked in ("see shop.example.com now", "http://x.example/a", "www.example.org", "bit.ly/x"):
        assert links_of(linked), linked
    for plain in ("Nour, gate 5", "3.50", "10.30 a.m", "ليلى", "St. Mark"):
        assert not links_of(plain), plain
    for code in ("482193 is your code", "رمزك ٤٨٢١٩٣", "Your code: K7M2QD", "48 21 93"):
        assert has_code(code), code
    for none in ("Please confirm", "Call us at 5", "WELCOME to us"):
        assert not has_code(none), none
