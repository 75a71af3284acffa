"""Asks identity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hudhud.identity.v1 import device_pb2, identity_service_pb2, identity_service_pb2_grpc
from services.ends.edge.domain import EndKeys
from services.kit.client import Channel
from services.kit.errors import Refusal

# All of it is safe to repeat; a claim whose answer was lost costs a one-time key.
RETRIED = ("hudhud.identity.v1.IdentityService",)

# A batch of many people with many devices has more ends than one request may name.
CLAIMS_AT_A_TIME = 1000


class IdentityClient:
    """The port Identity over gRPC."""

    def __init__(self, channel: Channel, edge_id: str) -> None:
        stub: Any = identity_service_pb2_grpc.IdentityServiceStub
        self._stub = stub(channel)
        self._edge_id = edge_id

    async def resolve_contacts(
        self, business_id: str, phone_numbers: Sequence[str]
    ) -> list[str | Refusal]:
        response = await self._stub.ResolveContacts(
            identity_service_pb2.ResolveContactsRequest(
                business_id=business_id, phone_numbers=phone_numbers
            )
        )
        return [
            outcome.contact_id
            if outcome.HasField("contact_id")
            else Refusal.from_proto(outcome.refusal)
            for outcome in response.outcomes
        ]

    async def list_devices(
        self, business_id: str, contact_ids: Sequence[str]
    ) -> dict[str, list[EndKeys]]:
        response = await self._stub.ListContactDevices(
            identity_service_pb2.ListContactDevicesRequest(
                business_id=business_id, contact_ids=contact_ids
            )
        )
        return {
            contact.contact_id: [
                EndKeys(device.end_id, device.curve25519_key, device.ed25519_key)
                for device in contact.devices
            ]
            for contact in response.contacts
        }

    async def claim_key_bundles(
        self, business_id: str, end_ids: Sequence[str]
    ) -> dict[str, device_pb2.KeyBundle]:
        bundles: dict[str, device_pb2.KeyBundle] = {}
        for start in range(0, len(end_ids), CLAIMS_AT_A_TIME):
            response = await self._stub.ClaimKeyBundles(
                identity_service_pb2.ClaimKeyBundlesRequest(
                    business_id=business_id, end_ids=end_ids[start : start + CLAIMS_AT_A_TIME]
                )
            )
            bundles.update({bundle.end.end_id: bundle for bundle in response.bundles})
        return bundles

    async def publish_keys(self, business_id: str, keys: device_pb2.PublishedKeys) -> int:
        response = await self._stub.PublishEdgeKeys(
            identity_service_pb2.PublishEdgeKeysRequest(
                business_id=business_id, edge_id=self._edge_id, keys=keys
            )
        )
        return int(response.one_time_keys_left)

    async def verification_keys(self) -> dict[str, bytes]:
        """The keys that verify tokens."""
        response = await self._stub.ListVerificationKeys(
            identity_service_pb2.ListVerificationKeysRequest()
        )
        return {key.key_id: key.ed25519_key for key in response.keys}
