"""What people see of measurements on a terminal: tables."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.markup import escape
from rich.table import Table

from ml.evaluation.drift import Drift
from ml.evaluation.limits import Check
from ml.evaluation.pairs import Decision, Difference
from ml.judgement import Judgement
from ml.report import ALL, UNWANTED, Lost
from ml.thresholds import Thresholds

_EXAMPLE_MAX = 60  # characters
_CHANGED_MAX = 40  # messages
_TEXT_MAX = 30  # characters beside three other columns


def differences(found: Sequence[Difference], title: str) -> Table:
    """Where two models differ, with what is worse in red and what is better in green."""
    numbers = "mes-\nsages", "A\nstops", "B\nstops", "de-\ncided\nanew", "B - A", "interval"
    table = _table(title, ("group", "label"), numbers)
    for one in found:
        style = "red" if one.worse else "green" if one.better else None
        table.add_row(
            escape(one.group or "none"), one.label, f"{one.count:,}", f"{one.stopped_by_a:.1%}",
            f"{one.stopped_by_b:.1%}", "" if one.changed is None else f"{one.changed:,}",
            f"{one.difference:+.1%}", f"{100 * one.low:+.1f} to {100 * one.high:+.1f}", style=style,
        )  # fmt: skip
    return table


def attacks(found: Sequence[Lost], examples: dict[str, str], broken: set[tuple[str, str]]) -> Group:
    """What each disguise gets through; the worst one of each language; what each looks like."""
    whole = _table("Recall lost to each disguise", ("disguise",),
                   ("messages", "before", "after", "lost", "95% interval"))  # fmt: skip
    worst: dict[str, Lost] = {}
    for lost in found:
        if lost.group == ALL:
            whole.add_row(
                lost.attack, *_lost(lost),
                style="red" if (lost.attack, ALL) in broken else None,
            )  # fmt: skip
        elif lost.group not in worst or lost.lost > worst[lost.group].lost:
            worst[lost.group] = lost
    by_language = _table("The worst disguise of each language", ("language", "disguise"),
                         ("messages", "before", "after", "lost", "95% interval"))  # fmt: skip
    for group, lost in sorted(worst.items()):
        by_language.add_row(
            escape(group or "none"), lost.attack, *_lost(lost),
            style="red" if (lost.attack, group) in broken else None,
        )  # fmt: skip
    looks = Table(title="What they look like", title_justify="left", box=SIMPLE_HEAD)
    looks.add_column("disguise", no_wrap=True)
    looks.add_column("example", overflow="ellipsis", no_wrap=True)
    for attack, example in examples.items():
        looks.add_row(attack, escape(one_line(example)))
    return Group(whole, by_language, looks)


def attacks_on_one(
    texts: dict[str, str], judged: dict[str, Judgement], thresholds: Thresholds
) -> Table:
    """One message in each disguise, and what the model then says of it."""
    table = _table("One message in each disguise", ("disguise", "decision"), ("unwanted",))
    table.add_column("text", overflow="ellipsis", no_wrap=True, max_width=_TEXT_MAX)
    for name, judgement in judged.items():
        decision = thresholds.decision(judgement)
        passed = decision == "allow" and thresholds.blocks_direct(next(iter(judged.values())))
        table.add_row(name, decision, f"{judgement.unwanted:.3f}", escape(one_line(texts[name])),
                      style="red" if passed else None)  # fmt: skip
    return table


def changed(found: Sequence[Decision]) -> Table:
    """Messages on which two models decide otherwise, by id; the first of them."""
    more = len(found) - _CHANGED_MAX
    title = f"Decided otherwise: {len(found):,} messages"
    table = _table(title + (f", the first {_CHANGED_MAX}; --json names all" if more > 0 else ""),
                   ("id", "source", "language", "label", "A", "B"), ())  # fmt: skip
    for one in found[:_CHANGED_MAX]:
        by_a, by_b = ("block" if by else "allow" for by in (one.stopped_by_a, one.stopped_by_b))
        right = one.stopped_by_b == (one.label in UNWANTED)
        table.add_row(
            escape(one.id), escape(one.source), escape(one.language), one.label, by_a, by_b,
            style="green" if right else "red",
        )  # fmt: skip
    return table


def _lost(lost: Lost) -> tuple[str, ...]:
    return (f"{lost.count:,}", f"{lost.stopped_before / lost.count:.1%}",
            f"{lost.stopped_after / lost.count:.1%}", f"{lost.lost:.1%}",
            f"{100 * lost.low:.1f} to {100 * lost.high:.1f}")  # fmt: skip


def broken(found: Sequence[Check], title: str) -> Table:
    """The limits that are not kept."""
    table = _table(title, ("what", "group"), ("messages", "is", "interval", "limit"))
    for check in found:
        sense = "under" if check.under else "at least"
        if check.is_share:
            within, limit = f"{check.low:.1%} to {check.high:.1%}", f"{sense} {check.limit:.1%}"
            figures = f"{check.count:,}", f"{check.figure:.1%}", within, limit
        else:
            figures = ("", f"{check.figure:.3g}", "", f"{sense} {check.limit:.3g}")
        table.add_row(check.what, escape(check.group), *figures)
    return table


def drifts(found: Sequence[Drift]) -> Table:
    """How far scores and classes have moved."""
    table = _table("Drift since the last release (population stability index)", ("group",),
                   ("messages", "scores", "classes", "meaning"))  # fmt: skip
    for one in found:
        table.add_row(
            escape(one.group or "none"), f"{one.count:,}", f"{one.scores:.3f}",
            f"{one.classes:.3f}", one.meaning, style=None if one.meaning == "steady" else "yellow",
        )  # fmt: skip
    return table


def releases(lines: Sequence[Mapping[str, Any]]) -> Table:
    """The history of releases, oldest first."""
    table = _table("Releases", ("version", "released", "in place of"),
                   ("messages", "limits", "not\nreached"))  # fmt: skip
    for line in lines:
        missed = sum(not check["held"] for check in line["checks"])
        learned = line["training"]["corpus_messages"] + line["training"]["data_messages"]
        table.add_row(
            line["version"], line["released"][:16], line["live"] or "none",
            f"{learned:,}", f"{len(line['checks']):,}", f"{missed:,}",
        )  # fmt: skip
    return table


def one_line(text: str) -> str:
    """A text without line breaks, and with what cannot be seen of it made visible."""
    seen = "".join(
        sign if sign.isprintable() else f"<{ord(sign):04x}>" for sign in " ".join(text.split())
    )
    return seen if len(seen) <= _EXAMPLE_MAX else seen[: _EXAMPLE_MAX - 1] + "…"


def _table(title: str, names: Sequence[str], numbers: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for heading in names:
        table.add_column(heading, no_wrap=heading != "what")
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    return table
