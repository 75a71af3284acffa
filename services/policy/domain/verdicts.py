"""Owns the verdict: what each witness finds in a message, and whether together it is too much.

A verdict is a weighed sum of named evidence, in log-odds (natural logarithm). The classifier weighs
how far past its own threshold a text is: below it, it speaks for the message. Rules add to that. A
sum of zero or more decides against the message. A witness that cannot tell abstains. Thresholds are
the model's (set where it was measured), the rest is data (`weights.toml`); neither is shown to
whoever sends.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.policy.domain import texts
from services.policy.domain.evidence import Code, Evidence, Finding, Span
from services.policy.domain.messages import Category, Draft, Kind, Preference
from services.policy.domain.wordings import Template, Wording

# Probabilities are cut off here, so that no witness is beyond all doubt.
_CERTAINTY_MAX: Final = 1e-6
# As ISO 639-2 calls it.
UNKNOWN_LANGUAGE: Final = "und"


@dataclass(frozen=True, slots=True)
class Opinion:
    """What the classifier makes of one text: probabilities."""

    promotional: float
    scam: float
    language_known: bool = True  # it was taught the language
    transactional: float = 0.0
    personal: float = 0.0
    language_code: str = UNKNOWN_LANGUAGE

    @property
    def unwanted(self) -> float:
        """That it is one or the other."""
        return self.promotional + self.scam

    @property
    def code(self) -> Code:
        """Which of them it is rather."""
        return Code.SCAM_CONTENT if self.scam > self.promotional else Code.PROMOTIONAL_CONTENT


@dataclass(frozen=True, slots=True)
class Model:
    """The classifier at work: its name, and its thresholds (probabilities) by name."""

    model_id: str
    thresholds: Mapping[str, float]
    version: str = ""


@dataclass(frozen=True, slots=True)
class Weights:
    """The data behind verdicts."""

    # By use of a text ("direct.utility", "parameters.utility", ...): which probability of an
    # opinion is held against which of the model's thresholds.
    measures: Mapping[str, Mapping[str, str]]
    rules: Mapping[str, float]
    # How much a rendered template must be worse than its wording with the examples in place.
    wording_rise_min: float
    # What parameters of templates may look like.
    parameter_length_max: int
    parameter_growth_max: float  # against the example
    parameter_words_min: int  # with fewer, one is judged within the rendered text alone

    @classmethod
    def read(cls, tables: Mapping[str, Any]) -> Weights:
        """As it stands in the file. Raises KeyError for what lacks."""
        return cls(
            {
                f"{use}.{category}": measures
                for use, categories in tables["measures"].items()
                for category, measures in categories.items()
            },
            tables["rules"],
            float(tables["template"]["wording_rise_min"]),
            int(tables["parameters"]["length_max"]),
            float(tables["parameters"]["growth_max"]),
            int(tables["parameters"]["words_min"]),
        )


@dataclass(frozen=True, slots=True)
class Readings:
    """What the classifier read of one message; None where it abstains or had nothing to read."""

    text: Opinion | None
    parameters: Opinion | None = None  # the values of a template's parameters by themselves
    wording: Opinion | None = None  # the template with its examples, as it was reviewed


class Bench:
    """Those who judge: a model, and the weights of the rules."""

    def __init__(self, weights: Weights, model: Model) -> None:
        """Raises KeyError for a threshold that the model does not have."""
        self._weights = weights
        self._model = model
        self._witness = f"classifier {model.model_id}"

        def past(name: str) -> tuple[float, float]:
            known = model.thresholds[name]
            unknown = model.thresholds.get(f"{name}_unknown_language", known)
            return log_odds(known), log_odds(unknown)

        # For each use what is measured, and the log-odds of its threshold in a language that the
        # model was taught and in others.
        self._measures = {
            use: [(measure, *past(name)) for measure, name in measures.items()]
            for use, measures in weights.measures.items()
        }

    def for_model(self, model: Model) -> Bench:
        """The same weights with this model."""
        return self if model is self._model else Bench(self._weights, model)

    def judge_message(
        self, draft: Draft, template: Template | None, readings: Readings, preference: Preference
    ) -> tuple[Evidence, ...]:
        """What decides against the message, the weightiest first; nothing: it may go."""
        category = category_of(draft, template)
        findings = self._findings_of_person(category, preference)
        if draft.template is None or template is None:
            findings += self._findings_in_text(use_of(draft, category), readings.text)
        else:
            findings += self._findings_in_parameters(template, draft.template.parameters, readings)
        findings += self._findings_of_category(category, draft.text)
        return decide(findings, draft.text)

    def judge_wording(
        self, category: Category, rendered: str, opinions: Iterable[Opinion | None]
    ) -> tuple[Evidence, ...]:
        """What decides against a template. The opinions are of its wording alone and with the
        examples in place, which is `rendered`; the worst counts.
        """
        found = [
            finding
            for opinion in opinions
            for finding in self._findings_in_text(f"review.{category.name.lower()}", opinion)
        ]
        worst = sorted(found, key=lambda finding: finding.weight)[-1:]
        return decide([*worst, *self._findings_of_category(category, rendered)], rendered)

    def text_of_parameters(self, template: Template, values: Mapping[str, str]) -> str:
        """What those parameters say by themselves that are more than a name, a number or a date;
        empty where none is.
        """
        return " · ".join(
            value
            for name in template.wording.parameters
            if len((value := values[name]).split()) >= self._weights.parameter_words_min
        )

    def _excess(self, use: str, opinion: Opinion) -> float:
        """How far past the model's threshold the text is, for this use; -inf where none is set."""
        excess = -math.inf
        for measure, known, unknown in self._measures.get(use, ()):
            threshold = known if opinion.language_known else unknown
            excess = max(excess, log_odds(getattr(opinion, measure)) - threshold)
        return excess

    def _findings_in_text(self, use: str, opinion: Opinion | None) -> list[Finding]:
        excess = -math.inf if opinion is None else self._excess(use, opinion)
        if opinion is None or excess == -math.inf:
            return []
        return [Finding(opinion.code, self._witness, excess)]

    def _findings_in_parameters(
        self, template: Template, values: Mapping[str, str], readings: Readings
    ) -> list[Finding]:
        """What parameters say that the review of the wording never saw."""
        broken = {
            name: rule
            for name, example in template.examples.items()
            if (rule := self._broken_rule(values[name], example))
        }
        findings = []
        if broken:
            findings = [
                self._by_rule(Code.PARAMETER_ABUSE, broken[name], span)
                for name, span in spans_of_parameters(template.wording, values)
                if name in broken
            ]
        category = template.category.name.lower()
        excess = -math.inf
        if readings.text is not None:
            use = f"template.{category}"
            excess = self._excess(use, readings.text)
            if readings.wording is not None:
                # What the wording says by itself was allowed when it was reviewed.
                rise = excess - self._excess(use, readings.wording)
                excess = min(excess, rise - self._weights.wording_rise_min)
        if readings.parameters is not None:
            excess = max(excess, self._excess(f"parameters.{category}", readings.parameters))
        if excess > -math.inf:
            findings.append(Finding(Code.PARAMETER_ABUSE, self._witness, excess))
        return findings

    def _broken_rule(self, value: str, example: str) -> str:
        weights = self._weights
        if "\n" in value and "\n" not in example:
            return "line break in a parameter"
        allowed = max(weights.parameter_length_max, weights.parameter_growth_max * len(example))
        if len(value) > allowed:
            return "length of a parameter"
        if texts.links_of(value) and not texts.links_of(example):
            return "link in a parameter"
        return ""

    def _findings_of_person(self, category: Category, preference: Preference) -> list[Finding]:
        """What the person decided that stands against it."""
        findings = []
        if preference.blocked:
            findings.append(self._by_rule(Code.RECIPIENT_DECLINED, "block"))
        if category is Category.MARKETING and not preference.marketing_consent:
            findings.append(self._by_rule(Code.NO_MARKETING_CONSENT, "consent"))
        return findings

    def _findings_of_category(self, category: Category, text: str) -> list[Finding]:
        """What the category itself demands: an authentication message brings a code."""
        if category is Category.AUTHENTICATION and not texts.has_code(text):
            return [self._by_rule(Code.CATEGORY_MISMATCH, "one-time code")]
        return []

    def _by_rule(self, code: Code, rule: str, *spans: Span) -> Finding:
        return Finding(code, f"rule {rule}", self._weights.rules[rule], spans)


def decide(findings: Sequence[Finding], text: str) -> tuple[Evidence, ...]:
    """What decides against a text, the weightiest first. Nothing: it may go."""
    if not findings or sum(finding.weight for finding in findings) < 0:
        return ()
    language = texts.language_of(text)
    against = sorted(
        (finding for finding in findings if finding.weight >= 0), key=lambda one: -one.weight
    )
    return tuple(
        Evidence(finding.code, finding.witness, language, finding.spans) for finding in against
    )


def log_odds(probability: float) -> float:
    """The natural logarithm of p / (1 - p), for p neither nought nor one."""
    probability = min(max(probability, _CERTAINTY_MAX), 1 - _CERTAINTY_MAX)
    return math.log(probability / (1 - probability))


def spans_of_parameters(wording: Wording, values: Mapping[str, str]) -> Iterable[tuple[str, Span]]:
    """Where the values of the parameters stand in the rendered text."""
    position = 0
    for segment in wording.segments:
        if not segment.parameter:
            position += len(segment.literal)
            continue
        end = position + len(values[segment.parameter])
        yield segment.parameter, Span(position, end)
        position = end


def use_of(draft: Draft, category: Category) -> str:
    """What a text is used for: the kind of sending and the category that it counts as."""
    return f"{draft.kind.name.lower()}.{category.name.lower()}"


def category_of(draft: Draft, template: Template | None) -> Category:
    """What the message counts as, and is charged as."""
    if template is not None:
        return template.category
    return Category.SERVICE if draft.kind is Kind.REPLY else draft.category
