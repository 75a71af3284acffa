"""Every manifest is what the API of a cluster takes: no field that it does not know."""

import functools
from collections.abc import Iterator
from unittest import mock

import kubernetes_validate
import pytest
from kubernetes_validate import SchemaNotFoundError, ValidationError, utils

from tests.k8s.rendered import FOLDERS, Manifest, manifests_of, name_of

# The oldest that we promise, one between, and the newest that there are schemas of.
VERSIONS = ("1.29", "1.33", "1.37")
# Of these operators we have no schemas; what they are for is in k8s/README.md.
FOREIGN_GROUPS = {
    "autoscaling.k8s.io",
    "cert-manager.io",
    "external-secrets.io",
    "gateway.networking.k8s.io",
    "monitoring.coreos.com",
    "postgresql.cnpg.io",
}


@pytest.fixture(autouse=True)
def _schemas_are_read_once() -> Iterator[None]:
    """The library reads 2 MB for each manifest otherwise."""
    with (
        mock.patch.object(utils, "schema_contents", functools.cache(utils.schema_contents)),
        mock.patch.object(utils, "all_versions", functools.cache(utils.all_versions)),
    ):
        yield


@functools.cache
def different_manifests() -> dict[str, Manifest]:
    """Those of all folders, each once."""
    return {repr(manifest): manifest for folder in FOLDERS for manifest in manifests_of(folder)}


def problem(manifest: Manifest, version: str) -> str | None:
    """What the API would say against a manifest."""
    group = manifest["apiVersion"].rpartition("/")[0]
    if group in FOREIGN_GROUPS:
        return None
    try:
        kubernetes_validate.validate(manifest, version, strict=True)
    except SchemaNotFoundError:
        return f"{name_of(manifest)}: there is no {manifest['apiVersion']} in {version}"
    except ValidationError as error:
        return f"{name_of(manifest)}: {error.message}"
    return None


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_fits_its_schema(version: str) -> None:
    problems = [problem(manifest, version) for manifest in different_manifests().values()]
    assert [each for each in problems if each] == []


def test_the_local_overlay_asks_a_plain_cluster_for_nothing_more() -> None:
    groups = {each["apiVersion"].rpartition("/")[0] for each in manifests_of("overlays/local")}
    assert not groups & FOREIGN_GROUPS


def test_a_word_that_the_api_does_not_know_is_found() -> None:
    (service,) = [
        manifest
        for manifest in manifests_of("overlays/local")
        if name_of(manifest) == "Service/identity"
    ]
    assert problem(service, VERSIONS[0]) is None
    misspelt = {**service, "spec": {**service["spec"], "clusterIp": "None"}}
    assert "clusterIp" in str(problem(misspelt, VERSIONS[0]))
