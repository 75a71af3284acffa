"""Asks a service whether it serves, by the standard gRPC health protocol over mutual TLS."""

import grpc
from grpc_health.v1 import health_pb2

from services.local.certificates import Identity

_TIMEOUT_SECONDS = 2.0


async def is_serving(address: str, identity: Identity) -> bool:
    """Whether the service at this address (host:port) answers SERVING."""
    credentials = grpc.ssl_channel_credentials(
        root_certificates=identity.authority_file.read_bytes(),
        private_key=identity.key_file.read_bytes(),
        certificate_chain=identity.certificate_file.read_bytes(),
    )
    async with grpc.aio.secure_channel(address, credentials) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            answer = await check(health_pb2.HealthCheckRequest(), timeout=_TIMEOUT_SECONDS)
        except grpc.aio.AioRpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
