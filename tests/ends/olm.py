"""What can be read of an Olm ciphertext from outside: which key of which ratchet sealed it."""

from __future__ import annotations

from services.ends.sealing.sessions import BEGINS

# The Olm specification, "The Olm message format": a version byte, then fields as in protobuf.
_KEY_FIELD_BYTES = 34
_FIELDS_BEFORE_THE_MESSAGE = 3  # One-time key, base key, identity key.


def message_key(olm_type: int, ciphertext: bytes) -> tuple[bytes, int]:
    """The ratchet key and the index in its chain: the same pair seals one message only, ever."""
    if olm_type == BEGINS:
        inner = 1 + _FIELDS_BEFORE_THE_MESSAGE * _KEY_FIELD_BYTES
        assert ciphertext[inner] == 0x22
        _, ciphertext = _varint(ciphertext[inner + 1 :])
    assert ciphertext[:3] == b"\x03\x0a\x20"
    assert ciphertext[35] == 0x10
    index, _ = _varint(ciphertext[36:])
    return ciphertext[3:35], index


def _varint(data: bytes) -> tuple[int, bytes]:
    """A number, and what follows it."""
    value = shift = 0
    for position, byte in enumerate(data):
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, data[position + 1 :]
    raise ValueError("a number without an end")
