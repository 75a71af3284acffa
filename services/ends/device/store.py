"""What a device keeps: its account, sessions and messages, in SQLite."""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

_KEY_BYTES = 32

# A message may still come by an older session than the one used last, but not by one much older.
SESSIONS_KEPT_MAX = 50


class NotRegistered(Exception):
    """The folder holds no registered device."""


class FolderInUse(Exception):
    """Somebody else has the device of this folder open: two would use the same keys twice."""


@dataclass(frozen=True, slots=True)
class Registration:
    """Who the device is."""

    person_id: str
    device_id: str
    credential: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Registering:
    """A registration under way: what identity is asked, and the pickled account of its keys."""

    phone_number: str
    registration_id: str
    code: str = field(repr=False)
    account: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session with a business's edge, pickled."""

    business_id: str
    end_id: str
    session_id: str
    pickle: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Message:
    """A message as the person has it. `content` is a serialized hudhud.content.v1.Content.

    `position` is its place among all that the device stored, 0 until it is stored.
    """

    business_id: str
    message_id: str
    incoming: bool
    content: bytes = field(repr=False)
    time: datetime
    franking_key: bytes = field(default=b"", repr=False)
    clearance: bytes = field(default=b"", repr=False)
    read: bool = False
    position: int = 0


class Store:
    """One device's folder: the database and the key that its pickles are encrypted under.

    Every method is one short transaction. Not for two threads at once, and the folder is for one
    store at a time.
    """

    def __init__(self, folder: Path) -> None:
        """Raises FolderInUse."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.pickle_key = _read_or_make_key(folder / "device.key")
        self._connection = sqlite3.connect(
            folder / "device.sqlite", timeout=0, isolation_level=None, check_same_thread=False
        )
        self._connection.row_factory = sqlite3.Row
        try:
            self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._connection.execute("PRAGMA journal_mode = WAL")
            # What was acked must be on disk: messaging deletes its copy.
            self._connection.execute("PRAGMA synchronous = FULL")
            schema = (Path(__file__).parent / "schema.sql").read_text("utf-8")
            self._connection.executescript("BEGIN IMMEDIATE;" + schema + "COMMIT;")
        except sqlite3.OperationalError as error:
            self._connection.close()
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise FolderInUse(f"another process has the device in {folder} open") from error
            raise

    def close(self) -> None:
        """Closes the database, and leaves the folder to others."""
        self._connection.close()

    # --- The device -------------------------------------------------------------------------------

    def register(self, registration: Registration, account: str, one_time_keys: int) -> None:
        """Keeps a new registration, in place of one that was there.

        Whatever the keys of that one had sealed is worthless now. Messages stay with their person.
        """
        with self._transaction():
            self._connection.execute(
                "DELETE FROM messages WHERE NOT EXISTS (SELECT 1 FROM device WHERE person_id = ?)",
                (registration.person_id,),
            )
            for table in ("device", "registering", "sessions", "outbox"):
                self._connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names of ours
            self._connection.execute(
                "INSERT INTO device VALUES (1, ?, ?, ?, ?, ?)",
                (
                    registration.person_id,
                    registration.device_id,
                    registration.credential,
                    account,
                    one_time_keys,
                ),
            )

    def keep_registering(self, registering: Registering) -> None:
        """Keeps a registration that identity is about to be asked to complete."""
        self._connection.execute(
            "INSERT OR REPLACE INTO registering VALUES (1, ?, ?, ?, ?)",
            (
                registering.phone_number,
                registering.registration_id,
                registering.code,
                registering.account,
            ),
        )

    def registering(self, phone_number: str) -> Registering | None:
        """The registration of this number that is under way."""
        row = self._connection.execute(
            "SELECT * FROM registering WHERE phone_number = ?", (phone_number,)
        ).fetchone()
        if row is None:
            return None
        return Registering(row["phone_number"], row["registration_id"], row["code"], row["account"])

    def drop_registering(self) -> None:
        """Identity has refused it."""
        self._connection.execute("DELETE FROM registering")

    def registration(self) -> Registration:
        """Who the device is. Raises NotRegistered."""
        row = self._connection.execute("SELECT * FROM device").fetchone()
        if row is None:
            raise NotRegistered("this folder holds no registered device")
        return Registration(row["person_id"], row["device_id"], row["credential"])

    def account(self) -> tuple[str, int]:
        """The pickled account, and how many one-time keys identity has left."""
        row = self._connection.execute("SELECT account, one_time_keys_left FROM device").fetchone()
        return row["account"], row["one_time_keys_left"]

    def save_account(self, account: str, one_time_keys_left: int) -> None:
        """Keeps a changed account."""
        self._connection.execute(
            "UPDATE device SET account = ?, one_time_keys_left = ?", (account, one_time_keys_left)
        )

    # --- Sessions and messages --------------------------------------------------------------------

    def sessions(self, business_id: str, end_id: str) -> list[StoredSession]:
        """The sessions with an edge, the one used last first."""
        rows = self._connection.execute(
            "SELECT * FROM sessions WHERE business_id = ? AND end_id = ? ORDER BY used DESC",
            (business_id, end_id),
        )
        return [
            StoredSession(row["business_id"], row["end_id"], row["session_id"], row["session"])
            for row in rows
        ]

    def known_messages(self, ids: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those (business_id, message_id) that came and are stored."""
        return {
            pair
            for pair in ids
            if self._connection.execute(
                "SELECT 1 FROM messages WHERE business_id = ? AND incoming AND message_id = ?", pair
            ).fetchone()
        }

    def save(
        self,
        *,
        sessions: Iterable[StoredSession] = (),
        messages: Iterable[Message] = (),
        account: tuple[str, int] | None = None,
        outgoing: tuple[str, bytes] | None = None,
    ) -> None:
        """Keeps what was opened or sealed together with the keys' new state, all or nothing.

        `sessions` in the order of their last use.
        """
        sessions = list(sessions)
        with self._transaction():
            self._connection.executemany(
                "INSERT INTO sessions SELECT ?, ?, ?, ?, coalesce(max(used), 0) + 1 FROM sessions"
                " WHERE true ON CONFLICT DO UPDATE SET session = excluded.session,"
                " used = excluded.used",
                [
                    (session.business_id, session.end_id, session.session_id, session.pickle)
                    for session in sessions
                ],
            )
            self._connection.executemany(
                "DELETE FROM sessions WHERE business_id = ?1 AND end_id = ?2 AND session_id NOT IN"
                " (SELECT session_id FROM sessions WHERE business_id = ?1 AND end_id = ?2"
                "   ORDER BY used DESC LIMIT ?3)",
                {(session.business_id, session.end_id, SESSIONS_KEPT_MAX) for session in sessions},
            )
            self._connection.executemany(
                "INSERT INTO messages (business_id, message_id, incoming, content, franking_key,"
                " clearance, time_milliseconds) VALUES (?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                [
                    (
                        message.business_id,
                        message.message_id,
                        message.incoming,
                        message.content,
                        message.franking_key,
                        message.clearance,
                        int(message.time.timestamp() * 1000),
                    )
                    for message in messages
                ],
            )
            if account is not None:
                self.save_account(*account)
            if outgoing is not None:
                self._connection.execute("INSERT INTO outbox VALUES (?, ?)", outgoing)

    def message(self, message_id: str) -> Message | None:
        """A message that came, by its id."""
        row = self._connection.execute(
            "SELECT * FROM messages WHERE message_id = ? AND incoming", (message_id,)
        ).fetchone()
        return _message(row) if row else None

    def messages(self, business_id: str = "") -> list[Message]:
        """All messages, or those with one business, oldest first."""
        rows = self._connection.execute(
            "SELECT * FROM messages WHERE business_id = ?1 OR ?1 = '' ORDER BY position",
            (business_id,),
        )
        return [_message(row) for row in rows]

    def arrivals(self, after_position: int, count_max: int) -> list[Message]:
        """Messages that came after a position, in order."""
        rows = self._connection.execute(
            "SELECT * FROM messages WHERE position > ? AND incoming ORDER BY position LIMIT ?",
            (after_position, count_max),
        )
        return [_message(row) for row in rows]

    def last_position(self) -> int:
        """The position of the message that was stored last; 0 before the first."""
        row = self._connection.execute("SELECT max(position) FROM messages").fetchone()
        return row[0] or 0

    def mark_read(self, business_id: str, message_id: str) -> None:
        """Notes that the person has seen a message; its business is to be told."""
        self._connection.execute(
            "UPDATE messages SET read = 1"
            " WHERE business_id = ? AND incoming AND message_id = ? AND read = 0",
            (business_id, message_id),
        )

    def reads_to_tell(self, count_max: int) -> list[tuple[str, str]]:
        """(business_id, message_id) of what was read and whose business may not know it yet."""
        rows = self._connection.execute(
            "SELECT business_id, message_id FROM messages WHERE read = 1 ORDER BY position LIMIT ?",
            (count_max,),
        )
        return [(row["business_id"], row["message_id"]) for row in rows]

    def confirm_reads(self, message_ids: Iterable[str]) -> None:
        """Messaging has the receipts of these messages."""
        with self._transaction():
            self._connection.executemany(
                "UPDATE messages SET read = 2 WHERE read = 1 AND message_id = ?",
                [(message_id,) for message_id in message_ids],
            )

    # --- Outbox -----------------------------------------------------------------------------------

    def unconfirmed(self, count_max: int) -> list[tuple[str, bytes]]:
        """(message_id, serialized SubmitItem) of what messaging has not confirmed, oldest first."""
        rows = self._connection.execute(
            "SELECT message_id, item FROM outbox ORDER BY rowid LIMIT ?", (count_max,)
        )
        return [(row["message_id"], row["item"]) for row in rows]

    def confirm(self, message_ids: Iterable[str]) -> None:
        """Forgets outgoing messages that messaging has, or has refused."""
        with self._transaction():
            self._connection.executemany(
                "DELETE FROM outbox WHERE message_id = ?",
                [(message_id,) for message_id in message_ids],
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")


def _read_or_make_key(file: Path) -> bytes:
    if not file.exists():
        temporary = file.with_suffix(".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(secrets.token_bytes(_KEY_BYTES))
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(file)
    return file.read_bytes()


def _message(row: sqlite3.Row) -> Message:
    return Message(
        business_id=row["business_id"],
        message_id=row["message_id"],
        incoming=bool(row["incoming"]),
        content=row["content"],
        time=datetime.fromtimestamp(row["time_milliseconds"] / 1000, UTC),
        franking_key=row["franking_key"] or b"",
        clearance=row["clearance"] or b"",
        read=bool(row["read"]),
        position=row["position"],
    )
