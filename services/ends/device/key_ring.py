"""The device's account and its sessions with edges, as they change while messages go in and out."""

from __future__ import annotations

from dataclasses import dataclass, field

from hudhud.identity.v1 import device_pb2
from services.ends.device.store import SESSIONS_KEPT_MAX, Store, StoredSession
from services.ends.sealing.accounts import EndAccount
from services.ends.sealing.sessions import BEGINS, Session, SessionError, session_id_of

_ONE_TIME_KEYS_LEFT_MIN = 20
_ONE_TIME_KEYS_AT_A_TIME = 50


@dataclass(slots=True)
class _Edge:
    """The sessions with one edge, the one used last first."""

    sessions: list[Session]


@dataclass(slots=True)
class KeyRing:
    """Sessions in memory. What changed is in `changes` until the caller has stored it.

    After a failure to store, throw the key ring away and make a new one from the store.
    """

    store: Store
    _edges: dict[tuple[str, str], _Edge] = field(default_factory=dict)
    _changed: dict[tuple[str, str, str], Session] = field(default_factory=dict)
    _account: EndAccount | None = None
    _one_time_keys_left: int = 0
    _account_changed: bool = False

    def open(
        self, business_id: str, end_id: str, sender_key: bytes, olm_type: int, ciphertext: bytes
    ) -> bytes:
        """The plaintext of an envelope from the edge with `sender_key`. Raises SessionError."""
        edge = self._edge(business_id, end_id)
        begun = session_id_of(ciphertext) if olm_type == BEGINS else None
        for session in edge.sessions:
            if begun is not None and session.session_id != begun:
                continue
            try:
                plaintext = session.open(olm_type, ciphertext)
            except SessionError:
                if begun is not None:
                    raise
                continue
            self._used(business_id, end_id, session)
            return plaintext
        if olm_type != BEGINS:
            raise SessionError("no session opens this message")
        session, plaintext = self.account.accept_session(sender_key, ciphertext)
        self._account_changed = True
        self._one_time_keys_left = max(0, self._one_time_keys_left - 1)
        self._used(business_id, end_id, session)
        return plaintext

    def session_with(self, business_id: str, end_id: str) -> Session | None:
        """The session to seal with: the one used last."""
        sessions = self._edge(business_id, end_id).sessions
        return sessions[0] if sessions else None

    def begin_session(self, business_id: str, bundle: device_pb2.KeyBundle) -> Session:
        """A new session with an edge. Raises KeySignatureInvalid, SessionError."""
        session = self.account.begin_session(bundle)
        self._used(business_id, bundle.end.end_id, session)
        return session

    def seal(self, business_id: str, end_id: str, plaintext: bytes) -> tuple[int, bytes]:
        """Olm type and ciphertext for an edge that there is a session with."""
        session = self._edge(business_id, end_id).sessions[0]
        sealed = session.seal(plaintext)
        self._used(business_id, end_id, session)
        return sealed

    @property
    def account(self) -> EndAccount:
        """The device's account, read when first needed."""
        if self._account is None:
            pickle, self._one_time_keys_left = self.store.account()
            self._account = EndAccount.from_pickle(pickle, self.store.pickle_key)
        return self._account

    def changes(self) -> tuple[list[StoredSession], tuple[str, int] | None]:
        """The changed sessions and, if it changed, the account: store them before anything else."""
        sessions = [
            StoredSession(*key, session.pickle(self.store.pickle_key))
            for key, session in self._changed.items()
        ]
        account = None
        if self._account_changed:
            account = (self.account.pickle(self.store.pickle_key), self._one_time_keys_left)
        return sessions, account

    def stored(self) -> None:
        """The changes are on disk."""
        self._changed.clear()
        self._account_changed = False

    @property
    def wants_one_time_keys(self) -> bool:
        """Whether identity should get new one-time keys."""
        return self._account is not None and self._one_time_keys_left < _ONE_TIME_KEYS_LEFT_MIN

    def make_one_time_keys(self) -> device_pb2.PublishedKeys:
        """One-time keys that identity lacks; store the changes before they are published.

        Those that were made before and never confirmed are among them, and count.
        """
        missing = _ONE_TIME_KEYS_AT_A_TIME - self.account.unpublished_count
        if missing > 0:
            self.account.generate_one_time_keys(missing)
            self._account_changed = True
        return self.account.unpublished_keys()

    def published(self, one_time_keys_left: int) -> None:
        """Identity has the keys that were made."""
        self.account.mark_keys_as_published()
        self._one_time_keys_left = one_time_keys_left
        self._account_changed = True

    def _edge(self, business_id: str, end_id: str) -> _Edge:
        edge = self._edges.get((business_id, end_id))
        if edge is None:
            edge = self._edges[business_id, end_id] = _Edge(
                [
                    Session.from_pickle(stored.pickle, self.store.pickle_key)
                    for stored in self.store.sessions(business_id, end_id)
                ]
            )
        return edge

    def _used(self, business_id: str, end_id: str, session: Session) -> None:
        sessions = self._edge(business_id, end_id).sessions
        if not sessions or sessions[0] is not session:
            sessions[:] = [session, *(other for other in sessions if other is not session)]
            del sessions[SESSIONS_KEPT_MAX:]
        key = (business_id, end_id, session.session_id)
        self._changed.pop(key, None)  # The one used last comes last.
        self._changed[key] = session
