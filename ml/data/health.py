"""What is wrong or missing in labelled messages, and what there is of them. Names ids, no texts."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from sklearn.linear_model import SGDClassifier

from ml.corpus.patterns import FOLDS
from ml.data.labels import Entry, decisions, standing
from ml.data.rows import LABEL_MEANINGS, Row
from ml.features import MessageFeatures

_SURE = 0.97  # the probability of the other verdict from which on a label is suspicious
_BUCKET_BITS = 18


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that deserves a look."""

    kind: str
    said: str
    ids: tuple[str, ...] = ()


def address(row: Row) -> str:
    """How labels and findings name a row of the store."""
    return f"{row.source}:{row.id}"


def groups(rows: Iterable[Row]) -> list[list[Row]]:
    """Near-duplicates together."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.group].append(row)
    return list(found.values())


def conflicts(rows: Iterable[Row]) -> list[list[Row]]:
    """Groups of near-duplicates of which some should be stopped and some not, as labelled."""
    return [group for group in groups(rows) if len({row.unwanted for row in group}) == 2]


def without_innocent(rows: Collection[Row], innocent_languages: Collection[str]) -> Counter[str]:
    """Unwanted messages by language, where no innocent one of that language is known.

    Whoever learns from them learns the language. `innocent_languages` are known from elsewhere.
    """
    innocent = {row.language for row in rows if not row.unwanted} | set(innocent_languages)
    return Counter(row.language for row in rows if row.unwanted and row.language not in innocent)


def findings(
    rows: Sequence[Row], entries: Iterable[Entry], innocent_languages: Collection[str]
) -> list[Finding]:
    """What is wrong with the messages of a store and with what people said about them."""
    found = [
        Finding("conflict", "near-duplicates labelled both ways", tuple(map(address, group)))
        for group in conflicts(rows)
    ]
    found += _class_conflicts(rows)
    found += _absences(rows, innocent_languages)
    found += _reviews(rows, standing(entries))
    return found


def _class_conflicts(rows: Sequence[Row]) -> list[Finding]:
    """Near-duplicates that agree on the verdict and not on the class."""
    found = []
    for group in groups(rows):
        verdicts = {row.unwanted for row in group}
        meanings = [set(LABEL_MEANINGS[row.label]) for row in group]
        if len(verdicts) == 1 and not set.intersection(*meanings):
            said = " and ".join(sorted({row.label for row in group}))
            found.append(Finding("class", f"near-duplicates labelled {said}",
                                 tuple(map(address, group))))  # fmt: skip
    return found


def _absences(rows: Sequence[Row], innocent_languages: Collection[str]) -> list[Finding]:
    """Languages of which one side is missing, and sides missing altogether."""
    found = [
        Finding("absent", f"{count:,} unwanted messages in {language or 'no language'}, and no "
                          "innocent one: they are not trained on")
        for language, count in sorted(without_innocent(rows, innocent_languages).items())
    ]  # fmt: skip
    unwanted = {row.language for row in rows if row.unwanted} | set(innocent_languages)
    for language, count in sorted(Counter(row.language for row in rows).items()):
        if language not in unwanted:
            found.append(Finding("absent", f"{count:,} innocent messages in "
                                 f"{language or 'no language'}, and no unwanted one"))  # fmt: skip
    if rows and len({row.unwanted for row in rows}) == 1:
        found.append(Finding("absent", "one class only: " + "/".join({row.label for row in rows})))
    return found


def _reviews(rows: Sequence[Row], said: Sequence[Entry]) -> list[Finding]:
    """Reviews of rows that are not there, and reviewers who contradict one another."""
    known = {address(row) for row in rows}
    reviews = [entry for entry in said if entry.kind == "review" and not entry.text]
    lost = tuple(entry.id for entry in reviews if entry.of not in known)
    found = [Finding("review", "reviews of messages that are not there", lost)] if lost else []
    decided = decisions(reviews, {entry.id: entry.of for entry in reviews})
    open_ = tuple(sorted({entry.of for entry in reviews} - {str(place) for place in decided}))
    if open_:
        found.append(Finding("review", "reviewers contradict one another", open_))
    return found


def suspicious(rows: Sequence[Row], progress: Callable[[str, int, int | None], None]) -> Finding:
    """Rows of whose label a model that has not seen their group is sure that it is wrong.

    A linear model over the classifier's features, fitted once for each fold without that fold.
    The most improbable labels come first. Takes some milliseconds a row.
    """
    features = MessageFeatures(_BUCKET_BITS)
    matrix = features.transform([row.text for row in rows])
    unwanted = np.array([row.unwanted for row in rows])
    fold = np.array([row.fold for row in rows])
    doubt = np.zeros(len(rows))
    for held in range(FOLDS):
        progress("asking a model that has not seen them", held, FOLDS)
        asked, known = fold == held, fold != held
        if not asked.any() or len(set(unwanted[known])) < 2:
            continue
        model = SGDClassifier(
            loss="log_loss", alpha=1e-6, max_iter=8, tol=None, random_state=1,
            class_weight="balanced",
        ).fit(matrix[known], unwanted[known])  # fmt: skip
        probability = model.predict_proba(matrix[asked])[:, 1]
        doubt[asked] = np.where(unwanted[asked], 1 - probability, probability)
    doubted = [place for place in np.argsort(-doubt) if doubt[place] > _SURE]
    ids = tuple(address(rows[place]) for place in doubted)
    return Finding("suspicious", "labels that a model disagrees with, most improbable first", ids)


def statistics(rows: Sequence[Row]) -> dict[str, Any]:
    """Counts by source, language and label, lengths in characters, and near-duplicates."""
    lengths: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for row in rows:
        lengths[row.source, row.language, row.label].append(len(row.text))
    together = groups(rows)
    return {
        "messages": len(rows),
        "groups": len(together),
        "near_duplicates": sum(len(group) - 1 for group in together),
        "groups_over_sources": sum(len({row.source for row in group}) > 1 for group in together),
        "cells": [
            {"source": source, "language": language, "label": label, "count": len(found),
             "length_median": median(found), "length_max": max(found)}
            for (source, language, label), found in sorted(lengths.items())
        ],
    }  # fmt: skip
