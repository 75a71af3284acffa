"""The configuration of NATS, read by the server itself."""

import os
import subprocess
import sys
from pathlib import Path

from services.cluster.prepare import HOST_NAMES, NATS_SERVERS
from services.local.certificates import Authority
from tests.k8s.rendered import MANIFESTS, OVERLAYS, of_kind

CONFIGURATION = MANIFESTS / "components/nats/nats.conf"
SERVER = Path(sys.executable).parent / "nats-server"


def test_the_server_understands_it(authority: Authority, tmp_path: Path) -> None:
    identity = authority.identity("nats")
    for name, file in zip(("tls.crt", "tls.key", "ca.crt"), vars(identity).values(), strict=True):
        (tmp_path / name).write_bytes(file.read_bytes())
    text = CONFIGURATION.read_text().replace("/etc/hudhud/tls", str(tmp_path))
    configuration = tmp_path / "nats.conf"
    configuration.write_text(text)
    (nats,) = [
        each
        for each in of_kind("overlays/local", "StatefulSet")
        if each["metadata"]["name"] == "nats"
    ]
    (container,) = nats["spec"]["template"]["spec"]["containers"]
    told = {each["name"]: each.get("value", "nats-0") for each in container["env"]}

    def check() -> str:
        done = subprocess.run(
            [SERVER, "-t", "--config", configuration],
            env={**os.environ, **told},
            check=False,
            capture_output=True,
            text=True,
        )
        return done.stderr if done.returncode else ""

    assert check() == ""
    configuration.write_text(text.replace("no_advertise", "no_advertisement"))
    assert "no_advertisement" in check()


def test_each_server_is_a_route_with_a_name_in_the_certificate() -> None:
    for overlay in OVERLAYS:
        (nats,) = [
            each for each in of_kind(overlay, "StatefulSet") if each["metadata"]["name"] == "nats"
        ]
        assert nats["spec"]["replicas"] == NATS_SERVERS
    routes = [
        line.strip().removeprefix("tls://").removesuffix(":6222")
        for line in CONFIGURATION.read_text().splitlines()
        if line.strip().startswith("tls://")
    ]
    assert tuple(routes) == HOST_NAMES["nats"]
    certificates = {
        each["metadata"]["name"]: each["spec"]
        for each in of_kind("overlays/production", "Certificate")
    }
    assert set(routes) < set(certificates["nats"]["dnsNames"])
