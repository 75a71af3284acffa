"""Receiving: opens what people write to businesses and puts it into the business's events."""

from __future__ import annotations

import logging

from google.protobuf.message import DecodeError

from hudhud.content.v1 import content_pb2
from hudhud.edge.v1 import edge_service_pb2
from services.ends.edge.accounts import ONE_TIME_KEYS_AT_A_TIME, ONE_TIME_KEYS_LEFT_MIN, Accounts
from services.ends.edge.contacts import Contacts
from services.ends.edge.domain import Incoming, NewEvent
from services.ends.edge.ports import MailboxStream
from services.ends.edge.session_book import SessionBook
from services.ends.edge.store import Store, StoredSession, VersionConflict
from services.ends.edge.vault import Vault
from services.ends.sealing.envelopes import EnvelopeMalformed, unpack
from services.ends.sealing.sessions import BEGINS, Session, SessionError, session_id_of
from services.kit.clock import Clock
from services.kit.errors import Refusal
from services.kit.wakeups import Wakeups

logger = logging.getLogger(__name__)


class _Unopenable(Exception):
    """An envelope that will never open; `args[0]` is the reason for messaging."""


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
        self._sessions_begun: dict[str, int] = {}

    async def __call__(self, stream: MailboxStream) -> None:
        """Runs until the stream breaks. An envelope is acked after it is stored, never before."""
        async for envelopes in stream:
            for envelope in envelopes:
                try:
                    await self._receive(envelope)
                except _Unopenable as error:
                    logger.warning(
                        "message %s for business %s: %s",
                        envelope.message_id,
                        envelope.business_id,
                        error,
                    )
                    await stream.acknowledge(envelope.envelope_id, refusal_reason=str(error))
                else:
                    await stream.acknowledge(envelope.envelope_id)
            self._wakeups.wake({envelope.business_id for envelope in envelopes})

    async def _receive(self, envelope: Incoming) -> None:
        key = f"received:{envelope.message_id}"
        while True:
            if await self._store.has_event(envelope.business_id, key):
                return None  # Stored before, and the ack was lost.
            async with self._sessions.lock:
                try:
                    return await self._open_and_store(envelope, key)
                except VersionConflict:
                    continue  # Another replica moved the session on. Read it again.
                finally:
                    self._sessions.forget([(envelope.business_id, envelope.sender_end_id)])

    async def _open_and_store(self, envelope: Incoming, key: str) -> None:
        stored, session, plaintext = await self._open_with_known_session(envelope)
        account = None
        if session is None:
            session, plaintext, account = await self._accept_session(envelope)
            stored = StoredSession(
                business_id=envelope.business_id,
                end_id=envelope.sender_end_id,
                session_id=session.session_id,
                contact_id=envelope.contact_id,
                pickle="",
                version=-1,
                unconfirmed_count=0,
            )
        assert stored is not None
        event = self._event(envelope, key, plaintext)
        await self._store.receive(
            event,
            self._clock.now(),
            session=StoredSession(
                business_id=stored.business_id,
                end_id=stored.end_id,
                session_id=stored.session_id,
                contact_id=stored.contact_id,
                pickle=session.pickle(self._vault.pickle_key),
                version=stored.version + 1,
                unconfirmed_count=0,  # Whoever answers has opened what came before.
            ),
            account=account,
        )
        if account is not None:
            await self._replenish(envelope.business_id)

    async def _open_with_known_session(
        self, envelope: Incoming
    ) -> tuple[StoredSession | None, Session | None, bytes]:
        candidates = await self._store.opening_sessions(
            envelope.business_id, envelope.sender_end_id
        )
        if envelope.olm_type == BEGINS:
            session_id = session_id_of(envelope.ciphertext)
            candidates = [stored for stored in candidates if stored.session_id == session_id]
        for stored in candidates:
            session = Session.from_pickle(stored.pickle, self._vault.pickle_key)
            try:
                return stored, session, session.open(envelope.olm_type, envelope.ciphertext)
            except SessionError:
                continue
        if candidates or envelope.olm_type != BEGINS:
            raise _Unopenable("UNDECRYPTABLE")
        return None, None, b""

    async def _accept_session(self, envelope: Incoming) -> tuple[Session, bytes, tuple[str, int]]:
        """A session begun by a device that identity knows as this person's."""
        loaded = await self._accounts.load(envelope.business_id)
        if loaded is None:
            raise _Unopenable("WRONG_BUSINESS")
        account, version = loaded
        contact = (envelope.business_id, envelope.contact_id)
        found = (await self._contacts.devices({contact}))[contact]
        if isinstance(found, Refusal):
            raise found
        device = next((one for one in found if one.end_id == envelope.sender_end_id), None)
        if device is None:
            # It may have registered after the list was remembered.
            self._contacts.forget_devices(*contact)
            found = (await self._contacts.devices({contact}))[contact]
            if isinstance(found, Refusal):
                raise found
            device = next((one for one in found if one.end_id == envelope.sender_end_id), None)
        if device is None:
            raise _Unopenable("UNKNOWN_SENDER")
        try:
            session, plaintext = account.accept_session(device.curve25519_key, envelope.ciphertext)
        except SessionError as error:
            raise _Unopenable("UNDECRYPTABLE") from error
        return session, plaintext, (account.pickle(self._vault.pickle_key), version)

    def _event(self, envelope: Incoming, key: str, plaintext: bytes) -> NewEvent:
        try:
            opened = unpack(plaintext)
            content = content_pb2.Content.FromString(opened.content)
        except (EnvelopeMalformed, DecodeError) as error:
            raise _Unopenable("MALFORMED") from error
        if opened.message_id != envelope.message_id:
            raise _Unopenable("WRONG_MESSAGE")
        if opened.business_id != envelope.business_id:
            raise _Unopenable("WRONG_BUSINESS")
        received = edge_service_pb2.MessageReceived(
            message_id=envelope.message_id, contact_id=envelope.contact_id, content=content
        )
        received.accept_time.FromDatetime(envelope.accept_time)
        event = edge_service_pb2.Event(message_received=received)
        return NewEvent(envelope.business_id, key, event.SerializeToString())

    async def _replenish(self, business_id: str) -> None:
        """Publishes new one-time keys once enough of them have begun sessions."""
        begun = self._sessions_begun.get(business_id, 0) + 1
        self._sessions_begun[business_id] = begun
        if begun < ONE_TIME_KEYS_AT_A_TIME - ONE_TIME_KEYS_LEFT_MIN:
            return
        try:
            await self._accounts.publish(business_id, begun)
        except Refusal as refusal:
            logger.warning("business %s: keys not replenished: %s", business_id, refusal)
            return
        self._sessions_begun[business_id] = 0
