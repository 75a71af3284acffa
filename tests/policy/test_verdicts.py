"""The verdict as a table: who said what, and what comes of it."""

import tomllib
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.policy.app import WEIGHTS_FILE
from services.policy.domain.evidence import Code, Evidence, Finding
from services.policy.domain.messages import (
    Category,
    Draft,
    Kind,
    MessageKey,
    Preference,
    TemplateUse,
)
from services.policy.domain.sentences import _ARABIC, _ENGLISH, sentence
from services.policy.domain.verdicts import Bench, Model, Opinion, Readings, Weights, decide
from services.policy.domain.wordings import State, Template

WEIGHTS = Weights.read(tomllib.loads(WEIGHTS_FILE.read_text("utf-8")))
MODEL = Model(
    "test",
    {
        "direct": 0.6,
        "direct_unknown_language": 0.9,
        "marketing_scam": 0.9,
        "reply_scam": 0.9,
        "reply_promotional": 0.97,
        "template": 0.6,
        "template_review": 0.4,
    },
)
BENCH = Bench(WEIGHTS, MODEL)

WANTED = Preference(marketing_consent=True)
BLOCKED = Preference(marketing_consent=True, blocked=True)
UNDECIDED = Preference()

FINE = Opinion(promotional=0.05, scam=0.02)
PROMOTIONAL = Opinion(promotional=0.9, scam=0.02)
BLATANT = Opinion(promotional=0.99, scam=0.005)
SUSPICIOUS = Opinion(promotional=0.1, scam=0.55)
SCAM = Opinion(promotional=0.02, scam=0.95)
FOREIGN = Opinion(promotional=0.8, scam=0.02, language_known=False)


def draft(kind: Kind, category: Category, text: str = "Code 482193") -> Draft:
    return Draft(MessageKey(uuid4(), uuid4()), "c_x", uuid4(), kind, category, b"", b"", text)


U, A, M, N = Category.UTILITY, Category.AUTHENTICATION, Category.MARKETING, Category.UNSPECIFIED
D, R = Kind.DIRECT, Kind.REPLY


@pytest.mark.parametrize(
    ("kind", "category", "opinion", "preference", "found"),
    [
        (D, U, FINE, UNDECIDED, ""),
        (D, U, None, UNDECIDED, ""),
        (D, U, FINE, BLOCKED, "RECIPIENT_DECLINED"),
        (D, U, None, BLOCKED, "RECIPIENT_DECLINED"),
        (D, U, PROMOTIONAL, WANTED, "PROMOTIONAL_CONTENT"),
        (D, U, PROMOTIONAL, BLOCKED, "RECIPIENT_DECLINED PROMOTIONAL_CONTENT"),
        (D, U, SUSPICIOUS, WANTED, "SCAM_CONTENT"),
        (D, U, FOREIGN, WANTED, ""),
        (D, A, PROMOTIONAL, WANTED, "PROMOTIONAL_CONTENT"),
        (D, M, PROMOTIONAL, WANTED, ""),
        (D, M, BLATANT, WANTED, ""),
        (D, M, FINE, UNDECIDED, "NO_MARKETING_CONSENT"),
        (D, M, SUSPICIOUS, WANTED, ""),
        (D, M, SCAM, WANTED, "SCAM_CONTENT"),
        (D, M, SCAM, UNDECIDED, "NO_MARKETING_CONSENT SCAM_CONTENT"),
        (R, N, PROMOTIONAL, UNDECIDED, ""),
        (R, N, BLATANT, UNDECIDED, "PROMOTIONAL_CONTENT"),
        (R, N, SUSPICIOUS, UNDECIDED, ""),
        (R, N, SCAM, UNDECIDED, "SCAM_CONTENT"),
        (R, N, FINE, BLOCKED, "RECIPIENT_DECLINED"),
    ],
)
def test_verdicts_on_texts(
    kind: Kind, category: Category, opinion: Opinion | None, preference: Preference, found: str
) -> None:
    evidence = BENCH.judge_message(draft(kind, category), None, Readings(opinion), preference)
    assert [each.code.name for each in evidence] == found.split()


TEMPLATE = Template.make(
    template_id=uuid4(),
    business_id=uuid4(),
    name="order_news",
    language_code="en",
    category=Category.UTILITY,
    body="Hello {{name}}, your order {{order}} has left. Follow it: {{link}}",
    examples={"name": "Layla", "order": "90213", "link": "https://parcels.example.com/90213"},
    buttons=(),
    state=State.APPROVED,
    evidence=(),
    create_time=datetime(2026, 1, 1, tzinfo=UTC),
)
VALUES = {"name": "Nour", "order": "5", "link": "https://parcels.example.com/5"}


@pytest.mark.parametrize(
    ("changed", "readings", "found"),
    [
        ({}, Readings(FINE, None, FINE), ""),
        ({}, Readings(None, None, None), ""),
        ({}, Readings(PROMOTIONAL, None, FINE), "PARAMETER_ABUSE"),
        # The wording itself sounds like this; it was reviewed.
        ({}, Readings(PROMOTIONAL, None, PROMOTIONAL), ""),
        ({}, Readings(BLATANT, None, Opinion(0.5, 0.02)), "PARAMETER_ABUSE"),
        ({}, Readings(FINE, BLATANT, FINE), "PARAMETER_ABUSE"),
        ({}, Readings(FINE, Opinion(0.7, 0.05), FINE), ""),
        ({"name": "Nour\nand all"}, Readings(FINE, None, FINE), "PARAMETER_ABUSE"),
        ({"name": "N" * 161}, Readings(FINE, None, FINE), "PARAMETER_ABUSE"),
        ({"name": "see shop.example.com"}, Readings(FINE, None, FINE), "PARAMETER_ABUSE"),
        ({"name": "Nour (gate 5)"}, Readings(FINE, None, FINE), ""),
    ],
)
def test_verdicts_on_templates(changed: dict[str, str], readings: Readings, found: str) -> None:
    values = {**VALUES, **changed}
    text = TEMPLATE.wording.render(values)
    use = TemplateUse(TEMPLATE.template_id, "order_news", "en", values, text, ())
    message = Draft(
        MessageKey(TEMPLATE.business_id, uuid4()),
        "c_x",
        uuid4(),
        Kind.TEMPLATE,
        Category.UNSPECIFIED,
        b"",
        b"",
        text,
        use,
    )
    evidence = BENCH.judge_message(message, TEMPLATE, readings, UNDECIDED)
    assert [each.code.name for each in evidence] == found.split()
    for each in evidence:
        for span in each.spans:
            assert text[span.start : span.end] in values.values()


@pytest.mark.parametrize(
    ("category", "wording", "rendered", "found"),
    [
        (U, FINE, FINE, ""),
        (U, None, None, ""),
        (U, FINE, PROMOTIONAL, "PROMOTIONAL_CONTENT"),
        (U, PROMOTIONAL, FINE, "PROMOTIONAL_CONTENT"),
        (M, PROMOTIONAL, BLATANT, ""),
        (M, PROMOTIONAL, SCAM, "SCAM_CONTENT"),
    ],
)
def test_verdicts_on_wordings(
    category: Category, wording: Opinion | None, rendered: Opinion | None, found: str
) -> None:
    evidence = BENCH.judge_wording(category, "Your order has left.", [rendered, wording])
    assert [each.code.name for each in evidence] == found.split()


@given(st.lists(st.floats(-50, 50), max_size=6))
def test_a_verdict_is_the_sum_of_its_evidence(weights: list[float]) -> None:
    findings = [Finding(Code.SCAM_CONTENT, str(n), weight) for n, weight in enumerate(weights)]
    evidence = decide(findings, "text")
    assert bool(evidence) == (bool(weights) and sum(weights) >= 0)
    said = [weights[int(each.witness)] for each in evidence]
    assert said == sorted(said, reverse=True)
    assert all(weight >= 0 for weight in said)


def test_every_code_has_a_sentence_in_every_language() -> None:
    assert set(_ENGLISH) == set(_ARABIC) == set(Code)
    assert sentence(Evidence(Code.SCAM_CONTENT, "w", "ar")) == _ARABIC[Code.SCAM_CONTENT]
    assert sentence(Evidence(Code.SCAM_CONTENT, "w", "hi")) == _ENGLISH[Code.SCAM_CONTENT]


@given(
    st.builds(
        Evidence,
        st.sampled_from(Code),
        st.text(),
        st.sampled_from(["ar", "en"]),
        st.just(()),
    )
)
def test_evidence_comes_back_as_it_was_stored(evidence: Evidence) -> None:
    assert Evidence.from_json(evidence.to_json()) == evidence
