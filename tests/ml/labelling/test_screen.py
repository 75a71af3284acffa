"""A message is shown in its own direction, and steers nothing."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from ml.judgement import Explanation, Judgement, Span
from ml.labelling import screen
from ml.labelling.queue import Item

EXPLANATION = Explanation(Judgement(0.9, 0.05, 0.05, 0.0, "en"), (0, 9), (Span(0, 3, 1.0),))


def console(width: int = 40, colour: bool = False) -> Console:
    return Console(file=io.StringIO(), width=width, force_terminal=colour,
                   color_system="standard" if colour else None, highlight=False)  # fmt: skip


def lines_of(text: str, width: int = 40) -> list[str]:
    return [line.plain for line in screen.message(text, None, console(width))]


def test_arabic_stands_at_the_right_each_line_an_island() -> None:
    [line] = lines_of("وصل طلبك رقم 12 ORDER")

    assert line.lstrip(" ") == "\u2067وصل طلبك رقم 12 ORDER\u2069"
    assert len(line) - 2 == 2 + 36  # as wide as the page
    assert lines_of("Your order طلب arrived") == ["  \u2066Your order طلب arrived\u2069"]


def test_directions_are_told_by_line() -> None:
    first, second = lines_of("عرض خاص\nonly today")

    assert "\u2067" in first
    assert "\u2066" in second


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\x1b[2Jb", "a‹U+001B›[2Jb"), ("a\u202eb", "a‹U+202E›b"), ("a\u200bb", "a‹U+200B›b"),
     ("a\rb", "a‹U+000D›b"), ("a\u2069b", "a‹U+2069›b"), ("\ud800", "‹U+D800›"),
     ("می\u200cخواهم", "می\u200cخواهم"), ("tab\tx", "tab‹U+0009›x")],
)  # fmt: skip
def test_what_would_steer_the_terminal_is_named(text: str, shown: str) -> None:
    [line] = lines_of(text)
    assert shown in line


@settings(deadline=None)
@given(st.text(max_size=300))
def test_whatever_is_in_a_message_lines_are_balanced_and_fit(text: str) -> None:
    for line in lines_of(text, 60):
        inside = line.strip(" ")
        assert inside[0] in "\u2066\u2067"
        assert inside[-1] == "\u2069"
        assert not any(
            character in "\x1b\r\x00\u202e\u2066\u2067\u2069" for character in inside[1:-1]
        )


def test_a_page_tells_the_opinion_and_marks_the_words() -> None:
    shown = console(80, colour=True)
    item = Item("Buy now <b>", "appealed", 1.0, 3, "block", language="en")
    shown.print(screen.page(item, (2, 7), EXPLANATION, shown))
    text = shown.file.getvalue()  # type: ignore[attr-defined]

    assert "2 of 7" in text
    assert "appealed · en · 3 alike" in text
    assert "\x1b[1;31mBuy\x1b[0m now <b>" in text
    assert "The model: promotional 90%, scam 5%, transactional 5%" in text
    assert "p promotional" in text
