"""The page of a report: whole, escaped, and without a reference to anything outside of it."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.cascade import NEVER_TWICE
from ml.evaluate import Judged, Share
from ml.evaluation.drift import drift
from ml.evaluation.limits import checks
from ml.evaluation.page.page import Findings, page
from ml.judgement import Judgement
from ml.release import Manifest
from ml.report import ALL, Mistake, Named, Report, lost_to, report
from tests.ml.test_report import THRESHOLDS

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "</style><script src='https://evil.example/x.js'></script>",
    "</td></table><iframe src=//evil.example>",
    "&lt;script&gt; &#60;b&#62;",
    "<!-- ]]> -->",
    "\u202e\u2066 \u0000\u001b[31m",
    "javascript:alert(1)",
)
FORBIDDEN = {"script", "img", "iframe", "object", "embed", "link", "base", "form", "input", "audio",
             "video", "source", "use", "image", "foreignobject", "animate", "set"}  # fmt: skip


class Parsed(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text: list[str] = []
        self.style = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] == ["style"]:
            self.style += data
        else:
            self.text.append(data)


def measured(language: str = "en", source: str = "ours") -> Report:
    """A report that holds something of everything."""
    judged = [
        Judged(language, label, source, Judgement(unwanted, 0.0, 1 - unwanted, 0.0, language))
        for at in range(60)
        for label, unwanted in (("promotional", 0.5 + at / 125), ("personal", at / 200))
    ]
    return replace(
        report(judged, THRESHOLDS, "abc"),
        attacks=tuple(lost_to("leet", group, [True] * 60, [True] * 50 + [False] * 10)
                      for group in (ALL, language)),
        explanations=(Named(ALL, 100, 95, 0.95, 0.89, 0.98),),
        mistakes=(Mistake("1", source, language, "personal", "promotional", 0.99, "مرحبا 50%"),),
    )  # fmt: skip


def manifest(report: Report, card: str = "A model.", data: str = "rows.jsonl") -> Manifest:
    return Manifest(
        version="abc", digest="d" * 64, created="2026-03-01T12:00:00+00:00", languages=("ar", "en"),
        thresholds=THRESHOLDS, features="f" * 64, libraries={"numpy": "2"},
        training={"seed": 1, "data": {data: "e" * 64}}, cascade=NEVER_TWICE, unseen=report,
        card=card,
    )  # fmt: skip


def whole_page(report: Report, **more: str) -> str:
    then = replace(report, model="before")
    return page(Findings(
        report, manifest(report, **more), "Measured on 120 messages.", checks(report),
        {"rows.jsonl": "9" * 64}, (Share("left out", "personal", 10, 1, 0.1, 0.02, 0.4, 0),),
        drift(then, report), "The same messages as judged by the last release.",
    ))  # fmt: skip


def test_it_tells_everything() -> None:
    parsed = Parsed(whole_page(measured()))
    text = " ".join(parsed.text)

    for heading in ("What it is held to", "What is stopped", "Precision and recall",
                    "What a threshold costs", "Whether probabilities keep their word",
                    "What is taken for what", "Each source left out of the training", "Disguises",
                    "Explanations", "Drift", "The surest mistakes", "The model"):  # fmt: skip
        assert heading in text, heading
    assert "مرحبا 50%" in text
    assert "9" * 64 in text
    assert parsed.tags.count("polyline") >= 6


def test_what_was_not_measured_has_no_section() -> None:
    report = replace(measured(), attacks=(), mistakes=(), explanations=())
    text = page(Findings(report, manifest(report), "", checks(report)))

    assert "Disguises" not in text
    assert "mistakes" not in text
    assert "Drift" not in text


@pytest.mark.parametrize("hostile", HOSTILE)
def test_whatever_is_in_a_text_stays_text(hostile: str) -> None:
    report = measured(language=hostile, source=hostile)
    mistake = Mistake(hostile, hostile, hostile, "personal", "scam", 0.9, hostile)
    text = whole_page(replace(report, mistakes=(mistake,)), card=hostile, data=hostile)

    is_inert(text)
    assert Parsed(text).tags == Parsed(whole_page(measured())).tags


@settings(max_examples=25)
@given(st.text(max_size=80))
def test_any_text_stays_text(hostile: str) -> None:
    report = Report("", {hostile: 1}, THRESHOLDS.as_data(), (), (), (), (), (), mistakes=(
        Mistake(hostile, hostile, hostile, "personal", "scam", 0.9, hostile),
    ))  # fmt: skip
    text = page(Findings(report, manifest(report, card=hostile), hostile, ()))

    is_inert(text)
    text.encode("utf-8")


def test_a_text_reads_in_its_own_direction() -> None:
    parsed = Parsed(whole_page(measured()))

    assert ("dir", "auto") in parsed.attributes
    assert "unicode-bidi: isolate" in parsed.style


def test_it_is_made_for_phones_for_the_dark_and_for_paper() -> None:
    parsed = Parsed(whole_page(measured()))

    assert ("content", "width=device-width, initial-scale=1") in parsed.attributes
    for medium in ("prefers-color-scheme: dark", "@media print", "overflow-x: auto"):
        assert medium in parsed.style


def is_inert(text: str) -> None:
    """Nothing runs and nothing is fetched."""
    parsed = Parsed(text)
    assert not FORBIDDEN & set(parsed.tags)
    for name, value in parsed.attributes:
        assert not name.startswith("on"), name
        assert name not in ("src", "srcset", "action", "data", "xlink:href", "ping")
        if name == "href":
            assert value.startswith("#")
        if name == "style":
            assert value.startswith("--part: ")
    assert "@import" not in parsed.style
    assert "url(" not in parsed.style
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in parsed.attributes
