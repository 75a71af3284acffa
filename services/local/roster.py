"""Which service processes there are, in the order in which they start, and what each is told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ml.keys import read_or_make_signing_key
from ml.places import RELEASED, TRAINED_HERE, model_in_use
from services.local.certificates import Identity
from services.local.ports import Ports
from services.local.private_files import write_private
from services.local.secrets import Secrets

HOST = "127.0.0.1"
CODES_FILE = "codes.jsonl"
OPERATOR_CREDENTIAL_FILE = "secrets/operator-credential"


@dataclass(frozen=True)
class Service:
    """One service: its name is its certificate's, its database's and its log's too."""

    name: str
    module: str
    # Ports that we would like, so that addresses look the same on most machines.
    internal_port: int
    public_port: int
    # The services that it calls; they start before it.
    peers: tuple[str, ...] = ()
    # Whether it migrates its database as the owner, and otherwise enters it as a guest.
    is_guest_of_its_database: bool = False
    # The variables that name its secrets, each with the attribute of `Secrets` that has the path.
    secrets: Mapping[str, str] = field(default_factory=dict)
    # What else it is told: as it stands, and as files of the state folder.
    settings: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    # Whether it is told where the classifier's model lies: the released one, or one trained here.
    has_model: bool = False


ROSTER = (
    Service(
        "identity",
        "services.identity",
        internal_port=7441,
        public_port=8441,
        secrets={
            "HUDHUD_TOKEN_SIGNING_KEY_FILE": "token_signing_key",
            "HUDHUD_PAIRWISE_SECRET_FILE": "pairwise_secret",
        },
        # The code that a phone would get is read from this file, by `hudhud run` for the terminal.
        settings={"HUDHUD_CODE_SENDER": "file"},
        files={
            "HUDHUD_CODE_FILE": CODES_FILE,
            "HUDHUD_OPERATOR_CREDENTIAL_FILE": OPERATOR_CREDENTIAL_FILE,
        },
    ),
    Service(
        "policy",
        "services.policy",
        internal_port=7442,
        public_port=8442,
        peers=("identity",),
        secrets={
            "HUDHUD_CLEARANCE_SIGNING_KEY_FILE": "clearance_signing_key",
            "HUDHUD_PAIRWISE_SECRET_FILE": "pairwise_secret",
        },
        has_model=True,
    ),
    Service(
        "billing",
        "services.billing",
        internal_port=7443,
        public_port=8443,
        peers=("identity",),
        is_guest_of_its_database=True,
    ),
    Service(
        "messaging",
        "services.messaging",
        internal_port=7444,
        public_port=8444,
        peers=("identity", "policy", "billing"),
        secrets={"HUDHUD_PAIRWISE_SECRET_FILE": "pairwise_secret"},
    ),
    Service(
        "edge",
        "services.ends.edge",
        internal_port=7445,
        public_port=8445,
        peers=("identity", "policy", "messaging"),
        secrets={
            "HUDHUD_EDGE_STORAGE_KEY_FILE": "edge_storage_key",
            "HUDHUD_EDGE_FRANKING_SECRET_FILE": "edge_franking_secret",
        },
    ),
)


def describe_to(
    service: Service,
    *,
    state: Path,
    ports: Ports,
    identity: Identity,
    secrets: Secrets,
    database_url: str,
    guest_url: str | None,
    nats_url: str,
) -> dict[str, str]:
    """The `HUDHUD_...` environment of this service's process.

    Ports are taken now, and may be others than last time; its peers must have theirs already.
    """
    internal = ports.take(f"{service.name}.internal", preferred=service.internal_port)
    public = ports.take(f"{service.name}.public", preferred=service.public_port)
    environment = {
        "HUDHUD_INTERNAL_LISTEN": f"{HOST}:{internal}",
        "HUDHUD_PUBLIC_LISTEN": f"{HOST}:{public}",
        "HUDHUD_DATABASE_URL": guest_url or database_url,
        "HUDHUD_NATS_URL": nats_url,
        "HUDHUD_TLS_CERTIFICATE_FILE": str(identity.certificate_file),
        "HUDHUD_TLS_KEY_FILE": str(identity.key_file),
        "HUDHUD_TLS_AUTHORITY_FILE": str(identity.authority_file),
    }
    if guest_url is not None:
        environment["HUDHUD_MIGRATION_DATABASE_URL"] = database_url
    for peer in service.peers:
        environment[f"HUDHUD_{peer.upper()}_ADDRESS"] = (
            f"{HOST}:{ports.current(f'{peer}.internal')}"
        )
    for variable, attribute in service.secrets.items():
        path: Path = getattr(secrets, attribute)
        environment[variable] = str(path)
    for variable, name in service.files.items():
        environment[variable] = str(state / name)
    if service.has_model:
        environment["HUDHUD_MODEL_DIRECTORY"] = str(model_in_use().model)
        environment["HUDHUD_MODEL_VERIFICATION_KEY_FILE"] = str(_trusted_keys(state))
    return {**environment, **service.settings}


def _trusted_keys(state: Path) -> Path:
    """A file with the keys whose models policy loads: the release's, and the one that signs what is
    trained on this machine, which is made now if nothing was trained yet.
    """
    read_or_make_signing_key(TRAINED_HERE.public_key.with_suffix(".key"))
    keys = (place.public_key.read_bytes() for place in (RELEASED, TRAINED_HERE))
    return write_private(state / "model-verification-keys.pem", b"".join(keys))


def stages(services: tuple[Service, ...]) -> list[list[Service]]:
    """The services in groups: each group calls only those before it, and may start together."""
    groups: list[list[Service]] = []
    started: set[str] = set()
    waiting = list(services)
    names = {service.name for service in services}
    while waiting:
        group = [each for each in waiting if names & set(each.peers) <= started]
        if not group:
            raise ValueError(f"these call one another in a circle: {[s.name for s in waiting]}")
        groups.append(group)
        started |= {each.name for each in group}
        waiting = [each for each in waiting if each not in group]
    return groups
