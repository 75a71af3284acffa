"""Owns the translation between the calls of `hudhud.identity.v1` and identity's actions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from hudhud.identity.v1 import identity_service_pb2 as pb
from hudhud.identity.v1 import identity_service_pb2_grpc
from services.identity import wire
from services.identity.actions.claim_key_bundles import claim_key_bundles
from services.identity.actions.complete_registration import complete_registration
from services.identity.actions.create_api_key import create_api_key
from services.identity.actions.create_business import create_business
from services.identity.actions.exchange_api_key import exchange_api_key
from services.identity.actions.exchange_device_credential import exchange_device_credential
from services.identity.actions.get_business import get_business
from services.identity.actions.get_business_profile import get_business_profile
from services.identity.actions.list_api_keys import list_api_keys
from services.identity.actions.list_contact_devices import list_contact_devices
from services.identity.actions.list_devices import list_devices
from services.identity.actions.list_verification_keys import list_verification_keys
from services.identity.actions.publish_device_keys import publish_device_keys
from services.identity.actions.publish_edge_keys import publish_edge_keys
from services.identity.actions.resolve_contacts import resolve_contacts
from services.identity.actions.revoke_api_key import revoke_api_key
from services.identity.actions.revoke_device import revoke_device
from services.identity.actions.start_registration import start_registration
from services.identity.codes import CodeSender
from services.identity.credentials import SecretHasher
from services.identity.domain.businesses import Business
from services.kit.access import Caller, CallerKind, current_caller
from services.kit.clock import Clock
from services.kit.database import Database
from services.kit.pairwise import PairwiseIds
from services.kit.signing import SigningKey
from services.kit.tokens import TokenSigner


@dataclass(frozen=True)
class Parts:
    """What the actions stand on."""

    database: Database
    clock: Clock
    hasher: SecretHasher
    signing_keys: Sequence[SigningKey]
    signer: TokenSigner
    pairwise: PairwiseIds
    code_sender: CodeSender
    code_key: bytes
    registrations_per_minute_max: int


class IdentityServicer(identity_service_pb2_grpc.IdentityServiceServicer):
    """Answers the calls. Who may make each is checked before, by `services/access.toml`; for whom,
    here.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._database = parts.database
        self._clock = parts.clock

    async def CreateBusiness(
        self, request: pb.CreateBusinessRequest, context: Any
    ) -> pb.CreateBusinessResponse:
        business = Business(
            UUID(request.business_id),
            request.display_name,
            dict(request.localized_display_names),
            self._clock.now(),
        )
        registered = await create_business(self._database, business)
        return pb.CreateBusinessResponse(business=wire.business(registered))

    async def GetBusiness(
        self, request: pb.GetBusinessRequest, context: Any
    ) -> pb.GetBusinessResponse:
        business_id = _for_business(request.business_id)
        business = await get_business(self._database, business_id)
        return pb.GetBusinessResponse(business=wire.business(business))

    async def CreateApiKey(
        self, request: pb.CreateApiKeyRequest, context: Any
    ) -> pb.CreateApiKeyResponse:
        business_id = _for_business(request.business_id)
        api_key, whole = await create_api_key(
            self._database, self._parts.hasher, business_id, request.label, self._clock.now()
        )
        return pb.CreateApiKeyResponse(api_key=wire.api_key(api_key), secret=whole.text())

    async def ListApiKeys(
        self, request: pb.ListApiKeysRequest, context: Any
    ) -> pb.ListApiKeysResponse:
        business_id = _for_business(request.business_id)
        api_keys, next_page_token = await list_api_keys(
            self._database, business_id, request.page_size, request.page_token
        )
        return pb.ListApiKeysResponse(
            api_keys=[wire.api_key(api_key) for api_key in api_keys],
            next_page_token=next_page_token,
        )

    async def RevokeApiKey(
        self, request: pb.RevokeApiKeyRequest, context: Any
    ) -> pb.RevokeApiKeyResponse:
        business_id = _for_business(request.business_id)
        api_key = await revoke_api_key(
            self._database, business_id, request.api_key_id, self._clock.now()
        )
        return pb.RevokeApiKeyResponse(api_key=wire.api_key(api_key))

    async def ExchangeApiKey(
        self, request: pb.ExchangeApiKeyRequest, context: Any
    ) -> pb.ExchangeApiKeyResponse:
        token, business_id = await exchange_api_key(
            self._database, self._parts.hasher, self._parts.signer, request.secret
        )
        return pb.ExchangeApiKeyResponse(
            access_token=wire.access_token(token),
            business_id=str(business_id) if business_id else "",
        )

    async def StartRegistration(
        self, request: pb.StartRegistrationRequest, context: Any
    ) -> pb.StartRegistrationResponse:
        registration = await start_registration(
            self._database,
            self._parts.code_sender,
            self._parts.code_key,
            request.phone_number,
            self._clock.now(),
            per_minute_max=self._parts.registrations_per_minute_max,
        )
        return pb.StartRegistrationResponse(
            registration_id=str(registration.registration_id),
            expire_time=wire.timestamp(registration.expire_time),
        )

    async def CompleteRegistration(
        self, request: pb.CompleteRegistrationRequest, context: Any
    ) -> pb.CompleteRegistrationResponse:
        registered = await complete_registration(
            self._database,
            self._parts.code_key,
            UUID(request.registration_id),
            request.code,
            request.device_label,
            wire.published_keys_of(request.keys),
            self._clock.now(),
        )
        return pb.CompleteRegistrationResponse(
            person_id=str(registered.person_id),
            device=wire.device(registered.device),
            device_credential=registered.credential,
        )

    async def ExchangeDeviceCredential(
        self, request: pb.ExchangeDeviceCredentialRequest, context: Any
    ) -> pb.ExchangeDeviceCredentialResponse:
        token = await exchange_device_credential(
            self._database,
            self._parts.signer,
            UUID(request.device_id),
            request.device_credential,
        )
        return pb.ExchangeDeviceCredentialResponse(access_token=wire.access_token(token))

    async def ListDevices(
        self, request: pb.ListDevicesRequest, context: Any
    ) -> pb.ListDevicesResponse:
        person_id, _ = _calling_device()
        devices = await list_devices(self._database, person_id)
        return pb.ListDevicesResponse(devices=[wire.device(device) for device in devices])

    async def RevokeDevice(
        self, request: pb.RevokeDeviceRequest, context: Any
    ) -> pb.RevokeDeviceResponse:
        person_id, _ = _calling_device()
        device = await revoke_device(
            self._database, person_id, UUID(request.device_id), self._clock.now()
        )
        return pb.RevokeDeviceResponse(device=wire.device(device))

    async def PublishDeviceKeys(
        self, request: pb.PublishDeviceKeysRequest, context: Any
    ) -> pb.PublishDeviceKeysResponse:
        person_id, device_id = _calling_device()
        left = await publish_device_keys(
            self._database,
            person_id,
            device_id,
            wire.signed_keys_of(request.one_time_keys),
            wire.signed_key_of(request.fallback_key) if request.HasField("fallback_key") else None,
            self._clock.now(),
        )
        return pb.PublishDeviceKeysResponse(one_time_keys_left=left)

    async def PublishEdgeKeys(
        self, request: pb.PublishEdgeKeysRequest, context: Any
    ) -> pb.PublishEdgeKeysResponse:
        left = await publish_edge_keys(
            self._database,
            _for_business(request.business_id),
            UUID(request.edge_id),
            wire.published_keys_of(request.keys),
            self._clock.now(),
        )
        return pb.PublishEdgeKeysResponse(one_time_keys_left=left)

    async def GetBusinessProfile(
        self, request: pb.GetBusinessProfileRequest, context: Any
    ) -> pb.GetBusinessProfileResponse:
        person_id, _ = _calling_device()
        profile = await get_business_profile(
            self._database,
            self._parts.pairwise,
            UUID(request.business_id),
            person_id,
            current_caller().country,
        )
        return pb.GetBusinessProfileResponse(profile=wire.business_profile(profile))

    async def ResolveContacts(
        self, request: pb.ResolveContactsRequest, context: Any
    ) -> pb.ResolveContactsResponse:
        business_id = _for_business(request.business_id)
        outcomes = await resolve_contacts(
            self._database, self._parts.pairwise, business_id, request.phone_numbers
        )
        return pb.ResolveContactsResponse(
            outcomes=[wire.contact_outcome(outcome) for outcome in outcomes]
        )

    async def ListContactDevices(
        self, request: pb.ListContactDevicesRequest, context: Any
    ) -> pb.ListContactDevicesResponse:
        business_id = _for_business(request.business_id)
        contacts = await list_contact_devices(
            self._database, self._parts.pairwise, business_id, request.contact_ids
        )
        return pb.ListContactDevicesResponse(
            contacts=[
                pb.ContactDevices(
                    contact_id=contact_id, devices=[wire.end_keys(device) for device in devices]
                )
                for contact_id, devices in zip(request.contact_ids, contacts, strict=True)
            ]
        )

    async def ClaimKeyBundles(
        self, request: pb.ClaimKeyBundlesRequest, context: Any
    ) -> pb.ClaimKeyBundlesResponse:
        caller = current_caller()
        is_device = caller.kind is CallerKind.DEVICE
        business_id = UUID(request.business_id) if is_device else _for_business(request.business_id)
        bundles = await claim_key_bundles(
            self._database,
            business_id,
            [UUID(end_id) for end_id in request.end_ids],
            self._clock.now(),
            claiming_person_id=caller.person_id if is_device else None,
        )
        return pb.ClaimKeyBundlesResponse(bundles=[wire.key_bundle(bundle) for bundle in bundles])

    async def ListVerificationKeys(
        self, request: pb.ListVerificationKeysRequest, context: Any
    ) -> pb.ListVerificationKeysResponse:
        keys = await list_verification_keys(self._parts.signing_keys)
        return pb.ListVerificationKeysResponse(
            keys=[
                pb.VerificationKey(key_id=key.key_id, ed25519_key=key.public_bytes) for key in keys
            ]
        )


def _for_business(business_id: str) -> UUID:
    """The id, once it is sure that the caller may act for it."""
    current_caller().must_act_for(business_id)
    return UUID(business_id)


def _calling_device() -> tuple[UUID, UUID]:
    """The ids of the person and the device whose token came with the call."""
    caller: Caller = current_caller()
    assert caller.person_id is not None
    assert caller.device_id is not None
    return caller.person_id, caller.device_id
