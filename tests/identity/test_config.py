"""Configuration: every problem at once, none with a secret in it."""

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import ValidationError

from services.identity.config import IdentitySettings
from services.identity.signing_keys import read_signing_keys
from services.kit.config import problems
from services.kit.signing import SigningKey


@pytest.fixture
def sound(tmp_path: Path) -> dict[str, Any]:
    """Settings of sense."""
    (tmp_path / "any").write_text("any")
    (tmp_path / "pairwise").write_text("p" * 64)
    (tmp_path / "key.pem").write_bytes(SigningKey.generate().to_pem())
    return {
        "internal_listen": "127.0.0.1:0",
        "database_url": "postgresql://",
        **{f"tls_{each}_file": tmp_path / "any" for each in ("certificate", "key", "authority")},
        "pairwise_secret_file": tmp_path / "pairwise",
        "token_signing_key_file": tmp_path / "key.pem",
        "operator_credential_file": tmp_path / "operator",
    }


def test_what_is_needed_is_enough(sound: dict[str, Any]) -> None:
    settings = IdentitySettings(**sound)
    assert settings.code_sender == "console"
    assert settings.registrations_per_minute_max == 600


def test_every_problem_is_named_at_once(sound: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "pairwise").write_text("s3cret")
    (tmp_path / "key.pem").write_text("s3cret")
    spoilt = sound | {"code_sender": "pigeon", "registrations_per_minute_max": 0}
    del spoilt["operator_credential_file"]
    with pytest.raises(ValidationError) as failed:
        IdentitySettings(**spoilt)
    text = "\n".join(problems(IdentitySettings, failed.value))
    for name in (
        "HUDHUD_PAIRWISE_SECRET_FILE",
        "HUDHUD_TOKEN_SIGNING_KEY_FILE",
        "HUDHUD_CODE_SENDER",
        "HUDHUD_REGISTRATIONS_PER_MINUTE_MAX",
        "HUDHUD_OPERATOR_CREDENTIAL_FILE is not set",
    ):
        assert name in text
    assert "s3cret" not in text


def test_the_file_sender_needs_a_file(sound: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="HUDHUD_CODE_FILE must be set"):
        IdentitySettings(**sound, code_sender="file")
    settings = IdentitySettings(**sound, code_sender="file", code_file=tmp_path / "codes")
    assert settings.code_sender == "file"


def test_a_file_of_several_keys_keeps_their_order() -> None:
    keys = [SigningKey.generate() for _ in range(3)]
    pem = b"\n# a word between\n".join(key.to_pem() for key in keys)
    assert [key.key_id for key in read_signing_keys(pem)] == [key.key_id for key in keys]


def test_what_is_no_ed25519_key_is_refused() -> None:
    other = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    for pem in (b"", b"nonsense", other, SigningKey.generate().to_pem() + other):
        with pytest.raises(ValueError):
            read_signing_keys(pem)
