"""Draws the network policies of the call graph: `k8s/base/call-graph.yaml`.

Who calls whom among the services is read from `services/access.toml`, as by the interceptor of
every server; what else an arrow leads to stands here. Everything is denied, and then each arrow is
two policies: its tail may go out, and its head may be reached.

    python k8s/call_graph.py          writes the file
    python k8s/call_graph.py --check  fails if it is not as it would be written
"""

import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent
FILE = FOLDER / "base" / "call-graph.yaml"
ACCESS_FILE = FOLDER.parent / "services" / "access.toml"

INTERNAL_PORT = 7440
PUBLIC_PORT = 8440
POSTGRES_PORT = 5432
NATS_PORT = 4222
DATABASE_USERS = ("identity", "policy", "billing", "billing-audit", "messaging", "edge")
# Identity tells nobody anything, so it needs no NATS.
EVENT_USERS = ("policy", "billing", "messaging", "edge")
# A job that comes as an operator, by the public doors.
OPERATORS_CALLS = (("retraining", "identity"), ("retraining", "policy"))


class Arrow(NamedTuple):
    """Pods that may open connections to other pods, by their names."""

    tail: str
    head: str
    port: int


def calls() -> set[Arrow]:
    """The arrows between services: some RPC of the head may be called by the tail."""
    access = tomllib.loads(ACCESS_FILE.read_text("utf-8"))
    return {
        Arrow(caller.removeprefix("service:"), service.split(".")[1], INTERNAL_PORT)
        for service, methods in access.items()
        for callers in methods.values()
        for caller in callers
        if caller.startswith("service:")
    }


def arrows() -> list[Arrow]:
    """All of them, in order."""
    databases = {Arrow(name, "postgres", POSTGRES_PORT) for name in DATABASE_USERS}
    events = {Arrow(name, "nats", NATS_PORT) for name in EVENT_USERS}
    operators = {Arrow(tail, head, PUBLIC_PORT) for tail, head in OPERATORS_CALLS}
    return sorted(calls() | databases | events | operators)


DENY_ALL = """\
# Drawn by k8s/call_graph.py from services/access.toml: change that, then `make call-graph`.
# What is not drawn here cannot happen.
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: deny-all
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
---
# Everybody may ask for addresses: the cluster's DNS, or a cache of it on the node. Such a cache may
# be no pod, and answer at the address of the DNS's service: whatever is inside, on the port of DNS.
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: everybody-to-dns
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to:
        - namespaceSelector:
            matchLabels:
              kubernetes.io/metadata.name: kube-system
          podSelector:
            matchExpressions:
              - key: k8s-app
                operator: In
                values: [kube-dns, node-local-dns]
        - ipBlock:
            cidr: 10.0.0.0/8
        - ipBlock:
            cidr: 100.64.0.0/10
        - ipBlock:
            cidr: 169.254.0.0/16
        - ipBlock:
            cidr: 172.16.0.0/12
        - ipBlock:
            cidr: 192.168.0.0/16
      ports:
        - port: 53
          protocol: UDP
        - port: 53
          protocol: TCP
"""

ARROW = """\
---
# {tail} → {head}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {tail}-to-{head}-{end}
spec:
  podSelector:
    matchLabels:
      {here}
  policyTypes: [{direction}]
  {rule}:
    - {side}:
        - podSelector:
            matchLabels:
              {there}
      ports:
        - port: {port}
"""


def label(name: str) -> str:
    """By which pods are known. CloudNativePG calls its pods otherwise, and a database."""
    if name == "postgres":
        return "app.kubernetes.io/component: database"
    return f"app.kubernetes.io/name: {name}"


def draw() -> str:
    """The text of the file."""
    parts = [DENY_ALL]
    for tail, head, port in arrows():
        parts += [
            ARROW.format(
                tail=tail, head=head, port=port, end="out", here=label(tail), there=label(head),
                direction="Egress", rule="egress", side="to",
            ),
            ARROW.format(
                tail=tail, head=head, port=port, end="in", here=label(head), there=label(tail),
                direction="Ingress", rule="ingress", side="from",
            ),
        ]  # fmt: skip
    return "".join(parts)


def main() -> int:
    """Write or check; returns the exit code."""
    if sys.argv[1:] != ["--check"]:
        FILE.write_text(draw(), "utf-8")
        return 0
    if FILE.read_text("utf-8") == draw():
        return 0
    print(
        f"{FILE} is not what services/access.toml makes it. Run: make call-graph", file=sys.stderr
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
