"""The parts of a page that are tables: limits, shares, sources, disguises, mistakes, the model."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element

from ml.evaluate import LABEL_ORDER, Share
from ml.evaluation.drift import MOVED, STEADY, Drift
from ml.evaluation.limits import Check, check_of
from ml.evaluation.limits import limits as limits_of
from ml.evaluation.page import tables
from ml.evaluation.page.charts import Axis, Chart, interval_bar, percent_axis
from ml.evaluation.page.markup import element
from ml.release import Manifest
from ml.report import ALL, ALLOWED, FALSE_POSITIVE_RATE, Lost, Report

_BESIDE = ("ar", "en")  # stand first, so that they are seen side by side
_TEXT_SHOWN_MAX = 600  # characters of a message
_INNOCENT_AXIS_MIN = 0.03


def order(group: str) -> tuple[bool, bool, str]:
    """All together first, then Arabic and English, then the others."""
    return group != ALL, group not in _BESIDE, group


def limits(checks: Sequence[Check]) -> list[Element]:
    """Which limits are held, and where not."""
    kinds: dict[str, list[Check]] = {}
    for check in checks:
        kinds.setdefault(check.what, []).append(check)
    rows = []
    for what, found in kinds.items():
        worst = max(found, key=lambda check: check.figure * (1 if check.under else -1))
        broken = [check.group for check in found if not check.held]
        sense = "under" if worst.under else "at least"
        rows.append(tables.row(
            what, f"{sense} {_told(worst, worst.limit)}",
            f"{_told(worst, worst.figure)} ({worst.group})",
            ", ".join(sorted(broken, key=order)) or "held",
            bad=bool(broken),
        ))  # fmt: skip
    if not rows:
        return []
    few = limits_of()["evidence"]["messages_min"]
    known = {check.known for check in checks if check.known}
    return [
        tables.table("Every limit, the figure furthest from it, and the languages beyond it.",
                     ("what", "limit", "furthest", "beyond it"), rows),
        element("p", f"Where fewer than {few} messages tell, a share is beyond its limit only if "
                "its whole interval is.", class_="faint"),
        *(element("p", f"Known, and no reason to refuse a release: {reason}.", class_="faint")
          for reason in sorted(known)),
    ]  # fmt: skip


def stopped(report: Report) -> list[Element]:
    """The shares stopped by language and label, drawn with their intervals."""
    made: list[Element] = [
        element("p", "Stopped as a direct message to somebody who gave no consent, with 95% "
                "intervals (Wilson). The dashed line is the limit."),
    ]  # fmt: skip
    for label in LABEL_ORDER:
        shares = sorted(
            (share for share in report.by_language if share.label == label),
            key=lambda share: order(share.group),
        )
        if shares:
            kind = "should pass" if label in ALLOWED else "should be stopped"
            made.append(_shares(f"{label}: {kind}", "language", shares))
    return made if len(made) > 1 else []


def sources(report: Report, left_out: Sequence[Share]) -> list[Element]:
    """The same by source; and by models that were trained without the source, where asked for."""
    made = []
    if left_out:
        made += [
            element("p", "Each source was measured by a model that was trained on the corpus and "
                    "on all the other sources: what to expect of traffic that it has never seen."),
            _by_source("Each source left out of the training", left_out),
        ]  # fmt: skip
    if report.by_source:
        made.append(_by_source("By this model", report.by_source))
    return made


def attacks(report: Report) -> list[Element]:
    """What each disguise gets through, of all messages and by language."""
    overall = [lost for lost in report.attacks if lost.group == ALL]
    if not overall:
        return []
    whole = max(0.1, *(lost.high for lost in overall))
    rows = [
        tables.row(
            lost.attack, tables.count(lost.count),
            tables.share(lost.stopped_before / lost.count),
            tables.share(lost.stopped_after / lost.count), tables.share(lost.lost),
            tables.interval(lost.low, lost.high),
            tables.drawn(interval_bar(lost.lost, lost.low, lost.high, whole,
                                      limit=None, kind="first")),
            bad=not check_of(lost).held,
        )
        for lost in overall
    ]  # fmt: skip
    groups = sorted({lost.group for lost in report.attacks}, key=order)
    cells = {(lost.attack, lost.group): lost for lost in report.attacks}
    by_language = [
        tables.row(lost.attack, *(_lost_cell(cells.get((lost.attack, group))) for group in groups))
        for lost in overall
    ]
    return [
        element("p", "Recall that is lost when unwanted messages are sent in disguise; only "
                "messages that the disguise changes are counted."),
        tables.table("All languages", ("disguise", "messages", "stopped before", "stopped after",
                                       "lost", "95% interval", ""), rows),
        tables.table("Lost, by language", ("disguise", *groups), by_language),
    ]  # fmt: skip


def explanations(report: Report) -> list[Element]:
    """How often the words that are named are the ones that decide."""
    if not report.explanations:
        return []
    rows = [
        tables.row(named.group, tables.count(named.count), tables.share(named.share),
                   tables.interval(named.low, named.high))
        for named in sorted(report.explanations, key=lambda named: order(named.group))
    ]  # fmt: skip
    return [
        element("p", "Of stopped messages, those where taking out the words that the explanation "
                "names changes the score more than taking out as many others by chance."),
        tables.table("By language", ("language", "messages", "share", "95% interval"), rows, 3),
    ]  # fmt: skip


def drift(drifts: Sequence[Drift], since: str) -> list[Element]:
    """How far scores and classes have moved since the last release."""
    if not drifts:
        return []
    rows = [
        tables.row(one.group, tables.count(one.count), tables.number(one.scores),
                   tables.number(one.classes), one.meaning, bad=one.meaning != "steady")
        for one in sorted(drifts, key=lambda one: order(one.group))
    ]  # fmt: skip
    return [
        element("p", since),
        element("p", "The index is the population stability index: the sum over tenths of the "
                "score, or over classes, of (share now − share then) × ln(share now ÷ share "
                f"then). Under {STEADY} is steady; from {MOVED} on, thresholds that were set then "
                "no longer mean what they did.", class_="faint"),
        element("div", *_drift_charts(drifts), class_="charts"),
        tables.table("By language", ("language", "messages", "index of scores",
                                     "index of classes", "meaning"), rows),
    ]  # fmt: skip


def mistakes(report: Report) -> list[Element]:
    """The messages that the model was surest about, and wrong."""
    if not report.mistakes:
        return []
    rows = [
        tables.row(
            one.id, one.source, one.language, one.label, one.taken_for,
            tables.number(one.unwanted), tables.text(_shortened(one.text), one.language),
        )
        for one in report.mistakes
    ]  # fmt: skip
    return [
        element("p", "Some of these are wrong labels rather than wrong judgements. They are "
                "messages of the files that were measured: keep this page as you keep those."),
        tables.table("Surest first", ("id", "source", "language", "label", "taken for",
                                      "unwanted", "text"), rows),
    ]  # fmt: skip


def model(manifest: Manifest, files: Mapping[str, str]) -> list[Element]:
    """What was measured, with which thresholds, and what it was made from."""
    facts = {
        "version": manifest.version, "digest": manifest.digest, "trained": manifest.created,
        "languages": ", ".join(manifest.languages), "features": manifest.features,
        **{f"library {name}": version for name, version in manifest.libraries.items()},
        **dict(_flat("training", manifest.training)),
        **{f"measured file {name}": digest for name, digest in files.items()},
    }  # fmt: skip
    thresholds = [
        tables.row(name.replace("_", " "), tables.number(value))
        for name, value in manifest.thresholds.as_data().items()
    ]
    return [
        element("p", manifest.card),
        tables.table("Thresholds", ("kind of sending", "stopped from"), thresholds, 1),
        tables.table("What it was made from (digests are SHA-256)", ("what", "value"),
                     [tables.row(key, value) for key, value in facts.items()]),
        element("p", f"Recall in curves is read off where {FALSE_POSITIVE_RATE:.1%} of the "
                "innocent are stopped.", class_="faint"),
    ]  # fmt: skip


def _shares(caption: str, by: str, shares: Sequence[Share]) -> Element:
    innocent = shares[0].label in ALLOWED
    table = limits_of()["stopped_under" if innocent else "stopped_least"]
    limit = table.get(shares[0].label)
    whole = max(_INNOCENT_AXIS_MIN, *(share.high for share in shares)) if innocent else 1.0
    rows = [
        tables.row(
            share.group or "not said", tables.count(share.count), tables.count(share.abstained),
            tables.share(share.share), tables.interval(share.low, share.high),
            tables.drawn(interval_bar(share.share, share.low, share.high, whole, limit=limit,
                                      kind="second" if innocent else "first")),
            bad=limit is not None and (share.share >= limit if innocent else share.share < limit),
        )
        for share in shares
    ]  # fmt: skip
    return tables.table(
        caption, (by, "messages", "abstained", "stopped", "95% interval", f"0 to {whole:.0%}"), rows
    )


def _by_source(caption: str, shares: Sequence[Share]) -> Element:
    rows = [
        tables.row(share.group, share.label, tables.count(share.count), tables.share(share.share),
                   tables.interval(share.low, share.high),
                   tables.drawn(interval_bar(share.share, share.low, share.high, 1.0, limit=None,
                                kind="second" if share.label in ALLOWED else "first")))
        for share in shares
    ]  # fmt: skip
    return tables.table(
        caption, ("source", "label", "messages", "stopped", "95% interval", "0 to 100%"), rows
    )


def _lost_cell(lost: Lost | None) -> Element:
    if lost is None:
        return tables.name("")
    return tables.heat(f"{lost.lost:.1%}", min(max(lost.lost * 4, 0.0), 1.0), wrong=True)


def _drift_charts(drifts: Sequence[Drift]) -> Iterator[Element]:
    for one in sorted(drifts, key=lambda one: order(one.group)):
        x = Axis("probability of unwanted", 0, 1, [(0, "0"), (0.5, "½"), (1, "1")])
        chart = Chart(f"Scores then and now: {one.group}", x, percent_axis("messages"))
        for kind, shares in (("second", one.scores_then), ("first", one.scores_now)):
            chart.line([((at + 0.5) / 10, share) for at, share in enumerate(shares)], kind)
        told = f"{one.group}: now (solid colour of stopped) and then; index {one.scores:.3g}"
        yield element("figure", chart.element, element("figcaption", told))


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{name} {key}", inner)
    else:
        yield name, str(value)


def _told(check: Check, value: float) -> str:
    return f"{value:.1%}" if check.is_share else f"{value:.3g}"


def _shortened(text: str) -> str:
    return text if len(text) <= _TEXT_SHOWN_MAX else text[: _TEXT_SHOWN_MAX - 1] + "…"
