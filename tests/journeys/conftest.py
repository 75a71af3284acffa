"""The parties of a journey, on the platform that journeys share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from services.local.platform import LocalPlatform
from tests.journeys.parties import Parties


@pytest.fixture
async def parties(platform: LocalPlatform) -> AsyncIterator[Parties]:
    """New businesses and people, on demand."""
    async with AsyncExitStack() as stack:
        parties = Parties(platform, stack)
        await parties.begin()
        yield parties
