"""Owns the composition of identity: what it stands on, opened in order and closed again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from functools import partial

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hudhud.identity.v1 import identity_service_pb2_grpc
from services.identity.codes import CodeSender, ConsoleCodeSender, FileCodeSender
from services.identity.config import IdentitySettings
from services.identity.credentials import SecretHasher
from services.identity.housekeeping import keep_house
from services.identity.operator_credential import settle_operator_credential
from services.identity.servicer import IdentityServicer, Parts
from services.identity.signing_keys import read_signing_keys
from services.kit.clock import Clock, SystemClock
from services.kit.database import FOUND_BY_KEY, Database
from services.kit.migrate import migrate
from services.kit.pairwise import PairwiseIds
from services.kit.server import Service
from services.kit.tokens import TokenSigner, TokenVerifier
from services.kit.verification_keys import VerificationKeys


@asynccontextmanager
async def app(settings: IdentitySettings, clock: Clock | None = None) -> AsyncIterator[Service]:
    """The service, for as long as it is open. `clock` is for tests."""
    clock = clock or SystemClock()
    database = await Database.open(
        settings.database_url,
        name="identity",
        connections_max=settings.database_connections_max,
        postgres_settings=FOUND_BY_KEY,
        clock=clock,
    )
    with closing(SecretHasher()) as hasher:
        try:
            await migrate(database, "services.identity")
            await settle_operator_credential(
                database, hasher, settings.operator_credential_file, clock.now()
            )
            yield _service(settings, clock, database, hasher)
        finally:
            await database.close()


def _service(
    settings: IdentitySettings, clock: Clock, database: Database, hasher: SecretHasher
) -> Service:
    signing_keys = read_signing_keys(settings.token_signing_key_file.value)
    secret = settings.pairwise_secret_file.value
    servicer = IdentityServicer(
        Parts(
            database=database,
            clock=clock,
            hasher=hasher,
            signing_keys=signing_keys,
            signer=TokenSigner(signing_keys[0], clock=clock),
            pairwise=PairwiseIds(secret),
            code_sender=_code_sender(settings, clock),
            code_key=_code_key(secret),
            registrations_per_minute_max=settings.registrations_per_minute_max,
        )
    )

    async def own_keys() -> Mapping[str, bytes]:
        return {key.key_id: key.public_bytes for key in signing_keys}

    return Service(
        servicers=[
            (identity_service_pb2_grpc.add_IdentityServiceServicer_to_server, servicer),
        ],
        tokens=TokenVerifier(VerificationKeys(own_keys, clock=clock), clock=clock),
        background=[partial(keep_house, database, clock)],
    )


def _code_sender(settings: IdentitySettings, clock: Clock) -> CodeSender:
    if settings.code_sender == "console":
        return ConsoleCodeSender()
    assert settings.code_file is not None  # the settings have seen to it
    return FileCodeSender(settings.code_file, clock)


def _code_key(secret: bytes) -> bytes:
    """The key under which codes are stored: derived, so that there is one secret less to keep."""
    return HKDF(hashes.SHA256(), 32, salt=None, info=b"hudhud.registration_code.v1").derive(secret)
