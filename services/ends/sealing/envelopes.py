"""What is inside a seal: the content with its franking key, padded to a size class."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.message import DecodeError

from hudhud.content.v1 import content_pb2

SIZE_CLASS_BYTES_MIN = 256


class EnvelopeMalformed(ValueError):
    """What came out of a seal is not a message of this contract."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What came out of a seal, before any check of it."""

    content: bytes
    franking_key: bytes
    message_id: str
    business_id: str
    seal_time_milliseconds: int


def size_class_bytes(length_bytes: int) -> int:
    """The size that a plaintext of this length is padded to: the next power of two from 256 on."""
    return max(SIZE_CLASS_BYTES_MIN, 1 << (length_bytes - 1).bit_length())


def pack(
    content: bytes,
    franking_key: bytes,
    *,
    message_id: str,
    business_id: str,
    seal_time_milliseconds: int,
) -> bytes:
    """The plaintext to seal: a serialized hudhud.content.v1.Sealed of exactly a size class."""
    sealed = content_pb2.Sealed(
        content=content,
        franking_key=franking_key,
        message_id=message_id,
        business_id=business_id,
        seal_time_milliseconds=seal_time_milliseconds,
    )
    length = sealed.ByteSize()
    size = size_class_bytes(length)
    # Not every room can be filled exactly: the next class can, where this one cannot.
    while (padding := _padding_bytes(size - length)) is None:
        size *= 2
    sealed.padding = bytes(padding)
    return sealed.SerializeToString()


def _padding_bytes(room: int) -> int | None:
    """How many bytes of padding take exactly `room` bytes as a field, or None if no number does.

    A field takes a byte for its tag and one or more for its length: one up to 127, two up to
    16,383, three beyond, as protobuf encodes it. An empty field would not be written at all.
    """
    for length_bytes, least, most in ((1, 1, 127), (2, 128, 16_383), (3, 16_384, 2_097_151)):
        padding = room - 1 - length_bytes
        if least <= padding <= most:
            return padding
    return None


def unpack(plaintext: bytes) -> Opened:
    """What `pack` packed. Raises EnvelopeMalformed."""
    try:
        sealed = content_pb2.Sealed.FromString(plaintext)
    except DecodeError as error:
        raise EnvelopeMalformed("what was sealed is not a message") from error
    if not sealed.content or not sealed.message_id or not sealed.business_id:
        raise EnvelopeMalformed("what was sealed lacks its content, its id or its business")
    return Opened(
        content=sealed.content,
        franking_key=sealed.franking_key,
        message_id=sealed.message_id,
        business_id=sealed.business_id,
        seal_time_milliseconds=sealed.seal_time_milliseconds,
    )
