"""What a reviewer is asked, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ml.data import Row
from ml.data.labels import Entry
from ml.judgement import Abstention, Judgement
from ml.labelling.queue import Item, queue_of_rows, queue_of_store


def judge(texts: Sequence[str]) -> list[Judgement]:
    """A model that reads how unwanted a text is out of the text."""
    judgements = []
    for text in texts:
        if text.startswith("?"):
            judgements.append(Judgement(0, 0, 0, 0, "und", Abstention.TOO_LITTLE_TEXT))
        else:
            unwanted = float(text.split()[0])
            judgements.append(Judgement(unwanted, 0.0, 1 - unwanted, 0.0, "en"))
    return judgements


def row(id_: str, text: str, label: str, group: str = "") -> Row:
    return Row(id_, text, "en", label, "mine", group or id_)


def entry(id_: str, kind: str, label: str, **more: str) -> Entry:
    said = Entry(id_, kind, "2026-03-01T12:00:00Z", f"by {id_}", "b1", label=label)
    return replace(said, **more)


def rows_of(items: list[Item]) -> list[str]:
    return [item.row for item in items]


def test_labels_the_model_doubts_are_asked_the_doubtful_first() -> None:
    stored = [row("sure", "0.01 dinner", "personal"), row("little", "0.6 lunch", "personal"),
              row("much", "0.1 sale", "promotional")]  # fmt: skip

    assert rows_of(queue_of_store(stored, [], judge)) == ["mine:much", "mine:little"]


def test_of_near_duplicates_one_is_asked_and_many_weigh_more() -> None:
    stored = [row("one", "0.9 a", "personal")]
    stored += [row(f"many{at}", f"0.{80 + at} b", "personal", "many") for at in range(9)]
    first, second = queue_of_store(stored, [], judge)

    assert (first.row, first.alike) == ("mine:many8", 9)
    assert (second.row, second.alike) == ("mine:one", 1)


def test_contradictions_are_asked_until_they_are_settled() -> None:
    stored = [row("1", "0.2 same", "scam", "g"), row("2", "0.2 same", "personal", "g")]
    items = queue_of_store(stored, [], judge)
    assert rows_of(items) == ["mine:1", "mine:2"]
    assert "labelled scam, but the like of it (mine:2) personal" in items[0].why

    confirmed = entry("r", "review", "scam", of="mine:1")
    assert rows_of(queue_of_store(stored, [confirmed], judge)) == ["mine:2"]
    corrected = entry("r", "review", "personal", of="mine:1")
    assert queue_of_store(stored, [corrected], judge) == []
    both = [confirmed, entry("s", "review", "personal", of="mine:2")]
    assert queue_of_store(stored, both, judge) == []


def test_appeals_and_reports_are_asked_until_somebody_decided() -> None:
    said = [entry("a", "appeal", "transactional", text="0.9 your bill"),
            entry("b", "report", "scam", text="0.2 win"),
            entry("c", "report", "scam", text="0.2 win")]  # fmt: skip
    items = queue_of_store([], said, judge)

    assert sorted((item.why, item.of, item.text) for item in items) == [
        ("appealed", "a", "0.9 your bill"), ("reported by 2", "b", "0.2 win"),
    ]  # fmt: skip
    decided = entry("d", "review", "transactional", text="0.9 your bill", of="a")
    assert [item.of for item in queue_of_store([], [*said, decided], judge)] == ["b"]
    withdrawn = Entry("w", "withdrawal", "2026-03-02T12:00:00Z", "ann", of="d")
    assert len(queue_of_store([], [*said, decided, withdrawn], judge)) == 2


def test_of_a_file_the_uncertain_come_first() -> None:
    rows = [row("low", "0.05 a", ""), row("near", "0.78 b", ""), row("high", "0.99 c", ""),
            row("same", "0.78 b", ""), row("none", "? d", ""),
            row("wrong", "0.97 e", "personal")]  # fmt: skip
    items = queue_of_rows(rows, judge, threshold=0.8)

    assert [item.of for item in items] == ["near", "wrong", "none", "low", "high"]
    assert items[0].alike == 2


def test_what_identifies_people_is_gone_from_a_file() -> None:
    [item] = queue_of_rows([row("1", "0.5 call 0501234567", "")], judge, 0.8)

    assert item.text == "0.5 call 0500000000"
