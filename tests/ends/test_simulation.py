"""Histories of an edge and its people's devices with crashes, losses and repetitions, by chance.

Whatever happens in between: what reached a mailbox is opened exactly once, in both directions, and
no key of a ratchet ever seals two messages that leave.
"""

from __future__ import annotations

import random
import secrets
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from hudhud.edge.v1 import edge_service_pb2
from services.ends.edge.domain import Incoming, Sealed
from services.ends.edge.store import Store
from services.ends.edge.vault import Vault
from services.ends.sealing.sessions import SessionError
from services.kit.clock import ManualClock
from services.kit.database import Database
from services.kit.errors import Refusal
from services.kit.migrate import migrate
from tests.ends.edge.desk import Desk
from tests.ends.edge.mailbox import receive
from tests.ends.fakes.identity import FakeIdentity
from tests.ends.fakes.troubles import away
from tests.ends.handset import NOW, Handset
from tests.ends.olm import message_key
from tests.fixtures.postgres import PostgresForTests

STEPS = 150
PEOPLE = 3


class Crash(BaseException):
    """A process ends here."""


@dataclass
class Phone:
    """A device, what messaging holds for it, and what it has to hand over."""

    handset: Handset
    mailbox: list[Sealed] = field(default_factory=list)
    acked: list[Sealed] = field(default_factory=list)
    opened: list[bytes] = field(default_factory=list)
    outbox: list[Incoming] = field(default_factory=list)


class World:
    """One edge, several devices, and chance."""

    def __init__(self, desk: Desk, phones: list[Phone], chance: random.Random) -> None:
        self.desk = desk
        self.phones = phones
        self.chance = chance
        self.number = 0
        self.delivered: defaultdict[str, list[bytes]] = defaultdict(list)
        self.written: list[str] = []
        self.edge_mailbox: list[Incoming] = []
        self.edge_acked: list[Incoming] = []
        self.keys: dict[tuple[bytes, int], bytes] = {}

    def leaves(self, olm_type: int, ciphertext: bytes) -> None:
        """Somebody else sees this ciphertext from now on."""
        key = message_key(olm_type, ciphertext)
        assert self.keys.setdefault(key, ciphertext) == ciphertext, "a key was used twice"

    # --- Steps ------------------------------------------------------------------------------------

    async def edge_sends(self) -> None:
        """A batch; messaging may refuse some, answer nothing, or be cut off in the middle."""
        plaintexts: list[tuple[Phone, bytes]] = []
        for _ in range(self.chance.randint(1, 5)):
            self.number += 1
            plaintexts.append((self.chance.choice(self.phones), b"message %d" % self.number))
        requests = [self.desk.request(text, phone.handset) for phone, text in plaintexts]
        outcomes = await self.desk.book.seal(requests)
        if self.chance.random() < 0.1:
            return  # The edge is killed before anything leaves; see restart.
        unanswered = self.chance.random() < 0.15
        for (phone, text), outcome in zip(plaintexts, outcomes, strict=True):
            if isinstance(outcome, Refusal):
                continue
            [sealed] = outcome
            self.leaves(sealed.olm_type, sealed.ciphertext)
            if self.chance.random() < (0.5 if unanswered else 0.1):
                continue  # It was refused, or never arrived.
            phone.mailbox.append(sealed)
            self.delivered[phone.handset.end_id].append(text)
        if unanswered:
            self.desk.book.retire(requests)

    async def edge_fails_to_store(self) -> None:
        """What was sealed then never leaves."""
        phone = self.chance.choice(self.phones)
        save = self.desk.store.save_sealed

        async def crash(*_: object) -> dict[tuple[str, str, str], int]:
            raise Crash

        self.desk.store.save_sealed = crash  # type: ignore[method-assign, assignment]
        with suppress(Crash):  # While identity is away there may be nothing to seal with.
            await self.desk.book.seal([self.desk.request(b"never", phone.handset)])
        self.desk.store.save_sealed = save  # type: ignore[method-assign]

    async def edge_restarts(self) -> None:
        """Memory is gone."""
        self.desk = self.desk.restart()

    async def edge_receives(self) -> None:
        """What waits, some of it once more; the process may end before or after storing."""
        frame = self.edge_mailbox[: self.chance.randint(1, 6)]
        if self.edge_acked and self.chance.random() < 0.3:
            frame.append(self.chance.choice(self.edge_acked))
        if not frame:
            return
        fate = self.chance.random()
        if fate < 0.2:
            await self._receive_and_crash(frame, stored=fate < 0.1)
            return
        acks = await receive(self.desk, frame)
        assert set(acks.values()) == {""}, acks
        self.edge_acked += [one for one in self.edge_mailbox if one in frame]
        self.edge_mailbox = [one for one in self.edge_mailbox if one not in frame]

    async def _receive_and_crash(self, frame: list[Incoming], *, stored: bool) -> None:
        save = Store.receive

        async def crash(store: Store, *args: object, **given: object) -> None:
            if stored:
                await save(store, *args, **given)  # type: ignore[arg-type]
            raise Crash

        Store.receive = crash  # type: ignore[method-assign, assignment]
        try:
            with pytest.raises(Crash):
                await receive(self.desk, frame)
        finally:
            Store.receive = save  # type: ignore[method-assign]
        self.desk = self.desk.restart()

    async def phone_opens(self) -> None:
        """What waits, some of it once more; the device may crash before it has stored anything."""
        phone = self.chance.choice(self.phones)
        business_id = self.desk.business_id
        if phone.acked and self.chance.random() < 0.3:
            with pytest.raises(SessionError):
                phone.handset.open(business_id, self.chance.choice(phone.acked))
            phone.handset.crash()
        for sealed in phone.mailbox[: self.chance.randint(1, 8)]:
            if self.chance.random() < 0.1:
                self._open_and_crash(phone.handset, sealed)
                return
            phone.opened.append(phone.handset.open(business_id, sealed))
            phone.mailbox.remove(sealed)
            phone.acked.append(sealed)
        if self.chance.random() < 0.5:
            await self.desk.store.confirm_devices([(business_id, phone.handset.end_id)])

    def _open_and_crash(self, handset: Handset, sealed: Sealed) -> None:
        save, handset.save = handset.save, lambda: None  # type: ignore[method-assign]
        handset.open(self.desk.business_id, sealed)
        handset.save = save  # type: ignore[method-assign]
        handset.crash()

    async def phone_writes(self) -> None:
        """It is stored with the keys before it leaves; if it crashes then, it leaves later."""
        phone = self.chance.choice(self.phones)
        text = f"answer {len(self.written)}"
        phone.outbox.append(phone.handset.write(self.desk.business_id, text))
        self.written.append(text)
        if self.chance.random() < 0.2:
            phone.handset.crash()
        else:
            self.hand_over(phone)

    def hand_over(self, phone: Phone) -> None:
        """Everything that it has not handed over, some of it twice."""
        for incoming in phone.outbox:
            for _ in range(self.chance.choice((1, 1, 2))):
                self.leaves(incoming.olm_type, incoming.ciphertext)
            number = len(self.edge_mailbox) + len(self.edge_acked)
            self.edge_mailbox.append(replace(incoming, envelope_id=number))
        phone.outbox.clear()

    async def identity_goes_and_comes(self) -> None:
        """Nobody new can be reached for a while; nobody else is the worse for it."""
        refusals = self.desk.identity.troubles.refusals
        if refusals:
            refusals.clear()
            self.desk.clock.advance(10)
        else:
            refusals["ClaimKeyBundles"] = away()

    async def settle(self) -> None:
        """Everything that is on its way arrives."""
        self.desk.identity.troubles.refusals.clear()
        for phone in self.phones:
            self.hand_over(phone)
            while phone.mailbox:
                phone.opened.append(phone.handset.open(self.desk.business_id, phone.mailbox.pop(0)))
        while self.edge_mailbox:
            await self.edge_receives()


@pytest.fixture(scope="module")
async def database(postgres: PostgresForTests) -> AsyncIterator[Database]:
    """The edge's tables."""
    database = await Database.open(await postgres.create_database("edge"), name="edge")
    await migrate(database, "services.ends.edge")
    yield database
    await database.close()


@pytest.mark.parametrize("history", range(4))
async def test_nothing_is_lost_doubled_or_sealed_with_a_key_twice(
    database: Database, identity: FakeIdentity, tmp_path: Path, history: int
) -> None:
    seed = secrets.randbits(32)
    sys.stdout.write(f"seed {seed}\n")
    desk = Desk(database, identity, Vault(bytes(32)), ManualClock(NOW))
    await desk.begin()
    phones = [Phone(Handset(tmp_path, identity)) for _ in range(PEOPLE)]
    world = World(desk, phones, random.Random(seed))
    steps = {
        world.edge_sends: 8,
        world.edge_receives: 6,
        world.phone_opens: 6,
        world.phone_writes: 5,
        world.edge_restarts: 1,
        world.edge_fails_to_store: 1,
        world.identity_goes_and_comes: 1,
    }
    for _ in range(STEPS):
        [step] = world.chance.choices(list(steps), weights=list(steps.values()))
        await step()
    await world.settle()

    for phone in phones:
        assert phone.opened == world.delivered[phone.handset.end_id]
        phone.handset.store.close()
    events = await world.desk.store.list_events(desk.business_id, 0, 10_000)
    told = [
        edge_service_pb2.Event.FromString(event.payload).message_received.content.text.body
        for event in events
    ]
    assert sorted(told) == sorted(world.written)
    assert world.number > STEPS / 10
