"""The process: started from its environment, well, small, stopped by a signal."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from hudhud.identity.v1 import identity_service_pb2 as pb
from hudhud.identity.v1 import identity_service_pb2_grpc
from services.kit.client import connect
from services.local.certificates import Authority
from tests.fixtures.postgres import PostgresForTests
from tests.identity.house import identity_settings

ROOT = Path(__file__).resolve().parents[2]
RESIDENT_BYTES_MAX = 250 * 1024 * 1024
NUMBER = "+963944123456"


async def start_process(environment: dict[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.identity",
        cwd=ROOT,
        env={**os.environ, **environment},
        stderr=asyncio.subprocess.PIPE,
    )


async def public_address(process: asyncio.subprocess.Process, output: list[str]) -> str:
    """Where the process serves, once it says so. What it says goes into `output`."""
    assert process.stderr is not None
    async for line in process.stderr:
        output.append(line.decode().rstrip())
        if output[-1].startswith("{") and json.loads(output[-1])["message"] == "serving":
            return str(json.loads(output[-1])["public"])
    raise AssertionError("the process ended: " + "\n".join(output))


def credential_file(environment: dict[str, str]) -> Path:
    return Path(environment["HUDHUD_OPERATOR_CREDENTIAL_FILE"])


@pytest.fixture
async def environment(
    postgres: PostgresForTests, authority: Authority, state: Path
) -> dict[str, str]:
    settings = identity_settings(await postgres.create_database("identity"), authority, state)
    return {
        "HUDHUD_PUBLIC_LISTEN": "127.0.0.1:0",
        "HUDHUD_DATABASE_URL": settings.database_url,
        "HUDHUD_TLS_CERTIFICATE_FILE": str(settings.tls_certificate_file),
        "HUDHUD_TLS_KEY_FILE": str(settings.tls_key_file),
        "HUDHUD_TLS_AUTHORITY_FILE": str(settings.tls_authority_file),
        "HUDHUD_PAIRWISE_SECRET_FILE": str(settings.pairwise_secret_file.path),
        "HUDHUD_TOKEN_SIGNING_KEY_FILE": str(settings.token_signing_key_file.path),
        "HUDHUD_OPERATOR_CREDENTIAL_FILE": str(settings.operator_credential_file),
        "HUDHUD_CODE_SENDER": "console",
        "HUDHUD_LOG_FORMAT": "json",
        "HUDHUD_LOG_LEVEL": "DEBUG",
    }


async def test_it_serves_shows_codes_stays_small_and_stops(
    environment: dict[str, str], authority: Authority
) -> None:
    process = await start_process(environment)
    output: list[str] = []
    try:
        address = await asyncio.wait_for(public_address(process, output), 60)
        credential = credential_file(environment).read_text().strip()
        tls = authority.certificate_file.read_bytes()
        async with connect(address, name="identity", tls=tls, timeout_seconds=60) as channel:
            stub = identity_service_pb2_grpc.IdentityServiceStub(channel)
            await stub.StartRegistration(pb.StartRegistrationRequest(phone_number=NUMBER))
            exchange = pb.ExchangeApiKeyRequest(secret=credential)
            for _ in range(3):
                await asyncio.gather(*(stub.ExchangeApiKey(exchange) for _ in range(10)))
                assert psutil.Process(process.pid).memory_info().rss < RESIDENT_BYTES_MAX
        process.send_signal(signal.SIGTERM)
        _, rest = await asyncio.wait_for(process.communicate(), 30)
        output += rest.decode().splitlines()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0
    # The phone is the terminal; no line of the log knows the number or the credential.
    assert [line for line in output if NUMBER in line and not line.startswith("{")]
    log = [line for line in output if line.startswith("{")]
    assert not [line for line in log if NUMBER[1:] in line or credential in line]


async def test_an_operators_file_that_makes_no_sense_stops_the_start(
    environment: dict[str, str],
) -> None:
    credential_file(environment).write_text("short")
    process = await start_process(environment | {"HUDHUD_LOG_FORMAT": "text"})
    _, output = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 1
    assert "has 5 characters" in output.decode()
