"""PostgreSQL and NATS of somebody else's, named by the environment, instead of our own."""

from __future__ import annotations

import pytest

from services.local.demonstration.play import play
from services.local.nats import Nats
from services.local.parties import Doors
from tests.fixtures.platform import RunPlatform
from tests.fixtures.postgres import PostgresForTests


@pytest.mark.timeout(180)
async def test_the_demonstration_on_servers_that_are_there_already(
    postgres: PostgresForTests,
    nats_server: Nats,
    run_platform: RunPlatform,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HUDHUD_DATABASE_URL", postgres.admin_url)
    monkeypatch.setenv("HUDHUD_NATS_URL", nats_server.url)
    async with run_platform() as platform:
        assert platform.postgres is None
        assert platform.nats is None
        assert await play(Doors(platform.state))
