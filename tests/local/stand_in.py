"""A small real service: mutual TLS, gRPC health, SIGTERM. It stands in for Hudhud's own.

HUDHUD_STAND_IN says how it behaves: `serves`, `crashes` at start, or `deaf` to SIGTERM.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc


async def main() -> None:
    behaviour = os.environ.get("HUDHUD_STAND_IN", "serves")
    if behaviour == "crashes":
        sys.exit("there is something wrong with me")
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    servicer = health.aio.HealthServicer()
    await servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    credentials = grpc.ssl_server_credentials(
        [(_read("TLS_KEY_FILE"), _read("TLS_CERTIFICATE_FILE"))],
        root_certificates=_read("TLS_AUTHORITY_FILE"),
        require_client_auth=True,
    )
    try:
        server.add_secure_port(os.environ["HUDHUD_INTERNAL_LISTEN"], credentials)
    except RuntimeError:
        sys.exit(3)
    await server.start()
    stopped = asyncio.Event()
    if behaviour != "deaf":
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    else:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    await stopped.wait()
    sys.stdout.write("stopped\n")
    await server.stop(0)


def _read(name: str) -> bytes:
    return Path(os.environ[f"HUDHUD_{name}"]).read_bytes()


if __name__ == "__main__":
    asyncio.run(main())
