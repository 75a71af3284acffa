"""A person's device without a connection: its real keys and store, for whoever seals for it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from hudhud.content.v1 import content_pb2
from services.ends.device.key_ring import KeyRing
from services.ends.device.store import Registration, Store
from services.ends.edge.domain import EndKeys, Incoming, Sealed
from services.ends.sealing import envelopes
from services.ends.sealing.accounts import EndAccount
from services.kit.clock import new_id
from tests.ends.fakes.identity import FakeIdentity, Person

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Handset:
    """One device of a person. What it changes is on disk when a method returns."""

    def __init__(
        self,
        folder: Path,
        identity: FakeIdentity,
        person: Person | None = None,
        *,
        one_time_keys: int = 10,
    ) -> None:
        self.identity = identity
        self.person = person or Person(f"+9639{uuid4().int % 10**8:08}")
        self.end_id = str(uuid4())
        self.store = Store(folder / self.end_id)
        account = EndAccount.create()
        account.generate_one_time_keys(one_time_keys)
        self.published = account.unpublished_keys()
        identity.add_device(self.person, self.published, self.end_id)
        account.mark_keys_as_published()
        self.store.register(
            Registration(str(self.person.person_id), self.end_id, "dc"),
            account.pickle(self.store.pickle_key),
            one_time_keys,
        )
        self.keys = KeyRing(self.store)

    @property
    def end_keys(self) -> EndKeys:
        """As identity lists it."""
        return EndKeys(
            self.end_id, self.published.identity_key.public_key, self.published.ed25519_key
        )

    def contact_id(self, business_id: str) -> str:
        """By which a business knows the person."""
        return self.identity.contact_id(business_id, self.person)

    def open(self, business_id: str, sealed: Sealed, edge_id: str = "") -> bytes:
        """The plaintext of what the business's edge sealed. Raises SessionError."""
        edge = self.identity.edges[business_id]
        plaintext = self.keys.open(
            business_id,
            edge_id or edge.end_id,
            edge.keys.identity_key.public_key,
            sealed.olm_type,
            sealed.ciphertext,
        )
        self.save()
        return plaintext

    def write(self, business_id: str, text: str, *, message_id: str = "") -> Incoming:
        """A text to a business, as its edge gets it from messaging."""
        content = content_pb2.Content(text=content_pb2.Text(body=text))
        return self.send(business_id, content.SerializeToString(), message_id=message_id)

    def send(self, business_id: str, content: bytes, *, message_id: str = "") -> Incoming:
        """The same for any content."""
        message_id = message_id or str(new_id())
        plaintext = envelopes.pack(
            content,
            os.urandom(32),
            message_id=message_id,
            business_id=business_id,
            seal_time_milliseconds=1,
        )
        return self.seal(business_id, plaintext, message_id=message_id)

    def seal(self, business_id: str, plaintext: bytes, *, message_id: str) -> Incoming:
        """Anything at all, sealed."""
        edge = self.identity.edges[business_id]
        if self.keys.session_with(business_id, edge.end_id) is None:
            self.keys.begin_session(business_id, edge.claim())
        olm_type, ciphertext = self.keys.seal(business_id, edge.end_id, plaintext)
        self.save()
        return Incoming(
            envelope_id=new_id().int >> 66,
            message_id=message_id,
            business_id=business_id,
            contact_id=self.contact_id(business_id),
            sender_end_id=self.end_id,
            olm_type=olm_type,
            ciphertext=ciphertext,
            accept_time=NOW,
        )

    def save(self) -> None:
        """Everything that changed goes to disk."""
        sessions, account = self.keys.changes()
        self.store.save(sessions=sessions, account=account)
        self.keys.stored()

    def crash(self) -> None:
        """What is in memory is gone."""
        self.keys = KeyRing(self.store)
