"""Messages are cut at sentences, and nothing of them is lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ml.normalise import views
from ml.parts import PART_LENGTH_MAX, parts
from ml.pieces import pieces_of

SENTENCES = st.lists(st.text(alphabet="abc ؟.!\n|。好ก", max_size=60), max_size=8).map(" ".join)


def test_sentences_are_parts_once_they_are_long_enough() -> None:
    text = "Your order was delivered to your door today. Enjoy a discount on everything this week!"

    assert [text[start:end] for start, end in parts(text)] == [
        "Your order was delivered to your door today.",
        "Enjoy a discount on everything this week!",
    ]


def test_short_sentences_stay_together() -> None:
    assert len(parts("Hi. Ok. See you. Bye.")) == 1


def test_arabic_sentences_are_parts() -> None:
    assert (
        len(parts("هل وصلك الطلب الذي أرسلناه أمس إلى بيتك؟ نتمنى لك يوما سعيدا مع العائلة.")) == 2
    )


def test_chinese_and_thai_are_cut_without_full_stops_and_spaces_between_words() -> None:
    assert len(parts("您的包裹已送达小区快递柜。今天全场五折，买一送一！欢迎光临。")) == 2
    assert len(parts("พัสดุของคุณถูกจัดส่งเรียบร้อยแล้ว วันนี้ลดราคาทุกอย่างครึ่งราคาเฉพาะที่ร้าน")) == 2


@given(SENTENCES)
def test_parts_cover_the_text_but_for_space(text: str) -> None:
    bounds = parts(text)

    covered = "".join(text[start:end] for start, end in bounds)
    assert _letters(covered) == _letters(text)
    assert bounds == sorted(bounds)
    assert all(start < end for start, end in bounds)


@given(st.text(alphabet="ab ", min_size=500, max_size=2000))
def test_a_text_without_sentences_is_cut_all_the_same(text: str) -> None:
    assert all(end - start <= 2 * PART_LENGTH_MAX for start, end in parts(text))


def _letters(text: str) -> str:
    return "".join(character for character in text if character not in " \n|")


def test_what_is_put_before_or_behind_leaves_the_message_whole_in_a_piece() -> None:
    offer = "Our biggest sale of the year begins. Come by and see what we have for you."
    courtesy = "I hope that you and your family are well."
    expected = views(offer).normalised

    for text in (f"{courtesy} {offer}", f"{offer} {courtesy}"):
        pieces = pieces_of([text])
        assert expected in [view.normalised for view in pieces.views]
        at = [view.normalised for view in pieces.views].index(expected)
        assert text[slice(*pieces.bounds[at])] == offer


def test_a_long_message_is_judged_by_its_parts_alone() -> None:
    text = "This is a sentence of some length. " * 40
    pieces = pieces_of([text])

    assert len(pieces.views) == 41
    assert pieces.wholes.tolist() == [0]
