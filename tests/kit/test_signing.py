"""Signatures: what verifies, and what does not."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from services.kit.signing import SigningKey, VerifyingKey, key_id

KEY = SigningKey.generate()


@given(st.binary(max_size=200))
def test_a_signature_verifies_in_its_domain_alone(data: bytes) -> None:
    signature = KEY.sign("hudhud.test.v1", data)
    assert KEY.verifying_key.verify("hudhud.test.v1", data, signature)
    assert not KEY.verifying_key.verify("hudhud.other.v1", data, signature)
    assert not KEY.verifying_key.verify("hudhud.test.v1", data + b"x", signature)
    assert not SigningKey.generate().verifying_key.verify("hudhud.test.v1", data, signature)


def test_what_is_signed_is_the_domain_a_zero_byte_and_the_data() -> None:
    signature = KEY.sign("hudhud.test.v1", b"data")
    KEY.for_cryptography().public_key().verify(signature, b"hudhud.test.v1\0data")


@given(st.binary(max_size=70))
def test_bytes_that_are_no_signature_do_not_verify(signature: bytes) -> None:
    assert not KEY.verifying_key.verify("hudhud.test.v1", b"data", signature)


def test_a_signature_cannot_be_made_into_another() -> None:
    # RFC 8032, section 5.1.7: S is below the group's order; adding the order must not verify.
    signature = KEY.sign_raw(b"data")
    order = 2**252 + 27742317777372353535851937790883648493
    s = int.from_bytes(signature[32:], "little") + order
    assert not KEY.verifying_key.verify_raw(b"data", signature[:32] + s.to_bytes(32, "little"))


def test_a_key_is_read_from_its_file_and_keeps_its_id(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(KEY.to_pem())
    again = SigningKey.from_file(file)
    assert again.key_id == KEY.key_id == VerifyingKey(KEY.public_bytes).key_id
    assert KEY.verifying_key.verify_raw(b"data", again.sign_raw(b"data"))


def test_the_id_follows_from_the_public_key() -> None:
    assert key_id(bytes(32)) == "mzuhvlpymk6xo3ep"
    assert key_id(bytes(31) + b"\1") != key_id(bytes(32))


def test_keys_of_other_kinds_are_refused() -> None:
    other = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with pytest.raises(ValueError, match="not an Ed25519"):
        SigningKey.from_pem(other)
    with pytest.raises(ValueError, match="32 bytes"):
        VerifyingKey(b"short")
