"""Has a cluster retrain: a Job made from its CronJob `retraining`, followed until it ends."""

from __future__ import annotations

import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from kubernetes import client, config
from kubernetes.client import ApiException
from kubernetes.config import ConfigException
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from urllib3.exceptions import HTTPError

from ml.command import REFUSED, errors, output
from ml.fleet.client import Refused, Unreachable
from ml.fleet.command import tell

CRON_JOB = "retraining"
OURS = f"app.kubernetes.io/name={CRON_JOB}"
POLL_SECONDS = 1.0
CALL_SECONDS = (10, 30)  # to connect, to answer
# A training may say nothing for longer; then its log is opened anew.
LOG_SECONDS = (10, 120)
_STEP = re.compile(r"\[(?P<done>\d+)/(?P<of>\d+)\] (?P<what>.+)")


def retrain_on_cluster(
    context: str | None, namespace: str, said: Mapping[str, bool | None]
) -> None:
    """Start a retraining, or find the one that is under way, and follow it. What is said here
    (True, False) takes the place of the CronJob's variable of that name. Raises Unreachable and
    Refused. Exits with 1 if it fails.
    """
    try:
        config.load_kube_config(context=context)  # type: ignore[no-untyped-call]
        followed = _Retraining(namespace)
        if not followed.find():
            followed.start({name: value for name, value in said.items() if value is not None})
        followed.follow()
    except ConfigException as error:
        raise Unreachable(f"kubectl knows no such cluster: {error}") from error
    except ApiException as error:
        raise Refused(f"{error.status} {error.reason}", _message(error)) from error
    except HTTPError as error:
        raise Unreachable(f"The cluster's API does not answer: {error}") from error


class _Retraining:
    """One Job, and what was seen of it so far."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        # Its types let everything be absent, also what the API always gives.
        self._batch: Any = client.BatchV1Api()
        self._core: Any = client.CoreV1Api()
        self._name = ""
        self._seen: Counter[str] = Counter()  # lines of each pod's log

    def find(self) -> bool:
        """Whether one is under way. It is followed then: two at once would try two models."""
        jobs = self._batch.list_namespaced_job(
            self._namespace, label_selector=OURS, _request_timeout=CALL_SECONDS
        )
        under_way = [job.metadata.name for job in jobs.items if _end_of(job) is None]
        if not under_way:
            return False
        self._name = under_way[0]
        errors.print(f"{self._name} is under way already.")
        return True

    def start(self, said: Mapping[str, bool]) -> None:
        """Make a Job as `kubectl create job --from` does, with these variables of its own."""
        cron_job = self._batch.read_namespaced_cron_job(
            CRON_JOB, self._namespace, _request_timeout=CALL_SECONDS
        )
        template = cron_job.spec.job_template
        container = template.spec.template.spec.containers[0]
        container.env = [
            *(each for each in container.env or [] if each.name not in said),
            *(client.V1EnvVar(name=name, value=str(yes).lower()) for name, yes in said.items()),
        ]
        job = client.V1Job(
            metadata=client.V1ObjectMeta(
                generate_name=f"{CRON_JOB}-by-hand-",
                labels=template.metadata.labels,
                annotations={"cronjob.kubernetes.io/instantiate": "manual"},
                # So it counts for the CronJob's history, and goes with it.
                owner_references=[
                    client.V1OwnerReference(
                        api_version="batch/v1",
                        kind="CronJob",
                        name=cron_job.metadata.name,
                        uid=cron_job.metadata.uid,
                        controller=True,
                    )
                ],
            ),
            spec=template.spec,
        )
        made = self._batch.create_namespaced_job(
            self._namespace, job, _request_timeout=CALL_SECONDS
        )
        self._name = made.metadata.name
        errors.print(f"{self._name} was made.")

    def follow(self) -> None:
        """Show its log and how far it is, until it ends."""
        try:
            with _display() as display:
                task = display.add_task("waiting", total=None)
                while True:
                    # Asked first: what was printed before it ended is there to be read then.
                    end = self._end()
                    for pod in self._pods():
                        waiting = _waiting_for(pod)
                        if waiting:
                            display.update(task, description=waiting)
                            continue
                        for line in self._new_lines(pod.metadata.name):
                            _show(line, display, task)
                    if end is not None:
                        break
                    time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            errors.print(
                f"\n{self._name} goes on. The same command follows it again; to end it: "
                f"kubectl -n {self._namespace} delete job {self._name}"
            )
            raise
        if end.type != "Complete":
            tell(f"{self._name} failed: {end.reason or 'no reason given'}. {end.message or ''}")
            sys.exit(REFUSED)
        output.print(f"{self._name} is done. hudhud-ml fleet, shadow-report, promote, rollback: "
                     "what became of the model, and what becomes of it.")  # fmt: skip

    def _end(self) -> Any:
        """The condition that it ended with, or None."""
        job = self._batch.read_namespaced_job(
            self._name, self._namespace, _request_timeout=CALL_SECONDS
        )
        return _end_of(job)

    def _pods(self) -> list[Any]:
        """Its pods, the oldest first: one more for each that was lost with its node."""
        pods = self._core.list_namespaced_pod(
            self._namespace,
            label_selector=f"batch.kubernetes.io/job-name={self._name}",
            _request_timeout=CALL_SECONDS,
        )
        return sorted(pods.items, key=lambda pod: pod.metadata.creation_timestamp)

    def _new_lines(self, pod: str) -> Iterator[str]:
        """What a pod prints and was not shown yet, until it ends or the connection does."""
        try:
            log = self._core.read_namespaced_pod_log(
                pod, self._namespace, follow=True, _preload_content=False,
                _request_timeout=LOG_SECONDS,
            )  # fmt: skip
            for number, line in enumerate(log):
                if number >= self._seen[pod]:
                    self._seen[pod] = number + 1
                    yield line.decode(errors="replace").rstrip("\n")
        except (ApiException, HTTPError):
            # Not there yet, gone, or silent for long: what the Job's state says decides.
            return


def _end_of(job: Any) -> Any:
    """The condition that a Job ended with, or None."""
    for condition in job.status.conditions or []:
        if condition.type in ("Complete", "Failed") and condition.status == "True":
            return condition
    return None


def _waiting_for(pod: Any) -> str:
    """What a pod that prints nothing yet waits for; empty once it runs or has run."""
    if pod.status.phase != "Pending":
        return ""
    for container in pod.status.container_statuses or []:
        if container.state and container.state.waiting:
            waiting = container.state.waiting
            return f"{waiting.reason} {waiting.message or ''}".strip()
    for condition in pod.status.conditions or []:
        if condition.type == "PodScheduled" and condition.status != "True":
            return str(condition.message or condition.reason)
    return "the pod starts"


def _display() -> Progress:
    """A bar below the log; nothing but the log where there is no terminal."""
    columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn()
    return Progress(*columns, TimeElapsedColumn(), console=errors, transient=True)


def _show(line: str, display: Progress, task: Any) -> None:
    step = _STEP.fullmatch(line)
    if step:
        display.update(
            task, description=step["what"], completed=int(step["done"]), total=int(step["of"])
        )
    if not errors.is_terminal:
        output.print(line, markup=False, soft_wrap=True)
    elif not step:
        # Above the bar, whose console alone knows where that is.
        errors.print(line, markup=False, soft_wrap=True)


def _message(error: ApiException) -> str:
    """What the API says, which is written for people."""
    try:
        return str(json.loads(error.body or b"")["message"])
    except (ValueError, KeyError, TypeError):
        return "The cluster's API refused, and gave no reason."
