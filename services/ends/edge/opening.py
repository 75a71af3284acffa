"""Opening a batch of envelopes: sessions and accounts in memory, until all of it is stored."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from services.ends.edge.domain import EndKeys, Incoming
from services.ends.edge.store import StoredSession, Use
from services.ends.sealing.accounts import EndAccount
from services.ends.sealing.sessions import BEGINS, Session, SessionError, session_id_of


class Unopenable(Exception):
    """An envelope that will never open; `args[0]` is the reason for messaging."""


@dataclass(slots=True)
class _Known:
    """A session that was read, unpickled when it is first tried."""

    stored: StoredSession
    session: Session | None = None


class Opening:
    """Everything that a batch needs, read beforehand, and what opening it changes."""

    def __init__(self, pickle_key: bytes, sessions: Iterable[StoredSession]) -> None:
        """`sessions` are all those with the senders, the newest first."""
        self._pickle_key = pickle_key
        self._sessions: defaultdict[tuple[str, str], list[_Known]] = defaultdict(list)
        for stored in sessions:
            self._sessions[stored.business_id, stored.end_id].append(_Known(stored))
        self._used: dict[tuple[str, str, str], _Known] = {}
        self._accounts: dict[str, tuple[EndAccount, int]] = {}
        self._devices: dict[tuple[str, str], EndKeys] = {}
        self.sessions_begun: Counter[str] = Counter()  # By business.

    def begins_session(self, envelope: Incoming) -> bool:
        """Whether it takes an account to open this one: no session that was read is its own."""
        if envelope.olm_type != BEGINS:
            return False
        session_id = session_id_of(envelope.ciphertext)
        return all(known.stored.session_id != session_id for known in self._known(envelope))

    def introduce(
        self,
        accounts: Mapping[str, tuple[EndAccount, int]],
        devices: Mapping[tuple[str, str], EndKeys],
    ) -> None:
        """What it takes to begin sessions: accounts and their versions by business, and the keys
        of the devices that identity knows, by (contact_id, end_id).
        """
        self._accounts.update(accounts)
        self._devices.update(devices)

    def open(self, envelope: Incoming) -> bytes:
        """The plaintext of an envelope. Raises Unopenable."""
        if self.begins_session(envelope):
            return self._accept(envelope)
        session_id = session_id_of(envelope.ciphertext) if envelope.olm_type == BEGINS else None
        for known in self._known(envelope):
            if session_id not in (None, known.stored.session_id):
                continue
            known.session = known.session or Session.from_pickle(
                known.stored.pickle, self._pickle_key
            )
            try:
                plaintext = known.session.open(envelope.olm_type, envelope.ciphertext)
            except SessionError:
                continue
            self._used[known.stored.key] = known
            return plaintext
        raise Unopenable("UNDECRYPTABLE")

    def uses(self) -> list[Use]:
        """The sessions that changed."""
        return [
            Use(known.stored, known.session.pickle(self._pickle_key))
            for known in self._used.values()
            if known.session is not None
        ]

    def used_accounts(self) -> dict[str, tuple[str, int]]:
        """The accounts that lost a one-time key: pickle, and the version that was read."""
        return {
            business_id: (account.pickle(self._pickle_key), version)
            for business_id, (account, version) in self._accounts.items()
            if self.sessions_begun[business_id]
        }

    def _known(self, envelope: Incoming) -> list[_Known]:
        """The sessions with the device that sent it, if it is this person's."""
        return [
            known
            for known in self._sessions[envelope.business_id, envelope.sender_end_id]
            if known.stored.contact_id == envelope.contact_id
        ]

    def _accept(self, envelope: Incoming) -> bytes:
        if envelope.business_id not in self._accounts:
            raise Unopenable("WRONG_BUSINESS")
        account, _ = self._accounts[envelope.business_id]
        device = self._devices.get((envelope.contact_id, envelope.sender_end_id))
        if device is None:
            raise Unopenable("UNKNOWN_SENDER")
        try:
            session, plaintext = account.accept_session(device.curve25519_key, envelope.ciphertext)
        except SessionError as error:
            raise Unopenable("UNDECRYPTABLE") from error
        known = _Known(
            StoredSession(
                envelope.business_id,
                envelope.sender_end_id,
                session.session_id,
                envelope.contact_id,
                pickle="",
            ),
            session,
        )
        self._sessions[envelope.business_id, envelope.sender_end_id].insert(0, known)
        self._used[known.stored.key] = known
        self.sessions_begun[envelope.business_id] += 1
        return plaintext
