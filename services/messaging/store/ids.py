"""Owns ids as the database's driver has them: `uuid.UUID`s that are read, hashed and written in C.

A message has about ten ids on its way; as plain `uuid.UUID`s they cost more than its SQL.
"""

from __future__ import annotations

from uuid import UUID

from asyncpg.pgproto import pgproto


def parse_id(text: str | UUID) -> UUID:
    """The id that `text` spells, as PostgreSQL gives it back. Raises ValueError."""
    parsed: UUID = pgproto.UUID(str(text))
    return parsed


def id_of_bytes(data: bytes) -> UUID:
    """The id that these 16 bytes are."""
    parsed: UUID = pgproto.UUID(data)
    return parsed
