"""Owns the composition of policy: what it stands on, opened in order and closed again."""

from __future__ import annotations

import tomllib
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from hudhud.identity.v1 import identity_service_pb2, identity_service_pb2_grpc
from hudhud.policy.v1 import (
    label_service_pb2_grpc,
    model_service_pb2_grpc,
    policy_service_pb2_grpc,
)
from services.kit.client import Channel, connect
from services.kit.clock import Clock, SystemClock
from services.kit.consumer import Consumer
from services.kit.database import FOUND_BY_KEY, Database
from services.kit.migrate import migrate
from services.kit.nats import Nats, tls_context
from services.kit.pairwise import PairwiseIds
from services.kit.server import Service
from services.kit.tokens import TokenVerifier
from services.kit.verification_keys import VerificationKeys
from services.kit.wakeups import Wakeups
from services.policy.actions.record_fates import STREAM, SUBJECTS, record_fates
from services.policy.actions.screen_messages import ScreenMessages
from services.policy.clearances import Clearances, read_signing_keys
from services.policy.config import PolicySettings
from services.policy.domain.verdicts import Weights
from services.policy.housekeeping import keep_house
from services.policy.label_servicer import LabelServicer
from services.policy.model_servicer import ModelServicer
from services.policy.models import Models
from services.policy.servicer import Parts, PolicyServicer

WEIGHTS_FILE: Final = Path(__file__).with_name("weights.toml")


@asynccontextmanager
async def app(settings: PolicySettings, clock: Clock | None = None) -> AsyncIterator[Service]:
    """The service, for as long as it is open. `clock` is for tests."""
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        database = await Database.open(
            settings.database_url,
            name="policy",
            connections_max=settings.database_connections_max,
            postgres_settings=FOUND_BY_KEY,
            clock=clock,
        )
        stack.push_async_callback(database.close)
        await migrate(database, "services.policy")
        nats = Nats(
            settings.nats_url,
            name="policy",
            tls=tls_context(
                settings.tls_certificate_file, settings.tls_key_file, settings.tls_authority_file
            ),
        )
        nats.start()
        stack.push_async_callback(nats.close)
        identity = await stack.enter_async_context(
            connect(settings.identity_address, name="identity", tls=settings.tls_files())
        )
        weights = Weights.read(tomllib.loads(WEIGHTS_FILE.read_text("utf-8")))
        wakeups = Wakeups(nats)
        models = Models(database, wakeups, settings, weights, clock)
        stack.push_async_callback(models.close)
        await models.open()
        clearances = Clearances(read_signing_keys(settings.clearance_signing_key_file.value))
        screen = ScreenMessages(
            database,
            models,
            clearances,
            weights,
            clock,
            items_max=settings.screening_items_max,
            in_flight_max=settings.screenings_in_flight_max,
        )
        stack.push_async_callback(screen.close)
        consumer = Consumer(
            database,
            nats,
            stream=STREAM,
            name="policy",
            subjects=SUBJECTS,
            handler=partial(record_fates, database),
        )
        servicer = PolicyServicer(
            Parts(
                database=database,
                clock=clock,
                models=models,
                weights=weights,
                clearances=clearances,
                pairwise=PairwiseIds(settings.pairwise_secret_file.value),
                screen=screen,
            )
        )
        yield Service(
            servicers=[
                (policy_service_pb2_grpc.add_PolicyServiceServicer_to_server, servicer),
                (
                    model_service_pb2_grpc.add_ModelServiceServicer_to_server,
                    ModelServicer(database, models, wakeups, clock),
                ),
                (
                    label_service_pb2_grpc.add_LabelServiceServicer_to_server,
                    LabelServicer(database, clock),
                ),
            ],
            tokens=TokenVerifier(
                VerificationKeys(partial(identity_keys, identity), clock=clock), clock=clock
            ),
            background=[
                consumer.run,
                wakeups.run,
                models.run,
                models.shadow.run,
                partial(keep_house, database, clock),
            ],
        )


async def identity_keys(channel: Channel) -> Mapping[str, bytes]:
    """The public keys that verify tokens, by their ids."""
    stub: Any = identity_service_pb2_grpc.IdentityServiceStub(channel)
    response = await stub.ListVerificationKeys(identity_service_pb2.ListVerificationKeysRequest())
    return {key.key_id: key.ed25519_key for key in response.keys}
