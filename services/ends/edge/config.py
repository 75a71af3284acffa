"""What the edge is told by its environment."""

from __future__ import annotations

from uuid import UUID

from pydantic import Field

from services.kit.config import PeerAddress, ServiceSettings, StrongSecretFile


class EdgeSettings(ServiceSettings):
    """The edge's configuration."""

    identity_address: PeerAddress = Field(description="host:port of identity (internal)")
    policy_address: PeerAddress = Field(description="host:port of policy (internal)")
    messaging_address: PeerAddress = Field(description="host:port of messaging (internal)")
    edge_id: UUID = Field(
        UUID("00000000-0000-4000-8000-00000000ed9e"),
        description="the id of this installation of the edge, the same for all its replicas",
    )
    edge_replica: str = Field(
        "0",
        pattern=r"[A-Za-z0-9_.-]{1,63}",
        description="the name of this process among the replicas; stable over restarts if possible",
    )
    edge_storage_key_file: StrongSecretFile = Field(
        description="32 bytes or more: everything secret or readable is stored encrypted under it"
    )
    edge_franking_secret_file: StrongSecretFile = Field(
        description="32 bytes or more: franking keys are derived from it"
    )
    edge_batch_items_max: int = Field(128, ge=1, le=256)
    # One batch is screened while the one before it is sealed and dispatched. More at once would
    # mean smaller batches: the price of each hop would be shared by fewer.
    edge_batches_in_flight_max: int = Field(2, ge=1, le=16)
    edge_contact_cache_seconds: float = Field(60.0, gt=0)
    edge_template_cache_seconds: float = Field(30.0, gt=0)
    edge_events_retention_days: int = Field(30, ge=1)
