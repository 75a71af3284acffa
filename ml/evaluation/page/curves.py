"""The parts of a page that are curves: precision and recall, cost, calibration, confusion."""

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from ml.evaluation.limits import limits
from ml.evaluation.page import tables
from ml.evaluation.page.charts import Axis, Chart, by_log_odds, percent_axis
from ml.evaluation.page.markup import element
from ml.evaluation.page.sections import order
from ml.judgement import LABELS
from ml.report import ALL, ALLOWED, UNWANTED, Curve, Report

_THRESHOLDS = Axis(
    "threshold", 0.05, 0.998, [(0.1, ".1"), (0.5, ".5"), (0.9, ".9"), (0.99, ".99")], by_log_odds
)


def precision(report: Report) -> list[Element]:
    """Precision against recall for each language, with the point where the model is operated."""
    figures = []
    for curve in _in_order(report.curves):
        chart = Chart(
            f"Precision and recall: {curve.group}", percent_axis("recall of the unwanted"),
            Axis("precision", 0.5, 1, [(0.5, "50%"), (0.75, "75%"), (1, "100%")]),
        )  # fmt: skip
        chart.line([(point.recall, point.precision) for point in curve.points], "first")
        recall, innocent = _operated(report, curve.group)
        caught, stopped = recall * curve.unwanted, innocent * curve.innocent
        if caught + stopped:
            at = caught / (caught + stopped)
            chart.dot(recall, at, "second", f"operated at recall {recall:.1%}, precision {at:.1%}")
        figures.append(_figure(
            chart, f"{curve.group}: average precision {curve.average_precision:.3f}; recall "
            f"{curve.recall_at_rate:.1%} where 0.5% of the innocent are stopped; operated (dot) "
            f"at recall {recall:.1%} with {innocent:.2%}",
        ))  # fmt: skip
    return [element("div", *figures, class_="charts")] if figures else []


def cost(report: Report) -> list[Element]:
    """What every threshold would cost in a thousand messages, with the one that is in force."""
    weights = limits()["cost_curve"]
    figures = []
    for curve in _in_order(report.curves):
        costs = [(point.threshold, _cost(point.recall, point.innocent_stopped))
                 for point in curve.points]  # fmt: skip
        least_at, least = min(costs, key=lambda item: item[1])
        now = _cost(*_operated(report, curve.group))
        top = max(10.0, 2 * now, 2 * least)
        chart = Chart(
            f"Cost by threshold: {curve.group}", _THRESHOLDS,
            Axis("cost", 0, top, [(part * top, f"{part * top:,.0f}") for part in (0, 0.5, 1)]),
        )  # fmt: skip
        chart.line(costs, "first")
        threshold = report.thresholds["direct"]
        chart.dot(threshold, now, "second", f"operated at {threshold:g}: {now:.1f}")
        figures.append(_figure(
            chart, f"{curve.group}: {now:.1f} at the threshold in force (dot, {threshold:g}); "
            f"least {least:.1f} at {least_at:.3g}",
        ))  # fmt: skip
    if not figures:
        return []
    return [
        element("p", f"In a thousand messages of which {weights['unwanted_share']:.0%} are "
                "unwanted: unwanted ones let through, and innocent ones stopped, each of which "
                f"counts as {weights['innocent_weight']:g}. The first limit is what may be "
                "stopped of the innocent, so the threshold in force may well cost more than the "
                "least."),
        element("div", *figures, class_="charts"),
    ]  # fmt: skip


def calibration(report: Report) -> list[Element]:
    """How often a class was right, against the probability that was given for it."""
    figures = []
    for one in (one for one in report.reliability if one.group == ALL):
        chart = Chart(f"Calibration: {one.label}", percent_axis("probability given"),
                      percent_axis("share that was"))  # fmt: skip
        chart.line([(0, 0), (1, 1)], "level")
        chart.line([(cell.probability, cell.share) for cell in one.bins], "first")
        for cell in one.bins:
            told = f"{cell.count:,} messages: given {cell.probability:.1%}, were {cell.share:.1%}"
            chart.dot(cell.probability, cell.share, "first", told, radius=2.5)
        figures.append(_figure(chart, f"{one.label}: off by {one.error:.1%} on average"))
    groups = sorted({one.group for one in report.reliability}, key=order)
    errors = {(one.group, one.label): one.error for one in report.reliability}
    labels = ("unwanted", *LABELS)
    rows = [
        tables.row(group, *(
            tables.share(errors[group, label]) if (group, label) in errors else ""
            for label in labels
        ))
        for group in groups
    ]  # fmt: skip
    if not figures:
        return []
    return [
        element("div", *figures, class_="charts"),
        tables.table("Mean distance between the probability given and the share that was "
                     "(expected calibration error)", ("language", *labels), rows, len(labels)),
    ]  # fmt: skip


def confusion(report: Report) -> list[Element]:
    """Labels against what messages were taken for, for all and for each language."""
    made = []
    for group in sorted({row.group for row in report.confusion}, key=order):
        rows = []
        for found in (row for row in report.confusion if row.group == group):
            whole = sum(found.taken_for.values())
            rows.append(tables.row(found.label, *(
                tables.heat(f"{count:,}", count / whole, wrong=_is_wrong(found.label, taken))
                for taken, count in found.taken_for.items()
            )))  # fmt: skip
        made.append(tables.table(f"{group}: label (row), taken for (column)",
                                 ("", *LABELS, "abstained"), rows, len(LABELS) + 1))  # fmt: skip
    if not made:
        return []
    return [
        element("p", "The most probable class of each message; what is stopped depends on the "
                "threshold too."),
        element("div", *made, class_="charts"),
    ]  # fmt: skip


def _is_wrong(label: str, taken_for: str) -> bool:
    """Whether it matters: unwanted for innocent, or innocent for unwanted."""
    return (label in ALLOWED) == (taken_for in UNWANTED)


def _operated(report: Report, group: str) -> tuple[float, float]:
    """The shares of the unwanted and of the innocent that are stopped as it is operated."""
    parts = []
    for labels in (UNWANTED, ALLOWED):
        chosen = [share for share in report.by_language
                  if share.label in labels and group in (ALL, share.group)]  # fmt: skip
        parts.append(
            sum(share.stopped for share in chosen) / max(sum(share.count for share in chosen), 1)
        )
    return parts[0], parts[1]


def _cost(recall: float, innocent_stopped: float) -> float:
    weights = limits()["cost_curve"]
    unwanted = weights["unwanted_share"]
    passed = unwanted * (1 - recall)
    hindered = (1 - unwanted) * innocent_stopped * weights["innocent_weight"]
    return float(1000 * (passed + hindered))


def _in_order(curves: Sequence[Curve]) -> list[Curve]:
    return sorted(curves, key=lambda curve: order(curve.group))


def _figure(chart: Chart, told: str) -> Element:
    return element("figure", chart.element, element("figcaption", told))
