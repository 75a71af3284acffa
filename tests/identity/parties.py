"""Businesses, people and devices for tests, made by the same calls that real ones make."""

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from hudhud.identity.v1 import device_pb2
from hudhud.identity.v1 import identity_service_pb2 as pb
from services.ends.sealing.accounts import EndAccount
from services.kit.clock import new_id

if TYPE_CHECKING:
    from tests.identity.house import House


class PhoneNumbers:
    """Syrian mobile numbers, each given out once."""

    def __init__(self) -> None:
        self._count = itertools.count()

    def take(self) -> str:
        return f"+963944{next(self._count):06}"


@dataclass
class RegisteredBusiness:
    """A registered business with a key."""

    business_id: str
    api_key_id: str
    api_key: str
    calls: Any  # a stub with its token


@dataclass
class RegisteredDevice:
    """A registered device with its Olm account."""

    phone_number: str
    person_id: str
    device_id: str
    credential: str
    calls: Any  # a stub with its token
    account: EndAccount = field(repr=False)


async def register_business(house: "House", display_name: str = "Hudhud Air") -> RegisteredBusiness:
    operator = await house.operator()
    business_id = str(new_id())
    await operator.CreateBusiness(
        pb.CreateBusinessRequest(business_id=business_id, display_name=display_name)
    )
    created = await operator.CreateApiKey(
        pb.CreateApiKeyRequest(business_id=business_id, label="test")
    )
    return RegisteredBusiness(
        business_id, created.api_key.api_key_id, created.secret, await house.holder(created.secret)
    )


async def register_device(
    house: "House", phone_number: str = "", one_time_keys: int = 5, label: str = "phone"
) -> RegisteredDevice:
    phone_number = phone_number or house.numbers.take()
    account = new_account(one_time_keys)
    completed = await complete(house, phone_number, account.unpublished_keys(), label)
    device_id = completed.device.device_id
    calls = await house.device(device_id, completed.device_credential)
    return RegisteredDevice(
        phone_number,
        completed.person_id,
        device_id,
        completed.device_credential,
        calls,
        account,
    )


async def complete(
    house: "House", phone_number: str, keys: device_pb2.PublishedKeys, label: str = "phone"
) -> pb.CompleteRegistrationResponse:
    """Register a device with these keys."""
    started = await start(house, phone_number)
    response: pb.CompleteRegistrationResponse = await (await house.anyone()).CompleteRegistration(
        pb.CompleteRegistrationRequest(
            registration_id=started.registration_id,
            code=house.code_sent_to(phone_number),
            device_label=label,
            keys=keys,
        )
    )
    return response


async def start(house: "House", phone_number: str) -> pb.StartRegistrationResponse:
    response: pb.StartRegistrationResponse = await (await house.anyone()).StartRegistration(
        pb.StartRegistrationRequest(phone_number=phone_number)
    )
    return response


async def publish_edge(
    house: "House", business_id: str, one_time_keys: int = 5, edge_id: UUID | None = None
) -> str:
    """Publish new keys of an edge; its id."""
    edge_id = edge_id or new_id()
    edge = await house.service("edge")
    await edge.PublishEdgeKeys(
        pb.PublishEdgeKeysRequest(
            business_id=business_id,
            edge_id=str(edge_id),
            keys=new_account(one_time_keys).unpublished_keys(),
        )
    )
    return str(edge_id)


async def contact_of(business: RegisteredBusiness, phone_number: str) -> str:
    """The id by which the business knows whom the number belongs to."""
    resolved = await business.calls.ResolveContacts(
        pb.ResolveContactsRequest(business_id=business.business_id, phone_numbers=[phone_number])
    )
    return str(resolved.outcomes[0].contact_id)


def new_account(one_time_keys: int) -> EndAccount:
    account = EndAccount.create()
    account.generate_one_time_keys(one_time_keys)
    return account


def forged(keys: device_pb2.PublishedKeys, path: str) -> device_pb2.PublishedKeys:
    """The keys, with the signature of the one at `path` changed."""
    copy = device_pb2.PublishedKeys()
    copy.CopyFrom(keys)
    key = copy.one_time_keys[0] if path == "one_time_keys[0]" else getattr(copy, path)
    key.signature = bytes([key.signature[0] ^ 1]) + key.signature[1:]
    return copy
