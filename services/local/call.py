"""`hudhud call`: any RPC from the command line, by server reflection."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from typing import Any

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from hudhud.identity.v1 import identity_service_pb2, identity_service_pb2_grpc
from services.kit.client import connect
from services.kit.errors import Refusal
from services.kit.token_source import TokenSource
from services.local.errors import LocalError
from services.local.parties import Doors
from services.local.terminal import console


async def list_methods(doors: Doors, service: str) -> None:
    """Prints what a service answers to, as it says itself."""
    reflected = await asyncio.to_thread(_reflect, doors, service)
    for name in reflected.services:
        for method in reflected.find(name).methods:
            console.print(f"{name}/{method.name}")


async def call(doors: Doors, method: str, body: str, *, secret: str = "") -> None:
    """Calls "package.Service/Method" with a JSON body and prints the answers as JSON.

    `secret` is an API key; without one the operator of this machine calls. Raises LocalError for a
    method or body that does not fit, and Refusal as the service says.
    """
    service_name, slash, method_name = method.partition("/")
    parts = service_name.split(".")
    if not slash or len(parts) != 4 or parts[0] != "hudhud":
        raise LocalError(
            f"{method} is no method. Name it as hudhud.billing.v1.BillingService/ListRates; "
            "hudhud call --list shows all."
        )
    reflected = await asyncio.to_thread(_reflect, doors, parts[1])
    descriptor = reflected.find(service_name).methods_by_name.get(method_name)
    if descriptor is None:
        raise LocalError(f"{service_name} has no method {method_name}.")
    request = GetMessageClass(descriptor.input_type)()
    try:
        json_format.Parse(body, request, descriptor_pool=reflected.pool)
    except json_format.ParseError as error:
        raise LocalError(f"The body is not a {descriptor.input_type.full_name}: {error}") from error
    async for answer in _answers(doors, parts[1], descriptor, request, secret):
        text = json_format.MessageToJson(answer, ensure_ascii=False, descriptor_pool=reflected.pool)
        console.print_json(text, ensure_ascii=False) if sys.stdout.isatty() else print(text)


async def _answers(
    doors: Doors, service: str, descriptor: MethodDescriptor, request: Any, secret: str
) -> Any:
    path = f"/{descriptor.containing_service.full_name}/{descriptor.name}"
    answer_type: Any = GetMessageClass(descriptor.output_type)
    token = TokenSource(lambda: _exchange(doors, secret or doors.operator_credential()))
    async with connect(
        doors.address(service), name=service, tls=doors.authority, token=token
    ) as channel:
        if descriptor.client_streaming:
            raise LocalError(f"{descriptor.name} takes a stream; call it from a program.")
        if descriptor.server_streaming:
            start: Any = channel.unary_stream(
                path, type(request).SerializeToString, answer_type.FromString
            )
            async for answer in start(request):
                yield answer
        else:
            start = channel.unary_unary(
                path, type(request).SerializeToString, answer_type.FromString
            )
            yield await start(request)


async def _exchange(doors: Doors, secret: str) -> tuple[str, datetime]:
    async with connect(doors.address("identity"), name="identity", tls=doors.authority) as channel:
        stub: Any = identity_service_pb2_grpc.IdentityServiceStub
        response = await stub(channel).ExchangeApiKey(
            identity_service_pb2.ExchangeApiKeyRequest(secret=secret)
        )
    return response.access_token.token, response.access_token.expire_time.ToDatetime(UTC)


class _Reflected:
    """What a server says of itself."""

    def __init__(self, channel: grpc.Channel) -> None:
        database = ProtoReflectionDescriptorDatabase(channel)
        self.pool = DescriptorPool(database)
        self.services = sorted(
            name for name in database.get_services() if name.startswith("hudhud.")
        )

    def find(self, service_name: str) -> ServiceDescriptor:
        try:
            return self.pool.FindServiceByName(service_name)
        except KeyError as error:
            raise LocalError(
                f"There is no {service_name}. There are: {', '.join(self.services)}"
            ) from error


def _reflect(doors: Doors, service: str) -> _Reflected:
    try:
        address = doors.address(service)
        credentials = grpc.ssl_channel_credentials(doors.authority)
        return _Reflected(grpc.secure_channel(address, credentials))
    except grpc.RpcError as error:
        raise LocalError(f"{service} does not answer: {error}") from error


def explain(refusal: Refusal) -> str:
    """A refusal for a terminal."""
    lines = [str(refusal)]
    lines += [f"  {violation.field}: {violation.description}" for violation in refusal.violations]
    return "\n".join(lines)
