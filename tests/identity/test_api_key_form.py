"""The form of an API key: read back as it was written, and never half."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.identity.credentials import new_secret
from services.identity.domain.businesses import (
    WholeApiKey,
    api_key_name,
    parse_api_key_name,
    parse_whole_api_key,
)

SECRET = "s" * 43
NAME = "0" * 32


@given(st.uuids())
def test_what_is_written_is_read(api_key_id: UUID) -> None:
    whole = WholeApiKey(api_key_id, new_secret())
    assert parse_whole_api_key(whole.text()) == whole
    assert parse_api_key_name(api_key_name(api_key_id)) == api_key_id
    assert whole.secret not in repr(whole)


@given(st.text())
def test_nothing_else_breaks_it(text: str) -> None:
    for each in (text, f"hk_{text}", f"hk_{text}_{SECRET}", f"hk_{NAME}_{text}"):
        whole = parse_whole_api_key(each)
        assert whole is None or whole.text() == each


@pytest.mark.parametrize(
    "text", ["", "hk_", f"hk_{NAME}", f"hk_{NAME}_", f"{NAME}_{SECRET}", f"HK_{NAME}_{SECRET}"]
)
def test_a_part_is_no_key(text: str) -> None:
    assert parse_whole_api_key(text) is None
