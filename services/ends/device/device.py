"""The device: receives, replies, and says what its person wants. The library's front door.

async with await Device.open(platform, folder) as device:
    async for message in device.messages():
        ...
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hudhud.clearance.v1 import clearance_pb2
from hudhud.content.v1 import content_pb2
from hudhud.identity.v1 import identity_service_pb2
from hudhud.messaging.v1 import message_pb2, messaging_service_pb2
from hudhud.policy.v1 import policy_service_pb2
from services.ends.device.errors import DeviceReasons
from services.ends.device.inbox import Inbox
from services.ends.device.key_ring import KeyRing
from services.ends.device.platform import Connections, Platform
from services.ends.device.profiles import Profiles
from services.ends.device.store import Message, Registration, Store
from services.ends.sealing import envelopes
from services.kit.clock import new_id
from services.kit.errors import Refusal

logger = logging.getLogger(__name__)

RECONNECT_SECONDS = 1.0
READS_AT_A_TIME = 256


class Device:
    """One registered device. Use as `async with`; it is attached from then on."""

    def __init__(self, platform: Platform, folder: Path) -> None:
        """Raises NotRegistered if `folder` holds no registered device (see `register`)."""
        self._store = Store(folder)
        self.registration: Registration = self._store.registration()
        self._connections = Connections(platform, self.registration)
        self.profiles = Profiles(self._connections)
        self._inbox = Inbox(self._connections, self.profiles)
        self._keys = KeyRing(self._store)
        # Sealing, opening and storing happen one at a time: a ratchet has one order.
        self._lock = asyncio.Lock()
        self._arrived: asyncio.Queue[Message] = asyncio.Queue()
        self._read = asyncio.Event()
        self._attached: asyncio.Task[None] | None = None
        self.received_count = 0

    async def __aenter__(self) -> Device:
        await self._connections.__aenter__()
        self._attached = asyncio.get_running_loop().create_task(self._stay_attached())
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._attached is not None:
            self._attached.cancel()
            await asyncio.gather(self._attached, return_exceptions=True)
        await self._connections.__aexit__()
        self._store.close()

    # --- Reading ----------------------------------------------------------------------------------

    async def messages(self) -> AsyncIterator[Message]:
        """Messages as they arrive from now on, each once; they are stored already."""
        while True:
            yield await self._arrived.get()

    def history(self, business_id: str = "") -> list[Message]:
        """All stored messages, or those with one business, oldest first."""
        return self._store.messages(business_id)

    def mark_read(self, message: Message) -> None:
        """Says that the person has seen a message; the business learns of it."""
        self._store.mark_read(message.message_id)
        self._read.set()

    # --- Writing ----------------------------------------------------------------------------------

    async def reply(self, business_id: str, text: str, *, reply_to: str = "") -> str:
        """Writes to a business, which opens its service window; returns the message_id.

        The message is on disk before it leaves and goes out again after a crash. Raises Refusal.
        """
        content = content_pb2.Content(
            text=content_pb2.Text(body=text), reply_to_message_id=reply_to
        )
        return await self.send(business_id, content)

    async def send(self, business_id: str, content: content_pb2.Content) -> str:
        """The same for any content."""
        message_id = str(new_id())
        now = datetime.now(UTC)
        content_bytes = content.SerializeToString(deterministic=True)
        plaintext = envelopes.pack(
            content_bytes,
            os.urandom(32),
            message_id=message_id,
            business_id=business_id,
            seal_time_milliseconds=int(now.timestamp() * 1000),
        )
        async with self._lock:
            sealed = await self._seal_for_edges(business_id, plaintext)
            if not sealed:
                raise Refusal(DeviceReasons.BUSINESS_UNREACHABLE)
            item = messaging_service_pb2.SubmitItem(
                message_id=message_id, business_id=business_id, envelopes=sealed
            )
            sessions, account = self._keys.changes()
            message = Message(business_id, message_id, False, content_bytes, now)
            self._store.save(
                sessions=sessions,
                account=account,
                messages=[message],
                outgoing=(message_id, item.SerializeToString()),
            )
            self._keys.stored()
        await self._submit([(message_id, item.SerializeToString())])
        return message_id

    async def _seal_for_edges(
        self, business_id: str, plaintext: bytes
    ) -> list[message_pb2.SealedEnvelope]:
        profile = await self.profiles.refresh(business_id)
        without_session = [
            edge.end_id
            for edge in profile.edges
            if self._keys.session_with(business_id, edge.end_id) is None
        ]
        if without_session:
            response = await self._connections.identity.ClaimKeyBundles(
                identity_service_pb2.ClaimKeyBundlesRequest(
                    business_id=business_id, end_ids=without_session
                )
            )
            for bundle in response.bundles:
                self._keys.begin_session(business_id, bundle)
        sealed = []
        for edge in profile.edges:
            if self._keys.session_with(business_id, edge.end_id) is not None:
                olm_type, ciphertext = self._keys.seal(business_id, edge.end_id, plaintext)
                sealed.append(
                    message_pb2.SealedEnvelope(
                        end_id=edge.end_id, olm_type=olm_type, ciphertext=ciphertext
                    )
                )
        return sealed

    async def _submit(self, items: Sequence[tuple[str, bytes]]) -> None:
        """Hands stored messages to messaging and forgets those it has. Raises Refusal."""
        response = await self._connections.messaging.SubmitMessages(
            messaging_service_pb2.SubmitMessagesRequest(
                items=[messaging_service_pb2.SubmitItem.FromString(item) for _, item in items]
            )
        )
        refusals = []
        for (message_id, _), outcome in zip(items, response.outcomes, strict=True):
            self._store.confirm(message_id)
            if outcome.HasField("refusal"):
                refusals.append(Refusal.from_proto(outcome.refusal))
        if refusals:
            raise refusals[0]

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

    # --- The delivery stream ----------------------------------------------------------------------

    async def _stay_attached(self) -> None:
        while True:
            try:
                await self._send_unconfirmed()
                await self._attach()
            except Refusal as refusal:
                logger.info("the delivery stream broke: %s", refusal)
            except Exception:
                # The keys in memory may be ahead of those on disk. What was not acked comes again.
                logger.exception("the delivery stream failed")
                self._keys = KeyRing(self._store)
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _send_unconfirmed(self) -> None:
        items = self._store.unconfirmed()
        for start in range(0, len(items), 100):
            await self._submit(items[start : start + 100])

    async def _attach(self) -> None:
        async with self._connections.messaging.Attach() as stream:
            await stream.write(
                messaging_service_pb2.AttachRequest(start=messaging_service_pb2.AttachStart())
            )
            reading = asyncio.get_running_loop().create_task(self._send_reads(stream))
            try:
                while (response := await stream.read()) is not None:
                    if response.envelopes:
                        await self._receive(response.envelopes, stream)
                    self._store.confirm_reads(response.confirmed_read_message_ids)
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    async def _receive(self, received: Sequence[message_pb2.Envelope], stream: Any) -> None:
        async with self._lock:
            try:
                messages, acks = await self._inbox.open(received, self._keys)
            except Exception:
                self._keys = KeyRing(self._store)
                raise
        self.received_count += len(messages)
        for message in messages:
            self._arrived.put_nowait(message)
        await stream.write(
            messaging_service_pb2.AttachRequest(acks=messaging_service_pb2.Acks(acks=acks))
        )
        if self._keys.wants_one_time_keys:
            await self._publish_keys()

    async def _send_reads(self, stream: Any) -> None:
        """Tells messaging of messages that the person has seen, at first those of before."""
        while True:
            self._read.clear()
            receipts = [
                messaging_service_pb2.ReadReceipt(message_id=message_id, business_id=business_id)
                for business_id, message_id in self._store.reads_to_tell(READS_AT_A_TIME)
            ]
            if receipts:
                await stream.write(
                    messaging_service_pb2.AttachRequest(
                        acks=messaging_service_pb2.Acks(reads=receipts)
                    )
                )
            await self._read.wait()

    async def _publish_keys(self) -> None:
        async with self._lock:
            keys = self._keys.make_one_time_keys()
            self._save_keys()
            response = await self._connections.identity.PublishDeviceKeys(
                identity_service_pb2.PublishDeviceKeysRequest(one_time_keys=keys.one_time_keys)
            )
            self._keys.published(response.one_time_keys_left)
            self._save_keys()

    def _save_keys(self) -> None:
        sessions, account = self._keys.changes()
        self._store.save(sessions=sessions, account=account)
        self._keys.stored()
