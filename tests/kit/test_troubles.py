"""An outage is told when it begins, changes, goes on and ends; not twice a second."""

import logging

import pytest

from services.kit.clock import ManualClock
from services.kit.troubles import Troubles


def test_an_outage_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = ManualClock()
    troubles = Troubles(logging.getLogger("test"), "relay", clock)
    troubles.over()
    for _ in range(70):  # 35 seconds of trying twice a second.
        troubles.tell("no NATS")
        clock.advance(0.5)
    troubles.tell("no PostgreSQL")
    troubles.over()
    troubles.over()
    assert caplog.messages == [
        "relay: no NATS; trying again",
        "relay: no NATS; trying again",
        "relay: no PostgreSQL; trying again",
        "relay: works again",
    ]
