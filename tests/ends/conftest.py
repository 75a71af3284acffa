"""A town for the tests of the ends: identity, policy and messaging in memory, over real gRPC."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import pytest

from services.kit.clock import ManualClock
from services.kit.pairwise import PairwiseIds
from services.local.certificates import Authority
from services.local.leash import Leash
from tests.ends.fakes.identity import FakeIdentity
from tests.ends.fakes.town import Town, running_town
from tests.ends.handset import NOW


@pytest.fixture
def identity() -> FakeIdentity:
    """An identity that knows nobody yet."""
    return FakeIdentity(PairwiseIds(secrets.token_bytes(32)))


@pytest.fixture
async def town(authority: Authority, leash: Leash) -> AsyncIterator[Town]:
    """A town of the test's own. Its clock stands still."""
    async with running_town(authority, ManualClock(NOW)) as town:
        yield town
