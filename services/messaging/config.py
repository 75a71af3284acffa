"""Owns what messaging is told by its environment."""

from __future__ import annotations

from pydantic import Field

from services.kit.config import PeerAddress, ServiceSettings, StrongSecretFile


class MessagingSettings(ServiceSettings):
    """The `HUDHUD_*` variables of a messaging process."""

    identity_address: PeerAddress = Field(description="identity's internal listener")
    policy_address: PeerAddress = Field(description="policy's internal listener")
    billing_address: PeerAddress = Field(description="billing's internal listener")
    pairwise_secret_file: StrongSecretFile = Field(
        description="the secret that identity, policy and messaging share: at least 32 bytes"
    )
    mailbox_poll_seconds: float = Field(
        10.0, gt=0, description="how often a stream looks without being woken"
    )
    expiry_interval_seconds: float = Field(
        5.0, gt=0, description="how often messages are given up that nobody fetched in time"
    )
    messages_kept_days: int = Field(
        45,
        ge=41,
        description="for so long after its acceptance a message, and one that a person wrote, is"
        " known; the 30 days that it may live at most, and longer than policy knows its verdict",
    )
    database_connections_max: int = Field(8, ge=4)
    jetstream_replicas: int = Field(1, ge=1, le=5, description="how often JetStream keeps events")
