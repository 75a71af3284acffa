"""What the manifests tell each service is what it wants to be told, no more and no less."""

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from services.cluster.prepare import MODEL_SIGNING, OPERATOR, SECRETS
from services.kit.config import PREFIX, ServiceSettings, load
from services.kit.database import Database
from services.local.certificates import Authority
from services.local.secrets import Secrets
from tests.k8s.rendered import OVERLAYS, SERVICES, Manifest, of_kind, workloads

# Where the manifests mount things, and the image has its model.
TLS, SECRET_FILES, IMAGE = "/etc/hudhud/tls", "/etc/hudhud/secrets", "/hudhud/ml/released"
CONNECTIONS = 8  # to PostgreSQL, of each replica
# Billing's second role, jobs, and people who look at something.
RESERVED_CONNECTIONS = 40
OF_THE_IMAGE = {
    "HUDHUD_MODEL_DIRECTORY": IMAGE,
    "HUDHUD_MODEL_VERIFICATION_KEY_FILE": f"{IMAGE}/release.pub",
}


def settings_type(module: str) -> type[ServiceSettings]:
    """The settings that `python -m MODULE` reads."""
    config = importlib.import_module(f"{module}.config")
    (found,) = [
        value
        for value in vars(config).values()
        if isinstance(value, type)
        and issubclass(value, ServiceSettings)
        and value is not ServiceSettings
    ]
    return found


def container_of(folder: str, service: str) -> Manifest:
    (container,) = dict(workloads(folder))[service]["containers"]
    found: Manifest = container
    return found


def common_variables(folder: str) -> dict[str, str]:
    (settings,) = [
        each
        for each in of_kind(folder, "ConfigMap")
        if each["metadata"]["name"].startswith("settings")
    ]
    found: dict[str, str] = settings["data"]
    return found


def own_variables(folder: str, service: str) -> dict[str, str]:
    return {
        each["name"]: each.get("value", "edge-0") for each in container_of(folder, service)["env"]
    }


def names_known_to(module: str) -> set[str]:
    return {PREFIX + name.upper() for name in settings_type(module).model_fields}


@pytest.fixture
def mounted(tmp_path: Path) -> dict[str, Path]:
    """The folders of a pod, with files of the names that the Secrets have."""
    authority = Authority(tmp_path / "certificates")
    identity = authority.identity("edge")
    places = {TLS: tmp_path / "tls", SECRET_FILES: tmp_path / "files", IMAGE: tmp_path / "image"}
    for place in places.values():
        place.mkdir()
    for name, file in zip(("tls.crt", "tls.key", "ca.crt"), vars(identity).values(), strict=True):
        (places[TLS] / name).write_bytes(file.read_bytes())
    secrets = Secrets(tmp_path / "secrets")
    for attribute in SECRETS:
        file = getattr(secrets, attribute)
        (places[SECRET_FILES] / file.name).write_bytes(file.read_bytes())
    (places[SECRET_FILES] / "credential").write_text(f"{OPERATOR} credential")
    (places[SECRET_FILES] / f"{MODEL_SIGNING}.pub").write_text("another public key")
    (places[IMAGE] / "release.pub").write_text("a public key")
    return places


@pytest.mark.parametrize("folder", OVERLAYS)
@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_told_all_it_needs(
    folder: str, service: str, mounted: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (module,) = container_of(folder, service)["args"]
    told = {**OF_THE_IMAGE, **common_variables(folder), **own_variables(folder, service)}
    for name, value in told.items():
        for place, real in mounted.items():
            if value.startswith(place):
                value = value.replace(place, str(real))
        monkeypatch.setenv(name, value)
    settings = load(settings_type(module))
    # Who is not called by others either listens, or it is not a service.
    assert {str(settings.internal_listen), str(settings.health_listen)} == {
        "0.0.0.0:7440",
        "0.0.0.0:9440",
    }
    assert f"hudhud_{service}" in settings.database_url


@pytest.mark.parametrize("folder", OVERLAYS)
@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_told_nothing_that_it_does_not_know(folder: str, service: str) -> None:
    (module,) = container_of(folder, service)["args"]
    assert own_variables(folder, service).keys() - names_known_to(module) == set()


@pytest.mark.parametrize("folder", OVERLAYS)
def test_what_all_are_told_somebody_knows(folder: str) -> None:
    known = set[str]()
    for service in SERVICES:
        (module,) = container_of(folder, service)["args"]
        known |= names_known_to(module)
    assert common_variables(folder).keys() - known == set()


@pytest.mark.parametrize("folder", OVERLAYS)
def test_addresses_are_of_services_that_are_there(folder: str) -> None:
    ports: dict[str, set[int]] = {
        each["metadata"]["name"]: {port["port"] for port in each["spec"]["ports"]}
        for each in of_kind(folder, "Service")
    }
    # CloudNativePG makes the service of its cluster itself.
    for cluster in of_kind(folder, "Cluster"):
        ports[f"{cluster['metadata']['name']}-rw"] = {5432}
    addresses: dict[str, Any] = {
        name: value
        for name, value in common_variables(folder).items()
        if name.endswith("_ADDRESS") or name == "HUDHUD_NATS_URL"
    }
    for service in SERVICES:
        url = own_variables(folder, service)["HUDHUD_DATABASE_URL"]
        addresses[f"{service}'s database"] = url.partition("@")[2].partition("/")[0]
    for name, address in addresses.items():
        host, _, port = address.removeprefix("tls://").partition(":")
        assert int(port) in ports[host], name


def test_streams_are_kept_as_often_as_there_are_servers_in_production() -> None:
    (nats,) = [
        each
        for each in of_kind("overlays/production", "StatefulSet")
        if each["metadata"]["name"] == "nats"
    ]
    replicas = common_variables("overlays/production")["HUDHUD_JETSTREAM_REPLICAS"]
    assert int(replicas) == nats["spec"]["replicas"] == 3


@pytest.mark.parametrize("folder", OVERLAYS)
def test_postgresql_takes_as_many_connections_as_all_replicas_open(folder: str) -> None:
    most = {
        each["metadata"]["name"]: each["spec"]["maxReplicas"]
        for each in of_kind(folder, "HorizontalPodAutoscaler")
    }
    # One more of each while it rolls; the edge is told no number, and takes the kit's.
    opened = sum((most[service] + 1) * CONNECTIONS for service in SERVICES)
    for cluster in of_kind(folder, "Cluster"):
        taken = int(cluster["spec"]["postgresql"]["parameters"]["max_connections"])
        assert opened + RESERVED_CONNECTIONS <= taken
    for name, pod in workloads(folder):
        if name == "postgres":
            (setting,) = re.findall(
                r"max_connections=(\d+)", " ".join(pod["containers"][0]["args"])
            )
            assert opened + RESERVED_CONNECTIONS <= int(setting)


def test_services_open_as_many_connections_as_that_counts() -> None:
    for service in ("identity", "policy", "billing", "messaging"):
        field = settings_type(f"services.{service}").model_fields["database_connections_max"]
        assert field.default == CONNECTIONS
    assert inspect.signature(Database.open).parameters["connections_max"].default == CONNECTIONS
