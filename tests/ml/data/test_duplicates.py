"""Near-duplicates are found, and what only has words in common is not one."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from ml.data.duplicates import clusters

NOTICE = "Your parcel from Corner Shop was handed over to the courier on Monday, track it online"


def test_the_like_of_a_text_is_found() -> None:
    texts = [
        NOTICE, "Are you coming home?", NOTICE.upper() + "!", NOTICE.replace("Monday", "Friday"),
        "تم خصم مبلغ 500 ريال من بطاقتك", "تم خصم مبلغ 750 ريال من بطاقتك",
        "今天的包裹已送达，请查收", "今天的包裹已送达，请查收!", "Your parcel",
    ]  # fmt: skip

    assert clusters(texts) == [0, 1, 0, 0, 4, 4, 6, 6, 8]


def test_what_somebody_says_belongs_together_does() -> None:
    assert clusters(["Guten Morgen", "Good morning", "Buenos días"], [[0, 1]]) == [0, 0, 2]


def test_nothing_and_hardly_anything_are_texts_too() -> None:
    assert clusters([]) == []
    assert clusters(["", "👍", "a", ""])[3] == 0


@settings(deadline=None)
@given(st.lists(st.text(max_size=40), max_size=20))
def test_each_text_is_of_one_cluster_named_by_its_first(texts: list[str]) -> None:
    found = clusters(texts)

    assert len(found) == len(texts)
    assert all(found[root] == root <= place for place, root in enumerate(found))
    first = dict(zip(reversed(texts), reversed(found), strict=True))
    assert all(found[place] == first[text] for place, text in enumerate(texts))


def test_most_of_what_is_alike_is_found_and_little_else() -> None:
    chance = random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(chance.choices(letters, k=6)) for _ in range(2_000)]
    texts = [" ".join(chance.choices(words, k=20)) for _ in range(300)]
    changed = [text.replace(text.split()[9], "changed", 1) for text in texts]
    found = clusters(texts + changed)

    assert sum(found[300 + place] == place for place in range(300)) >= 295
    assert found[:300] == list(range(300))
