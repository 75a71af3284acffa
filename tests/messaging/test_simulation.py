"""Whatever happens, every promise is kept once: a seeded simulation of a bad day.

A failure prints its seed; HUDHUD_SIMULATION_SEED=<seed> gives the same choices again.
"""

import os
import secrets
from collections import Counter, defaultdict
from collections.abc import Callable

import pytest

from hudhud.messaging.v1 import message_pb2
from services.local.certificates import Identity
from services.local.nats import Nats
from tests.messaging.house import House
from tests.messaging.simulation import World

DELIVERED = message_pb2.MESSAGE_STATE_DELIVERED
READ = message_pb2.MESSAGE_STATE_READ
REFUSED = message_pb2.MESSAGE_STATE_REFUSED
EXPIRED = message_pb2.MESSAGE_STATE_EXPIRED

# Each message comes to one of these states and to no other, in this order.
HISTORIES = ([DELIVERED], [DELIVERED, READ], [REFUSED], [EXPIRED])

SEEDS = [int(os.environ.get("HUDHUD_SIMULATION_SEED", 0)) or secrets.randbits(32), 1]


@pytest.mark.parametrize("seed", SEEDS)
async def test_every_promise_is_kept_once(
    house: House, start_nats: Callable[[Identity | None], Nats], seed: int
) -> None:
    print(f"HUDHUD_SIMULATION_SEED={seed}")  # noqa: T201 - shown with a failure
    nats = start_nats(None)
    house.nats_url = nats.url
    world = World(house, nats, seed)
    await world.live_through(steps=200)

    histories: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for change in await house.changes():
        message = change.message
        histories[message.business_id, message.message_id].append(message.state)
    rows = await house.rows("SELECT * FROM messages")
    stored = {(str(row["business_id"]), str(row["message_id"])): row for row in rows}
    assert len(stored) == len(rows)
    assert len(rows) > 100

    # Every promise that anybody was given is stored, as it was given, each time it was given.
    for (business_id, message_id), answers in world.answers.items():
        row = stored[str(business_id), str(message_id)]
        assert all(answer == answers[0] for answer in answers)
        assert answers[0].price.amount_micros == row["amount_micros"]
    # Everything stored came to one end, was told of it once, and is paid for once.
    assert histories.keys() == stored.keys()
    for key, history in histories.items():
        assert history in HISTORIES, (key, history)
        assert stored[key]["state"] == history[-1]
        assert (stored[key]["business_id"], stored[key]["message_id"]) in house.billing.held
    # What a device was told is recorded as delivered, is.
    for (business_id, message_id), confirm_time in world.delivered.items():
        key = (str(business_id), str(message_id))
        if histories[key][0] != DELIVERED:
            assert histories[key] == [EXPIRED]
            assert confirm_time >= stored[key]["expire_time"]
    assert await house.waiting() == 0
    assert world.stranger_saw == []
    # The day was as bad as it was meant to be.
    outcomes = Counter(history[-1] for history in histories.values())
    assert outcomes.keys() == {DELIVERED, READ, REFUSED, EXPIRED}
