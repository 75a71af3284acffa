"""Owns what a business and its API keys are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

# More than any business rotates between; few enough that a leak of key-making code shows.
GOOD_API_KEYS_MAX: Final = 100

_PREFIX = "hk_"


@dataclass(frozen=True)
class Business:
    """A company that sends."""

    business_id: UUID
    display_name: str
    localized_display_names: Mapping[str, str]  # by BCP 47 tag
    create_time: datetime

    def says_the_same_as(self, other: Business) -> bool:
        """Whether the two differ in nothing that a caller sets."""
        return (self.business_id, self.display_name, dict(self.localized_display_names)) == (
            other.business_id,
            other.display_name,
            dict(other.localized_display_names),
        )


@dataclass(frozen=True)
class ApiKey:
    """The public part of a key."""

    api_key_id: UUID
    business_id: UUID
    label: str
    create_time: datetime
    revoke_time: datetime | None = None


class WholeApiKey(NamedTuple):
    """What a business keeps: `hk_<id>_<secret>`."""

    api_key_id: UUID
    secret: str

    def text(self) -> str:
        """The form in which it is shown and sent."""
        return f"{_PREFIX}{api_key_name(self.api_key_id)}_{self.secret}"

    def __repr__(self) -> str:
        return f"WholeApiKey({api_key_name(self.api_key_id)})"


def is_api_key(secret: str) -> bool:
    """Whether this is meant to be an API key, and not the operator's credential."""
    return secret.startswith(_PREFIX)


def parse_whole_api_key(text: str) -> WholeApiKey | None:
    """Read what `WholeApiKey.text` wrote; None for anything else."""
    name, separator, secret = text.removeprefix(_PREFIX).partition("_")
    api_key_id = parse_api_key_name(name)
    if not is_api_key(text) or not separator or not secret or api_key_id is None:
        return None
    return WholeApiKey(api_key_id, secret)


def api_key_name(api_key_id: UUID) -> str:
    """The id as businesses see it: 32 hexadecimal digits, so that a double click selects it."""
    return api_key_id.hex


def parse_api_key_name(name: str) -> UUID | None:
    """Read what `api_key_name` wrote; None for anything else."""
    try:
        api_key_id = UUID(hex=name)
    except ValueError:
        return None
    return api_key_id if api_key_id.hex == name else None
