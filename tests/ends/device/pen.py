"""A business's end in a test's hand: seals true messages, and untrue ones, for devices."""

from __future__ import annotations

import os
from typing import Any
from uuid import uuid4

from hudhud.clearance.v1 import clearance_pb2
from hudhud.content.v1 import content_pb2
from hudhud.messaging.v1 import message_pb2
from services.ends.sealing import envelopes
from services.ends.sealing.accounts import EndAccount
from services.ends.sealing.commitments import commit
from services.ends.sealing.sessions import Session
from services.kit.clock import new_id
from tests.ends.fakes.identity import Person
from tests.ends.fakes.town import Town


class Pen:
    """One business, its edge's keys, and a session with each device that it writes to."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.business_id = str(uuid4())
        self.edge_id = str(uuid4())
        self.account = EndAccount.create()
        self._sessions: dict[str, Session] = {}

    async def publish(self, one_time_keys: int = 5) -> None:
        """The edge's keys, to identity."""
        self.account.generate_one_time_keys(one_time_keys)
        await self.town.identity.publish_keys(self.business_id, self.account.unpublished_keys())
        self.town.identity.edges[self.business_id].end_id = self.edge_id
        self.account.mark_keys_as_published()

    def contact_id(self, person: Person) -> str:
        """By which the business knows somebody."""
        return self.town.identity.contact_id(self.business_id, person)

    def session(self, end_id: str, *, anew: bool = False) -> Session:
        """The session with a device, begun when it is first needed."""
        if anew or end_id not in self._sessions:
            device = self.town.identity.find_device(end_id)
            assert device is not None
            self._sessions[end_id] = self.account.begin_session(device.claim())
        return self._sessions[end_id]

    def write(
        self,
        person: Person,
        end_id: str,
        text: str,
        *,
        cleared: dict[str, Any] | None = None,
        inside: dict[str, Any] | None = None,
        outside: dict[str, Any] | None = None,
        anew: bool = False,
    ) -> message_pb2.Envelope:
        """A message as messaging delivers it. `cleared` changes what the clearance says, `inside`
        what is sealed, and `outside` what messaging says of it.
        """
        content = content_pb2.Content(text=content_pb2.Text(body=text)).SerializeToString()
        franking_key = os.urandom(32)
        message_id = str(new_id())
        sealed: dict[str, Any] = {
            "content": content,
            "franking_key": franking_key,
            "message_id": message_id,
            "business_id": self.business_id,
            "seal_time_milliseconds": 1,
        }
        clearance: dict[str, Any] = {
            "message_id": message_id,
            "business_id": self.business_id,
            "contact_id": self.contact_id(person),
            "kind": clearance_pb2.KIND_DIRECT,
            "category": clearance_pb2.CATEGORY_UTILITY,
            "commitment": commit(content, franking_key),
        }
        signed = self.town.policy.sign(clearance_pb2.Clearance(**(clearance | (cleared or {}))))
        olm_type, ciphertext = self.session(end_id, anew=anew).seal(
            envelopes.pack(**(sealed | (inside or {})))
        )
        envelope: dict[str, Any] = {
            "message_id": message_id,
            "business_id": self.business_id,
            "contact_id": self.contact_id(person),
            "sender_end_id": self.edge_id,
            "olm_type": olm_type,
            "ciphertext": ciphertext,
            "clearance": signed,
        }
        found = message_pb2.Envelope(**(envelope | (outside or {})))
        found.accept_time.FromDatetime(self.town.clock.now())
        return found
