"""Configuration: read whole, or refused with every problem at once."""

from pathlib import Path

import pytest
from pydantic import Field

from services.kit.config import PeerAddress, SecretFile, ServiceSettings, load
from services.local.certificates import Authority


class ShopSettings(ServiceSettings):
    shop_secret_file: SecretFile = Field(description="what only the shop knows")
    policy_address: PeerAddress = Field(description="policy's internal listener")
    tries_max: int = Field(3, ge=1)


@pytest.fixture
def environment(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> pytest.MonkeyPatch:
    """Everything that ShopSettings needs."""
    identity = authority.identity("shop")
    (tmp_path / "secret").write_text("open sesame\n")
    for name, value in {
        "INTERNAL_LISTEN": "127.0.0.1:0",
        "DATABASE_URL": "postgresql:///shop",
        "NATS_URL": "nats://127.0.0.1:4222",
        "TLS_CERTIFICATE_FILE": identity.certificate_file,
        "TLS_KEY_FILE": identity.key_file,
        "TLS_AUTHORITY_FILE": identity.authority_file,
        "SHOP_SECRET_FILE": tmp_path / "secret",
        "POLICY_ADDRESS": "policy:7001",
    }.items():
        monkeypatch.setenv(f"HUDHUD_{name}", str(value))
    return monkeypatch


def refused(capsys: pytest.CaptureFixture[str]) -> list[str]:
    with pytest.raises(SystemExit) as caught:
        load(ShopSettings)
    assert caught.value.code == 2
    return capsys.readouterr().err.splitlines()


def test_the_environment_becomes_a_typed_object(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HUDHUD_PUBLIC_LISTEN", "[::1]:7002")
    settings = load(ShopSettings)
    assert str(settings.internal_listen) == "127.0.0.1:0"
    assert str(settings.public_listen) == "[::1]:7002"
    assert settings.policy_address == "policy:7001"
    assert settings.tls_files().certificate.startswith(b"-----BEGIN CERTIFICATE")
    assert settings.shop_secret_file.text == "open sesame"
    assert "sesame" not in repr(settings)


def test_every_problem_is_named_at_once(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.delenv("HUDHUD_NATS_URL")
    environment.setenv("HUDHUD_INTERNAL_LISTEN", "7001")
    environment.setenv("HUDHUD_PUBLIC_LISTEN", "localhost:99999")
    environment.setenv("HUDHUD_TRIES_MAX", "0")
    environment.setenv("HUDHUD_SHOP_SECRET_FILE", "/nowhere")
    environment.setenv("HUDHUD_LOG_FORMAT", "xml")
    lines = refused(capsys)
    assert "6 problems" in lines[0]
    assert {line.split(":")[0].split()[0] for line in lines[1:]} == {
        "HUDHUD_NATS_URL",
        "HUDHUD_INTERNAL_LISTEN",
        "HUDHUD_PUBLIC_LISTEN",
        "HUDHUD_TRIES_MAX",
        "HUDHUD_SHOP_SECRET_FILE",
        "HUDHUD_LOG_FORMAT",
    }
    assert any("host:port" in line for line in lines)
    assert any("No such file" in line for line in lines)


def test_a_misspelt_variable_is_pointed_at(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.delenv("HUDHUD_DATABASE_URL")
    environment.setenv("HUDHUD_DATABSE_URL", "postgresql:///shop")
    assert "did you mean it by HUDHUD_DATABSE_URL?" in refused(capsys)[1]


def test_a_process_listens_somewhere(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("HUDHUD_INTERNAL_LISTEN", "")
    assert "HUDHUD_INTERNAL_LISTEN and HUDHUD_PUBLIC_LISTEN" in refused(capsys)[1]


def test_an_empty_secret_is_refused(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("\n")
    assert "is empty" in refused(capsys)[1]
