"""The first start's job: secrets once, certificates as long as they are good, no more rights."""

import base64
import itertools
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from ml.keys import read_public_key, read_signing_key
from services.cluster.api import Api
from services.cluster.errors import ClusterError
from services.cluster.prepare import HOST_NAMES, MODEL_SIGNING, prepare
from services.local.certificates import Authority
from tests.k8s.fake_api import Asked, FakeApi
from tests.k8s.rendered import Manifest, of_kind, workloads
from tests.k8s.test_settings import common_variables

numbers = itertools.count()


def run(api: Api, folder: Path) -> list[str]:
    """The job once, in a pod of its own."""
    fresh = folder / f"pod-{next(numbers)}"
    fresh.mkdir()
    return prepare(api, fresh)


def file_of(fake: FakeApi, secret: str, key: str) -> bytes:
    return base64.b64decode(fake.secrets[secret]["data"][key])


def certificate_of(fake: FakeApi, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(file_of(fake, f"{name}-tls", "tls.crt"))


def test_it_makes_everything_once(api: Api, fake_api: FakeApi, tmp_path: Path) -> None:
    written = run(api, tmp_path)
    assert sorted(written) == sorted(fake_api.secrets)
    before = {name: secret["data"] for name, secret in fake_api.secrets.items()}
    assert run(api, tmp_path) == []
    assert {name: secret["data"] for name, secret in fake_api.secrets.items()} == before


def test_certificates_name_their_holders_and_are_of_one_authority(
    api: Api, fake_api: FakeApi, tmp_path: Path
) -> None:
    run(api, tmp_path)
    authority = x509.load_pem_x509_certificate(file_of(fake_api, "authority", "authority.pem"))
    for name in HOST_NAMES:
        certificate = certificate_of(fake_api, name)
        certificate.verify_directly_issued_by(authority)
        (common_name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        assert common_name.value == name
        assert fake_api.secrets[f"{name}-tls"]["type"] == "kubernetes.io/tls"
        assert file_of(fake_api, f"{name}-tls", "ca.crt") == file_of(
            fake_api, "authority", "authority.pem"
        )


def test_certificates_are_for_the_names_that_clients_dial(
    api: Api, fake_api: FakeApi, tmp_path: Path
) -> None:
    run(api, tmp_path)
    dialled = {
        value.removeprefix("tls://").partition(":")[0]
        for name, value in common_variables("overlays/local").items()
        if name.endswith("_ADDRESS") or name == "HUDHUD_NATS_URL"
    } | {"postgres-rw", *(f"nats-{number}.nats-peers" for number in range(3))}
    named = set[str]()
    for name in HOST_NAMES:
        extension = certificate_of(fake_api, name).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
        named |= set(extension.value.get_values_for_type(x509.DNSName))
    assert dialled - named == set()


def test_only_a_certificate_that_is_about_to_expire_is_renewed(
    api: Api, fake_api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(api, tmp_path)
    before = certificate_of(fake_api, "edge")
    later = datetime.now(UTC) + timedelta(days=61)
    plain = Authority.__init__

    def in_two_months(self: Authority, folder: Path, **_: Any) -> None:
        plain(self, folder, now=lambda: later)

    monkeypatch.setattr(Authority, "__init__", in_two_months)
    assert sorted(run(api, tmp_path)) == sorted(f"{name}-tls" for name in HOST_NAMES)
    after = certificate_of(fake_api, "edge")
    assert after.not_valid_after_utc > before.not_valid_after_utc + timedelta(days=60)
    assert run(api, tmp_path) == []


def test_a_damaged_authority_is_not_replaced_behind_everybodys_back(
    api: Api, fake_api: FakeApi, tmp_path: Path
) -> None:
    run(api, tmp_path)
    fake_api.secrets["authority"]["data"]["authority.pem"] = base64.b64encode(b"x").decode()
    before = {name: secret["data"] for name, secret in fake_api.secrets.items()}
    with pytest.raises(ClusterError, match="has expired or is damaged"):
        run(api, tmp_path)
    assert {name: secret["data"] for name, secret in fake_api.secrets.items()} == before


def test_a_refusal_of_the_api_says_what_was_asked(
    api: Api, fake_api: FakeApi, tmp_path: Path
) -> None:
    fake_api.refuse_with = 403
    with pytest.raises(
        ClusterError, match=r"POST secrets with 403: create of secrets is forbidden"
    ):
        run(api, tmp_path)


def test_an_api_that_is_not_there_is_said_to_be_so(tmp_path: Path, authority: Authority) -> None:
    (tmp_path / "token").write_text("token")
    api = Api("127.0.0.1:1", authority.certificate_file, tmp_path / "token", "hudhud")
    with pytest.raises(ClusterError, match=r"127\.0\.0\.1:1 cannot be reached"):
        api.read_secret("authority")


def files_of(pod: Manifest, container: Manifest, fake: FakeApi) -> set[str]:
    """The files that a container has of Secrets, by their whole paths."""
    sources: dict[str, list[Manifest]] = {}
    for volume in pod["volumes"]:
        if "secret" in volume:
            secret = {**volume["secret"], "name": volume["secret"]["secretName"]}
            sources[volume["name"]] = [secret]
        elif "projected" in volume:
            sources[volume["name"]] = [each["secret"] for each in volume["projected"]["sources"]]
    files = set()
    for mount in container.get("volumeMounts", []):
        for secret in sources.get(mount["name"], []):
            keys = {key: key for key in fake.secrets[secret["name"]]["data"]}
            if "items" in secret:
                keys = {item["path"]: item["key"] for item in secret["items"]}
            assert set(keys.values()) <= fake.secrets[secret["name"]]["data"].keys()
            files |= {f"{mount['mountPath']}/{path}" for path in keys}
    return files


@pytest.mark.parametrize("folder", ["overlays/local", "demonstration"])
def test_every_file_that_a_pod_is_told_of_is_in_a_secret_that_it_has(
    api: Api, fake_api: FakeApi, tmp_path: Path, folder: str
) -> None:
    run(api, tmp_path)
    common = common_variables("overlays/local")
    for name, pod in workloads(folder):
        for container in pod["containers"]:
            told = [each.get("value", "") for each in container.get("env", [])]
            told += container.get("args", [])
            told += common.values() if container.get("envFrom") else []
            named = set(re.findall(r"/etc/hudhud/[\w./-]+", " ".join(told)))
            assert named <= files_of(pod, container, fake_api), name


# --- Rights -----------------------------------------------------------------------------------


def allowed(folder: str, role: str) -> set[Asked]:
    """What a Role allows, by name where it names."""
    (found,) = [each for each in of_kind(folder, "Role") if each["metadata"]["name"] == role]
    return {
        Asked(verb, resource, name)
        for rule in found["rules"]
        for verb in rule["verbs"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
    }


def test_the_role_is_as_wide_as_what_the_job_does(
    api: Api, fake_api: FakeApi, tmp_path: Path
) -> None:
    run(api, tmp_path)  # everything is made
    for name in HOST_NAMES:  # and everything renewed
        fake_api.secrets[f"{name}-tls"]["data"] = {}
    run(api, tmp_path)
    assert set(fake_api.asked) == allowed("overlays/local", "prepare")


def test_nobody_else_has_rights() -> None:
    assert names_of("overlays/local", "RoleBinding") == {"prepare"}
    # Which operators bind to people (test_retrain_on_cluster.py).
    assert names_of("overlays/local", "Role") == {"prepare", "retrainer"}
    assert names_of("overlays/production", "Role") == {"retrainer"}
    assert not names_of("overlays/production", "RoleBinding")
    for folder in ("overlays/local", "overlays/production"):
        assert not names_of(folder, "ClusterRole", "ClusterRoleBinding")


def names_of(folder: str, *kinds: str) -> set[str]:
    return {each["metadata"]["name"] for each in of_kind(folder, *kinds)}


def test_what_signs_models_is_a_pair(api: Api, fake_api: FakeApi, tmp_path: Path) -> None:
    run(api, tmp_path)
    key = tmp_path / "model-signing.key"
    key.write_bytes(file_of(fake_api, MODEL_SIGNING, "model-signing.key"))
    public = tmp_path / "model-signing.pub"
    public.write_bytes(file_of(fake_api, MODEL_SIGNING, "model-signing.pub"))
    signature = read_signing_key(key).sign(b"a manifest")
    read_public_key(public).verify(signature, b"a manifest")
