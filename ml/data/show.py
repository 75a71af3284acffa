"""What people see of labelled data: tables and notices. No message is shown."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from ml.data.health import Finding, address
from ml.data.intake import Outcome
from ml.data.rows import LABEL_MEANINGS, Row

_HEADINGS = {  # so that a table fits into 80 columns
    "promotional": "promo-\ntional",
    "transactional": "trans-\nactional",
    "other_spam": "other\nspam",
    "unknown_ham": "unknown\nham",
}
NAMED_MAX = 10  # of a long list; --json names all


def messages(rows: list[Row], title: str) -> Table:
    """How many messages there are, by source, language and label."""
    table = Table(title=title, title_justify="left")
    table.add_column("source", no_wrap=True)
    table.add_column("language", no_wrap=True)
    for label in LABEL_MEANINGS:
        table.add_column(_HEADINGS.get(label, label), justify="right", no_wrap=True)
    cells = Counter((row.source, row.language, row.label) for row in rows)
    for source, language in sorted({(row.source, row.language) for row in rows}):
        counts = [cells[source, language, label] for label in LABEL_MEANINGS]
        told = [f"{count:,}" if count else "" for count in counts]
        table.add_row(source, language or "not said", *told)
    return table


def statistics(measured: Mapping[str, Any], rows: list[Row], licences: Mapping[str, str]) -> Group:
    """Counts, lengths and near-duplicates of a store, and under which licences it stands."""
    lengths = Table(title="Lengths in characters", title_justify="left")
    for heading in ("language", "label"):
        lengths.add_column(heading, no_wrap=True)
    for heading in ("messages", "median", "longest"):
        lengths.add_column(heading, justify="right", no_wrap=True)
    by_kind: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row in rows:
        by_kind[row.language, row.label].append(len(row.text))
    for (language, label), found in sorted(by_kind.items()):
        told = f"{len(found):,}", f"{median(found):,.0f}", f"{max(found):,}"
        lengths.add_row(language or "not said", label, *told)
    stated = "\n".join(f"{name}: {text or 'no licence stated'}" for name, text in licences.items())
    return Group(
        messages(rows, "Messages"),
        lengths,
        Text(
            f"{measured['messages']:,} messages in {measured['groups']:,} groups of near-duplicates"
            f", {measured['groups_over_sources']:,} of them over several sources.\n\n{stated}"
        ),
    )


def findings(found: Sequence[Finding], all_ids: bool) -> Iterator[str]:
    """What deserves a look, a line each."""
    for finding in found:
        shown = finding.ids if all_ids else finding.ids[:NAMED_MAX]
        more = len(finding.ids) - len(shown)
        named = f": {', '.join(shown)}" + (f" and {more:,} more" if more else "")
        yield finding.said + (named if finding.ids else "") + "."


def outcome(name: str, outcome: Outcome) -> Group:
    """What became of the lines of a file."""
    told = Text(
        f"{name}: {outcome.lines:,} lines, {len(outcome.added):,} added, "
        f"{outcome.duplicates:,} duplicates, {len(outcome.bad):,} unusable."
    )
    if not outcome.added:
        return Group(told)
    return Group(messages(outcome.added, f"Added from {name}"), told)


def notices(outcome: Outcome, untaught: Mapping[str, int]) -> Iterator[str]:
    """What the operator should know about what was added, a sentence each."""
    added = outcome.added
    if outcome.changed:
        yield f"{outcome.changed:,} texts held long numbers, accounts or links that were masked."
    if outcome.near_duplicates:
        yield f"{outcome.near_duplicates:,} are near-duplicates of others; groups stay together."
    if outcome.conflicts:
        named = [
            " and ".join(f"{address(row)} ({row.label})" for row in first_of_each(group))
            for group in outcome.conflicts[:NAMED_MAX]
        ]
        more = len(outcome.conflicts) - len(named)
        yield (
            f"{len(outcome.conflicts):,} groups of near-duplicates are labelled both ways and not "
            f"trained on until hudhud-ml label settles them: {'; '.join(named)}"
            + (f"; and {more:,} more." if more else ".")
        )
    kinds = {row.unwanted for row in added}
    if len(kinds) == 1:
        kind = "unwanted" if kinds == {True} else "innocent"
        yield f"One class only: all {len(added):,} are {kind}. They teach only beside others."
    if nameless := sum(not row.language for row in added):
        yield f"{nameless:,} name no language; --language says one for all of a file."
    for language in sorted({row.language for row in added if row.unwanted} & set(untaught)):
        yield (
            f"{untaught[language]:,} unwanted messages in {language or 'no language'} are not "
            "trained on: no innocent message in it is known, so the model would learn the language."
        )


def first_of_each(group: list[Row]) -> list[Row]:
    """One unwanted and one innocent message of a conflict."""
    by_kind = {row.unwanted: row for row in reversed(group)}
    return [by_kind[kind] for kind in (True, False)]
