"""Signatures over published keys: context by context, end by end."""

from hypothesis import given
from hypothesis import strategies as st

from services.identity.domain.ends import (
    FALLBACK_KEY_CONTEXT,
    IDENTITY_KEY_CONTEXT,
    ONE_TIME_KEY_CONTEXT,
    PublishedKeys,
    SignedKey,
    badly_signed,
    is_signed,
)
from services.kit.signing import SigningKey

CONTEXTS = (IDENTITY_KEY_CONTEXT, ONE_TIME_KEY_CONTEXT, FALLBACK_KEY_CONTEXT)
END, STRANGER = SigningKey.generate(), SigningKey.generate()


def signed(context: str, public_key: bytes, by: SigningKey = END) -> SignedKey:
    return SignedKey(public_key, by.sign(context, public_key))


@given(st.sampled_from(CONTEXTS), st.sampled_from(CONTEXTS), st.binary(min_size=32, max_size=32))
def test_a_signature_is_good_in_its_own_context_only(
    made_for: str, used_for: str, public_key: bytes
) -> None:
    key = signed(made_for, public_key)
    assert is_signed(END.public_bytes, used_for, key) is (made_for == used_for)
    assert not is_signed(STRANGER.public_bytes, made_for, key)


@given(st.integers(0, 63), st.integers(1, 255))
def test_no_byte_of_a_signature_may_change(position: int, change: int) -> None:
    key = signed(ONE_TIME_KEY_CONTEXT, b"k" * 32)
    spoilt = bytearray(key.signature)
    spoilt[position] ^= change
    assert not is_signed(
        END.public_bytes, ONE_TIME_KEY_CONTEXT, SignedKey(key.public_key, bytes(spoilt))
    )


@given(st.lists(st.booleans(), max_size=8), st.booleans(), st.booleans())
def test_each_bad_key_is_named_by_its_path(
    one_time: list[bool], identity: bool, fallback: bool
) -> None:
    def key(context: str, index: int, is_good: bool) -> SignedKey:
        return signed(context, bytes([index]) * 32, END if is_good else STRANGER)

    keys = PublishedKeys(
        END.public_bytes,
        key(IDENTITY_KEY_CONTEXT, 100, identity),
        [key(ONE_TIME_KEY_CONTEXT, index, is_good) for index, is_good in enumerate(one_time)],
        key(FALLBACK_KEY_CONTEXT, 101, fallback),
    )
    expected = {f"one_time_keys[{n}]" for n, is_good in enumerate(one_time) if not is_good}
    expected |= {"fallback_key"} - ({"fallback_key"} if fallback else set())
    assert set(badly_signed(END.public_bytes, keys.one_time_keys, keys.fallback_key)) == expected
    expected |= set() if identity else {"identity_key"}
    assert set(keys.badly_signed()) == expected


def test_a_key_that_is_no_point_signs_nothing() -> None:
    key = signed(IDENTITY_KEY_CONTEXT, b"k" * 32)
    for public in (b"", b"\xff" * 32, b"\x00" * 32, b"\x02" + b"\x00" * 31):
        assert not is_signed(public, IDENTITY_KEY_CONTEXT, key)
