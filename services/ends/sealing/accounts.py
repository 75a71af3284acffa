"""The long-term keys of one end, and the keys it publishes so that others can begin sessions."""

from __future__ import annotations

import base64
from typing import Final

import vodozemac

from hudhud.identity.v1 import device_pb2
from services.ends.sealing.sessions import Session, SessionError

IDENTITY_KEY_CONTEXT: Final = b"hudhud.identity_key.v1\0"
ONE_TIME_KEY_CONTEXT: Final = b"hudhud.one_time_key.v1\0"
FALLBACK_KEY_CONTEXT: Final = b"hudhud.fallback_key.v1\0"


class KeySignatureInvalid(ValueError):
    """A key in a bundle was not signed by the end that it is said to belong to."""


class EndAccount:
    """An Olm account: what makes an end this end and no other.

    Every method that changes it says so; the caller stores `pickle()` afterwards, before anything
    that the change made leaves the end.
    """

    def __init__(self, account: vodozemac.Account) -> None:
        """Wraps an account; use `create` or `from_pickle`."""
        self._account = account

    @classmethod
    def create(cls) -> EndAccount:
        """A new account with a new fallback key."""
        account = vodozemac.Account()
        account.generate_fallback_key()  # type: ignore[attr-defined]
        return cls(account)

    @classmethod
    def from_pickle(cls, pickle: str, pickle_key: bytes) -> EndAccount:
        """An account that was stored. Raises ValueError for another key or a damaged pickle."""
        return cls(vodozemac.Account.from_pickle(pickle, pickle_key))

    def pickle(self, pickle_key: bytes) -> str:
        """The account to be stored, encrypted under a key of 32 bytes."""
        return self._account.pickle(pickle_key)

    @property
    def curve25519_key(self) -> bytes:
        """The Olm identity key: 32 bytes."""
        return bytes(self._account.curve25519_key.to_bytes())

    @property
    def ed25519_key(self) -> bytes:
        """The key that signs this end's other keys: 32 bytes."""
        return _decode(self._account.ed25519_key.to_base64())

    def generate_one_time_keys(self, count: int) -> None:
        """Makes further one-time keys. Changes the account."""
        self._account.generate_one_time_keys(count)

    @property
    def unpublished_count(self) -> int:
        """How many one-time keys identity may not have yet."""
        return len(self._account.one_time_keys)

    def mark_keys_as_published(self) -> None:
        """Says that identity has the keys; they are no longer unpublished. Changes the account."""
        self._account.mark_keys_as_published()

    def unpublished_keys(self) -> device_pb2.PublishedKeys:
        """The long-term keys, and the one-time and fallback keys that identity may not have yet.

        The fallback key is there only while it is unpublished, as at the first publication.
        """
        fallback = list(self._account.fallback_key.values())  # type: ignore[attr-defined]
        return device_pb2.PublishedKeys(
            ed25519_key=self.ed25519_key,
            identity_key=self._signed(self.curve25519_key, IDENTITY_KEY_CONTEXT),
            one_time_keys=[
                self._signed(bytes(key.to_bytes()), ONE_TIME_KEY_CONTEXT)
                for key in self._account.one_time_keys.values()
            ],
            fallback_key=(
                self._signed(bytes(fallback[0].to_bytes()), FALLBACK_KEY_CONTEXT)
                if fallback
                else None
            ),
        )

    def begin_session(self, bundle: device_pb2.KeyBundle) -> Session:
        """A new session to the end of a bundle. Raises KeySignatureInvalid, SessionError."""
        check_bundle(bundle)
        return Session(
            self._account.create_outbound_session(
                vodozemac.Curve25519PublicKey.from_bytes(bundle.end.curve25519_key),
                vodozemac.Curve25519PublicKey.from_bytes(bundle.session_key.public_key),
            )
        )

    def accept_session(self, sender_key: bytes, ciphertext: bytes) -> tuple[Session, bytes]:
        """A session begun by another end, with the plaintext of its first message (type 0).

        `sender_key` is the Curve25519 key that the sender must have. Changes the account: the
        one-time key is used up. Raises SessionError.
        """
        try:
            message = vodozemac.AnyOlmMessage.pre_key(ciphertext).to_pre_key()
            if message is None:
                raise SessionError("this is not a message that begins a session")
            session, plaintext = self._account.create_inbound_session(
                vodozemac.Curve25519PublicKey.from_bytes(sender_key), message
            )
        except ValueError as error:
            raise SessionError("the session that this message begins cannot be opened") from error
        return Session(session), bytes(plaintext)

    def _signed(self, public_key: bytes, context: bytes) -> device_pb2.SignedKey:
        signature = self._account.sign(context + public_key)
        return device_pb2.SignedKey(public_key=public_key, signature=_decode(signature.to_base64()))


def check_bundle(bundle: device_pb2.KeyBundle) -> None:
    """That the keys of a bundle belong to the end that it names. Raises KeySignatureInvalid."""
    signer = bundle.end.ed25519_key
    context = FALLBACK_KEY_CONTEXT if bundle.fallback else ONE_TIME_KEY_CONTEXT
    _check_signature(
        signer, IDENTITY_KEY_CONTEXT + bundle.end.curve25519_key, bundle.identity_key_signature
    )
    _check_signature(signer, context + bundle.session_key.public_key, bundle.session_key.signature)


def _check_signature(signer: bytes, message: bytes, signature: bytes) -> None:
    try:
        key = vodozemac.Ed25519PublicKey.from_base64(_encode(signer))
        key.verify_signature(message, vodozemac.Ed25519Signature.from_base64(_encode(signature)))
    except ValueError as error:
        raise KeySignatureInvalid("a key of the bundle is not signed by its end") from error


def _encode(value: bytes) -> str:
    """Base64 without padding, as vodozemac reads it."""
    return base64.b64encode(value).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))
