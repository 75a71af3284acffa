"""Sealing from end to end: what is sealed opens, once, at the right end, and only unchanged."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hudhud.clearance.v1 import clearance_pb2
from hudhud.content.v1 import content_pb2
from hudhud.identity.v1 import business_pb2, device_pb2
from services.ends.sealing import clearances, commitments, envelopes
from services.ends.sealing.accounts import EndAccount, KeySignatureInvalid, check_bundle
from services.ends.sealing.sessions import (
    BEGINS,
    MESSAGE_GAP_MAX,
    SKIPPED_KEYS_MAX,
    Session,
    SessionError,
    session_id_of,
)
from services.kit.signing import SigningKey

MESSAGE_ID = "01931b60-0000-7000-8000-000000000001"
BUSINESS_ID = "01931b60-0000-7000-8000-00000000000b"
CONTACT_ID = "c_" + "a" * 55
POLICY_KEY = SigningKey.generate()


def bundle_of(account: EndAccount, *, fallback: bool = False) -> device_pb2.KeyBundle:
    """What identity would hand out for this end."""
    if not fallback:
        account.generate_one_time_keys(1)
    keys = account.unpublished_keys()
    account.mark_keys_as_published()
    return device_pb2.KeyBundle(
        end=business_pb2.EndKeys(
            end_id=MESSAGE_ID,
            curve25519_key=keys.identity_key.public_key,
            ed25519_key=keys.ed25519_key,
        ),
        identity_key_signature=keys.identity_key.signature,
        session_key=keys.fallback_key if fallback else keys.one_time_keys[0],
        fallback=fallback,
    )


def sessions(business: EndAccount, device: EndAccount) -> tuple[Session, Session]:
    """A session as both ends hold it."""
    outbound = business.begin_session(bundle_of(device))
    _, first = outbound.seal(b"first")
    inbound, plaintext = device.accept_session(business.curve25519_key, first)
    assert plaintext == b"first"
    assert session_id_of(first) == inbound.session_id == outbound.session_id
    return outbound, inbound


def pack(content: bytes, franking_key: bytes) -> bytes:
    """A plaintext ready to be sealed."""
    return envelopes.pack(
        content,
        franking_key,
        message_id=MESSAGE_ID,
        business_id=BUSINESS_ID,
        seal_time_milliseconds=1_764_000_000_000,
    )


def test_every_plaintext_has_exactly_a_size_class() -> None:
    """Also where what is left of a class has no room for an empty field, or for just that one."""
    for length in (*range(1, 2_100), *range(16_100, 16_400), *range(32_500, 32_800)):
        packed = pack(b"x" * length, bytes(32))
        assert len(packed) == envelopes.size_class_bytes(len(packed)), length
        assert envelopes.unpack(packed).content == b"x" * length


def test_texts_of_a_class_are_alike_in_length() -> None:
    assert len(pack(b"Yes", os.urandom(32))) == len(pack(b"No, thank you", os.urandom(32)))


@pytest.mark.parametrize("plaintext", [b"", b"\xff\xff", b"\x0a\x03abc"])
def test_what_is_no_message_does_not_unpack(plaintext: bytes) -> None:
    with pytest.raises(envelopes.EnvelopeMalformed):
        envelopes.unpack(plaintext)


@given(content=st.binary(min_size=1), other=st.binary(min_size=1), secret=st.binary(min_size=32))
def test_a_commitment_opens_to_its_own_content_only(
    content: bytes, other: bytes, secret: bytes
) -> None:
    key = commitments.derive_franking_key(secret, MESSAGE_ID, content)
    assert key == commitments.derive_franking_key(secret, MESSAGE_ID, content)
    assert key != commitments.derive_franking_key(secret, BUSINESS_ID, content)
    commitment = commitments.commit(content, key)
    assert commitments.opens(commitment, content, key)
    assert commitments.opens(commitment, other, key) == (other == content)
    assert not commitments.opens(commitment, content, key[:-1])


def test_a_message_opens_once_at_the_end_it_is_for() -> None:
    business, device, other = EndAccount.create(), EndAccount.create(), EndAccount.create()
    outbound, inbound = sessions(business, device)
    message_type, ciphertext = outbound.seal(b"second")
    with pytest.raises(SessionError):
        other.accept_session(business.curve25519_key, ciphertext)
    assert inbound.open(message_type, ciphertext) == b"second"
    with pytest.raises(SessionError):
        inbound.open(message_type, ciphertext)


def test_a_session_begun_by_somebody_else_is_refused() -> None:
    business, impostor, device = EndAccount.create(), EndAccount.create(), EndAccount.create()
    _, first = impostor.begin_session(bundle_of(device)).seal(b"I am the bank")
    with pytest.raises(SessionError):
        device.accept_session(business.curve25519_key, first)


def test_the_fallback_key_begins_any_number_of_sessions() -> None:
    business, device = EndAccount.create(), EndAccount.create()
    bundle = bundle_of(device, fallback=True)
    for text in (b"one", b"two"):
        _, first = business.begin_session(bundle).seal(text)
        assert device.accept_session(business.curve25519_key, first)[1] == text


def test_state_survives_storing_and_a_crash_skips_a_key_but_never_repeats_one() -> None:
    business, device = EndAccount.create(), EndAccount.create()
    outbound, inbound = sessions(business, device)
    key = os.urandom(32)
    outbound.seal(b"sealed and stored, then lost in a crash")
    outbound = Session.from_pickle(outbound.pickle(key), key)
    inbound = Session.from_pickle(inbound.pickle(key), key)
    message_type, ciphertext = outbound.seal(b"after the crash")
    assert inbound.open(message_type, ciphertext) == b"after the crash"
    with pytest.raises(ValueError):
        Session.from_pickle(outbound.pickle(key), os.urandom(32))


def test_the_ratchet_turns_when_the_other_end_answers() -> None:
    outbound, inbound = sessions(EndAccount.create(), EndAccount.create())
    assert outbound.seal(b"not answered yet")[0] == BEGINS
    assert outbound.open(*inbound.seal(b"answer")) == b"answer"
    message_type, ciphertext = outbound.seal(b"answered")
    assert message_type != BEGINS
    assert inbound.open(message_type, ciphertext) == b"answered"


def test_the_limits_of_the_ratchet_are_where_the_constants_say() -> None:
    outbound, inbound = sessions(EndAccount.create(), EndAccount.create())
    sealed = [outbound.seal(b"%d" % number) for number in range(SKIPPED_KEYS_MAX + 2)]
    assert inbound.open(*sealed[-1])
    assert inbound.open(*sealed[1]) == b"1"
    with pytest.raises(SessionError):
        inbound.open(*sealed[0])
    far = [outbound.seal(b"far ahead") for _ in range(MESSAGE_GAP_MAX + 2)]
    with pytest.raises(SessionError):
        inbound.open(*far[-1])


@pytest.mark.parametrize("field", ["identity", "session", "swapped context"])
def test_a_bundle_with_a_foreign_key_is_refused(field: str) -> None:
    bundle = bundle_of(EndAccount.create())
    check_bundle(bundle)
    if field == "identity":
        bundle.end.curve25519_key = EndAccount.create().curve25519_key
    elif field == "session":
        bundle.session_key.public_key = EndAccount.create().curve25519_key
    else:
        bundle.fallback = not bundle.fallback
    with pytest.raises(KeySignatureInvalid):
        EndAccount.create().begin_session(bundle)


def cleared(**changes: Any) -> tuple[clearance_pb2.SignedClearance, envelopes.Opened]:
    """A message with its clearance, as a device has them after opening."""
    content = content_pb2.Content(text=content_pb2.Text(body="Your order is on its way."))
    key = os.urandom(32)
    opened = envelopes.unpack(pack(content.SerializeToString(), key))
    fields: dict[str, Any] = {
        "message_id": MESSAGE_ID,
        "business_id": BUSINESS_ID,
        "contact_id": CONTACT_ID,
        "commitment": commitments.commit(opened.content, key),
    }
    clearance = clearance_pb2.Clearance(**(fields | changes)).SerializeToString()
    signature = POLICY_KEY.sign(clearances.CLEARANCE_DOMAIN, clearance)
    return (
        clearance_pb2.SignedClearance(
            clearance=clearance, key_id=POLICY_KEY.key_id, signature=signature
        ),
        opened,
    )


def check(signed: clearance_pb2.SignedClearance, opened: envelopes.Opened) -> None:
    """As the device of CONTACT_ID checks."""
    keys = {POLICY_KEY.key_id: POLICY_KEY.verifying_key}
    clearances.check(
        signed, opened, business_id=BUSINESS_ID, contact_id=CONTACT_ID, find_key=keys.get
    )


def test_what_policy_cleared_passes() -> None:
    check(*cleared())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"business_id": MESSAGE_ID}, "WRONG_BUSINESS"),
        ({"contact_id": "c_" + "b" * 55}, "WRONG_RECIPIENT"),
        ({"message_id": BUSINESS_ID}, "WRONG_MESSAGE"),
        ({"commitment": bytes(32)}, "COMMITMENT_MISMATCH"),
        ({"commitment": b""}, "COMMITMENT_MISMATCH"),
    ],
)
def test_what_policy_did_not_clear_is_refused(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(clearances.ClearanceMismatch) as refused:
        check(*cleared(**changes))
    assert refused.value.reason == reason


@pytest.mark.parametrize("damage", ["signature", "key", "body"])
def test_a_clearance_that_policy_did_not_sign_is_refused(damage: str) -> None:
    signed, opened = cleared()
    if damage == "signature":
        signed.signature = bytes(64)
    elif damage == "key":
        signed.key_id = "unknown"
    else:
        signed.clearance += b"\x0a\x00"
    with pytest.raises(clearances.ClearanceMismatch) as refused:
        check(signed, opened)
    assert refused.value.reason == "CLEARANCE_INVALID"
