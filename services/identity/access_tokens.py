"""Owns what identity's access tokens say."""

from __future__ import annotations

from typing import Final

# Long enough that a token costs a caller nothing, short enough that a revoked key soon ends.
TOKEN_LIFETIME_SECONDS: Final = 15 * 60
OPERATOR_NAME: Final = "operator"
