"""What a state folder remembers: ports, secrets, certificates, and who holds it."""

import os
import socket
import ssl
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from services.local.certificates import Authority, Identity
from services.local.errors import LocalError
from services.local.ports import Ports
from services.local.private_files import write_private
from services.local.secrets import Secrets
from services.local.state import hold_state, running_process


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_port_is_remembered(tmp_path: Path) -> None:
    port = Ports(tmp_path / "ports.json").take("edge")
    assert Ports(tmp_path / "ports.json").take("edge") == port
    assert Ports(tmp_path / "ports.json").current("edge") == port


def test_a_taken_port_is_replaced_and_the_new_one_remembered(tmp_path: Path) -> None:
    ports = Ports(tmp_path / "ports.json")
    port = ports.take("edge")
    with socket.create_server(("127.0.0.1", port)):
        other = ports.take("edge")
    assert other != port
    assert ports.take("edge") == other


def test_two_names_never_share_a_port(tmp_path: Path) -> None:
    ports = Ports(tmp_path / "ports.json")
    first = ports.take("edge")
    assert ports.take("identity", preferred=first) != first


def test_secrets_are_made_once_for_their_owner_alone(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path / "secrets")
    files = [secrets.token_signing_key, secrets.pairwise_secret, secrets.edge_storage_key]
    before = [file.read_bytes() for file in files]
    again = Secrets(tmp_path / "secrets")
    assert [again.token_signing_key, again.pairwise_secret, again.edge_storage_key] == files
    assert [file.read_bytes() for file in files] == before
    assert {mode(file) for file in files} == {0o600}
    assert mode(tmp_path / "secrets") == 0o700
    assert len(bytes.fromhex(secrets.pairwise_secret.read_text())) == 64


def common_name(identity: Identity) -> object:
    certificate = x509.load_pem_x509_certificate(identity.certificate_file.read_bytes())
    return certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value


def test_a_certificate_says_who_it_is_and_is_issued_once(tmp_path: Path) -> None:
    identity = Authority(tmp_path).identity("edge")
    before = identity.certificate_file.read_bytes()
    assert common_name(identity) == "edge"
    assert Authority(tmp_path).identity("edge").certificate_file.read_bytes() == before
    assert {mode(file) for file in tmp_path.iterdir()} == {0o600}


@pytest.mark.parametrize(("days", "is_renewed"), [(59, False), (61, True)])
def test_a_certificate_is_renewed_a_month_before_it_expires(
    tmp_path: Path, days: int, is_renewed: bool
) -> None:
    before = Authority(tmp_path).identity("edge").certificate_file.read_bytes()
    later = Authority(tmp_path, now=lambda: datetime.now(UTC) + timedelta(days=days))
    assert (later.identity("edge").certificate_file.read_bytes() != before) is is_renewed


def test_a_certificate_of_a_lost_authority_or_key_is_issued_anew(tmp_path: Path) -> None:
    identity = Authority(tmp_path).identity("edge")
    for lost in (identity.key_file, identity.authority_file):
        before = identity.certificate_file.read_bytes()
        lost.unlink()
        assert Authority(tmp_path).identity("edge").certificate_file.read_bytes() != before


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "edge"])
def test_mutual_tls_works_with_the_certificates_alone(tmp_path: Path, host: str) -> None:
    authority = Authority(tmp_path)
    server_context = _context(authority.identity("edge"), ssl.Purpose.CLIENT_AUTH)
    client_context = _context(authority.identity("identity"), ssl.Purpose.SERVER_AUTH)
    server_context.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server(("127.0.0.1", 0)) as listener:
        caller: list[object] = []

        def serve() -> None:
            with server_context.wrap_socket(listener.accept()[0], server_side=True) as connection:
                caller.append(connection.getpeercert())
                connection.sendall(b"salam")

        thread = threading.Thread(target=serve)
        thread.start()
        with (
            socket.create_connection(listener.getsockname()) as plain,
            client_context.wrap_socket(plain, server_hostname=host) as connection,
        ):
            assert connection.recv(5) == b"salam"
        thread.join()
    assert "identity" in str(caller[0])


def _context(identity: Identity, purpose: ssl.Purpose) -> ssl.SSLContext:
    context = ssl.create_default_context(purpose, cafile=identity.authority_file)
    context.load_cert_chain(identity.certificate_file, identity.key_file)
    return context


async def test_a_state_folder_is_held_by_one_and_free_afterwards(tmp_path: Path) -> None:
    assert running_process(tmp_path) is None
    async with hold_state(tmp_path):
        assert running_process(tmp_path) == os.getpid()
        with pytest.raises(LocalError, match="already running"):
            async with hold_state(tmp_path):
                pytest.fail("two held it")
    assert running_process(tmp_path) is None


async def test_a_lock_file_that_a_dead_run_left_is_no_obstacle(tmp_path: Path) -> None:
    write_private(tmp_path / "lock", b"4194304\n")
    async with hold_state(tmp_path):
        pass
