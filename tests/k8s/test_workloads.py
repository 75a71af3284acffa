"""Everything that runs: little privilege, known size, honest probes, a name for what it needs."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from docs.scale.breaks import MESSAGING_MEMORY_BYTES, REPLICAS_MAX
from services.cluster.prepare import HOST_NAMES, MODEL_SIGNING, OPERATOR, SECRETS
from services.local.secrets import Secrets
from tests.k8s.rendered import (
    FOLDERS,
    OVERLAYS,
    SERVICES,
    Manifest,
    manifests_of,
    name_of,
    of_kind,
    workloads,
)

CONTAINER_SECURITY = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
PINNED_IMAGE = re.compile(r"(?P<name>[a-z0-9./-]+):(?P<tag>[a-z0-9][a-z0-9.-]*)")
GRACE_SECONDS = 5 + 10 + 10  # the pause, the calls, the transactions; see every-service.yaml

EVERYWHERE = pytest.mark.parametrize("folder", FOLDERS)


def containers(pod: Manifest) -> list[Manifest]:
    return [*pod.get("initContainers", []), *pod["containers"]]


@EVERYWHERE
def test_nobody_can_do_more_than_run(folder: str) -> None:
    for name, pod in workloads(folder):
        security = pod["securityContext"]
        assert security["runAsNonRoot"] is True, name
        assert security["runAsUser"] >= 999, name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys(), name
        for container in containers(pod):
            assert container["securityContext"] == CONTAINER_SECURITY, name
        kinds = {kind for volume in pod.get("volumes", []) for kind in volume if kind != "name"}
        assert kinds <= {"configMap", "emptyDir", "projected", "secret"}, name


@EVERYWHERE
def test_the_namespace_admits_nothing_else(folder: str) -> None:
    for namespace in of_kind(folder, "Namespace"):
        labels = namespace["metadata"]["labels"]
        assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


@EVERYWHERE
def test_everything_has_a_size(folder: str) -> None:
    for name, pod in workloads(folder):
        for container in containers(pod):
            for bound in ("requests", "limits"):
                assert container["resources"][bound].keys() == {"cpu", "memory"}, name


@EVERYWHERE
def test_images_have_a_version(folder: str) -> None:
    for name, pod in workloads(folder):
        for container in containers(pod):
            image = PINNED_IMAGE.fullmatch(container["image"])
            assert image, (name, container["image"])
            assert image["tag"] != "latest", name


@pytest.mark.parametrize("folder", OVERLAYS)
def test_what_stays_up_is_probed_and_a_job_is_not(folder: str) -> None:
    for manifest in of_kind(folder, "Deployment", "StatefulSet"):
        for container in manifest["spec"]["template"]["spec"]["containers"]:
            probes = {"startupProbe", "readinessProbe", "livenessProbe"}
            assert probes <= container.keys(), name_of(manifest)


@pytest.mark.parametrize("folder", OVERLAYS)
def test_a_service_is_asked_for_its_health_and_left_time_to_end(folder: str) -> None:
    for name, pod in workloads(folder):
        if name not in SERVICES:
            continue
        (container,) = pod["containers"]
        (health,) = [
            port["containerPort"] for port in container["ports"] if port["name"] == "health"
        ]
        assert container["readinessProbe"]["grpc"] == {"port": health}
        assert container["startupProbe"]["grpc"] == {"port": health}
        # Liveness asks another question: a process that is just not ready must not be killed.
        assert container["livenessProbe"]["grpc"] == {"port": health, "service": "alive"}
        liveness = container["livenessProbe"]
        assert liveness["periodSeconds"] * liveness["failureThreshold"] >= 60
        assert container["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "5"]
        assert pod["terminationGracePeriodSeconds"] > GRACE_SECONDS


@pytest.mark.parametrize("folder", OVERLAYS)
def test_every_service_has_all_its_parts(folder: str) -> None:
    for service in SERVICES:
        kinds = {
            manifest["kind"]
            for manifest in manifests_of(folder)
            if manifest["metadata"]["name"] == service
        }
        assert kinds >= {
            "StatefulSet" if service == "edge" else "Deployment",
            "Service",
            "ServiceAccount",
            "PodDisruptionBudget",
            "HorizontalPodAutoscaler",
        }
    headless = {
        service["metadata"]["name"]
        for service in of_kind(folder, "Service")
        if service["spec"].get("clusterIP") == "None"
    }
    assert headless >= set(SERVICES)


@pytest.mark.parametrize("folder", OVERLAYS)
def test_replicas_are_the_autoscalers_business_alone(folder: str) -> None:
    """Where a manifest named a number, applying it again would undo what the load had asked for."""
    for autoscaler in of_kind(folder, "HorizontalPodAutoscaler"):
        target = autoscaler["spec"]["scaleTargetRef"]
        (workload,) = [
            manifest
            for manifest in of_kind(folder, target["kind"])
            if manifest["metadata"]["name"] == target["name"]
        ]
        assert "replicas" not in workload["spec"]
        assert autoscaler["spec"]["minReplicas"] <= autoscaler["spec"]["maxReplicas"]


def test_phones_that_only_wait_bring_more_replicas_before_memory_is_short() -> None:
    """Also with one replica less: its phones come to the others."""
    (autoscaler,) = [
        each
        for each in of_kind("overlays/production", "HorizontalPodAutoscaler")
        if each["metadata"]["name"] == "messaging"
    ]
    (target,) = [
        metric["resource"]["target"]
        for metric in autoscaler["spec"]["metrics"]
        if metric["resource"]["name"] == "memory"
    ]
    (limit,) = [
        pod["containers"][0]["resources"]["limits"]["memory"]
        for name, pod in workloads("overlays/production")
        if name == "messaging"
    ]
    # What docs/scale.md reckons with.
    assert bytes_of(limit) == MESSAGING_MEMORY_BYTES
    assert autoscaler["spec"]["maxReplicas"] == REPLICAS_MAX
    fewest = autoscaler["spec"]["minReplicas"]
    wanted = bytes_of(target["averageValue"])
    assert bytes_of(limit) / 2 <= wanted <= bytes_of(limit) * (fewest - 1) / fewest


def test_a_node_can_always_be_drained() -> None:
    """Where there is one node, what is evicted comes up nowhere and lets nobody else go."""
    for budget in of_kind("overlays/local", "PodDisruptionBudget"):
        assert budget["spec"]["maxUnavailable"] == "100%"
    for budget in of_kind("overlays/production", "PodDisruptionBudget"):
        assert budget["spec"]["maxUnavailable"] == 1
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


@pytest.mark.parametrize("folder", OVERLAYS)
def test_a_job_that_is_applied_again_is_not_changed(folder: str) -> None:
    """A Job is immutable: what is applied by itself has to be gone before the next release is."""
    for manifest in of_kind(folder, "Job"):
        assert manifest["spec"]["ttlSecondsAfterFinished"] <= 600, name_of(manifest)


# --- Names ------------------------------------------------------------------------------------


def made_by_prepare(secrets: Secrets) -> set[str]:
    """The Secrets that services/cluster/prepare.py leaves behind."""
    return {
        *(getattr(secrets, attribute).stem for attribute in SECRETS),
        *(f"{name}-tls" for name in HOST_NAMES),
        MODEL_SIGNING,
        OPERATOR,
    }


def made_by_operators(folder: str) -> set[str]:
    """The Secrets that other programs of the cluster make of what we ask for."""
    return {
        *(each["spec"]["secretName"] for each in of_kind(folder, "Certificate")),
        *(each["spec"]["target"]["name"] for each in of_kind(folder, "ExternalSecret")),
    }


def references(pod: Manifest) -> Iterator[tuple[str, str]]:
    """Kind and name of everything that a pod cannot start without."""
    yield "ServiceAccount", pod.get("serviceAccountName", "default")
    for volume in pod.get("volumes", []):
        if "secret" in volume:
            yield "Secret", volume["secret"]["secretName"]
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"]
        for source in volume.get("projected", {}).get("sources", []):
            yield "Secret", source["secret"]["name"]
    for container in containers(pod):
        for source in container.get("envFrom", []):
            yield "ConfigMap", source["configMapRef"]["name"]


def known_names(folder: str, secrets: Secrets) -> set[tuple[str, str]]:
    own = {(each["kind"], each["metadata"]["name"]) for each in manifests_of(folder)}
    if folder == "overlays/production":
        made = made_by_operators(folder)
    else:
        made = made_by_prepare(secrets)
    return {*own, ("ServiceAccount", "default"), *(("Secret", name) for name in made)}


@pytest.fixture(scope="module")
def some_secrets(tmp_path_factory: pytest.TempPathFactory) -> Secrets:
    return Secrets(tmp_path_factory.mktemp("secrets"))


@EVERYWHERE
def test_everything_that_a_pod_refers_to_is_there(folder: str, some_secrets: Secrets) -> None:
    known = known_names(folder, some_secrets)
    missing = [
        (name, reference)
        for name, pod in workloads(folder)
        for reference in references(pod)
        if reference not in known
    ]
    assert missing == []


@EVERYWHERE
def test_selectors_find_what_they_are_for(folder: str) -> None:
    templates: list[dict[str, Any]] = [
        manifest["spec"]["template"]["metadata"]["labels"]
        for manifest in of_kind(folder, "Deployment", "StatefulSet", "Job")
    ]
    for manifest in of_kind(folder, "Service", "PodDisruptionBudget", "Deployment", "StatefulSet"):
        selector = manifest["spec"]["selector"]
        wanted = selector.get("matchLabels", selector).items()
        assert any(wanted <= labels.items() for labels in templates), name_of(manifest)


# --- Size -------------------------------------------------------------------------------------

UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def bytes_of(quantity: str) -> int:
    return int(quantity[:-2]) * UNITS[quantity[-2:]]


def cores_of(quantity: str) -> float:
    return int(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)


def test_one_node_of_four_cores_and_eight_gigabytes_holds_all_of_the_local_overlay() -> None:
    """With every autoscaler at its most, every CronJob at work and the demonstration beside it; a
    fifth of the node is left to what the cluster itself runs there.
    """
    most = {
        each["metadata"]["name"]: each["spec"]["maxReplicas"]
        for each in of_kind("overlays/local", "HorizontalPodAutoscaler")
    }
    own = {
        each["metadata"]["name"]: each["spec"]["replicas"]
        for each in of_kind("overlays/local", "StatefulSet")
        if "replicas" in each["spec"]
    }
    cores, memory = 0.0, 0
    for name, pod in [*workloads("overlays/local"), *workloads("demonstration")]:
        for container in containers(pod):
            requests = container["resources"]["requests"]
            copies = most.get(name, own.get(name, 1))
            cores += copies * cores_of(requests["cpu"])
            memory += copies * bytes_of(requests["memory"])
    assert cores <= 0.8 * 4
    assert memory <= 0.8 * 8 * 10**9
