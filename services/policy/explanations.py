"""Owns what is added to evidence once it has decided: where in the text, and how it was hidden."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from services.policy.domain.evidence import Code, Evidence
from services.policy.judge import Explanation, Judge

# Of the texts that are explained at once, unless it is a single one: an explanation costs the
# classifier 40 µs a character, thirty times a judgement, and whoever wants to be judged waits.
CHARACTERS_MAX: Final = 1_000

# What was found against a text, and the text.
Found: TypeAlias = tuple[tuple[Evidence, ...], str]


def explicable(evidence: tuple[Evidence, ...]) -> bool:
    """Whether there is more to say: not where only rules found something."""
    return any(each.by_classifier for each in evidence)


async def explained(judge: Judge, found: Sequence[Found]) -> list[tuple[Evidence, ...]]:
    """The same evidence, with the places where the classifier found it, and with DISGUISED_TEXT
    where words were hidden; of the first of these texts, as many as can be explained at once.

    Raises the refusal DEPENDENCY_UNAVAILABLE.
    """
    evidence = [each for each, _ in found]
    chosen = _chosen(found)
    explanations = await judge.explain([found[index][1] for index in chosen])
    for index, explanation in zip(chosen, explanations, strict=True):
        evidence[index] = _with(evidence[index], explanation)
    return evidence


def _chosen(found: Sequence[Found]) -> list[int]:
    chosen: list[int] = []
    characters = 0
    for index, (evidence, text) in enumerate(found):
        if explicable(evidence) and (not chosen or characters + len(text) <= CHARACTERS_MAX):
            chosen.append(index)
            characters += len(text)
    return chosen


def _with(evidence: tuple[Evidence, ...], explanation: Explanation) -> tuple[Evidence, ...]:
    language = evidence[0].language
    return (
        *(each.at(explanation.spans) if each.by_classifier else each for each in evidence),
        *(
            Evidence(Code.DISGUISED_TEXT, f"rule {disguise}", language)
            for disguise in explanation.disguises
        ),
    )
