"""Owns messaging's calls to other services."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from google.protobuf.timestamp_pb2 import Timestamp

from hudhud.billing.v1 import account_pb2
from hudhud.billing.v1 import billing_service_pb2 as billing_pb2
from hudhud.billing.v1.billing_service_pb2_grpc import BillingServiceStub
from hudhud.identity.v1 import identity_service_pb2 as identity_pb2
from hudhud.identity.v1.identity_service_pb2_grpc import IdentityServiceStub
from hudhud.policy.v1 import verification_key_pb2 as policy_pb2
from services.kit.client import Channel
from services.kit.errors import Refusal
from services.messaging.domain import Price
from services.messaging.ports import ReservationRequest


class BillingClient:
    """Billing, over gRPC."""

    def __init__(self, channel: Channel) -> None:
        self._stub = BillingServiceStub(channel)

    async def create_reservations(
        self, requests: Sequence[ReservationRequest]
    ) -> list[Price | Refusal]:
        """See `ports.Billing`."""
        response = await self._stub.CreateReservations(
            billing_pb2.CreateReservationsRequest(items=[_item(request) for request in requests])
        )
        return [
            Refusal.from_proto(outcome.refusal)
            if outcome.HasField("refusal")
            else Price(outcome.price.currency_code, outcome.price.amount_micros)
            for outcome in response.outcomes
        ]


def _item(request: ReservationRequest) -> billing_pb2.ReservationItem:
    return billing_pb2.ReservationItem(
        message_id=str(request.message_id),
        business_id=str(request.business_id),
        category=request.category,
        destination_country=request.destination_country,
        window_open=request.window_open,
        expire_time=Timestamp(seconds=int(request.expire_time.timestamp())),
        # What goes by SMS or RCS will be told apart by the end that it is for: there is none yet.
        channel=account_pb2.CHANNEL_APP,
        entry_point_time=request.entry_point_time,
        entry_point_answer_time=request.entry_point_answer_time,
    )


async def fetch_token_keys(channel: Channel) -> Mapping[str, bytes]:
    """The keys that verify tokens, from identity: public bytes by key id."""
    stub = IdentityServiceStub(channel)
    response = await stub.ListVerificationKeys(identity_pb2.ListVerificationKeysRequest())
    return {key.key_id: key.ed25519_key for key in response.keys}


async def fetch_clearance_keys(channel: Channel) -> Mapping[str, bytes]:
    """The keys that verify clearances, from policy: public bytes by key id.

    The call is spelt out because policy's generated stub brings the readable content with it, which
    nothing here may be able to name.
    """
    list_keys = channel.unary_unary(
        "/hudhud.policy.v1.PolicyService/ListVerificationKeys",
        policy_pb2.ListVerificationKeysRequest.SerializeToString,
        policy_pb2.ListVerificationKeysResponse.FromString,
    )
    response = await list_keys(policy_pb2.ListVerificationKeysRequest())
    return {key.key_id: key.ed25519_key for key in response.keys}
