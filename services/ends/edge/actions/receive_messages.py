"""Receiving: opens what people write to businesses and puts it into the businesses' events."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError

from hudhud.content.v1 import content_pb2
from hudhud.edge.v1 import edge_service_pb2
from services.ends.edge.accounts import Accounts
from services.ends.edge.contacts import Contacts
from services.ends.edge.domain import Ack, EndKeys, Incoming, NewEvent
from services.ends.edge.opening import Opening, Unopenable
from services.ends.edge.ports import MailboxStream
from services.ends.edge.session_book import SessionBook
from services.ends.edge.store import Store, VersionConflict
from services.ends.edge.vault import Vault
from services.ends.sealing.envelopes import EnvelopeMalformed, unpack
from services.kit.clock import Clock
from services.kit.errors import Refusal
from services.kit.wakeups import Wakeups

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Opened:
    """What came out of a batch."""

    events: list[NewEvent] = field(default_factory=list)
    refusal_reasons: dict[int, str] = field(default_factory=dict)  # By envelope_id.
    left: set[int] = field(default_factory=set)  # The envelope_ids that are to come again.


class ReceiveMessages:
    """Handles one delivery stream of the edge's mailbox."""

    def __init__(
        self,
        store: Store,
        accounts: Accounts,
        contacts: Contacts,
        sessions: SessionBook,
        vault: Vault,
        wakeups: Wakeups,
        clock: Clock,
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._contacts = contacts
        self._sessions = sessions
        self._vault = vault
        self._wakeups = wakeups
        self._clock = clock

    async def __call__(self, stream: MailboxStream) -> None:
        """Runs until the stream breaks. An envelope is acked after it is stored, never before."""
        async for envelopes in stream:
            opened, sessions_begun = await self._receive(envelopes)
            await stream.acknowledge(
                [
                    Ack(one.envelope_id, opened.refusal_reasons.get(one.envelope_id, ""))
                    for one in envelopes
                    if one.envelope_id not in opened.left
                ]
            )
            self._wakeups.wake({event.business_id for event in opened.events})
            await self._replenish(sessions_begun)

    async def _receive(self, envelopes: Sequence[Incoming]) -> tuple[_Opened, Counter[str]]:
        while True:
            # 1. Read what is known: repetitions, sessions, and what it takes to begin sessions.
            known = await self._store.known_events(map(_event_key, envelopes))
            fresh = [envelope for envelope in envelopes if _event_key(envelope) not in known]
            opening = await self._prepare(fresh)

            # 2. Open.
            opened = _open_all(fresh, opening)

            # 3. Store all of it, unless somebody else moved one of the sessions or accounts on.
            try:
                await self._store.receive(
                    opened.events,
                    self._clock.now(),
                    uses=opening.uses(),
                    used_accounts=opening.used_accounts(),
                )
            except VersionConflict:
                continue
            self._sessions.forget(use.session.key[:2] for use in opening.uses())
            await self._excuse(envelopes, opened)
            return opened, opening.sessions_begun

    async def _prepare(self, envelopes: Sequence[Incoming]) -> Opening:
        sessions = await self._store.opening_sessions(
            {(envelope.business_id, envelope.sender_end_id) for envelope in envelopes}
        )
        opening = Opening(self._vault.pickle_key, sessions)
        first = [envelope for envelope in envelopes if opening.begins_session(envelope)]
        if first:
            accounts = {
                business_id: account
                for business_id in sorted({envelope.business_id for envelope in first})
                if (account := await self._accounts.load(business_id)) is not None
            }
            opening.introduce(accounts, await self._devices_of(first))
        return opening

    async def _devices_of(self, envelopes: Sequence[Incoming]) -> dict[tuple[str, str], EndKeys]:
        """The devices of those who wrote, as identity knows them. Raises Refusal."""
        contacts = {(envelope.business_id, envelope.contact_id) for envelope in envelopes}
        devices = await self._ask_for_devices(contacts)
        # One that is not there may have registered after the list was remembered.
        missing = {
            (envelope.business_id, envelope.contact_id)
            for envelope in envelopes
            if (envelope.contact_id, envelope.sender_end_id) not in devices
        }
        if missing:
            self._contacts.forget_devices(missing)
            devices.update(await self._ask_for_devices(missing))
        return devices

    async def _ask_for_devices(
        self, contacts: set[tuple[str, str]]
    ) -> dict[tuple[str, str], EndKeys]:
        found: dict[tuple[str, str], EndKeys] = {}
        for (_, contact_id), devices in (await self._contacts.devices(contacts)).items():
            if isinstance(devices, Refusal):
                raise devices
            found.update({(contact_id, device.end_id): device for device in devices})
        return found

    async def _excuse(self, envelopes: Sequence[Incoming], opened: _Opened) -> None:
        """Takes back the refusals of what another replica opened a moment before."""
        refused = [one for one in envelopes if one.envelope_id in opened.refusal_reasons]
        if not refused:
            return
        known = await self._store.known_events(map(_event_key, refused))
        for envelope in refused:
            if _event_key(envelope) in known:
                del opened.refusal_reasons[envelope.envelope_id]
                continue
            logger.warning(
                "message %s for business %s: %s",
                envelope.message_id,
                envelope.business_id,
                opened.refusal_reasons[envelope.envelope_id],
            )

    async def _replenish(self, sessions_begun: Counter[str]) -> None:
        for business_id, count in sessions_begun.items():
            try:
                await self._accounts.replenish(business_id, count)
            except Refusal as refusal:
                logger.warning("business %s: keys not replenished: %s", business_id, refusal)


def _open_all(envelopes: Sequence[Incoming], opening: Opening) -> _Opened:
    opened = _Opened()
    seen: set[tuple[str, str]] = set()
    for envelope in envelopes:
        if _event_key(envelope) in seen:
            continue
        try:
            event = _event(envelope, opening.open(envelope))
        except Unopenable as error:
            opened.refusal_reasons[envelope.envelope_id] = str(error)
        except Exception:
            # A fault of ours with this one must not hold up the others. It comes again.
            logger.exception("message %s cannot be handled", envelope.message_id)
            opened.left.add(envelope.envelope_id)
        else:
            seen.add(_event_key(envelope))
            opened.events.append(event)
    return opened


def _event_key(envelope: Incoming) -> tuple[str, str]:
    """What makes an envelope the same message again: ids are made by the devices of people."""
    return envelope.business_id, f"received:{envelope.contact_id}:{envelope.message_id}"


def _event(envelope: Incoming, plaintext: bytes) -> NewEvent:
    """What the business is told. Raises Unopenable for what is not what it is said to be."""
    try:
        opened = unpack(plaintext)
        content = content_pb2.Content.FromString(opened.content)
    except (EnvelopeMalformed, DecodeError) as error:
        raise Unopenable("MALFORMED") from error
    if opened.message_id != envelope.message_id:
        raise Unopenable("WRONG_MESSAGE")
    if opened.business_id != envelope.business_id:
        raise Unopenable("WRONG_BUSINESS")
    received = edge_service_pb2.MessageReceived(
        message_id=envelope.message_id, contact_id=envelope.contact_id, content=content
    )
    received.accept_time.FromDatetime(envelope.accept_time)
    event = edge_service_pb2.Event(message_received=received)
    business_id, key = _event_key(envelope)
    return NewEvent(business_id, key, event.SerializeToString())
