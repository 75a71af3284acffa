"""Alert rules fire when they should, and all that is asked for is counted."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

# What counts, so that it is registered.
import services.billing.figures
import services.ends.edge.figures
import services.kit.calls
import services.kit.consumer
import services.messaging.figures
import services.policy.figures  # noqa: F401

pytestmark = pytest.mark.unit

MONITORING = Path(__file__).parents[2] / "k8s" / "components" / "monitoring"


def rules() -> dict[str, Any]:
    manifest = yaml.safe_load((MONITORING / "alerts.yaml").read_text())
    spec: dict[str, Any] = manifest["spec"]
    return spec


def test_alerts_fire_when_they_should_and_only_then(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules()))
    cases = yaml.safe_load((MONITORING / "alerts.test.yaml").read_text())
    (tmp_path / "test.yaml").write_text(yaml.safe_dump({**cases, "rule_files": ["rules.yaml"]}))

    done = subprocess.run(
        [promtool, "test", "rules", tmp_path / "test.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case_and_says_what_to_do() -> None:
    cases = yaml.safe_load((MONITORING / "alerts.test.yaml").read_text())["tests"]
    tried = {case["alertname"] for test in cases for case in test["alert_rule_test"]}
    alerts = {rule["alert"]: rule for group in rules()["groups"] for rule in group["rules"]}

    assert tried == set(alerts)
    for rule in alerts.values():
        assert {"summary", "action"} <= rule["annotations"].keys()


def test_dashboards_are_as_their_source_says() -> None:
    done = subprocess.run(
        [sys.executable, MONITORING / "dashboards.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def expressions() -> list[str]:
    """Everything that alerts and dashboards ask Prometheus."""
    dashboards = [json.loads(path.read_text()) for path in MONITORING.glob("dashboards/*.json")]
    assert len(dashboards) == 4
    return [
        *(rule["expr"] for group in rules()["groups"] for rule in group["rules"]),
        *(
            target["expr"]
            for dashboard in dashboards
            for panel in dashboard["panels"]
            for target in panel["targets"]
        ),
    ]


def test_what_is_asked_for_is_counted() -> None:
    asked = {name for text in expressions() for name in re.findall(r"\bhudhud_\w+", text)}
    counted = {name for names in REGISTRY._collector_to_names.values() for name in names}
    ours = {name for name in counted if name.startswith("hudhud_")}

    assert asked <= counted
    assert not [name for name in ours if name.endswith("_total") and name not in asked]


# Of every series, by how it is read: see services.yaml beside the alerts.
READ_LABELS = {"service", "pod", "part_of", "instance", "le"}
# kube-state-metrics' own.
JOB_LABELS = {"job_name", "namespace", "condition"}


def test_labels_that_are_asked_for_are_those_it_is_counted_by() -> None:
    collectors: Any = REGISTRY._names_to_collectors
    for text in expressions():
        names = re.findall(r"\bhudhud_\w+", text)
        known = READ_LABELS.union(*(collectors[name]._labelnames for name in names))
        if "kube_job_failed" in text:
            known |= JOB_LABELS
        grouped = [re.split(r",\s*", labels) for labels in re.findall(r"by \(([^)]*)\)", text)]
        matched = [
            re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", part) for part in re.findall(r"{([^}]*)}", text)
        ]
        assert {label for labels in [*grouped, *matched] for label in labels} <= known, text


def test_every_dashboard_has_a_small_picture_that_the_readme_shows() -> None:
    root = MONITORING.parents[2]
    shown = (root / "README.md").read_text()
    for dashboard in MONITORING.glob("dashboards/*.json"):
        picture = dashboard.with_suffix(".png")
        assert picture.stat().st_size < 150_000, picture.name
        assert f"({picture.relative_to(root)})" in shown, picture.name
