"""cert-manager is asked for what the first start's job makes where there is no cert-manager."""

from services.cluster.prepare import HOST_NAMES, MODEL_SIGNING, OPERATOR, SECRETS
from services.local.secrets import Secrets
from tests.k8s.rendered import of_kind

PRODUCTION = "overlays/production"
# It plays no part where real businesses are.
ONLY_FOR_TRYING_OUT = {"demonstration"}


def test_the_same_holders_have_the_same_names() -> None:
    asked = {each["metadata"]["name"]: each["spec"] for each in of_kind(PRODUCTION, "Certificate")}
    for name in HOST_NAMES.keys() - ONLY_FOR_TRYING_OUT:
        certificate = asked[name]
        assert certificate["commonName"] == name
        assert certificate["secretName"] == f"{name}-tls"
        assert certificate["issuerRef"] == {"name": "authority"}
        assert {"server auth", "client auth"} <= set(certificate["usages"])
        own = set() if name == "postgres" else {name}
        assert {*own, *HOST_NAMES[name]} <= set(certificate["dnsNames"])


def test_the_same_secrets_come_from_the_store(secrets_of_one_machine: Secrets) -> None:
    asked = {
        (each["spec"]["target"]["name"], data["secretKey"])
        for each in of_kind(PRODUCTION, "ExternalSecret")
        for data in each["spec"]["data"]
    }
    files = [getattr(secrets_of_one_machine, attribute) for attribute in SECRETS]
    assert asked == {
        (OPERATOR, "credential"),
        (MODEL_SIGNING, "model-signing.key"),
        (MODEL_SIGNING, "model-signing.pub"),
        *((file.stem, file.name) for file in files),
    }
