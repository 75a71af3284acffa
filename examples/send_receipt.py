"""A business's program: registers a business on this machine, sends a receipt, watches it arrive.

    .venv/bin/python examples/send_receipt.py [PHONE_NUMBER]

It speaks plain gRPC with the generated stubs; only the operator's part (registering and topping up)
is what a business would not do by itself. `make run` must be running.
"""

import asyncio
import os
import sys
import uuid
from pathlib import Path

import grpc

from hudhud.billing.v1 import account_pb2, billing_service_pb2, billing_service_pb2_grpc
from hudhud.clearance.v1 import clearance_pb2
from hudhud.content.v1 import content_pb2
from hudhud.edge.v1 import edge_service_pb2, edge_service_pb2_grpc
from hudhud.identity.v1 import identity_service_pb2, identity_service_pb2_grpc
from hudhud.messaging.v1 import message_pb2
from hudhud.policy.v1 import policy_service_pb2, policy_service_pb2_grpc
from services.local.parties import Doors

PHONE_NUMBER = sys.argv[1] if len(sys.argv) > 1 else "+963944123456"
STATE = Path(os.environ.get("HUDHUD_STATE_DIR") or Path(__file__).parents[1] / ".state")
TIMEOUT = 10  # Seconds; every call has a deadline.

doors = Doors(STATE.absolute())


def channel(service: str) -> grpc.aio.Channel:
    """A TLS connection to a service's public door."""
    credentials = grpc.ssl_channel_credentials(doors.authority)
    return grpc.aio.secure_channel(doors.address(service), credentials)


async def exchange(secret: str) -> tuple[tuple[str, str], ...]:
    """The metadata with a token of fifteen minutes for an API key."""
    identity = identity_service_pb2_grpc.IdentityServiceStub(channel("identity"))
    response = await identity.ExchangeApiKey(
        identity_service_pb2.ExchangeApiKeyRequest(secret=secret), timeout=TIMEOUT
    )
    return (("authorization", f"Bearer {response.access_token.token}"),)


async def register() -> tuple[str, str]:
    """What the operator does once for a new business: its id, and its API key."""
    identity = identity_service_pb2_grpc.IdentityServiceStub(channel("identity"))
    billing = billing_service_pb2_grpc.BillingServiceStub(channel("billing"))
    operator = await exchange(doors.operator_credential())
    business_id = str(uuid.uuid4())
    await identity.CreateBusiness(
        identity_service_pb2.CreateBusinessRequest(
            business_id=business_id, display_name="Bookshop"
        ),
        metadata=operator,
        timeout=TIMEOUT,
    )
    key = await identity.CreateApiKey(
        identity_service_pb2.CreateApiKeyRequest(business_id=business_id),
        metadata=operator,
        timeout=TIMEOUT,
    )
    await billing.CreateAccount(
        billing_service_pb2.CreateAccountRequest(business_id=business_id, currency_code="USD"),
        metadata=operator,
        timeout=TIMEOUT,
    )
    await billing.TopUpAccount(
        billing_service_pb2.TopUpAccountRequest(
            top_up_id=str(uuid.uuid4()),
            business_id=business_id,
            amount=account_pb2.Money(currency_code="USD", amount_micros=1_000_000),
        ),
        metadata=operator,
        timeout=TIMEOUT,
    )
    return business_id, key.secret


async def main() -> None:
    """What the business does: a template once, then messages, and what becomes of them."""
    business_id, api_key = await register()
    business = await exchange(api_key)
    policy = policy_service_pb2_grpc.PolicyServiceStub(channel("policy"))
    edge = edge_service_pb2_grpc.EdgeServiceStub(channel("edge"))
    await policy.SubmitTemplate(
        policy_service_pb2.SubmitTemplateRequest(
            request_id=str(uuid.uuid4()),
            business_id=business_id,
            name="receipt",
            language_code="en",
            category=clearance_pb2.CATEGORY_UTILITY,
            body="Thank you, {{name}}. We received your payment of {{amount}} for order {{order}}.",
            examples={"name": "Layla", "amount": "12.50 USD", "order": "1042"},
        ),
        metadata=business,
        timeout=TIMEOUT,
    )
    message_id = str(uuid.uuid4())  # Minted here: sending it again after a failure is safe.
    response = await edge.SendMessage(
        edge_service_pb2.SendMessageRequest(
            message=edge_service_pb2.OutgoingMessage(
                message_id=message_id,
                phone_number=PHONE_NUMBER,
                kind=clearance_pb2.KIND_TEMPLATE,
                content=content_pb2.Content(
                    template=content_pb2.Template(
                        name="receipt",
                        language_code="en",
                        parameters={"name": "Layla", "amount": "12.50 USD", "order": "1042"},
                    )
                ),
            )
        ),
        metadata=business,
        timeout=TIMEOUT,
    )
    print(response.outcome)
    print("Waiting for the phone to get it; open one with: hudhud phone")
    events = edge.WatchEvents(edge_service_pb2.WatchEventsRequest(), metadata=business)
    async for happened in events:
        for event in happened.events:
            print(event)
            if event.status_changed.state == message_pb2.MESSAGE_STATE_DELIVERED:
                return


asyncio.run(main())
