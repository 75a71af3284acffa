"""A small world around messaging that does whatever may happen, from a seed.

Businesses send, send again, and send other messages under old ids; devices come and go, ack,
refuse, read, forget and babble; time passes; replicas die in the middle of what they do, and
database connections with them; NATS comes and goes; billing fails. What the world saw is kept, and
compared in the end with what messaging says.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from hudhud.messaging.v1 import message_pb2
from hudhud.messaging.v1 import messaging_service_pb2 as pb
from services.kit.clock import new_id
from services.local.nats import Nats
from tests.messaging.billing_server import BillingServer, running
from tests.messaging.house import House, Replica, ReplicaDied
from tests.messaging.parties import DELIVERED, REFUSED, Business, Person, message_id_of, sealed

Key = tuple[UUID, UUID]  # business_id and message_id


class World:
    """Everybody, and what they saw."""

    def __init__(self, house: House, nats: Nats, seed: int) -> None:
        self.house = house
        self.chance = random.Random(seed)
        self.billing = BillingServer(house.billing, self.chance)
        self.replicas: list[Replica | None] = [None, None]
        self._stacks: list[AsyncExitStack | None] = [None, None]
        self._billing_address = ""
        self._nats = nats
        self.businesses = [Business(house) for _ in range(2)]
        self.people = [
            Person(device_ids=tuple(uuid4() for _ in range(count))) for count in (1, 1, 2, 3)
        ]
        self.items: dict[Key, tuple[Business, Person, pb.AcceptItem]] = {}
        self.answers: defaultdict[Key, list[pb.Accepted]] = defaultdict(list)
        # What devices had confirmed, and by when at the latest it was recorded.
        self.delivered: dict[Key, datetime] = {}
        self.stranger_saw: list[Any] = []
        # Whose each envelope is that was ever seen; those of edges are numbered apart.
        self.owners: dict[int, UUID] = {}
        # Whether an end finds a message right; once and for all.
        self.minds: dict[tuple[UUID, str], bool] = {}
        self._nats_lock = asyncio.Lock()

    # --- Replicas ---------------------------------------------------------------------------------

    async def start(self, place: int) -> None:
        """Start the replica in this place, unless it runs."""
        while self._stacks[place] is None:
            stack = self._stacks[place] = AsyncExitStack()
            try:
                process = self.house.process(
                    billing_address=self._billing_address,
                    mailbox_poll_seconds=2,
                    expiry_interval_seconds=20,
                )
                self.replicas[place] = await stack.enter_async_context(process)
            except ReplicaDied:
                # Its connections were cut while it started: whoever watches it starts it again.
                self._stacks[place] = None

    async def kill(self, place: int) -> None:
        """Kill the replica in this place, if it runs."""
        replica, stack = self.replicas[place], self._stacks[place]
        if replica is not None and stack is not None:
            self.replicas[place] = None
            os.kill(replica.pid, signal.SIGKILL)
            await stack.aclose()
            self._stacks[place] = None

    async def cut_database_connections(self) -> None:
        """End every connection that messaging has to its database, with its transaction."""
        await self.house.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE 'messaging%'"
        )

    async def some_replica(self) -> Replica:
        """A replica that runs."""
        while True:
            running = [replica for replica in self.replicas if replica is not None]
            if running:
                return self.chance.choice(running)
            await asyncio.sleep(0.01)

    # --- Businesses -------------------------------------------------------------------------------

    async def send(self) -> None:
        """Send some new messages, some old ones again, and sometimes another under an old id."""
        items: list[pb.AcceptItem] = []
        for _ in range(self.chance.randint(1, 6)):
            business = self.chance.choice(self.businesses)
            person = self.chance.choice(self.people)
            fate = self.chance.random()
            if fate < 0.6 or not self.items:
                item = business.item(
                    person,
                    message_id=new_id(),
                    time_to_live=timedelta(seconds=self.chance.choice([30, 300, 3000])),
                )
                self.items[business.business_id, message_id_of(item)] = (business, person, item)
            else:
                key = self.chance.choice(list(self.items))
                business, person, item = self.items[key]
                if fate < 0.9:
                    item = business.item(person, message_id=key[1], ciphertext=b"sealed again")
                else:
                    brief = timedelta(seconds=300)
                    item = business.item(person, message_id=key[1], category=2, time_to_live=brief)
                    await self.offer([item], expected="MESSAGE_ID_REUSED")
                    continue
            items.append(item)
            if self.chance.random() < 0.2:
                items.append(item)
        await self.offer(items)

    async def offer(self, items: list[pb.AcceptItem], expected: str = "") -> None:
        """Have items accepted on some replica, and keep the promises that come back."""
        if not items:
            return
        try:
            edge = await (await self.some_replica()).service()
            response = await edge.AcceptMessages(pb.AcceptMessagesRequest(items=items), timeout=5)
        except (Exception, asyncio.CancelledError):  # noqa: BLE001
            # It died, and what it did nobody knows.
            return
        for item, outcome in zip(items, response.outcomes, strict=True):
            business_id = next(
                business.business_id
                for business in self.businesses
                if item.sender_end_id == str(business.edge_id)
            )
            if outcome.HasField("accepted"):
                if expected and (business_id, message_id_of(item)) in self.answers:
                    raise AssertionError(f"accepted where {expected} was due")
                if expected:
                    # The first message never arrived: then this is the one that the id stands for.
                    key = (business_id, message_id_of(item))
                    self.items.pop(key, None)
                else:
                    self.answers[business_id, message_id_of(item)].append(outcome.accepted)

    # --- Ends -------------------------------------------------------------------------------------

    async def live(self, person: Person | None, end_id: UUID, until: asyncio.Event) -> None:
        """Be a device, or an edge: attach, do something with what comes, drop off, come back."""
        while not until.is_set():
            # Whatever broke, it comes back. What gRPC calls cancelled, a dying replica cancelled.
            with suppress(Exception, asyncio.CancelledError):
                replica = await self.some_replica()
                async with asyncio.timeout(self.chance.uniform(0.05, 1.0)):
                    if person is None:
                        await self._use(await replica.service(), end_id, None)
                    else:
                        stub = await replica.device(person.person_id, end_id)
                        await self._use(stub, end_id, person)
            await asyncio.sleep(self.chance.uniform(0, 0.05))

    async def _use(self, stub: Any, end_id: UUID, person: Person | None) -> None:
        unconfirmed: dict[int, Key] = {}
        async with stub.Attach() as stream:
            in_flight_max = self.chance.choice([0, 1, 5])
            start = pb.AttachStart(end_id=str(end_id), in_flight_max=in_flight_max)
            await stream.write(pb.AttachRequest(start=start))
            while (frame := await stream.read()) is not None:
                for envelope_id in frame.confirmed_envelope_ids:
                    if envelope_id in unconfirmed:
                        key = unconfirmed.pop(envelope_id)
                        if person is not None:
                            self.delivered.setdefault(key, self.house.clock.now())
                acks = pb.Acks()
                for envelope in frame.envelopes:
                    key = (UUID(envelope.business_id), UUID(envelope.message_id))
                    self.owners[envelope.envelope_id if person else -envelope.envelope_id] = end_id
                    if person is not None and key in self.items and self.items[key][1] != person:
                        self.stranger_saw.append(envelope)
                    if self._acks(acks, envelope, end_id):
                        unconfirmed[envelope.envelope_id] = key
                if acks.acks or acks.reads:
                    await stream.write(pb.AttachRequest(acks=acks))

    def _acks(self, acks: pb.Acks, envelope: message_pb2.Envelope, end_id: UUID) -> bool:
        """Add what this end says of an envelope; return whether it says that it has it.

        It may be silent and see the envelope again, but it never says two things about one message.
        """
        mind = self.minds.setdefault((end_id, envelope.message_id), self.chance.random() < 0.8)
        if self.chance.random() < 0.1:
            return False
        disposition = DELIVERED if mind else REFUSED
        acks.acks.add(envelope_id=envelope.envelope_id, disposition=disposition)
        if mind and self.chance.random() < 0.4:
            acks.reads.add(business_id=envelope.business_id, message_id=envelope.message_id)
        if self.chance.random() < 0.1:
            # What is not its own: another end's, or nobody's.
            others = [one for one, owner in self.owners.items() if owner != end_id]
            strange = self.chance.choice([*others, -1])
            acks.acks.add(envelope_id=strange, disposition=REFUSED)
        return mind

    async def write_back(self) -> None:
        """Let a person write to a business."""
        person = self.chance.choice(self.people)
        business = self.chance.choice(self.businesses)
        item = pb.SubmitItem(
            message_id=str(new_id()),
            business_id=str(business.business_id),
            envelopes=[sealed(business.edge_id)],
        )
        with suppress(Exception, asyncio.CancelledError):
            replica = await self.some_replica()
            device = await replica.device(person.person_id, person.device_ids[0])
            await device.SubmitMessages(pb.SubmitMessagesRequest(items=[item]), timeout=5)

    # --- Everything -------------------------------------------------------------------------------

    @asynccontextmanager
    async def everybody(self) -> AsyncIterator[None]:
        """All replicas run, and all devices live."""
        for place in range(len(self.replicas)):
            await self.start(place)
        enough = asyncio.Event()
        async with asyncio.TaskGroup() as ends:
            for person in self.people:
                for device_id in person.device_ids:
                    ends.create_task(self.live(person, device_id, enough))
            for business in self.businesses:
                ends.create_task(self.live(None, business.edge_id, enough))
            try:
                yield
            finally:
                enough.set()

    async def live_through(self, steps: int) -> None:
        """Let so many things happen, then let everything come to its end."""
        async with running(self.billing, self.house.authority) as self._billing_address:
            try:
                await self._happen(steps)
                await self._settle()
            finally:
                for place in range(len(self.replicas)):
                    await self.kill(place)

    async def _happen(self, steps: int) -> None:
        things: list[tuple[int, Callable[[], Coroutine[Any, Any, None]]]] = [
            (60, self.send),
            (8, self.write_back),
            (12, self._let_time_pass),
            (3, self._replace_a_replica),
            (3, self.cut_database_connections),
            (1, self._lose_nats),
        ]
        at_once = asyncio.Semaphore(6)

        async def run(thing: Callable[[], Coroutine[Any, Any, None]]) -> None:
            try:
                await thing()
            finally:
                at_once.release()

        async with self.everybody(), asyncio.TaskGroup() as under_way:
            for _ in range(steps):
                [thing] = self.chance.choices(
                    [thing for _, thing in things], [weight for weight, _ in things]
                )
                await at_once.acquire()
                under_way.create_task(run(thing))
                await asyncio.sleep(self.chance.uniform(0, 0.02))

    async def _settle(self) -> None:
        self.billing.failing = False
        async with self.everybody(), asyncio.timeout(60):
            while await self.house.waiting():
                self.house.clock.advance(20)
                await asyncio.sleep(0.05)

    async def _let_time_pass(self) -> None:
        self.house.clock.advance(self.chance.choice([1, 5, 30, 60]))

    async def _replace_a_replica(self) -> None:
        place = self.chance.randrange(len(self.replicas))
        await self.kill(place)
        await self.start(place)

    async def _lose_nats(self) -> None:
        async with self._nats_lock:
            self._nats.kill()
            if self.chance.random() < 0.5:
                self._nats.wipe()
            await asyncio.to_thread(self._nats.start)
