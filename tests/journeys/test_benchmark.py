"""The benchmark's counts: what each connection carries, of a platform of which all are tapped."""

import os

import pytest

from services.local.benchmark import hops
from services.local.leash import Leash
from tests.fixtures.state import temporary_state

MESSAGES = 30


@pytest.mark.skipif("HUDHUD_DATABASE_URL" in os.environ, reason="taps stand before our own servers")
async def test_every_hop_of_a_message_is_counted(
    leash: Leash, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hops, "MESSAGES", MESSAGES)
    figures: dict[str, float] = {}

    def add(name: str, value: float, unit: str) -> None:
        assert unit == "bytes"
        figures[name] = value

    with temporary_state() as state:
        await hops.measure(state / "tapped", add)
    for hop in (
        "business_edge",
        "edge_policy",
        "edge_messaging",
        "messaging_billing",
        "device_messaging",
        "edge_postgres",
        "policy_postgres",
        "messaging_postgres",
        "billing_postgres",
        "messaging_nats",
        "billing_nats",
        "policy_nats",
        "edge_nats",
    ):
        assert figures[f"wire_{hop}_there"] > 0, hop
        assert figures[f"wire_{hop}_back"] > 0, hop
    # An envelope is sealed at the edge, and is the same until the device opens it.
    envelope = 500
    for name in ("edge_messaging_there", "messaging_postgres_there", "device_messaging_back"):
        assert figures[f"wire_{name}"] > envelope, name
    assert figures["wire_messaging_billing_there"] < envelope
