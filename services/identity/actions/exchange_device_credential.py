"""Owns ExchangeDeviceCredential."""

from __future__ import annotations

from uuid import UUID

from services.identity.access_tokens import TOKEN_LIFETIME_SECONDS
from services.identity.credentials import is_same, sha256
from services.identity.errors import IdentityReasons
from services.identity.store import people
from services.kit.access import CallerKind
from services.kit.database import Database
from services.kit.errors import Refusal
from services.kit.tokens import Token, TokenSigner


async def exchange_device_credential(
    database: Database, signer: TokenSigner, device_id: UUID, credential: str
) -> Token:
    """A token for the device. Refuses with DEVICE_CREDENTIAL_INVALID, whatever is wrong."""
    async with database.connection("exchange_device_credential") as connection:
        stored = await people.get_device_credential(connection, device_id)
    if stored is None or not is_same(stored.credential_sha256, sha256(credential)):
        raise Refusal(IdentityReasons.DEVICE_CREDENTIAL_INVALID)
    return signer.sign(
        CallerKind.DEVICE,
        stored.person.person_id,
        lifetime_seconds=TOKEN_LIFETIME_SECONDS,
        device_id=device_id,
        country=stored.person.country,
    )
