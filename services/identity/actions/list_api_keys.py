"""Owns ListApiKeys."""

from __future__ import annotations

from uuid import UUID

from services.identity.domain.businesses import ApiKey, api_key_name, parse_api_key_name
from services.identity.errors import business_not_found
from services.identity.store import businesses
from services.kit.database import Database
from services.kit.errors import CommonReasons, Refusal, Violation

PAGE_SIZE_DEFAULT = 100


async def list_api_keys(
    database: Database, business_id: UUID, page_size: int, page_token: str
) -> tuple[list[ApiKey], str]:
    """Keys, newest first, and the token of the next page, empty at the end.

    Refuses with BUSINESS_NOT_FOUND, and with INVALID_FIELD for a token that is none.
    """
    before = parse_api_key_name(page_token)
    if page_token and before is None:
        raise Refusal(
            CommonReasons.INVALID_FIELD,
            violations=[Violation("page_token", "is not the next_page_token of an answer")],
        )
    size = page_size or PAGE_SIZE_DEFAULT
    async with database.connection("list_api_keys") as connection:
        if await businesses.get_business(connection, business_id) is None:
            raise business_not_found(business_id)
        # One more than asked for tells whether there is another page.
        found = await businesses.list_api_keys(connection, business_id, before, size + 1)
    page = found[:size]
    return page, api_key_name(page[-1].api_key_id) if len(found) > size else ""
