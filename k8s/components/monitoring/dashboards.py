"""Writes the four Grafana dashboards beside it from what each panel shows.

python k8s/components/monitoring/dashboards.py          writes dashboards/*.json
python k8s/components/monitoring/dashboards.py --check  fails if they are not up to date
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent / "dashboards"
WIDTH, HEIGHT, COLUMNS = 8, 8, 3  # of a panel, in Grafana's grid of 24


class Panel(NamedTuple):
    """One graph: lines by PromQL and what they are called."""

    title: str
    unit: str  # Grafana's name of it
    lines: dict[str, str]  # legend: expression


def _rate(metric: str, by: str, where: str = "") -> str:
    return f"sum by ({by}) (rate({metric}{{{where}}}[$__rate_interval]))"


def _quantile(share: float, metric: str, by: str = "", where: str = "") -> str:
    labels = f"le, {by}" if by else "le"
    return (
        f"histogram_quantile({share}, "
        f"sum by ({labels}) (rate({metric}_bucket{{{where}}}[$__rate_interval])))"
    )


_CALLS = "hudhud_rpc_duration_seconds"
_SEND = 'method=~"hudhud.edge.v1.EdgeService/Send.*"'

DASHBOARDS = {
    "road": (
        "Hudhud: the road",
        [
            Panel(
                "Messages by what became of the send",
                "reqps",
                {"{{outcome}}": _rate("hudhud_send_outcomes_total", "outcome")},
            ),
            Panel(
                "How long a send takes",
                "s",
                {
                    "half": _quantile(0.5, _CALLS, where=_SEND),
                    "99 of 100": _quantile(0.99, _CALLS, where=_SEND),
                },
            ),
            Panel(
                "From the promise to the device",
                "s",
                {
                    "half": _quantile(0.5, "hudhud_delivery_duration_seconds"),
                    "95 of 100": _quantile(0.95, "hudhud_delivery_duration_seconds"),
                },
            ),
            Panel(
                "Messages by state",
                "reqps",
                {"{{state}}": _rate("hudhud_messages_total", "state")},
            ),
            Panel(
                "What waits for devices",
                "short",
                {"envelopes, about": "max(hudhud_mailbox_envelopes)"},
            ),
            Panel(
                "How long it waits",
                "s",
                {"the one that expires next": "max(hudhud_mailbox_oldest_seconds)"},
            ),
            Panel(
                "Events that JetStream does not have yet",
                "short",
                {"{{service}}": "max by (service) (hudhud_outbox_pending_events)"},
            ),
            Panel(
                "Age of the oldest of those",
                "s",
                {"{{service}}": "max by (service) (hudhud_outbox_oldest_seconds)"},
            ),
            Panel(
                "Events that wait for their consumer",
                "short",
                {"{{consumer}}": "max by (consumer) (hudhud_consumer_waiting_events)"},
            ),
            Panel(
                "Events given up, since the consumer started",
                "short",
                {"{{consumer}}": "sum by (consumer) (hudhud_consumer_parked_events_total)"},
            ),
            Panel(
                "Calls that fail, by reason",
                "reqps",
                {"{{method}} {{reason}}": _rate(f"{_CALLS}_count", "method, reason", 'code!="OK"')},
            ),
        ],
    ),
    "money": (
        "Hudhud: money",
        [
            Panel(
                "Delivered by category: what is charged",
                "reqps",
                {"{{category}}": _rate("hudhud_messages_total", "category", 'state="delivered"')},
            ),
            Panel(
                "Not delivered: what is given back",
                "reqps",
                {
                    "{{category}} {{state}}": _rate(
                        "hudhud_messages_total", "category, state", 'state=~"refused|expired"'
                    )
                },
            ),
            Panel("Reservations open", "short", {"about": "max(hudhud_reservations_open)"}),
            Panel(
                "Sends refused for money",
                "reqps",
                {
                    "{{outcome}}": _rate(
                        "hudhud_send_outcomes_total",
                        "outcome",
                        'outcome=~"INSUFFICIENT_CREDIT|NO_RATE|.*CAP.*"',
                    )
                },
            ),
            Panel(
                "Calls of billing",
                "reqps",
                {"{{method}}": _rate(f"{_CALLS}_count", "method", 'method=~"hudhud.billing.*"')},
            ),
            Panel(
                "How long they take, 99 of 100",
                "s",
                {"{{method}}": _quantile(0.99, _CALLS, "method", 'method=~"hudhud.billing.*"')},
            ),
        ],
    ),
    "protection": (
        "Hudhud: protection",
        [
            Panel(
                "Share blocked, by language",
                "percentunit",
                {
                    "{{language}}": _rate(
                        "hudhud_screening_verdicts_total", "language", 'verdict="blocked"'
                    )
                    + " / "
                    + _rate("hudhud_screening_verdicts_total", "language")
                },
            ),
            Panel(
                "Judged, by language",
                "reqps",
                {"{{language}}": _rate("hudhud_screening_verdicts_total", "language")},
            ),
            Panel(
                "How probably unwanted: median, by language",
                "percentunit",
                {
                    "{{language}}": _quantile(
                        0.5, "hudhud_screening_unwanted_probability", "language"
                    )
                },
            ),
            Panel(
                "How probably unwanted: 95 of 100",
                "percentunit",
                {
                    "{{language}}": _quantile(
                        0.95, "hudhud_screening_unwanted_probability", "language"
                    )
                },
            ),
            Panel(
                "Replicas by the model that decides",
                "short",
                {"{{version}}": "count by (version) (hudhud_model_info)"},
            ),
            Panel(
                "How long screening takes, 99 of 100",
                "s",
                {
                    "ScreenMessages": _quantile(
                        0.99,
                        _CALLS,
                        where='method="hudhud.policy.v1.PolicyService/ScreenMessages"',
                    )
                },
            ),
        ],
    ),
    "machines": (
        "Hudhud: machines",
        [
            Panel(
                "CPU, seconds a second",
                "short",
                {"{{service}} {{pod}}": _rate("process_cpu_seconds_total", "service, pod")},
            ),
            Panel(
                "Memory",
                "bytes",
                {"{{service}} {{pod}}": "sum by (service, pod) (process_resident_memory_bytes)"},
            ),
            Panel(
                "Open files",
                "short",
                {"{{service}} {{pod}}": "sum by (service, pod) (process_open_fds)"},
            ),
            Panel(
                "Items in a batch: median",
                "short",
                {"{{batch}}": _quantile(0.5, "hudhud_batch_items", "batch")},
            ),
            Panel(
                "Waiting for a connection to PostgreSQL, 95 of 100",
                "s",
                {"{{service}}": _quantile(0.95, "hudhud_database_pool_wait_seconds", "service")},
            ),
            Panel(
                "Calls, by method",
                "reqps",
                {"{{method}}": _rate(f"{_CALLS}_count", "method")},
            ),
        ],
    ),
}


def dashboard(name: str) -> dict[str, Any]:
    """A dashboard as Grafana has it (schema 39)."""
    title, panels = DASHBOARDS[name]
    return {
        "uid": f"hudhud-{name}",
        "title": title,
        "tags": ["hudhud"],
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {
            "list": [
                {"name": "source", "label": "Source", "type": "datasource", "query": "prometheus"}
            ]
        },
        "panels": [_panel(number, panel) for number, panel in enumerate(panels)],
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(number, COLUMNS)
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "gridPos": {"x": column * WIDTH, "y": row * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + line), "expr": expression, "legendFormat": legend}
            for line, (legend, expression) in enumerate(panel.lines.items())
        ],
    }


def main() -> int:
    """Write the dashboards, or with --check tell whether they are as they would be written."""
    FOLDER.mkdir(exist_ok=True)
    outdated = []
    for name in DASHBOARDS:
        path, text = FOLDER / f"{name}.json", json.dumps(dashboard(name), indent=1) + "\n"
        if "--check" not in sys.argv[1:]:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            outdated.append(path.name)
    if outdated:
        sys.stderr.write(f"Not up to date: {', '.join(outdated)}. To write them: {sys.argv[0]}\n")
    return 1 if outdated else 0


if __name__ == "__main__":
    sys.exit(main())
