"""Owns what is added to evidence once it has decided: where in the text, and how it was hidden."""

from __future__ import annotations

from services.policy.domain.evidence import Code, Evidence
from services.policy.judge import Judge


async def explained(
    judge: Judge, evidence: tuple[Evidence, ...], text: str
) -> tuple[Evidence, ...]:
    """The same evidence, with the places where the classifier found it, and with DISGUISED_TEXT
    where words were hidden. Costs nothing where the classifier found nothing.

    Raises the refusal DEPENDENCY_UNAVAILABLE.
    """
    if not any(each.by_classifier for each in evidence):
        return evidence
    explanation = await judge.explain(text)
    language = evidence[0].language
    return (
        *(each.at(explanation.spans) if each.by_classifier else each for each in evidence),
        *(
            Evidence(Code.DISGUISED_TEXT, f"rule {disguise}", language)
            for disguise in explanation.disguises
        ),
    )
