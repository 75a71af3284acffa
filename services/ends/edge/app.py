"""The edge put together: everything is made here and handed to what needs it."""

from __future__ import annotations

import functools
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from hudhud.edge.v1 import edge_service_pb2_grpc
from services.ends.edge.accounts import Accounts
from services.ends.edge.actions.appeal_message import AppealMessage
from services.ends.edge.actions.prepare import Preparer
from services.ends.edge.actions.receive_messages import ReceiveMessages
from services.ends.edge.actions.record_statuses import SUBJECTS, RecordStatuses
from services.ends.edge.actions.send_messages import SendMessages
from services.ends.edge.actions.watch_events import WatchEvents
from services.ends.edge.clients import identity, messaging, policy
from services.ends.edge.config import EdgeSettings
from services.ends.edge.contacts import Contacts
from services.ends.edge.ports import Messaging
from services.ends.edge.servicer import EdgeServicer
from services.ends.edge.session_book import SessionBook
from services.ends.edge.store import Store
from services.ends.edge.vault import Vault
from services.ends.edge.wordings import Wordings
from services.kit.client import connect
from services.kit.clock import Clock, SystemClock
from services.kit.consumer import Consumer
from services.kit.database import FOUND_BY_KEY, Database
from services.kit.errors import CommonReasons, Refusal
from services.kit.migrate import migrate
from services.kit.nats import Nats, tls_context
from services.kit.server import Service
from services.kit.tokens import TokenVerifier
from services.kit.verification_keys import VerificationKeys
from services.kit.wakeups import Wakeups

logger = logging.getLogger(__name__)


@asynccontextmanager
async def app(settings: EdgeSettings, clock: Clock | None = None) -> AsyncIterator[Service]:
    """Opens what the edge stands on, yields what it serves, and closes it all again."""
    clock = clock or SystemClock()
    edge_id = str(settings.edge_id)
    vault = Vault(settings.edge_storage_key_file.value)
    async with AsyncExitStack() as stack:
        database = await Database.open(
            settings.database_url, name="edge", postgres_settings=FOUND_BY_KEY, clock=clock
        )
        stack.push_async_callback(database.close)
        await migrate(database, "services.ends.edge")
        nats = Nats(
            settings.nats_url,
            name="edge",
            tls=tls_context(
                settings.tls_certificate_file, settings.tls_key_file, settings.tls_authority_file
            ),
        )
        nats.start()
        stack.push_async_callback(nats.close)

        channel = functools.partial(connect, tls=settings.tls_files())
        identity_channel = await stack.enter_async_context(
            # Most messages need nothing of identity: those that do must not wait for it long, as
            # others wait for them.
            channel(
                settings.identity_address,
                name="identity",
                retried=identity.RETRIED,
                wait_for_ready=False,
            )
        )
        policy_channel = await stack.enter_async_context(
            channel(settings.policy_address, name="policy", retried=policy.RETRIED)
        )
        messaging_channel = await stack.enter_async_context(
            channel(settings.messaging_address, name="messaging", retried=messaging.RETRIED)
        )
        identity_client = identity.IdentityClient(identity_channel, edge_id)
        policy_client = policy.PolicyClient(policy_channel)
        messaging_client = messaging.MessagingClient(messaging_channel, edge_id)

        store = Store(database, vault, settings.edge_replica)
        accounts = Accounts(store, identity_client, vault, clock)
        contacts = Contacts(identity_client, clock, settings.edge_contact_cache_seconds)
        wordings = Wordings(policy_client, clock, settings.edge_template_cache_seconds)
        sessions = SessionBook(store, accounts, identity_client, vault, clock)
        wakeups = Wakeups(nats)
        preparer = Preparer(contacts, wordings, settings.edge_franking_secret_file.value)
        send = SendMessages(
            preparer,
            contacts,
            policy_client,
            sessions,
            messaging_client,
            clock,
            batch_items_max=settings.edge_batch_items_max,
            batches_in_flight_max=settings.edge_batches_in_flight_max,
        )
        stack.push_async_callback(send.close)
        receive = ReceiveMessages(store, accounts, contacts, sessions, vault, wakeups, clock)
        statuses = Consumer(
            database,
            nats,
            stream="messaging",
            name="edge",
            subjects=SUBJECTS,
            handler=RecordStatuses(store, wakeups, clock),
        )
        retention = timedelta(days=settings.edge_events_retention_days)
        yield Service(
            servicers=[
                (
                    edge_service_pb2_grpc.add_EdgeServiceServicer_to_server,
                    EdgeServicer(
                        send,
                        WatchEvents(store, wakeups),
                        AppealMessage(preparer, policy_client),
                        policy_client,
                        accounts.ensure,
                    ),
                )
            ],
            tokens=TokenVerifier(
                VerificationKeys(identity_client.verification_keys, clock=clock), clock=clock
            ),
            background=[
                statuses.run,
                wakeups.run,
                functools.partial(keep_attached, messaging_client, receive, clock),
                functools.partial(keep_tidy, store, retention, clock),
            ],
        )


async def keep_attached(
    messaging_port: Messaging,
    receive: ReceiveMessages,
    clock: Clock,
    pause_seconds: float = 0.5,
) -> None:
    """Attaches to the edge's mailbox, again whenever the stream breaks."""
    while True:
        try:
            async with messaging_port.attach() as stream:
                await receive(stream)
        except EOFError:
            logger.info("messaging ended the mailbox stream")
        except Refusal as refusal:
            if not refusal.has(CommonReasons.STREAM_MOVED):
                logger.warning("the mailbox stream broke: %s", refusal)
        await clock.sleep(pause_seconds)


async def keep_tidy(
    store: Store, retention: timedelta, clock: Clock, pause_seconds: float = 3600
) -> None:
    """Deletes old events and retired sessions every hour."""
    while True:
        await store.delete_older(clock.now() - retention)
        await clock.sleep(pause_seconds)
