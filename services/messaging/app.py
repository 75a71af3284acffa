"""Owns how a messaging process is put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial

from hudhud.messaging.v1.messaging_service_pb2_grpc import add_MessagingServiceServicer_to_server
from services.kit.client import connect
from services.kit.clock import Clock, SystemClock
from services.kit.database import FOUND_BY_KEY, Database
from services.kit.jetstream import Stream
from services.kit.metrics import OUTBOX, keep_sampled
from services.kit.migrate import migrate
from services.kit.nats import Nats, tls_context
from services.kit.pairwise import PairwiseIds
from services.kit.relay import Relay
from services.kit.server import Service
from services.kit.tokens import TokenVerifier
from services.kit.verification_keys import VerificationKeys
from services.kit.wakeups import Wakeups
from services.messaging.actions.accept_messages import AcceptMessages
from services.messaging.actions.attach import Attach
from services.messaging.actions.expire_messages import ExpireMessages
from services.messaging.actions.get_message import GetMessage
from services.messaging.actions.get_window import GetWindow
from services.messaging.actions.record_acks import RecordAcks
from services.messaging.actions.submit_messages import SubmitMessages
from services.messaging.clearances import Clearances
from services.messaging.clients import BillingClient, fetch_clearance_keys, fetch_token_keys
from services.messaging.config import MessagingSettings
from services.messaging.figures import MAILBOXES
from services.messaging.housekeeping import keep_house
from services.messaging.ports import Billing
from services.messaging.servicer import MessagingServicer

NAME = "messaging"


@asynccontextmanager
async def app(settings: MessagingSettings) -> AsyncIterator[Service]:
    """Messaging, with its peers at the other ends of the wire."""
    tls = settings.tls_files()
    async with AsyncExitStack() as stack:
        identity, policy, billing = [
            await stack.enter_async_context(connect(address, name=name, tls=tls, retried=retried))
            for name, address, retried in (
                ("identity", settings.identity_address, ["hudhud.identity.v1.IdentityService"]),
                ("policy", settings.policy_address, ["hudhud.policy.v1.PolicyService"]),
                ("billing", settings.billing_address, ["hudhud.billing.v1.BillingService"]),
            )
        ]
        token_keys = VerificationKeys(partial(fetch_token_keys, identity))
        clearance_keys = VerificationKeys(partial(fetch_clearance_keys, policy))
        yield await stack.enter_async_context(
            messaging(settings, BillingClient(billing), token_keys, clearance_keys, SystemClock())
        )


@asynccontextmanager
async def messaging(
    settings: MessagingSettings,
    billing: Billing,
    token_keys: VerificationKeys,
    clearance_keys: VerificationKeys,
    clock: Clock,
) -> AsyncIterator[Service]:
    """Messaging on its database and NATS, with these peers and this clock."""
    async with AsyncExitStack() as stack:
        database = await Database.open(
            settings.database_url,
            name=NAME,
            connections_max=settings.database_connections_max,
            postgres_settings=FOUND_BY_KEY,
        )
        stack.push_async_callback(database.close)
        await migrate(database, "services.messaging")
        nats = Nats(
            settings.nats_url,
            name=NAME,
            tls=tls_context(
                settings.tls_certificate_file, settings.tls_key_file, settings.tls_authority_file
            ),
        )
        nats.start()
        stack.push_async_callback(nats.close)

        stream = Stream(NAME, ["hudhud.messaging.>"], replicas=settings.jetstream_replicas)
        relay = Relay(database, nats, stream)
        wakeups = Wakeups(nats)
        pairwise = PairwiseIds(settings.pairwise_secret_file.value)
        clearances = Clearances(clearance_keys, pairwise)

        accept_messages = AcceptMessages(database, clearances, billing, wakeups, clock)
        submit_messages = SubmitMessages(database, pairwise, wakeups, clock)
        record_acks = RecordAcks(database, relay, clock)
        attach = Attach(
            database, record_acks, wakeups, clock, poll_seconds=settings.mailbox_poll_seconds
        )
        expire_messages = ExpireMessages(
            database, relay, clock, interval_seconds=settings.expiry_interval_seconds
        )
        servicer = MessagingServicer(
            accept_messages,
            submit_messages,
            attach,
            GetMessage(database),
            GetWindow(database, pairwise),
            clock,
        )
        yield Service(
            servicers=[(add_MessagingServiceServicer_to_server, servicer)],
            tokens=TokenVerifier(token_keys, clock=clock),
            background=[
                relay.run,
                wakeups.run,
                attach.run,
                expire_messages.run,
                partial(keep_house, database, timedelta(days=settings.messages_kept_days), clock),
                partial(keep_sampled, database, [OUTBOX, MAILBOXES], clock),
            ],
        )
