"""The device: receives, replies, and says what its person wants. The library's front door.

async with Device(platform, folder) as device:
    async for message in device.messages():
        ...
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from hudhud.clearance.v1 import clearance_pb2
from hudhud.content.v1 import content_pb2
from hudhud.identity.v1 import business_pb2, device_pb2, identity_service_pb2
from hudhud.messaging.v1 import message_pb2, messaging_service_pb2
from hudhud.policy.v1 import policy_service_pb2
from services.ends.device.errors import DeviceReasons
from services.ends.device.inbox import Inbox
from services.ends.device.key_ring import KeyRing
from services.ends.device.mailbox import MailboxStream
from services.ends.device.outbox import Outbox
from services.ends.device.platform import Connections, Platform, may_pass
from services.ends.device.profiles import Profiles
from services.ends.device.store import Message, Store
from services.ends.sealing import envelopes
from services.kit.backoff import Backoff
from services.kit.client import backoff
from services.kit.clock import Clock, SystemClock, new_id
from services.kit.errors import Refusal

logger = logging.getLogger(__name__)

READS_AT_A_TIME: Final = 256
ARRIVALS_AT_A_TIME: Final = 100


class Device:
    """One registered device. Use as `async with`; it is attached from then on.

    What seals or opens does so and stores the keys' new state without waiting for anybody in
    between, so that no two tasks ever hold the same state. Storing waits for the disk, for a few
    milliseconds: a device is one person's, and nobody else waits with it.
    """

    def __init__(self, platform: Platform, folder: Path, *, clock: Clock | None = None) -> None:
        """Raises NotRegistered if `folder` holds no registered device (see `register`), and
        FolderInUse.
        """
        self._clock = clock or SystemClock()
        self._store = Store(folder)
        try:
            self.registration = self._store.registration()
        except BaseException:
            self._store.close()
            raise
        self._connections = Connections(platform, self.registration)
        self.profiles = Profiles(self._connections)
        self._outbox = Outbox(self._store, self._connections)
        self._inbox = Inbox(self._connections, self.profiles)
        self._keys = KeyRing(self._store)
        self._opened_at = self._store.last_position()
        self._arrived = asyncio.Event()
        self._read = asyncio.Event()
        self._to_do = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.received_count = 0

    async def __aenter__(self) -> Device:
        await self._connections.__aenter__()
        self._to_do.set()
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._stay_attached()),
            loop.create_task(self._stay_in_touch()),
        ]
        return self

    async def __aexit__(self, *error: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # A task that was cut off holds its stream, and that holds a connection that comes again.
        self._tasks.clear()
        await self._connections.__aexit__()
        self._store.close()

    # --- Reading ----------------------------------------------------------------------------------

    async def messages(self) -> AsyncIterator[Message]:
        """Messages that arrive after the device was opened, each once; they are stored already."""
        position = self._opened_at
        while True:
            arrived = self._arrived  # Taken before looking: whatever comes later sets it.
            arrivals = self._store.arrivals(position, ARRIVALS_AT_A_TIME)
            for message in arrivals:
                yield message
                position = message.position
            if not arrivals:
                await arrived.wait()

    def history(self, business_id: str = "") -> list[Message]:
        """All stored messages, or those with one business, oldest first."""
        return self._store.messages(business_id)

    def mark_read(self, message: Message) -> None:
        """Says that the person has seen a message; the business learns of it."""
        self._store.mark_read(message.business_id, message.message_id)
        self._read.set()

    # --- Writing ----------------------------------------------------------------------------------

    async def reply(
        self, business_id: str, text: str, *, reply_to: str = "", came_by_link: bool = False
    ) -> str:
        """Writes to a business, which opens its service window; returns the message_id.

        `came_by_link` says that the person came by a link of the business's and writes for the
        first time since.

        The message is on disk before it leaves. It goes out again after a crash, and when
        messaging answers again, where it does not now. Raises Refusal.
        """
        content = content_pb2.Content(
            text=content_pb2.Text(body=text), reply_to_message_id=reply_to
        )
        return await self.send(business_id, content, came_by_link=came_by_link)

    async def send(
        self, business_id: str, content: content_pb2.Content, *, came_by_link: bool = False
    ) -> str:
        """The same for any content."""
        edges = list((await self.profiles.latest(business_id)).edges)
        bundles = await self._claim(business_id, edges)
        message_id = str(new_id())
        with self._changing_keys() as keys:
            for bundle in bundles:
                with suppress(ValueError):  # Badly signed, or no key at all.
                    keys.begin_session(business_id, bundle)
            item = messaging_service_pb2.SubmitItem(
                message_id=message_id, business_id=business_id, came_by_link=came_by_link
            )
            self._seal_and_store(keys, edges, item, content)
        # From here on it reaches the business, sooner or later.
        try:
            await self._outbox.hand_over_with(message_id)
        except Refusal as refusal:
            if not may_pass(refusal):
                raise
            self._to_do.set()
        return message_id

    async def _claim(
        self, business_id: str, edges: Sequence[business_pb2.EndKeys]
    ) -> list[device_pb2.KeyBundle]:
        """Key bundles for the edges that there is no session with."""
        wanted = {
            edge.end_id: edge
            for edge in edges
            if self._keys.session_with(business_id, edge.end_id) is None
        }
        if not wanted:
            return []
        response = await self._connections.identity.ClaimKeyBundles(
            identity_service_pb2.ClaimKeyBundlesRequest(
                business_id=business_id, end_ids=list(wanted)
            )
        )
        return [
            bundle for bundle in response.bundles if bundle.end == wanted.get(bundle.end.end_id)
        ]

    def _seal_and_store(
        self,
        keys: KeyRing,
        edges: Sequence[business_pb2.EndKeys],
        item: messaging_service_pb2.SubmitItem,
        content: content_pb2.Content,
    ) -> None:
        business_id, message_id = item.business_id, item.message_id
        now = self._clock.now()
        content_bytes = content.SerializeToString(deterministic=True)
        plaintext = envelopes.pack(
            content_bytes,
            os.urandom(32),
            message_id=message_id,
            business_id=business_id,
            seal_time_milliseconds=int(now.timestamp() * 1000),
        )
        for edge in edges:
            if keys.session_with(business_id, edge.end_id) is not None:
                olm_type, ciphertext = keys.seal(business_id, edge.end_id, plaintext)
                item.envelopes.add(end_id=edge.end_id, olm_type=olm_type, ciphertext=ciphertext)
        if not item.envelopes:
            raise Refusal(DeviceReasons.BUSINESS_UNREACHABLE)
        sessions, account = keys.changes()
        self._store.save(
            sessions=sessions,
            account=account,
            messages=[Message(business_id, message_id, False, content_bytes, now)],
            outgoing=(message_id, item.SerializeToString()),
        )
        keys.stored()

    # --- What the person wants --------------------------------------------------------------------

    async def grant_consent(self, business_id: str) -> None:
        """Wants a business's marketing."""
        await self._connections.policy.GrantConsent(
            policy_service_pb2.GrantConsentRequest(business_id=business_id)
        )

    async def withdraw_consent(self, business_id: str) -> None:
        """Does not want it any more."""
        await self._connections.policy.WithdrawConsent(
            policy_service_pb2.WithdrawConsentRequest(business_id=business_id)
        )

    async def block(self, business_id: str) -> None:
        """Wants nothing from a business."""
        await self._connections.policy.BlockBusiness(
            policy_service_pb2.BlockBusinessRequest(business_id=business_id)
        )

    async def unblock(self, business_id: str) -> None:
        """Ends a block."""
        await self._connections.policy.UnblockBusiness(
            policy_service_pb2.UnblockBusinessRequest(business_id=business_id)
        )

    async def preferences(self) -> list[policy_service_pb2.Preference]:
        """What the person decided about businesses, all pages."""
        found: list[policy_service_pb2.Preference] = []
        page_token = ""
        while True:
            response = await self._connections.policy.ListPreferences(
                policy_service_pb2.ListPreferencesRequest(page_token=page_token)
            )
            found.extend(response.preferences)
            page_token = response.next_page_token
            if not page_token:
                return found

    async def report(
        self, message_id: str, reason: policy_service_pb2.ReportMessageRequest.Reason
    ) -> None:
        """Reports a message that came, with the proof of what it said.

        Raises KeyError for an unknown or outgoing message, and Refusal.
        """
        message = self._store.message(message_id)
        if message is None or not message.incoming:
            raise KeyError(message_id)
        await self._connections.policy.ReportMessage(
            policy_service_pb2.ReportMessageRequest(
                clearance=clearance_pb2.SignedClearance.FromString(message.clearance),
                content=message.content,
                franking_key=message.franking_key,
                reason=reason,
            )
        )

    # --- In the background ------------------------------------------------------------------------

    async def _stay_attached(self) -> None:
        pauses = backoff()
        while True:
            try:
                await self._attach(pauses)
            except (Refusal, EOFError) as error:
                logger.info("the delivery stream broke: %s", error)
            except Exception:
                # What was not acked comes again.
                logger.exception("the delivery stream failed")
            await self._clock.sleep(pauses.pause_seconds())

    async def _attach(self, pauses: Backoff) -> None:
        async with MailboxStream(self._connections.messaging.Attach()) as stream:
            telling = asyncio.get_running_loop().create_task(self._tell_reads(stream))
            try:
                async for frame in stream:
                    if frame.envelopes:
                        await self._receive(frame.envelopes, stream)
                    pauses.over()
                    if frame.confirmed_read_message_ids:
                        self._store.confirm_reads(frame.confirmed_read_message_ids)
                        self._read.set()  # There may be more than were told at once.
            finally:
                telling.cancel()
                await asyncio.gather(telling, return_exceptions=True)

    async def _receive(
        self, received: Sequence[message_pb2.Envelope], stream: MailboxStream
    ) -> None:
        senders = await self._inbox.ask(received)
        with self._changing_keys() as keys:
            messages, acks = self._inbox.open(received, senders, keys)
        self.received_count += len(messages)
        self._arrived.set()
        self._arrived = asyncio.Event()
        await stream.acknowledge(acks)
        if self._keys.wants_one_time_keys:
            self._to_do.set()

    async def _tell_reads(self, stream: MailboxStream) -> None:
        """Tells messaging of messages that the person has seen, at first those of before."""
        told: set[tuple[str, str]] = set()
        while True:
            self._read.clear()
            waiting = self._store.reads_to_tell(READS_AT_A_TIME)
            told.intersection_update(waiting)  # The others are confirmed.
            reads = [read for read in waiting if read not in told]
            if reads:
                await stream.tell_reads(reads)
                told.update(reads)
            await self._read.wait()

    async def _stay_in_touch(self) -> None:
        """Hands over what was written and could not be, and publishes keys that are wanted."""
        pauses = backoff()
        while True:
            await self._to_do.wait()
            self._to_do.clear()
            try:
                await self._outbox.hand_over()
                if self._keys.wants_one_time_keys:
                    await self._publish_keys()
            except Refusal as refusal:
                logger.info("nobody answers: %s", refusal)
            except Exception:
                logger.exception("what is to be done failed")
            else:
                pauses.over()
                continue
            self._to_do.set()
            await self._clock.sleep(pauses.pause_seconds())

    async def _publish_keys(self) -> None:
        with self._changing_keys() as keys:
            one_time_keys = keys.make_one_time_keys().one_time_keys
            self._save(keys)
        response = await self._connections.identity.PublishDeviceKeys(
            identity_service_pb2.PublishDeviceKeysRequest(one_time_keys=one_time_keys)
        )
        with self._changing_keys() as keys:
            keys.published(response.one_time_keys_left)
            self._save(keys)

    def _save(self, keys: KeyRing) -> None:
        sessions, account = keys.changes()
        self._store.save(sessions=sessions, account=account)
        keys.stored()

    @contextmanager
    def _changing_keys(self) -> Iterator[KeyRing]:
        """The keys, for a stretch without an await at whose end they are stored.

        If it fails they may be ahead of those on disk, and are read again.
        """
        try:
            yield self._keys
        except BaseException:
            self._keys = KeyRing(self._store)
            raise
