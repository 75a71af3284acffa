"""Owns configuration: the `HUDHUD_*` environment, read once into a typed object, all or nothing."""

from __future__ import annotations

import difflib
import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from pydantic import (
    BeforeValidator,
    Field,
    FilePath,
    GetCoreSchemaHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "HUDHUD_"
EXIT_BAD_CONFIGURATION = 2
STRONG_SECRET_BYTES_MIN = 32


class Address(NamedTuple):
    """Where to listen or connect: `host:port`, with brackets around an IPv6 host."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(value: Any) -> Any:
    """Read `host:port`; raises ValueError that says what is wrong."""
    if not isinstance(value, str):
        return value
    host, colon, port = value.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host:
        raise ValueError("must be host:port, for example 127.0.0.1:7001")
    if not port.isdecimal() or int(port) > 65535:
        raise ValueError("must end in a port from 0 to 65535 (0: any free one)")
    return Address(host, int(port))


ListenAddress = Annotated[Address, BeforeValidator(parse_address)]
PeerAddress = Annotated[str, BeforeValidator(lambda value: str(parse_address(value)))]


class SecretFile:
    """A secret, given as the path of a file and read when the configuration is loaded."""

    __slots__ = ("path", "value")

    def __init__(self, path: Path) -> None:
        """Raises ValueError if the file cannot be read or is empty."""
        try:
            value = path.read_bytes()
        except OSError as error:
            raise ValueError(f"cannot read {path}: {error.strerror}") from error
        if not value.strip():
            raise ValueError(f"{path} is empty")
        self.path = path
        self.value = value

    @property
    def text(self) -> str:
        """The secret as text, without the newline that editors add."""
        return self.value.decode().strip()

    def __repr__(self) -> str:
        return f"SecretFile({str(self.path)!r})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def read(value: Any) -> SecretFile:
            return value if isinstance(value, SecretFile) else cls(Path(value))

        return core_schema.no_info_plain_validator_function(read)


class StrongSecretFile(SecretFile):
    """A secret that keys are derived from: at least 32 bytes."""

    __slots__ = ()

    def __init__(self, path: Path) -> None:
        """Raises ValueError also if the file is shorter."""
        super().__init__(path)
        if len(self.value) < STRONG_SECRET_BYTES_MIN:
            raise ValueError(f"{path} has less than {STRONG_SECRET_BYTES_MIN} bytes")


class Settings(BaseSettings):
    """A frozen object whose field `nats_url` is the variable `HUDHUD_NATS_URL`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True, env_file=None
    )


class TlsFiles(NamedTuple):
    """Who a process is (certificate and key) and whose word it takes for others (authority)."""

    certificate: bytes  # PEM, the chain
    key: bytes  # PEM
    authority: bytes  # PEM


class ServiceSettings(Settings):
    """What every service process is told."""

    internal_listen: ListenAddress | None = Field(
        None, description="host:port for the other services (mutual TLS)"
    )
    public_listen: ListenAddress | None = Field(
        None, description="host:port for businesses, devices and operators (TLS and a token)"
    )
    health_listen: ListenAddress | None = Field(
        None,
        description="host:port for probes that have no certificate: no TLS, and health alone",
    )
    share_port: bool = Field(
        False, description="several processes may listen on the same port (SO_REUSEPORT)"
    )
    database_url: str = Field(description="the PostgreSQL database of this service")
    nats_url: str = Field(description="the NATS servers, nats://host:port, comma between several")
    tls_certificate_file: FilePath = Field(description="PEM: who this process is")
    tls_key_file: FilePath = Field(description="PEM: the certificate's key")
    tls_authority_file: FilePath = Field(description="PEM: who signs the certificates of others")
    metrics_listen: ListenAddress | None = Field(
        None, description="host:port for Prometheus (plain HTTP, numbers only)"
    )
    traces_endpoint: str = Field(
        "", description="http://host:port of an OpenTelemetry collector (OTLP); empty: no traces"
    )
    traces_sampled_share: float = Field(
        0.01, ge=0, le=1, description="of which share of the messages, the same in every service"
    )
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    shutdown_grace_seconds: float = Field(10.0, ge=0)
    calls_in_flight_max: int = Field(2000, ge=1)

    @model_validator(mode="after")
    def _listens_somewhere(self) -> ServiceSettings:
        if self.internal_listen is None and self.public_listen is None:
            raise ValueError(
                f"one of {PREFIX}INTERNAL_LISTEN and {PREFIX}PUBLIC_LISTEN must be set"
            )
        return self

    def tls_files(self) -> TlsFiles:
        """The contents of the three files, read now."""
        return TlsFiles(
            certificate=self.tls_certificate_file.read_bytes(),
            key=self.tls_key_file.read_bytes(),
            authority=self.tls_authority_file.read_bytes(),
        )


SettingsType = TypeVar("SettingsType", bound=Settings)


def load(settings_type: type[SettingsType]) -> SettingsType:
    """Read the environment; with any problem, name every one on stderr and exit with code 2."""
    try:
        return settings_type()
    except ValidationError as error:
        for line in problems(settings_type, error):
            print(line, file=sys.stderr)
        sys.exit(EXIT_BAD_CONFIGURATION)


def problems(settings_type: type[Settings], error: ValidationError) -> list[str]:
    """Every problem of a configuration in human words, one a line, a headline first."""
    names = {PREFIX + name.upper() for name in settings_type.model_fields}
    lines = []
    for detail in error.errors(include_url=False, include_input=False):
        if not detail["loc"]:
            lines.append("  " + detail["msg"].removeprefix("Value error, "))
            continue
        field_name = str(detail["loc"][0])
        name = PREFIX + field_name.upper()
        if detail["type"] == "missing":
            about = settings_type.model_fields[field_name].description
            line = f"  {name} is not set" + (f" ({about})" if about else "")
            # A misspelt variable shows up as a missing one.
            present = [key for key in os.environ if key.startswith(PREFIX) and key not in names]
            if close := difflib.get_close_matches(name, present, n=1, cutoff=0.85):
                line += f"; did you mean it by {close[0]}?"
        else:
            line = f"  {name}: {detail['msg'].removeprefix('Value error, ')}"
        if line not in lines:
            lines.append(line)
    count = "one problem" if len(lines) == 1 else f"{len(lines)} problems"
    return [f"The configuration in the environment has {count}:", *lines]
