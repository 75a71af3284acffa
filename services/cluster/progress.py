"""Owns what is said of a roll-out: how far each workload is, and what holds a pod up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

WORKLOADS = ("deployments", "statefulsets", "jobs")


class Progress(NamedTuple):
    """How far one workload is."""

    name: str
    done: int
    wanted: int
    failed: bool = False

    @property
    def is_complete(self) -> bool:
        return self.done >= self.wanted and not self.failed


def progress_of(workload: dict[str, Any]) -> Progress:
    """Read from a Deployment, StatefulSet or Job as the API gives it."""
    name = workload["metadata"]["name"]
    specification, status = workload["spec"], workload.get("status", {})
    if workload["kind"] == "Job":
        failed = any(
            condition["type"] == "Failed" and condition["status"] == "True"
            for condition in status.get("conditions", [])
        )
        return Progress(
            name, status.get("succeeded", 0), specification.get("completions", 1), failed
        )
    wanted = specification.get("replicas", 1)
    # What is said of an older generation says nothing of what was just applied.
    if status.get("observedGeneration", 0) < workload["metadata"].get("generation", 0):
        return Progress(name, 0, wanted)
    new_and_ready = min(status.get("updatedReplicas", 0), status.get("readyReplicas", 0))
    # Old replicas beside the new ones: not done yet.
    left = max(status.get("replicas", 0) - wanted, 0)
    return Progress(name, max(new_and_ready - left, 0), wanted)


def is_of_a_cron_job(workload: dict[str, Any]) -> bool:
    """Whether it comes and goes by the clock: how it fares says nothing of a roll-out."""
    owners = workload["metadata"].get("ownerReferences", [])
    return any(owner["kind"] == "CronJob" for owner in owners)


def troubles(pods: Iterable[dict[str, Any]]) -> list[str]:
    """What holds pods up, a line for each pod that is not ready."""
    lines = []
    for pod in pods:
        status = pod.get("status", {})
        if status.get("phase") == "Succeeded":
            continue
        reasons = [
            f"{condition.get('reason', condition['type'])}: {condition['message']}"
            for condition in status.get("conditions", [])
            if condition["type"] == "PodScheduled"
            and condition["status"] != "True"
            and condition.get("message")
        ]
        for container in status.get("containerStatuses", []):
            reasons += _of_container(container)
        if reasons:
            lines.append(f"{pod['metadata']['name']}: {'; '.join(reasons)}")
    return lines


def _of_container(container: dict[str, Any]) -> list[str]:
    if container.get("ready"):
        return []
    state = container.get("state", {})
    if waiting := state.get("waiting"):
        said = f" ({waiting['message']})" if waiting.get("message") else ""
        reasons = [f"{waiting.get('reason', 'waiting')}{said}"]
    elif ended := state.get("terminated"):
        reasons = [f"ended with {ended.get('exitCode')}"]
    else:
        reasons = ["runs, and is not ready"]
    if before := container.get("lastState", {}).get("terminated"):
        restarts = container.get("restartCount", 0)
        reasons.append(f"restarted {restarts} times, last ended with {before.get('exitCode')}")
    return reasons
