"""Owns what policy is told by its environment."""

from __future__ import annotations

from pydantic import DirectoryPath, Field, field_validator

from services.kit.config import PeerAddress, SecretFile, ServiceSettings, StrongSecretFile
from services.policy.clearances import read_signing_keys


class PolicySettings(ServiceSettings):
    """The `HUDHUD_*` variables of a policy process."""

    identity_address: PeerAddress = Field(
        description="host:port of identity, whose public keys verify tokens"
    )
    pairwise_secret_file: StrongSecretFile = Field(
        description="the secret that identity, policy and messaging share: at least 32 bytes"
    )
    clearance_signing_key_file: SecretFile = Field(
        description="PEM of Ed25519 private keys: the first signs clearances, all verify"
    )
    model_directory: DirectoryPath = Field(description="the classifier, as it was released")
    model_verification_key_file: SecretFile = Field(
        description="PEM of the Ed25519 public keys that may sign releases of the classifier"
    )
    installation_model_key_file: SecretFile | None = Field(
        None, description="PEM of more of them: of those that this installation signs with itself"
    )
    model_timeout_seconds: float = Field(
        2.0, gt=0, description="a classifier that takes longer for a batch is started anew"
    )
    screening_items_max: int = Field(
        256, ge=1, le=1000, description="messages that are screened together"
    )
    screenings_in_flight_max: int = Field(2, ge=1, description="batches that are screened at once")
    database_connections_max: int = Field(8, ge=3)

    @property
    def trusted_model_keys(self) -> bytes:
        """PEM: whose releases of the classifier are loaded."""
        own = self.installation_model_key_file
        return self.model_verification_key_file.value + b"\n" + (own.value if own else b"")

    @field_validator("clearance_signing_key_file")
    @classmethod
    def _holds_keys(cls, secret: SecretFile) -> SecretFile:
        try:
            read_signing_keys(secret.value)
        except ValueError as error:
            raise ValueError(f"{secret.path}: {error}") from None
        return secret
