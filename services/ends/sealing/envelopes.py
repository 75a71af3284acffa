"""What is inside a seal: the content with its franking key, padded to a size class."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.message import DecodeError

from hudhud.content.v1 import content_pb2

SIZE_CLASS_BYTES_MIN = 256
_PADDING_FIELD_OVERHEAD_MIN = 2  # The tag and a length of one byte.


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
    room = size_class_bytes(length + _PADDING_FIELD_OVERHEAD_MIN) - length
    # The padding's own length takes one byte up to 127, two up to 16,383, three beyond. Where the
    # length grows by a byte just there, no padding fits exactly, and the next class is taken.
    for length_bytes, padding_max in ((1, 127), (2, 16_383), (3, 2_097_151)):
        padding = room - 1 - length_bytes
        if 0 <= padding <= padding_max and _length_bytes(padding) == length_bytes:
            sealed.padding = bytes(padding)
            break
    else:
        room = size_class_bytes(length + room + 1) - length
        sealed.padding = bytes(room - 1 - _length_bytes(room - 4))
    return sealed.SerializeToString()


def _length_bytes(value: int) -> int:
    """How many bytes protobuf takes for a length (a varint)."""
    return max(1, (value.bit_length() + 6) // 7)


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
