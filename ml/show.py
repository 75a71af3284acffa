"""What people see of the classifier: tables, the card, a text with its heavy words marked."""

from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ml.command import output
from ml.evaluation.limits import limits
from ml.judgement import Explanation
from ml.labelling.screen import message
from ml.sentences import told
from ml.thresholds import Thresholds


def metrics(rows: Sequence[dict[str, Any]], title: str) -> Table:
    """The measured shares, with what is too much in red."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for heading in ("group", "label"):
        table.add_column(heading, no_wrap=True)
    for heading in ("messages", "stopped", "share", "95% interval", "abstained"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        share = f"{row['share']:.1%}", f"{row['low']:.1%}–{row['high']:.1%}"
        counts = f"{row['count']:,}", f"{row['stopped']:,}"
        style = "red" if too_much(row) else None
        table.add_row(
            escape(row["group"] or "not said"),
            row["label"],
            *counts,
            *share,
            str(row["abstained"]),
            style=style,
        )
    return table


def too_much(row: dict[str, Any]) -> bool:
    """Whether a measured share of innocent messages stopped is over the limit."""
    limit = limits()["stopped_under"].get(row["label"])
    return limit is not None and float(row["share"]) >= float(limit)


def explanation(text: str, explained: Explanation, thresholds: Thresholds) -> Group:
    """The text with its heavy words marked, the probabilities, and the decision."""
    judgement = explained.judgement
    said = [Text(sentence) for sentence in told(text, judgement, thresholds)]
    if judgement.abstention:
        why = Text(f"No judgement: {judgement.abstention}.", style="yellow")
        return Group(*message(text, None, output), why, *said)
    table = Table(show_header=False, box=None)
    for label in ("promotional", "scam", "transactional", "personal"):
        table.add_row(label, f"{getattr(judgement, label):.3f}")
    table.add_row("language", judgement.language)
    table.add_row(
        "as a direct message", "blocked" if thresholds.blocks_direct(judgement) else "allowed"
    )
    return Group(*message(text, explained, output), Text(), *said, Text(), table)


def card(described: dict[str, Any]) -> str:
    """What a release is, in a paragraph that travels with it."""
    data = described["data_messages"]
    learned = f"{described['corpus_messages']:,} messages written for Hudhud (ml/corpus)"
    if data:
        learned += f" and {data:,} labelled messages of {', '.join(described['data'])}"
    else:
        learned += " and nothing else: weaker than a model that has also seen real traffic"
    return (
        "Tells promotional, scam, transactional and personal messages apart. Word and letter "
        "n-grams of the text as sent and as normalised, hashed, in a logistic regression; every "
        f"part of a message is judged and the worst counts. Learned from {learned}. It holds "
        "weights of hash buckets and no text. The metrics are of patterns it had not seen, written "
        "by the same hands: expect more mistakes on real messages, and measure on your own "
        "(hudhud-ml evaluate)."
    )
