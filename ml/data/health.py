"""What is wrong or missing in labelled messages, and what there is of them."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable

from ml.data.rows import Row


def conflicts(rows: Iterable[Row]) -> list[list[Row]]:
    """Groups of near-duplicates of which some should be stopped and some not, as labelled."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.group].append(row)
    return [group for group in groups.values() if len({row.unwanted for row in group}) == 2]


def without_innocent(rows: Collection[Row], innocent_languages: Collection[str]) -> Counter[str]:
    """Unwanted messages by language, where no innocent one of that language is known.

    Whoever learns from them learns the language. `innocent_languages` are known from elsewhere.
    """
    innocent = {row.language for row in rows if not row.unwanted} | set(innocent_languages)
    return Counter(row.language for row in rows if row.unwanted and row.language not in innocent)
