"""Owns the composition of billing: what it stands on, opened in order and closed again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final

from hudhud.billing.v1 import (
    billing_service_pb2_grpc,
    correction_service_pb2_grpc,
    statement_service_pb2_grpc,
)
from hudhud.identity.v1 import identity_service_pb2 as identity_pb
from hudhud.identity.v1 import identity_service_pb2_grpc
from services.billing.config import BillingSettings
from services.billing.correction_servicer import CorrectionServicer
from services.billing.domain.rate_card import RateCard
from services.billing.figures import RESERVATIONS
from services.billing.message_events import STREAM, SUBJECTS, MessageEvents
from services.billing.servicer import BillingServicer
from services.billing.settlement import keep_expiring
from services.billing.statement_servicer import StatementServicer
from services.kit.client import connect
from services.kit.clock import Clock, SystemClock
from services.kit.consumer import Consumer
from services.kit.database import FOUND_BY_KEY, Database
from services.kit.jetstream import Stream
from services.kit.metrics import OUTBOX, keep_sampled
from services.kit.migrate import migrate
from services.kit.nats import Nats, tls_context
from services.kit.relay import Relay
from services.kit.server import Service
from services.kit.tokens import TokenVerifier
from services.kit.verification_keys import Fetch, VerificationKeys

# A plan for a batch of any size is the same, and is made once: planned for its arguments each time,
# a statement costs more to plan than to run, and while a table is small a batch would read it all.
PLANNED_ONCE: Final = {**FOUND_BY_KEY, "plan_cache_mode": "force_generic_plan"}


@asynccontextmanager
async def app(settings: BillingSettings, clock: Clock | None = None) -> AsyncIterator[Service]:
    """The service, for as long as it is open. `clock` is for tests."""
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        await _migrate(settings, clock)
        database = await Database.open(
            settings.database_url,
            name="billing",
            connections_max=settings.database_connections_max,
            postgres_settings=PLANNED_ONCE,
            clock=clock,
        )
        stack.push_async_callback(database.close)
        nats = Nats(
            settings.nats_url,
            name="billing",
            tls=tls_context(
                settings.tls_certificate_file,
                settings.tls_key_file,
                settings.tls_authority_file,
            ),
            clock=clock,
        )
        nats.start()
        stack.push_async_callback(nats.close)
        identity = await stack.enter_async_context(
            connect(settings.identity_address, name="identity", tls=settings.tls_files())
        )
        keys = VerificationKeys(
            _keys_of(identity_service_pb2_grpc.IdentityServiceStub(identity)), clock=clock
        )
        consumer = Consumer(
            database,
            nats,
            stream=STREAM,
            name="billing",
            subjects=SUBJECTS,
            handler=MessageEvents(database).handle,
        )
        relay = Relay(
            database, nats, Stream("billing", ["hudhud.billing.>"], settings.jetstream_replicas)
        )
        servicer = BillingServicer(database, RateCard())
        yield Service(
            servicers=[
                (billing_service_pb2_grpc.add_BillingServiceServicer_to_server, servicer),
                (
                    statement_service_pb2_grpc.add_StatementServiceServicer_to_server,
                    StatementServicer(database),
                ),
                (
                    correction_service_pb2_grpc.add_CorrectionServiceServicer_to_server,
                    CorrectionServicer(database),
                ),
            ],
            tokens=TokenVerifier(keys, clock=clock),
            background=[
                consumer.run,
                relay.run,
                partial(keep_expiring, database, settings.expiry_interval_seconds),
                partial(keep_sampled, database, [OUTBOX, RESERVATIONS], clock),
            ],
        )


async def _migrate(settings: BillingSettings, clock: Clock) -> None:
    """Bring the tables up to date, as their owner where that is somebody else."""
    owner = await Database.open(
        settings.migration_database_url or settings.database_url,
        name="billing",
        connections_max=1,
        clock=clock,
    )
    try:
        await migrate(owner, "services.billing")
    finally:
        await owner.close()


def _keys_of(identity: identity_service_pb2_grpc.IdentityServiceStub) -> Fetch:
    """Identity's public keys, by which tokens are verified."""

    async def fetch() -> Mapping[str, bytes]:
        response = await identity.ListVerificationKeys(identity_pb.ListVerificationKeysRequest())
        return {key.key_id: key.ed25519_key for key in response.keys}

    return fetch
