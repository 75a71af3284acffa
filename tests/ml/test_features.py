"""A row depends on its text alone, and says what is in it."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ml.features import MessageFeatures

FEATURES = MessageFeatures(bucket_bits=16)


@given(st.lists(st.text(max_size=50), min_size=1, max_size=6))
def test_a_row_is_the_same_alone_and_in_any_batch(texts: list[str]) -> None:
    together = FEATURES.transform(texts).toarray()

    for row, text in zip(together, texts, strict=True):
        np.testing.assert_allclose(row, FEATURES.transform([text]).toarray()[0], rtol=1e-5)


def test_no_n_gram_reaches_over_the_end_of_its_message() -> None:
    apart = FEATURES.transform(["free gift", "for you"])
    other = FEATURES.transform(["free gift", "at home"])

    assert (apart[0] != other[0]).nnz == 0


def test_word_order_counts() -> None:
    one, other = FEATURES.transform(["not free", "free not"]).toarray()

    assert not np.allclose(one, other)


def test_an_empty_batch_and_an_empty_text_have_features() -> None:
    assert FEATURES.transform([]).shape == (0, 1 << 16)
    assert FEATURES.transform([""]).shape == (1, 1 << 16)


def test_disguise_is_a_feature() -> None:
    one, other = FEATURES.transform(["free gift", "fr\u200bee gift"]).toarray()

    assert not np.allclose(one, other)


def test_scaling_keeps_long_messages_comparable() -> None:
    short, long = FEATURES.transform(["free gift today", "free gift today " * 20]).toarray()

    assert 0.2 < np.linalg.norm(short) / np.linalg.norm(long) < 5
