"""An identity in memory: who has which keys, and a one-time key for one claim only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import grpc

from hudhud.identity.v1 import business_pb2, device_pb2
from hudhud.identity.v1 import identity_service_pb2 as pb
from hudhud.identity.v1.identity_service_pb2_grpc import IdentityServiceServicer
from services.ends.edge.domain import EndKeys
from services.kit.access import CallerKind, current_caller
from services.kit.clock import Clock
from services.kit.errors import Refusal, received_reason
from services.kit.pairwise import PairwiseIds
from services.kit.signing import SigningKey
from services.kit.tokens import TokenSigner
from tests.ends.fakes.troubles import Troubles

COUNTRY = "SY"
CODE = "123456"


@dataclass
class End:
    """A device or an edge, as it published itself."""

    end_id: str
    keys: device_pb2.PublishedKeys
    one_time_keys: list[device_pb2.SignedKey] = field(default_factory=list)

    def publish(self, keys: Sequence[device_pb2.SignedKey]) -> int:
        """Adds one-time keys; those that were there before are ignored."""
        known = {key.public_key for key in self.keys.one_time_keys}
        new = [key for key in keys if key.public_key not in known]
        self.keys.one_time_keys.extend(new)
        self.one_time_keys.extend(new)
        return len(self.one_time_keys)

    def long_term(self) -> business_pb2.EndKeys:
        """The keys that never change."""
        return business_pb2.EndKeys(
            end_id=self.end_id,
            curve25519_key=self.keys.identity_key.public_key,
            ed25519_key=self.keys.ed25519_key,
        )

    def claim(self) -> device_pb2.KeyBundle:
        """A one-time key, once; then the fallback key."""
        fallback = not self.one_time_keys
        return device_pb2.KeyBundle(
            end=self.long_term(),
            identity_key_signature=self.keys.identity_key.signature,
            session_key=self.keys.fallback_key if fallback else self.one_time_keys.pop(0),
            fallback=fallback,
        )


@dataclass
class Person:
    """Somebody with a phone number and devices."""

    phone_number: str
    person_id: UUID = field(default_factory=uuid4)
    devices: dict[str, End] = field(default_factory=dict)


class FakeIdentity:
    """The edge's port Identity, in memory; FakeIdentityServicer serves it to devices too."""

    def __init__(self, pairwise: PairwiseIds) -> None:
        self.troubles = Troubles()
        self.people: dict[str, Person] = {}
        self.edges: dict[str, End] = {}  # By business_id.
        self._pairwise = pairwise

    def contact_id(self, business_id: str, person: Person) -> str:
        """By which a business knows a person."""
        return self._pairwise.seal(UUID(business_id), person.person_id, COUNTRY)

    def add_device(self, person: Person, keys: device_pb2.PublishedKeys, end_id: str = "") -> str:
        """A new device of a person; its end_id."""
        self.people[person.phone_number] = person
        end = End(end_id or str(uuid4()), keys, list(keys.one_time_keys))
        person.devices[end.end_id] = end
        return end.end_id

    def find_device(self, end_id: str) -> End | None:
        """A device by its id."""
        found = (person.devices.get(end_id) for person in self.people.values())
        return next((device for device in found if device is not None), None)

    async def resolve_contacts(
        self, business_id: str, phone_numbers: Sequence[str]
    ) -> list[str | Refusal]:
        self.troubles.begin("ResolveContacts")
        return [
            self.contact_id(business_id, self.people[number])
            if number in self.people
            else unknown_person()
            for number in phone_numbers
        ]

    async def list_devices(
        self, business_id: str, contact_ids: Sequence[str]
    ) -> dict[str, list[EndKeys]]:
        self.troubles.begin("ListContactDevices")
        by_contact = {
            self.contact_id(business_id, person): person for person in self.people.values()
        }
        return {
            contact_id: [
                EndKeys(end.end_id, end.long_term().curve25519_key, end.keys.ed25519_key)
                for end in (
                    by_contact[contact_id].devices.values() if contact_id in by_contact else ()
                )
            ]
            for contact_id in contact_ids
        }

    async def claim_key_bundles(
        self, business_id: str, end_ids: Sequence[str]
    ) -> dict[str, device_pb2.KeyBundle]:
        self.troubles.begin("ClaimKeyBundles")
        ends = [end for end_id in end_ids if (end := self.find_device(end_id)) is not None]
        return {end.end_id: end.claim() for end in ends}

    async def publish_keys(self, business_id: str, keys: device_pb2.PublishedKeys) -> int:
        self.troubles.begin("PublishEdgeKeys")
        end = self.edges.setdefault(business_id, End("", device_pb2.PublishedKeys()))
        if not end.keys.ed25519_key:
            end.keys.CopyFrom(keys)
            del end.keys.one_time_keys[:]
        assert end.keys.ed25519_key == keys.ed25519_key, "an edge's long-term keys never change"
        left = end.publish(keys.one_time_keys)
        self.troubles.end("PublishEdgeKeys")
        return left


class FakeIdentityServicer(IdentityServiceServicer):
    """The same over gRPC."""

    def __init__(self, identity: FakeIdentity, signing_key: SigningKey, clock: Clock) -> None:
        self.identity = identity
        self.tokens = TokenSigner(signing_key, clock=clock)
        self._signing_key = signing_key
        self._registrations: dict[str, tuple[str, pb.CompleteRegistrationResponse | None]] = {}

    async def ListVerificationKeys(self, request: Any, context: Any) -> Any:
        key = pb.VerificationKey(
            key_id=self._signing_key.key_id, ed25519_key=self._signing_key.public_bytes
        )
        return pb.ListVerificationKeysResponse(keys=[key])

    # --- For the edge -----------------------------------------------------------------------------

    async def ResolveContacts(self, request: Any, context: Any) -> Any:
        found = await self.identity.resolve_contacts(request.business_id, request.phone_numbers)
        return pb.ResolveContactsResponse(
            outcomes=[
                pb.ContactOutcome(contact_id=one)
                if isinstance(one, str)
                else pb.ContactOutcome(refusal=one.to_proto())
                for one in found
            ]
        )

    async def ListContactDevices(self, request: Any, context: Any) -> Any:
        found = await self.identity.list_devices(request.business_id, request.contact_ids)
        return pb.ListContactDevicesResponse(
            contacts=[
                pb.ContactDevices(
                    contact_id=contact_id,
                    devices=[
                        business_pb2.EndKeys(
                            end_id=device.end_id,
                            curve25519_key=device.curve25519_key,
                            ed25519_key=device.ed25519_key,
                        )
                        for device in devices
                    ],
                )
                for contact_id, devices in found.items()
            ]
        )

    async def ClaimKeyBundles(self, request: Any, context: Any) -> Any:
        if current_caller().kind is CallerKind.DEVICE:
            self.identity.troubles.begin("ClaimKeyBundles")
            edge = self.identity.edges[request.business_id]
            return pb.ClaimKeyBundlesResponse(bundles=[edge.claim()])
        bundles = await self.identity.claim_key_bundles(request.business_id, request.end_ids)
        return pb.ClaimKeyBundlesResponse(bundles=bundles.values())

    async def PublishEdgeKeys(self, request: Any, context: Any) -> Any:
        left = await self.identity.publish_keys(request.business_id, request.keys)
        self.identity.edges[request.business_id].end_id = request.edge_id
        return pb.PublishEdgeKeysResponse(one_time_keys_left=left)

    # --- For devices ------------------------------------------------------------------------------

    async def StartRegistration(self, request: Any, context: Any) -> Any:
        self.identity.troubles.begin("StartRegistration")
        registration_id = str(uuid4())
        self._registrations[registration_id] = (request.phone_number, None)
        return pb.StartRegistrationResponse(registration_id=registration_id)

    async def CompleteRegistration(self, request: Any, context: Any) -> Any:
        troubles = self.identity.troubles
        troubles.begin("CompleteRegistration")
        if request.code != CODE:
            raise refused("CODE_WRONG", grpc.StatusCode.PERMISSION_DENIED)
        number, completed = self._registrations[request.registration_id]
        if completed is None:
            person = self.identity.people.get(number) or Person(number)
            end_id = self.identity.add_device(person, request.keys)
            completed = pb.CompleteRegistrationResponse(
                person_id=str(person.person_id),
                device=device_pb2.Device(device_id=end_id, label=request.device_label),
            )
            self._registrations[request.registration_id] = (number, completed)
        completed.device_credential = f"dc_{uuid4()}"
        troubles.end("CompleteRegistration")
        return completed

    async def ExchangeDeviceCredential(self, request: Any, context: Any) -> Any:
        for person in self.identity.people.values():
            if request.device_id in person.devices:
                token = self.tokens.sign(
                    CallerKind.DEVICE,
                    person.person_id,
                    device_id=UUID(request.device_id),
                    country=COUNTRY,
                    lifetime_seconds=900,
                )
                response = pb.ExchangeDeviceCredentialResponse()
                response.access_token.token = token.text
                response.access_token.expire_time.FromDatetime(token.expire_time)
                return response
        raise refused("DEVICE_CREDENTIAL_INVALID", grpc.StatusCode.UNAUTHENTICATED)

    async def ListDevices(self, request: Any, context: Any) -> Any:
        return pb.ListDevicesResponse()

    async def PublishDeviceKeys(self, request: Any, context: Any) -> Any:
        self.identity.troubles.begin("PublishDeviceKeys")
        device = self.identity.find_device(str(current_caller().device_id))
        assert device is not None
        left = device.publish(request.one_time_keys)
        self.identity.troubles.end("PublishDeviceKeys")
        return pb.PublishDeviceKeysResponse(one_time_keys_left=left)

    async def GetBusinessProfile(self, request: Any, context: Any) -> Any:
        self.identity.troubles.begin("GetBusinessProfile")
        caller = current_caller()
        [person] = [
            one for one in self.identity.people.values() if one.person_id == caller.person_id
        ]
        edge = self.identity.edges.get(request.business_id)
        return pb.GetBusinessProfileResponse(
            profile=business_pb2.BusinessProfile(
                business=business_pb2.Business(business_id=request.business_id),
                contact_id=self.identity.contact_id(request.business_id, person),
                edges=[edge.long_term()] if edge else [],
            )
        )


def unknown_person() -> Refusal:
    """What identity says of a number that nobody has."""
    return refused("UNKNOWN_PERSON", grpc.StatusCode.NOT_FOUND)


def refused(name: str, status: grpc.StatusCode) -> Refusal:
    """A refusal in identity's name."""
    return Refusal(received_reason(name, "identity.hudhud", status.value[0]), f"{name}.")
