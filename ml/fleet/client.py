"""Speaks to running services for an operator: where they are, as whom, and what they refuse."""

from __future__ import annotations

import getpass
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from hudhud.identity.v1 import identity_service_pb2, identity_service_pb2_grpc

TIMEOUT_SECONDS = 20.0
OPTIONS = (("grpc.max_receive_message_length", 32 * 1024 * 1024),)
_DETAILS = "grpc-status-details-bin"


class Refused(Exception):
    """The services answered no, and said why."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Unreachable(Exception):
    """The services could not be found or asked."""


@dataclass(frozen=True, slots=True)
class Doors:
    """Where identity and policy answer operators, and what makes an operator."""

    identity_address: str
    policy_address: str
    authority_file: Path
    credential_file: Path

    @classmethod
    def find(
        cls,
        identity_address: str | None,
        policy_address: str | None,
        authority_file: Path | None,
        credential_file: Path | None,
    ) -> Doors:
        """What is given, and for the rest what `hudhud run` left in its state folder, which is
        `.state` or the one that HUDHUD_STATE_DIR names. Raises Unreachable.
        """
        state = Path(os.environ.get("HUDHUD_STATE_DIR") or ".state")
        return cls(
            identity_address or _local_address(state, "identity"),
            policy_address or _local_address(state, "policy"),
            authority_file or state / "certificates" / "authority.pem",
            credential_file or state / "secrets" / "operator-credential",
        )


def _local_address(state: Path, service: str) -> str:
    try:
        port = json.loads((state / "ports.json").read_bytes())[f"{service}.public"]
    except (OSError, ValueError, LookupError):
        raise Unreachable(
            f"Hudhud never ran in {state}. Start it with `hudhud run`, or say where it runs: "
            f"--{service} HOST:PORT or HUDHUD_{service.upper()}_PUBLIC_ADDRESS."
        ) from None
    return f"127.0.0.1:{port}"


@contextmanager
def operator(doors: Doors) -> Iterator[grpc.Channel]:
    """A channel to policy whose calls carry an operator's token.

    What the services refuse within is raised as Refused, what cannot be asked as Unreachable.
    """
    authority = _read(doors.authority_file, "the authority's certificate", "--authority")
    secret = _read(doors.credential_file, "the operator's credential", "--credential").decode()
    tls = grpc.ssl_channel_credentials(authority)
    try:
        with grpc.secure_channel(doors.identity_address, tls) as identity:
            stub: Any = identity_service_pb2_grpc.IdentityServiceStub
            answer = stub(identity).ExchangeApiKey(
                identity_service_pb2.ExchangeApiKeyRequest(secret=secret.strip()),
                timeout=TIMEOUT_SECONDS,
            )
        token = grpc.access_token_call_credentials(answer.access_token.token)
        both = grpc.composite_channel_credentials(tls, token)
        with grpc.secure_channel(doors.policy_address, both, OPTIONS) as policy:
            yield policy
    except grpc.RpcError as error:
        raise _told(error) from error


def _read(path: Path, what: str, option: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unreachable(
            f"{path}, {what}, cannot be read: {error.strerror}. Name the file with {option}."
        ) from error


def _told(error: Any) -> Refused | Unreachable:
    """What a failed call means: the reason of its ErrorInfo, or that nobody answered."""
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS:
            try:
                details = status_pb2.Status.FromString(value).details
            except DecodeError:
                continue
            for detail in details:
                info = error_details_pb2.ErrorInfo()
                if detail.Unpack(info):
                    return Refused(info.reason, error.details())
    return Unreachable(f"{error.code().name}: {error.details()}")


def signature_of_caller() -> str:
    """Who sits here, for the record, where nothing else is said."""
    return f"{getpass.getuser()}@{socket.gethostname()}"
