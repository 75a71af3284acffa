"""The network policies allow the arrows of the design, and nothing else."""

import subprocess
import sys
import tomllib
from ipaddress import ip_address, ip_network
from typing import NamedTuple

import pytest

from tests.k8s.rendered import MANIFESTS, OVERLAYS, SERVICES, Manifest, of_kind
from tests.k8s.test_settings import common_variables

NAME, COMPONENT = "app.kubernetes.io/name", "app.kubernetes.io/component"
DESIGN = {
    ("edge", "identity"),
    ("edge", "policy"),
    ("edge", "messaging"),
    ("messaging", "billing"),
    # Everybody who reads tokens or clearances fetches the public keys.
    ("policy", "identity"),
    ("billing", "identity"),
    ("messaging", "identity"),
    ("messaging", "policy"),
}


class Rule(NamedTuple):
    """One way through, as a policy gives it."""

    direction: str
    here: str
    there: str
    port: int


def pods(selector: Manifest) -> str | None:
    """The name of the pods that a policy selects; of the database, whoever runs it."""
    labels = selector.get("matchLabels", {})
    if labels.get(COMPONENT) == "database":
        return "postgres"
    name: str | None = labels.get(NAME)
    return name


def rules(folder: str) -> set[Rule]:
    """Every way between named pods that some policy opens."""
    found = set()
    for policy in of_kind(folder, "NetworkPolicy"):
        here = pods(policy["spec"]["podSelector"])
        for direction, side in (("ingress", "from"), ("egress", "to")):
            for rule in policy["spec"].get(direction, []):
                for peer in rule.get(side, []):
                    there = pods(peer.get("podSelector", {}))
                    for port in rule["ports"]:
                        if here and there:
                            found.add(Rule(direction, here, there, port["port"]))
    return found


def ways(folder: str) -> set[tuple[str, str, int]]:
    """Who reaches whom: only where both ends allow it."""
    all_rules = rules(folder)
    return {
        (rule.here, rule.there, rule.port)
        for rule in all_rules
        if rule.direction == "egress"
        and Rule("ingress", rule.there, rule.here, rule.port) in all_rules
    }


def test_the_file_is_what_the_access_file_makes_it() -> None:
    script = MANIFESTS / "call_graph.py"
    subprocess.run([sys.executable, script, "--check"], check=True)


@pytest.mark.parametrize("folder", OVERLAYS)
def test_services_call_whom_the_design_lets_them(folder: str) -> None:
    assert {way[:2] for way in ways(folder) if set(way[:2]) <= set(SERVICES)} == DESIGN
    assert {way[2] for way in ways(folder) if set(way[:2]) <= set(SERVICES)} == {7440}


@pytest.mark.parametrize("folder", OVERLAYS)
def test_who_needs_state_and_events_reaches_them(folder: str) -> None:
    reached = {way for way in ways(folder) if way[1] in ("postgres", "nats") and way[0] != way[1]}
    assert reached == {
        *((name, "postgres", 5432) for name in (*SERVICES, "billing-audit")),
        *((service, "nats", 4222) for service in SERVICES if service != "identity"),
    }


@pytest.mark.parametrize("folder", OVERLAYS)
def test_retraining_comes_by_the_public_doors(folder: str) -> None:
    assert {way[1:] for way in ways(folder) if way[0] == "retraining"} == {
        ("identity", 8440),
        ("policy", 8440),
    }


@pytest.mark.parametrize("folder", OVERLAYS)
def test_no_arrow_has_only_one_end(folder: str) -> None:
    for rule in rules(folder):
        other = "egress" if rule.direction == "ingress" else "ingress"
        assert Rule(other, rule.there, rule.here, rule.port) in rules(folder)


@pytest.mark.parametrize("folder", OVERLAYS)
def test_everything_is_denied_first(folder: str) -> None:
    (deny,) = [
        policy
        for policy in of_kind(folder, "NetworkPolicy")
        if policy["metadata"]["name"] == "deny-all"
    ]
    assert deny["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@pytest.mark.parametrize("folder", OVERLAYS)
def test_names_are_asked_for_inside_alone_wherever_a_cluster_answers(folder: str) -> None:
    (dns,) = [
        policy["spec"]
        for policy in of_kind(folder, "NetworkPolicy")
        if policy["metadata"]["name"] == "everybody-to-dns"
    ]
    assert dns["podSelector"] == {}
    (rule,) = dns["egress"]
    assert {(port["port"], port["protocol"]) for port in rule["ports"]} == {
        (53, "UDP"),
        (53, "TCP"),
    }
    blocks = [ip_network(peer["ipBlock"]["cidr"]) for peer in rule["to"] if "ipBlock" in peer]
    # A cache on the node, at an address of its own and at that of the DNS's service (kubeadm, k3s,
    # Amazon, Google), where there is no pod to name.
    for inside in ("169.254.20.10", "10.96.0.10", "10.43.0.10", "172.20.0.10", "100.64.0.10"):
        assert any(ip_address(inside) in block for block in blocks), inside
    for outside in ("8.8.8.8", "1.1.1.1"):
        assert not any(ip_address(outside) in block for block in blocks), outside
    # A rule about addresses says nothing of pods to some networks: these are named.
    (pods,) = [peer["podSelector"] for peer in rule["to"] if "podSelector" in peer]
    assert set(pods["matchExpressions"][0]["values"]) == {"kube-dns", "node-local-dns"}


def opens_to_all(policy: Manifest) -> bool:
    """Whether some rule has no other end, or no ports."""
    return any(
        not rule.get(side) or not rule.get("ports")
        for direction, side in (("ingress", "from"), ("egress", "to"))
        for rule in policy["spec"].get(direction, [])
    )


@pytest.mark.parametrize("folder", [*OVERLAYS, "demonstration"])
def test_only_the_way_to_the_api_has_no_name_at_its_end(folder: str) -> None:
    open_ones = {
        policy["metadata"]["name"]
        for policy in of_kind(folder, "NetworkPolicy")
        if opens_to_all(policy)
    }
    assert open_ones <= {
        "prepare-to-kubernetes-out",
        "postgres-to-kubernetes-out",
        "demonstration-to-services-out",
    }


def test_the_gateway_leads_to_whatever_is_called_from_outside() -> None:
    access = tomllib.loads((MANIFESTS.parent / "services" / "access.toml").read_text())
    public = {
        (name, name.split(".")[1])
        for name, methods in access.items()
        if any(not caller.startswith("service:") for who in methods.values() for caller in who)
    }
    routed = {
        (match["method"]["service"], backend["name"])
        for route in of_kind("overlays/production", "GRPCRoute")
        for rule in route["spec"]["rules"]
        for match in rule["matches"]
        for backend in rule["backendRefs"]
    }
    assert routed == public


@pytest.mark.parametrize("folder", OVERLAYS)
def test_every_address_that_a_service_is_told_can_be_reached(folder: str) -> None:
    for name, address in common_variables(folder).items():
        if name.endswith("_ADDRESS"):
            peer, _, port = address.partition(":")
            assert any(way[1:] == (peer, int(port)) for way in ways(folder)), name
