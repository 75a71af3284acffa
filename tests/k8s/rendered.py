"""The manifests as `kubectl apply -k` would apply them."""

import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

MANIFESTS = Path(__file__).resolve().parents[2] / "k8s"
KUBECTL = Path(sys.executable).parent / "kubectl"
OVERLAYS = ("overlays/local", "overlays/production")
# What is applied to a cluster, each by itself.
FOLDERS = (*OVERLAYS, "demonstration")
SERVICES = ("identity", "policy", "billing", "messaging", "edge")

Manifest = dict[str, Any]


@functools.cache
def text_of(folder: str) -> str:
    """What kustomize builds of a folder of k8s/."""
    built = subprocess.run(
        [KUBECTL, "kustomize", MANIFESTS / folder], check=True, stdout=subprocess.PIPE, text=True
    )
    return built.stdout


@functools.cache
def manifests_of(folder: str) -> tuple[Manifest, ...]:
    """The same, read."""
    return tuple(yaml.load_all(text_of(folder), Loader=yaml.CSafeLoader))


def of_kind(folder: str, *kinds: str) -> Iterator[Manifest]:
    """The manifests of some kinds."""
    return (each for each in manifests_of(folder) if each["kind"] in kinds)


def workloads(folder: str) -> Iterator[tuple[str, Manifest]]:
    """The name and the pod's specification of everything that runs."""
    for each in of_kind(folder, "Deployment", "StatefulSet", "Job", "CronJob"):
        spec = each["spec"]["jobTemplate"]["spec"] if each["kind"] == "CronJob" else each["spec"]
        yield each["metadata"]["name"], spec["template"]["spec"]


def name_of(manifest: Manifest) -> str:
    """Kind and name, to tell a person which manifest it is."""
    return f"{manifest['kind']}/{manifest['metadata']['name']}"
