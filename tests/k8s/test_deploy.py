"""Putting up and taking down, with a stand-in for kubectl that remembers and answers as told."""

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.cluster import deploy
from services.cluster.progress import progress_of, troubles
from tests.k8s.rendered import FOLDERS, of_kind, text_of

STAND_IN = """#!/bin/sh
verb=$1
echo "$*" >> "$STAND_IN/calls"
case $verb in
kustomize) cat "$STAND_IN/rendered/$(basename "$2")" ;;
get)
    set -- "$STAND_IN/$2".*
    cat "$1"
    [ $# -eq 1 ] || rm "$1" ;;
apply | delete)
    case "$*" in *--filename=-*) { cat; echo ---; } >> "$STAND_IN/$verb" ;; esac
    [ ! -e "$STAND_IN/refuse" ] || { cat "$STAND_IN/refuse" >&2; exit 1; } ;;
config) echo a-cluster ;;
logs) echo "the demonstration's log" ;;
esac
"""

Workload = dict[str, Any]


def deployment(name: str, ready: int, wanted: int = 1, **status: int) -> Workload:
    return {
        "kind": "Deployment",
        "metadata": {"name": name, "generation": 2},
        "spec": {"replicas": wanted},
        "status": {
            "observedGeneration": 2,
            "replicas": wanted,
            "updatedReplicas": wanted,
            "readyReplicas": ready,
            **status,
        },
    }


def job(name: str, *, succeeded: int = 0, failed: bool = False) -> Workload:
    conditions = [{"type": "Failed", "status": "True"}] if failed else []
    return {
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"completions": 1},
        "status": {"succeeded": succeeded, "conditions": conditions},
    }


class Cluster:
    """What the stand-in answers, and what it was asked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self.answer("pods", [])

    def answer(self, kinds: str, items: list[Workload]) -> None:
        """The next answer about these kinds; the last one stays."""
        self._count += 1
        (self._folder / f"{kinds}.{self._count:03}").write_text(json.dumps({"items": items}))

    def refuse(self, reason: str) -> None:
        (self._folder / "refuse").write_text(reason)

    @property
    def calls(self) -> list[str]:
        return (self._folder / "calls").read_text().splitlines()

    def given(self, verb: str) -> str:
        return (self._folder / verb).read_text()


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "kubectl").write_text(STAND_IN)
    (programs / "kubectl").chmod(0o755)
    rendered = tmp_path / "rendered"
    rendered.mkdir()
    for folder in FOLDERS:
        (rendered / Path(folder).name).write_text(text_of(folder))
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("STAND_IN", str(tmp_path))
    monkeypatch.setattr(deploy, "POLL_SECONDS", 0.0)
    return Cluster(tmp_path)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    def run(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["deploy", *words])
        return deploy.main()

    return run


WORKLOADS = "deployments,statefulsets,jobs"


def test_up_applies_waits_and_demonstrates(
    cluster: Cluster, command: Callable[..., int], capfd: pytest.CaptureFixture[str]
) -> None:
    cluster.answer(WORKLOADS, [job("prepare"), deployment("edge", ready=0)])
    cluster.answer(WORKLOADS, [job("prepare", succeeded=1), deployment("edge", ready=1)])
    cluster.answer("jobs", [job("prepare", succeeded=1), job("demonstration", succeeded=1)])
    assert command("up", "local") == 0
    assert "image: hudhud:dev" in cluster.given("apply")
    assert "name: demonstration" in cluster.given("apply")
    told = capfd.readouterr().out
    assert "the demonstration's log" in told
    assert "port-forward statefulset/edge 8445:8440" in told
    order = [call.split()[0] for call in cluster.calls]
    assert order.index("delete") < order.index("apply") < order.index("logs")


def test_what_comes_by_the_clock_holds_nobody_up(
    cluster: Cluster, command: Callable[..., int]
) -> None:
    failed = job("retraining-29000000", failed=True)
    failed["metadata"]["ownerReferences"] = [{"kind": "CronJob", "name": "retraining"}]
    cluster.answer(WORKLOADS, [failed, deployment("edge", ready=1)])
    cluster.answer("jobs", [failed, job("demonstration", succeeded=1)])
    assert command("up", "local") == 0


def test_another_image_takes_the_place_of_ours_alone(
    cluster: Cluster, command: Callable[..., int]
) -> None:
    cluster.answer(WORKLOADS, [deployment("edge", ready=1)])
    cluster.answer("jobs", [job("demonstration", succeeded=1)])
    assert command("up", "local", "--image", "registry.example/hudhud:2") == 0
    images = set(re.findall(r"image: (\S+)", cluster.given("apply")))
    assert images == {
        "registry.example/hudhud:2",
        "docker.io/library/postgres:18",
        "docker.io/library/nats:2.12-alpine",
    }


def test_another_image_takes_the_place_of_the_one_in_a_registry_too(
    cluster: Cluster, command: Callable[..., int]
) -> None:
    cluster.answer(WORKLOADS, [deployment("edge", ready=1)])
    assert command("up", "production", "--image", "registry.example/team/hudhud:2") == 0
    ours = set(re.findall(r"image: (\S*hudhud\S*)", cluster.given("apply")))
    assert ours == {"registry.example/team/hudhud:2"}


def test_what_does_not_come_up_is_named_with_the_reason(
    cluster: Cluster, command: Callable[..., int], capfd: pytest.CaptureFixture[str]
) -> None:
    cluster.answer(WORKLOADS, [deployment("edge", ready=1), deployment("policy", ready=0)])
    waiting = {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}
    cluster.answer(
        "pods",
        [
            {
                "metadata": {"name": "policy-1"},
                "status": {"containerStatuses": [{"ready": False, "state": waiting}]},
            }
        ],
    )
    (cluster._folder / "pods.001").unlink()
    assert command("up", "local", "--wait", "0") == 1
    told = capfd.readouterr().out
    assert "Not up: policy." in told
    assert "policy-1: ErrImagePull (no such image)" in told


def test_nobody_waits_for_a_job_that_has_failed(
    cluster: Cluster, command: Callable[..., int], capfd: pytest.CaptureFixture[str]
) -> None:
    cluster.answer(WORKLOADS, [job("prepare", failed=True), deployment("edge", ready=0)])
    assert command("up", "local", "--wait", "3") == 1
    assert "Not up: prepare." in capfd.readouterr().out
    assert len([call for call in cluster.calls if call.startswith(f"get {WORKLOADS}")]) == 1


def test_a_demonstration_that_fails_fails_the_deployment(
    cluster: Cluster, command: Callable[..., int], capfd: pytest.CaptureFixture[str]
) -> None:
    cluster.answer(WORKLOADS, [deployment("edge", ready=1)])
    cluster.answer("jobs", [job("demonstration", failed=True)])
    assert command("up", "local") == 1
    assert "did not turn out as expected" in capfd.readouterr().out


def test_what_the_cluster_refuses_is_passed_on(
    cluster: Cluster, command: Callable[..., int], capfd: pytest.CaptureFixture[str]
) -> None:
    cluster.refuse("forbidden: you may not")
    assert command("up", "local") == 1
    assert "forbidden: you may not" in capfd.readouterr().out


def test_an_overlay_that_is_not_there_is_said_to_be_so(
    cluster: Cluster, command: Callable[..., int], capfd: pytest.CaptureFixture[str]
) -> None:
    assert command("up", "nowhere") == 1
    assert "the overlays local, production" in capfd.readouterr().out
    assert command("up") == 2
    assert "Missing argument" in capfd.readouterr().err


def test_down_keeps_what_was_stored_unless_told(
    cluster: Cluster, command: Callable[..., int]
) -> None:
    assert command("down", "local") == 0
    removed = cluster.given("delete")
    assert "kind: StatefulSet" in removed
    assert not re.search(r"^kind: Namespace$", removed, re.MULTILINE)
    assert not any("delete namespace" in call for call in cluster.calls)
    assert command("down", "local", "--data") == 0
    assert any("delete namespace hudhud" in call for call in cluster.calls)


def test_down_leaves_nothing_of_the_demonstration_and_of_older_settings(
    cluster: Cluster, command: Callable[..., int]
) -> None:
    assert command("down", "local") == 0
    removed = [each for each in yaml.safe_load_all(cluster.given("delete")) if each]
    for kind in ("ServiceAccount", "Role", "RoleBinding"):
        assert (kind, "demonstration") in [(each["kind"], each["metadata"]["name"])
                                           for each in removed]  # fmt: skip
    assert any("delete configmap --selector=" in call for call in cluster.calls)
    assert {each["metadata"]["labels"]["app.kubernetes.io/part-of"]
            for each in of_kind("overlays/local", "ConfigMap")} == {"hudhud"}  # fmt: skip


def test_down_leaves_a_database_alone_whose_volumes_would_go_with_it(
    cluster: Cluster, command: Callable[..., int]
) -> None:
    assert list(of_kind("overlays/production", "Cluster"))
    assert command("down", "production") == 0
    kinds = {each["kind"] for each in yaml.safe_load_all(cluster.given("delete")) if each}
    assert "Deployment" in kinds
    assert not {"Namespace", "Cluster", "Database"} & kinds


def test_the_log_is_followed_once_there_can_be_one(
    cluster: Cluster, command: Callable[..., int]
) -> None:
    """For a container that is still being made kubectl does not wait: it fails."""
    cluster.answer(WORKLOADS, [deployment("edge", ready=1)])
    for succeeded in (0, 0, 0, 1):
        cluster.answer("jobs", [job("demonstration", succeeded=succeeded)])
    for phase in ("Pending", "Running"):
        cluster.answer("pods", [{"metadata": {"name": "pod"}, "status": {"phase": phase}}])
    (cluster._folder / "pods.001").unlink()
    assert command("up", "local") == 0
    order = [call.split()[0] for call in cluster.calls if "logs" in call or "get pods" in call]
    assert order == ["get", "get", "logs"]


# --- What the API says of a roll-out ----------------------------------------------------------


def test_a_roll_out_is_done_when_the_new_ones_are_ready_and_alone() -> None:
    assert progress_of(deployment("a", ready=2, wanted=2)).is_complete
    assert not progress_of(deployment("a", ready=2, wanted=2, updatedReplicas=1)).is_complete
    assert not progress_of(deployment("a", ready=2, wanted=2, replicas=3)).is_complete
    assert not progress_of(deployment("a", ready=2, wanted=2, observedGeneration=1)).is_complete
    assert not progress_of({**deployment("a", ready=1), "status": {}}).is_complete


def test_trouble_is_told_in_a_line_for_each_pod() -> None:
    def pod(**status: Any) -> dict[str, Any]:
        return {"metadata": {"name": "pod"}, "status": status}

    crashed = {"lastState": {"terminated": {"exitCode": 2}}, "restartCount": 3, "ready": False}
    unscheduled = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "no CPU left",
    }
    assert troubles(
        [
            pod(phase="Succeeded", containerStatuses=[{"ready": False}]),
            pod(containerStatuses=[{"ready": True}]),
            pod(containerStatuses=[{**crashed, "state": {"running": {}}}]),
            pod(conditions=[unscheduled]),
        ]
    ) == [
        "pod: runs, and is not ready; restarted 3 times, last ended with 2",
        "pod: Unschedulable: no CPU left",
    ]
