"""Owns what identity is told by its environment."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from services.identity.signing_keys import read_signing_keys
from services.kit.config import SecretFile, ServiceSettings, StrongSecretFile


class IdentitySettings(ServiceSettings):
    """The `HUDHUD_*` variables of an identity process."""

    nats_url: str = Field("", description="not used: identity tells nobody anything")
    pairwise_secret_file: StrongSecretFile = Field(
        description="the secret that identity, policy and messaging share: at least 32 bytes"
    )
    token_signing_key_file: SecretFile = Field(
        description="PEM of Ed25519 private keys: the first signs tokens, all verify"
    )
    operator_credential_file: Path = Field(
        description="the operator's credential: made at the first start if it is not there"
    )
    code_sender: Literal["console", "file"] = Field(
        "console", description="where codes for phones go: the terminal, or HUDHUD_CODE_FILE"
    )
    code_file: Path | None = Field(None, description="where the file sender appends codes")
    registrations_per_minute_max: int = Field(
        600, ge=1, description="codes sent in a minute, to all numbers together"
    )
    database_connections_max: int = Field(8, ge=2)

    @field_validator("token_signing_key_file")
    @classmethod
    def _holds_keys(cls, secret: SecretFile) -> SecretFile:
        try:
            read_signing_keys(secret.value)
        except ValueError as error:
            raise ValueError(f"{secret.path}: {error}") from None
        return secret

    @model_validator(mode="after")
    def _file_sender_has_a_file(self) -> IdentitySettings:
        if self.code_sender == "file" and self.code_file is None:
            raise ValueError("HUDHUD_CODE_FILE must be set where HUDHUD_CODE_SENDER is file")
        return self
