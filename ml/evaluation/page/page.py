"""Puts the page of a report together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from xml.etree.ElementTree import Element

from ml.evaluate import Share
from ml.evaluation.drift import Drift
from ml.evaluation.limits import Check
from ml.evaluation.page import curves, sections
from ml.evaluation.page.markup import document, element
from ml.release import Manifest
from ml.report import Report


@dataclass(frozen=True, slots=True)
class Findings:
    """All that a page tells."""

    report: Report
    manifest: Manifest
    measured_on: str  # a sentence
    checks: Sequence[Check]
    files: Mapping[str, str] = field(default_factory=dict)  # SHA-256 by name
    left_out: Sequence[Share] = ()  # of models that were trained without the source
    drift: Sequence[Drift] = ()
    drift_from: str = ""  # a sentence


def page(found: Findings) -> str:
    """The whole page. Every text in it is escaped; nothing in it is fetched from anywhere."""
    report = found.report
    parts: list[tuple[str, str, list[Element]]] = [
        ("limits", "What it is held to", sections.limits(found.checks)),
        ("stopped", "What is stopped", sections.stopped(report)),
        ("precision", "Precision and recall", curves.precision(report)),
        ("cost", "What a threshold costs", curves.cost(report)),
        ("calibration", "Whether probabilities keep their word", curves.calibration(report)),
        ("confusion", "What is taken for what", curves.confusion(report)),
        ("sources", "Sources", sections.sources(report, found.left_out)),
        ("attacks", "Disguises", sections.attacks(report)),
        ("explanations", "Explanations", sections.explanations(report)),
        ("drift", "Drift", sections.drift(found.drift, found.drift_from)),
        ("mistakes", "The surest mistakes", sections.mistakes(report)),
        ("model", "The model", sections.model(found.manifest, found.files)),
    ]
    shown = [part for part in parts if part[2]]
    title = f"How the classifier judges: model {report.model or found.manifest.version}"
    return document(
        title,
        files(__package__).joinpath("style.css").read_text(encoding="utf-8"),
        element("header", element("h1", title), element("p", found.measured_on, class_="faint")),
        element("nav", *(element("a", heading, href=f"#{anchor}") for anchor, heading, _ in shown)),
        element("main", *(
            element("section", element("h2", heading), *content, id=anchor)
            for anchor, heading, content in shown
        )),
    )  # fmt: skip
