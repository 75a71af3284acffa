"""The second look: what is embedded, when it is taken, and that it says what its network says."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ml.cascade import NEVER_TWICE, Cascade, worst_pieces
from ml.embeddings import DIMENSIONS, embed, reading
from ml.fitting import cool_second, fit_second
from ml.judgement import LABELS
from ml.normalise import views
from ml.second import COLUMNS, SecondLook, columns

MESSAGES = [
    "Your parcel arrives tomorrow, track it at https://track.example.com/x",
    "وصلت شحنتك وستصلك غدا",
    "50% off everything this weekend only!",
    "อย่าพลาด ลดราคาวันนี้",
]


def test_what_is_embedded_is_the_message_undisguised_and_in_words() -> None:
    text = "FR\u200bEE gіft at bit.ly/x7 worth ＄1,250, call 0700123456, card ****1234"

    assert reading(views(text)) == "free gift at link bit worth $20, call 905551234567, card 20"


def test_an_embedding_does_not_depend_on_its_batch() -> None:
    messages = [views(text) for text in MESSAGES]
    together, unread = embed(messages)

    assert together.shape == (len(MESSAGES), DIMENSIONS)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-3)
    for row, share, message in zip(together, unread, messages, strict=True):
        [alone], [alone_unread] = embed([message])
        np.testing.assert_allclose(alone, row, atol=2e-5)
        assert alone_unread == share


def test_the_same_in_two_languages_is_closer_than_two_things_in_one() -> None:
    english, arabic, offer, thai_offer = embed([views(text) for text in MESSAGES])[0]

    assert english @ arabic > english @ offer
    assert offer @ thai_offer > english @ thai_offer


def test_what_the_encoder_cannot_read_is_told() -> None:
    _, [none, much] = embed([views("Good morning"), views("शुभ प्रभात मित्र")])

    assert none == 0
    assert much > 0.2
    assert embed([])[0].shape == (0, DIMENSIONS)


def test_products_give_what_the_network_gives() -> None:
    random = np.random.default_rng(1)
    rows = random.normal(size=(300, 12)).astype(np.float32)
    classes = np.array(LABELS)[random.integers(0, 4, 300)]
    lessons = [(rows, classes), (rows[:280], classes[:280])]
    pipeline = fit_second(lessons, hidden=5, penalty=0.1, epochs=3, seed=1)
    cool_second(pipeline, 1.7)

    scores = SecondLook(pipeline).scores(rows)
    expected = pipeline.predict_log_proba(rows)[
        :, [list(pipeline.classes_).index(x) for x in LABELS]
    ]
    np.testing.assert_allclose(
        scores - np.logaddexp.reduce(scores, axis=1, keepdims=True), expected, atol=1e-4
    )


def test_every_piece_has_its_columns() -> None:
    messages = [views(text) for text in MESSAGES]
    rows = columns(np.zeros((4, 4), np.float32), *embed(messages), messages)

    assert rows.shape == (4, COLUMNS)
    assert not np.array_equal(rows[0, -22:], rows[2, -22:]), "a link and an exclamation are facts"


@given(
    st.lists(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=4), min_size=1, max_size=6)
)
def test_only_messages_in_doubt_are_looked_at_again(messages: list[list[float]]) -> None:
    unwanted = np.array([score for pieces in messages for score in pieces], np.float32)
    owners = np.repeat(np.arange(len(messages)), [len(pieces) for pieces in messages])
    cascade = Cascade(innocent=0.2, unwanted=0.9)

    again = cascade.open(unwanted, owners)
    for index, pieces in enumerate(messages):
        doubt = np.float32(0.2) < max(pieces) < np.float32(0.9)
        expected = [bool(doubt and score > np.float32(0.2)) for score in pieces]
        assert again[owners == index].tolist() == expected
    assert Cascade(-1, 2).open(unwanted, owners).all()
    assert not NEVER_TWICE.open(unwanted, owners).any()
    for index, at in enumerate(worst_pieces(unwanted, owners)):
        assert owners[at] == index
        assert unwanted[at] == np.float32(max(messages[index]))
