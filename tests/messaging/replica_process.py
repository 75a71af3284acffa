"""A messaging in a process of its own, to be measured or killed; tests move its clock.

python -m tests.messaging.replica_process SPECIFICATION.json
"""

from __future__ import annotations

import asyncio
import gc
import json
import mmap
import struct
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import uvloop

from services.kit.client import connect
from services.kit.clock import ManualClock
from services.kit.errors import Refusal
from services.kit.process import kept_running
from services.kit.server import Server
from services.kit.verification_keys import Fetch, VerificationKeys
from services.messaging.app import messaging
from services.messaging.clients import BillingClient
from services.messaging.config import MessagingSettings
from services.messaging.domain import Price
from services.messaging.ports import Billing, ReservationRequest
from tests.messaging.fake_billing import FakeBilling

TURN_SECONDS = 0.01


class SharedTime:
    """Seconds in a file that several processes look at."""

    def __init__(self, file: Path) -> None:
        if not file.exists():
            file.write_bytes(struct.pack("d", 0.0))
        with file.open("r+b") as opened:
            self._memory = mmap.mmap(opened.fileno(), 8)

    @property
    def seconds(self) -> float:
        """How far time has gone."""
        return float(struct.unpack("d", self._memory[:])[0])

    @seconds.setter
    def seconds(self, seconds: float) -> None:
        self._memory[:] = struct.pack("d", seconds)


class SharedManualClock(ManualClock):
    """A test's clock, which processes follow that have a `FollowingClock` on the same file."""

    def __init__(self, start: datetime, file: Path) -> None:
        super().__init__(start)
        self._time = SharedTime(file)

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        self._time.seconds = self.monotonic()


class FollowingClock:
    """A clock that is where another process has moved it."""

    def __init__(self, start: datetime, file: Path) -> None:
        self._start = start
        self._time = SharedTime(file)

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._time.seconds)

    def monotonic(self) -> float:
        return self._time.seconds

    async def sleep(self, seconds: float) -> None:
        end = self.monotonic() + seconds
        while self.monotonic() < end:  # noqa: ASYNC110 - another process moves it
            await asyncio.sleep(TURN_SECONDS)


class ForgetfulBilling(FakeBilling):
    """Knows its prices and nothing else, so that it takes no memory."""

    async def create_reservations(
        self, requests: Sequence[ReservationRequest]
    ) -> list[Price | Refusal]:
        """See `services.messaging.ports.Billing`."""
        answers = await super().create_reservations(requests)
        self.held.clear()
        self.calls.clear()
        return answers


def keys(public: Mapping[str, str]) -> Fetch:
    """A signer's public keys, as they stand in a specification."""

    async def fetch() -> Mapping[str, bytes]:
        return {key_id: bytes.fromhex(text) for key_id, text in public.items()}

    return fetch


async def run(specification: dict[str, Any]) -> None:
    """Say on which addresses messaging serves, and serve until killed."""
    settings = MessagingSettings(**specification["settings"])
    start = datetime.fromisoformat(specification["start"])
    clock = FollowingClock(start, Path(specification["clock_file"]))
    async with AsyncExitStack() as stack:
        billing: Billing = ForgetfulBilling()
        if specification["billing_is_elsewhere"]:
            address, tls = settings.billing_address, settings.tls_files()
            channel = connect(address, name="billing", tls=tls, timeout_seconds=2)
            billing = BillingClient(await stack.enter_async_context(channel))
        server = Server(settings, clock=clock)
        await server.start()
        service = await stack.enter_async_context(
            messaging(
                settings,
                billing,
                VerificationKeys(keys(specification["token_keys"])),
                VerificationKeys(keys(specification["clearance_keys"])),
                clock,
            )
        )
        await server.serve(service)
        tasks = [asyncio.ensure_future(kept_running(work)) for work in service.background]
        # As services.kit.process does.
        gc.collect()
        gc.freeze()
        addresses = [str(server.internal_address), str(server.public_address)]
        sys.stdout.write(json.dumps(addresses) + "\n")
        sys.stdout.flush()
        await asyncio.gather(*tasks)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(json.loads(Path(sys.argv[1]).read_text())))
