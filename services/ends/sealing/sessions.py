"""Sessions between two ends: Olm (triple Diffie-Hellman and the double ratchet) by vodozemac."""

from __future__ import annotations

from typing import Final

import vodozemac

# vodozemac's own limits: a message more than 2,000 ahead of the last one opened cannot be opened,
# and of the messages skipped on the way only the last 40 can. Whoever seals must therefore hand
# envelopes on in the order of sealing, and begin a new session before so many went unopened.
MESSAGE_GAP_MAX: Final = 2_000
SKIPPED_KEYS_MAX: Final = 40

BEGINS: Final = 0  # The Olm message type of a message that begins a session.


class SessionError(ValueError):
    """A message cannot be opened: not for this end, already opened, skipped too far, or damaged."""


class Session:
    """One Olm session with one other end. Sealing and opening change it."""

    def __init__(self, session: vodozemac.Session) -> None:
        """Wraps a session; EndAccount makes them, `from_pickle` brings them back."""
        self._session = session

    @classmethod
    def from_pickle(cls, pickle: str, pickle_key: bytes) -> Session:
        """A session that was stored. Raises ValueError for another key or a damaged pickle."""
        return cls(vodozemac.Session.from_pickle(pickle, pickle_key))

    def pickle(self, pickle_key: bytes) -> str:
        """The session to be stored, encrypted under a key of 32 bytes."""
        return self._session.pickle(pickle_key)

    @property
    def session_id(self) -> str:
        """The id that both ends know the session by."""
        return self._session.session_id

    def seal(self, plaintext: bytes) -> tuple[int, bytes]:
        """The Olm message type and ciphertext. Store the session before they leave."""
        message_type, ciphertext = self._session.encrypt(plaintext).to_parts()
        return message_type, bytes(ciphertext)

    def open(self, message_type: int, ciphertext: bytes) -> bytes:
        """The plaintext. Raises SessionError and then has not changed."""
        try:
            message = vodozemac.AnyOlmMessage.from_parts(message_type, ciphertext)
            return bytes(self._session.decrypt(message))
        except ValueError as error:
            raise SessionError("this message cannot be opened with this session") from error


def session_id_of(ciphertext: bytes) -> str | None:
    """The session that a message of type 0 begins, or None if it is not such a message."""
    try:
        message = vodozemac.AnyOlmMessage.pre_key(ciphertext).to_pre_key()
    except ValueError:
        return None
    return message.session_id() if message is not None else None
