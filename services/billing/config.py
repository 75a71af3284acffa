"""Owns what billing is told by its environment."""

from __future__ import annotations

from pydantic import Field

from services.kit.config import PeerAddress, ServiceSettings


class BillingSettings(ServiceSettings):
    """The `HUDHUD_*` variables of a billing process."""

    identity_address: PeerAddress = Field(
        description="host:port of identity, whose public keys verify tokens"
    )
    migration_database_url: str | None = Field(
        None,
        description="the same database as the owner of its tables, for migrations alone: then"
        " HUDHUD_DATABASE_URL may name a role that can add to the ledger and do nothing else",
    )
    database_connections_max: int = Field(8, ge=3)
    expiry_interval_seconds: float = Field(
        10.0, gt=0, description="how often reservations that ran out are looked for"
    )
    jetstream_replicas: int = Field(1, ge=1, le=5, description="how often JetStream keeps events")
