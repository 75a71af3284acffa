"""Owns ExchangeApiKey."""

from __future__ import annotations

from uuid import UUID

from services.identity.access_tokens import OPERATOR_NAME, TOKEN_LIFETIME_SECONDS
from services.identity.credentials import SecretHasher
from services.identity.domain.businesses import is_api_key, parse_whole_api_key
from services.identity.errors import IdentityReasons
from services.identity.store import businesses
from services.kit.access import CallerKind
from services.kit.database import Database
from services.kit.errors import Refusal
from services.kit.tokens import Token, TokenSigner


async def exchange_api_key(
    database: Database, hasher: SecretHasher, signer: TokenSigner, secret: str
) -> tuple[Token, UUID | None]:
    """A token, and the business that it speaks for; None for the operator.

    Refuses with API_KEY_INVALID, whatever is wrong with it.
    """
    if not is_api_key(secret):
        await _check_operator_credential(database, hasher, secret)
        token = signer.sign(
            CallerKind.OPERATOR, OPERATOR_NAME, lifetime_seconds=TOKEN_LIFETIME_SECONDS
        )
        return token, None
    business_id = await _business_of(database, hasher, secret)
    token = signer.sign(CallerKind.BUSINESS, business_id, lifetime_seconds=TOKEN_LIFETIME_SECONDS)
    return token, business_id


async def _check_operator_credential(
    database: Database, hasher: SecretHasher, credential: str
) -> None:
    async with database.connection("exchange_operator_credential") as connection:
        credential_hash = await businesses.get_operator_credential_hash(connection)
    if credential_hash is None or not await hasher.verify(credential_hash, credential):
        raise Refusal(IdentityReasons.API_KEY_INVALID)


async def _business_of(database: Database, hasher: SecretHasher, text: str) -> UUID:
    whole = parse_whole_api_key(text)
    if whole is None:
        raise Refusal(IdentityReasons.API_KEY_INVALID)
    # The connection goes back before the hash is computed: hashing is slow, and waits for its turn.
    async with database.connection("exchange_api_key") as connection:
        found = await businesses.get_api_key(connection, whole.api_key_id)
    if found is None:
        raise Refusal(IdentityReasons.API_KEY_INVALID)
    api_key, secret_hash = found
    if api_key.revoke_time is not None or not await hasher.verify(secret_hash, whole.secret):
        raise Refusal(IdentityReasons.API_KEY_INVALID)
    return api_key.business_id
