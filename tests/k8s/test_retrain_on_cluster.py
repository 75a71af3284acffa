"""`hudhud-ml retrain --on-cluster`: a Job like the CronJob's, followed to its end."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner, Result
from kubernetes import client

from ml.cli import main
from ml.fleet import on_cluster
from ml.fleet.retrain import PROMOTE_VARIABLE, REPLACE_VARIABLE
from ml.fleet.retrain import retrain as command
from services.cluster.api import Api
from tests.k8s.fake_api import TOKEN, FakeApi
from tests.k8s.rendered import Manifest, of_kind
from tests.k8s.test_prepare import allowed

LINES = ["People said 3 things.", "[0/16] expanding the corpus", "[1/16] reading 9 messages",
         "0123456789ab is in shadow."]  # fmt: skip
MADE = "retraining-by-hand-x7x2k"


@pytest.fixture
def cron_job(fake_api: FakeApi) -> Manifest:
    """The CronJob as it was applied."""
    (found,) = [
        each
        for each in of_kind("overlays/local", "CronJob")
        if each["metadata"]["name"] == "retraining"
    ]
    applied = copy.deepcopy(found)
    applied["metadata"]["uid"] = "0198-uid"
    fake_api.cron_jobs["retraining"] = applied
    return applied


@pytest.fixture
def kubectl(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What kubectl knows: one cluster."""
    known = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [
            {
                "name": "here",
                "cluster": {
                    "server": f"https://{api._address}",
                    "certificate-authority": str(tmp_path / "authority.pem"),
                },
            }
        ],
        "users": [{"name": "ops", "user": {"token": TOKEN}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "ops"}}],
    }
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(known))
    monkeypatch.setattr(
        "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "kubeconfig")
    )
    monkeypatch.setattr(on_cluster, "POLL_SECONDS", 0.01)


@pytest.fixture(autouse=True)
def trusted(authority: Any, tmp_path: Path) -> None:
    (tmp_path / "authority.pem").write_bytes(authority.certificate_file.read_bytes())


def pod_of(name: str, phase: str = "Running", created: str = "2026-03-01T03:41:00Z") -> Manifest:
    return {
        "metadata": {"name": name, "creationTimestamp": created},
        "status": {"phase": phase},
    }


def ended(fake_api: FakeApi, how: str = "Complete", reason: str = "", job: str = MADE) -> None:
    condition = {"type": how, "status": "True", "reason": reason, "message": "Of the controller."}
    fake_api.jobs[job]["status"] = {"conditions": [condition]}


def retrain(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["retrain", "--on-cluster", *arguments])


@pytest.fixture
def runs(fake_api: FakeApi) -> None:
    """A Job that is made has a pod, which prints and ends."""
    fake_api.pods_of_jobs[MADE] = [pod_of("retraining-pod")]
    fake_api.logs["retraining-pod"] = LINES
    fake_api.after_log = lambda _: ended(fake_api)


def test_the_job_calls_the_command_as_it_wants_to_be_called(
    cron_job: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = template["containers"]
    for each in container["env"]:
        monkeypatch.setenv(each["name"], each["value"])
    assert container["args"][:2] == ["ml", "retrain"]
    given = command.make_context("retrain", container["args"][2:]).params
    assert (given["promote"], given["replace_shadow"]) == (False, False)
    assert given["identity"] == "identity:8440"
    assert given["signing_key"] == Path("/etc/hudhud/secrets/model-signing.key")
    known = {option.envvar for option in command.params if isinstance(option, click.Option)}
    told = {each["name"] for each in container["env"]} - {"COLUMNS"}
    assert told <= known
    # All it writes, it writes to where it may.
    assert {given["store"].parts[1], given["work"].parts[1]} == {"tmp"}


@pytest.mark.usefixtures("kubectl", "runs")
def test_the_job_is_the_cron_jobs(fake_api: FakeApi, cron_job: Manifest) -> None:
    result = retrain()
    assert result.exit_code == 0, result.output
    job = fake_api.jobs[MADE]
    assert job["spec"] == cron_job["spec"]["jobTemplate"]["spec"]
    assert job["metadata"]["labels"]["app.kubernetes.io/name"] == "retraining"
    (owner,) = job["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("CronJob", "retraining", "0198-uid")
    assert result.stdout.splitlines()[: len(LINES)] == LINES


@pytest.mark.usefixtures("kubectl", "runs")
def test_the_role_is_as_wide_as_that(fake_api: FakeApi, cron_job: Manifest) -> None:
    assert retrain().exit_code == 0
    asked = {(each.verb, each.resource) for each in fake_api.asked}
    assert asked == {(each.verb, each.resource) for each in allowed("overlays/local", "retrainer")}


@pytest.mark.usefixtures("kubectl", "runs", "cron_job")
@pytest.mark.parametrize(
    ("option", "variable", "value"),
    [
        ("--promote", PROMOTE_VARIABLE, "true"),
        ("--no-promote", PROMOTE_VARIABLE, "false"),
        ("--replace-shadow", REPLACE_VARIABLE, "true"),
        ("--keep-shadow", REPLACE_VARIABLE, "false"),
    ],
)
def test_who_starts_it_says_what_becomes_of_its_model(
    fake_api: FakeApi, cron_job: Manifest, option: str, variable: str, value: str
) -> None:
    job = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    before = {each["name"]: each["value"] for each in job["containers"][0]["env"]}
    assert retrain(option).exit_code == 0
    (container,) = fake_api.jobs[MADE]["spec"]["template"]["spec"]["containers"]
    assert len(container["env"]) == len(before)
    told = {each["name"]: each["value"] for each in container["env"]}
    assert told == {**before, variable: value}


@pytest.mark.usefixtures("kubectl", "runs", "cron_job")
def test_a_log_that_breaks_off_is_read_on(fake_api: FakeApi) -> None:
    fake_api.logs["retraining-pod"] = LINES[:2]

    def goes_on(pod: str) -> None:
        fake_api.logs[pod] = LINES
        fake_api.after_log = lambda _: ended(fake_api)

    fake_api.after_log = goes_on
    assert retrain().stdout.splitlines()[: len(LINES)] == LINES


@pytest.mark.usefixtures("kubectl", "cron_job")
def test_what_was_printed_before_it_was_looked_at_is_shown(fake_api: FakeApi) -> None:
    fake_api.jobs[MADE] = {
        "metadata": {"name": MADE, "labels": {"app.kubernetes.io/name": "retraining"}},
        "status": {},
    }
    first = pod_of("lost", "Failed", "2026-03-01T03:41:00Z")
    second = pod_of("retraining-pod", "Succeeded", "2026-03-01T03:50:00Z")
    fake_api.pods_of_jobs[MADE] = [second, first]
    fake_api.logs = {"lost": ["[0/16] expanding the corpus"], "retraining-pod": LINES}
    fake_api.after_log = lambda _: ended(fake_api)
    result = retrain()
    assert f"{MADE} is under way already" in result.stderr
    assert result.stdout.splitlines()[: len(LINES) + 1] == ["[0/16] expanding the corpus", *LINES]
    assert not [each for each in fake_api.asked if each.verb == "create"]


@pytest.mark.usefixtures("kubectl", "runs", "cron_job")
def test_a_job_that_fails_is_told_with_its_reason(fake_api: FakeApi) -> None:
    fake_api.after_log = lambda _: ended(fake_api, "Failed", "PodFailurePolicy")
    result = retrain()
    assert result.exit_code == 1
    assert "failed: PodFailurePolicy. Of the controller." in result.stderr
    assert LINES[-1] in result.stdout


@pytest.mark.usefixtures("kubectl", "cron_job")
def test_a_job_that_is_deleted_is_not_waited_for(fake_api: FakeApi) -> None:
    fake_api.pods_of_jobs[MADE] = [pod_of("retraining-pod")]
    fake_api.logs["retraining-pod"] = LINES
    fake_api.after_log = lambda _: fake_api.jobs.clear()
    result = retrain()
    assert (result.exit_code, "404" in result.stderr) == (1, True), result.stderr


@pytest.mark.usefixtures("kubectl")
def test_a_cluster_without_hudhud_is_told_so() -> None:
    result = retrain()
    assert result.exit_code == 1
    assert 'cronjobs.batch "retraining" not found' in result.stderr


@pytest.mark.usefixtures("kubectl", "cron_job")
def test_whoever_may_not_is_told_what(fake_api: FakeApi) -> None:
    fake_api.refuse_with = 403
    result = retrain()
    assert (result.exit_code, "list of jobs is forbidden" in result.stderr) == (1, True)


@pytest.mark.usefixtures("kubectl")
def test_a_cluster_that_kubectl_does_not_know_is_said_to_be_so() -> None:
    result = retrain("--context", "elsewhere")
    assert (result.exit_code, "elsewhere" in result.stderr) == (4, True), result.stderr


def test_waiting_is_said_in_the_clusters_words() -> None:
    waiting = client.V1ContainerStateWaiting(reason="ImagePullBackOff", message="no such image")
    container = client.V1ContainerStatus(
        name="c", image="", image_id="", ready=False, restart_count=0,
        state=client.V1ContainerState(waiting=waiting),
    )  # fmt: skip
    unscheduled = client.V1PodCondition(
        type="PodScheduled", status="False", message="Insufficient memory."
    )

    def waiting_for(**status: Any) -> str:
        pod = client.V1Pod(status=client.V1PodStatus(phase="Pending", **status))
        return on_cluster._waiting_for(pod)

    assert waiting_for(container_statuses=[container]) == "ImagePullBackOff no such image"
    assert waiting_for(conditions=[unscheduled]) == "Insufficient memory."
