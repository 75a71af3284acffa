"""What training learns from the store: corrected, without contradictions, and not to be flooded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from ml.data import Row
from ml.data.labels import Entry
from ml.data.training import training_set
from ml.examples import Lessons, from_rows, lessons
from ml.features import MessageFeatures
from ml.pieces import pieces_of

NOTICE = "Your parcel 4411 from Corner Shop was handed over to the courier this Monday morning."
OFFER = "Only this Monday: everything at Corner Shop is reduced by half, come and see us."


def row(id_: str, text: str, label: str, group: str = "", language: str = "en") -> Row:
    return Row(id_, text, language, label, "mine", group or id_)


def entry(id_: str, kind: str, label: str, **more: str) -> Entry:
    said = Entry(id_, kind, "2026-03-01T12:00:00Z", f"by {id_}", "b1", label=label, language="en")
    return replace(said, **more)


def labels(stored: list[Row], *entries: Entry) -> dict[str, str]:
    return {row.id: row.label for row in training_set(stored, entries, ("en",)).rows}


def test_what_is_labelled_both_ways_is_left_out_until_a_reviewer_settles_it() -> None:
    stored = [row("1", NOTICE, "scam", "g"), row("2", NOTICE + "!", "transactional", "g"),
              row("3", OFFER, "promotional")]  # fmt: skip
    corrects = entry("r", "review", "transactional", of="mine:1")
    confirms = entry("r", "review", "scam", of="mine:1")

    assert labels(stored) == {"3": "promotional"}
    assert training_set(stored, [], ("en",)).left_out == {"near-duplicates labelled both ways": 2}
    assert labels(stored, corrects) == {
        "1": "transactional", "2": "transactional", "3": "promotional",
    }  # fmt: skip
    assert labels(stored, confirms) == {"1": "scam", "3": "promotional"}
    both = entry("s", "review", "transactional", of="mine:2")
    assert labels(stored, confirms, both) == {
        "1": "scam", "2": "transactional", "3": "promotional",
    }  # fmt: skip


def test_a_withdrawn_label_is_not_learned() -> None:
    stored = [row("1", OFFER, "promotional")]
    wrong = entry("r", "review", "personal", of="mine:1")
    withdrawal = Entry("w", "withdrawal", "2026-03-02T12:00:00Z", "ann", of="r")

    assert labels(stored, wrong) == {"1": "personal"}
    assert labels(stored, wrong, withdrawal) == {"1": "promotional"}


def test_a_reviewer_overrules_the_same_message_and_no_other() -> None:
    stored = [row("1", NOTICE, "scam"), row("2", NOTICE + " Enjoy 20% off.", "promotional")]
    decided = entry("r", "review", "transactional", text=NOTICE.replace("4411", "9000"))

    assert labels(stored, decided) == {"2": "promotional", "r": "transactional"}


def test_reports_count_a_little_and_appeals_do_not() -> None:
    said = [entry(str(at), "report", "promotional", text=OFFER) for at in range(3)]
    said += [entry("a", "appeal", "transactional", text=NOTICE)]
    [made] = training_set([], said, ("en",)).rows

    assert (made.text, made.label, made.source) == (OFFER, "promotional", "reports")
    assert made.weight == pytest.approx(0.05)
    nameless = [replace(each, language="") for each in said]
    assert labels([row("9", "See you", "personal", language="")], *nameless) == {"9": "personal"}
    assert labels([row("1", OFFER, "transactional")], *said) == {"1": "transactional"}
    decided = entry("r", "review", "transactional", text=OFFER)
    assert labels([], *said, decided) == {"r": "transactional"}


def test_unwanted_messages_of_a_language_without_innocent_ones_are_left_out() -> None:
    stored = [row("1", "Vinn pengar", "scam", language="sv"), row("2", OFFER, "promotional")]

    assert labels(stored) == {"2": "promotional"}
    hello = row("3", "God morgon", "personal", language="sv")
    assert set(labels([*stored, hello])) == {"1", "2", "3"}


def test_the_same_message_of_two_sources_is_learned_once() -> None:
    stored = [row("1", OFFER, "promotional", "g"),
              replace(row("1", OFFER, "promotional", "g"), source="other")]  # fmt: skip

    assert training_set(stored, [], ("en",)).left_out == {"the same message in two sources": 1}


FLOODED = [
    f"Your {thing} order number {at} {state}, {name}."
    for at, (thing, state, name) in enumerate(
        (thing, state, name)
        for thing in ("shoe", "book", "lamp", "cup", "phone", "coat", "ring", "bag", "pen", "hat")
        for state in ("was shipped", "arrives today", "is ready for pick-up", "was paid")
        for name in ("Ann", "Bilal", "Carmen", "Dong", "Emeka")
    )
]


def taught(rows: list[Row]) -> tuple[list[str], Lessons]:
    """The texts, and what is learned from each as a whole."""
    known = from_rows(rows, 10_000, by_source=False)
    texts = [item.text for item in known]
    pieces = pieces_of(texts)
    found = lessons(known, pieces)
    return texts, found.of(np.isin(found.pieces, pieces.wholes))


def unwanted(rows: list[Row], asked: list[str]) -> NDArray[np.float64]:
    """How unwanted a model that learned from the rows thinks texts are."""
    features = MessageFeatures(bucket_bits=13)
    texts, learned = taught(rows)
    model = LogisticRegression(C=10).fit(
        features.transform(texts), learned.labels, sample_weight=learned.weights
    )
    found = model.predict_proba(features.transform(asked))
    return np.asarray(found[:, list(model.classes_).index("scam")])


def test_a_flood_of_reports_does_not_move_the_model() -> None:
    """Forty people report every receipt of a competitor, 8,000 reports in all."""
    flood = [
        entry(f"{at} {person}", "report", "scam", by=f"person {person}", text=text)
        for at, text in enumerate(FLOODED)
        for person in range(40)
    ]
    honest = [row(f"n{at}", f"Your parcel from shop {at:x} was sent", "transactional", f"n{at}")
              for at in range(1_000)]  # fmt: skip
    honest += [row(f"s{at}", f"You won prize {at:x}, claim it here", "scam", f"s{at}")
               for at in range(1_000)]  # fmt: skip
    reported = training_set([], flood, ("en",)).rows
    before = unwanted(honest, FLOODED)
    after = unwanted(honest + reported, FLOODED)
    trusted = unwanted(honest + [replace(row, weight=1.0) for row in reported], FLOODED)

    assert sum(row.weight for row in reported) <= 0.05 + 1e-9
    assert np.abs(after - before).max() < 0.05
    assert np.abs(trusted - before).max() > 0.2  # without the caps it would have moved


def test_weights_of_others_barely_change_under_a_flood() -> None:
    honest = [row(str(at), f"{NOTICE} {at}", "transactional") for at in range(1_000)]
    honest += [row(f"p{at}", f"{OFFER} {at}", "promotional") for at in range(1_000)]
    flood = [replace(row(f"f{at}", text, "promotional"), weight=0.05 / len(FLOODED))
             for at, text in enumerate(FLOODED)]  # fmt: skip
    alone = taught(honest)[1].weights
    flooded = taught(honest + flood)[1].weights
    assert flooded[: len(honest)] / flooded.sum() == pytest.approx(alone / alone.sum(), rel=0.002)
