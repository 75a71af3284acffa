"""Makes what a first start needs and no manifest may hold: keys, secrets, certificates.

`python -m services.cluster.prepare` runs as a Job. Running it again is always safe: a secret that
is there stays as it is, for others stand on it; a certificate that is about to expire is renewed.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from secrets import token_urlsafe
from typing import Final

from ml.keys import read_or_make_signing_key
from services.cluster.api import Api
from services.cluster.errors import ClusterError
from services.local.certificates import Authority
from services.local.private_files import write_private
from services.local.roster import ROSTER
from services.local.secrets import Secrets

AUTHORITY: Final = "authority"
OPERATOR: Final = "operator"
# The pair that signs what this installation trains itself: the retraining sees the one half, policy
# the other.
MODEL_SIGNING: Final = "model-signing"
TLS_KIND: Final = "kubernetes.io/tls"
# Each is a Secret of the file's name without its ending, with the file as its one key.
SECRETS: Final = (
    "token_signing_key",
    "clearance_signing_key",
    "pairwise_secret",
    "edge_storage_key",
    "edge_franking_secret",
)
NATS_SERVERS: Final = 3
# Who shows a certificate, with the names it answers to besides its own.
HOST_NAMES: Final[dict[str, tuple[str, ...]]] = {
    **{service.name: () for service in ROSTER},
    "postgres": ("postgres-rw",),
    "nats": tuple(f"nats-{number}.nats-peers" for number in range(NATS_SERVERS)),
    "demonstration": (),
}


def prepare(api: Api, folder: Path) -> list[str]:
    """Make or renew what has to be; returns the names of the Secrets that were written. `folder`
    is empty, and whoever made it removes it. Raises ClusterError.
    """
    return [
        *_make_secrets(api, Secrets(folder / "secrets"), folder / f"{MODEL_SIGNING}.key"),
        *_issue_certificates(api, folder / "certificates"),
    ]


def _make_secrets(api: Api, secrets: Secrets, model_key: Path) -> list[str]:
    """Offer a new one of each kind: the cluster takes it if it has none."""
    offers = {}
    for attribute in SECRETS:
        file: Path = getattr(secrets, attribute)
        offers[file.stem] = {file.name: file.read_bytes()}
    read_or_make_signing_key(model_key)
    offers[MODEL_SIGNING] = {
        file.name: file.read_bytes() for file in (model_key, model_key.with_suffix(".pub"))
    }
    offers[OPERATOR] = {"credential": f"op_{token_urlsafe(32)}".encode()}
    return [name for name, files in offers.items() if api.create_secret(name, files)]


def _issue_certificates(api: Api, folder: Path) -> list[str]:
    """One for each in HOST_NAMES, by the authority that the cluster keeps."""
    written = []
    authority = Authority(folder)
    offer = {
        file.name: file.read_bytes() for file in (authority.key_file, authority.certificate_file)
    }
    if api.create_secret(AUTHORITY, offer):
        written.append(AUTHORITY)
    else:
        kept = api.read_secret(AUTHORITY) or {}
        for name, content in kept.items():
            write_private(folder / name, content)
        authority = Authority(folder)
        if authority.certificate_file.read_bytes() != kept.get(authority.certificate_file.name):
            raise ClusterError(
                f"The authority in the Secret {AUTHORITY} has expired or is damaged. Delete that"
                " Secret, run this again, and restart everything."
            )
    for name, host_names in HOST_NAMES.items():
        if _issue(api, authority, folder, name, host_names):
            written.append(f"{name}-tls")
    return written


def _issue(
    api: Api, authority: Authority, folder: Path, name: str, host_names: tuple[str, ...]
) -> bool:
    """Whether a new certificate was needed."""
    known = api.read_secret(f"{name}-tls")
    if known is not None:
        write_private(folder / f"{name}.pem", known.get("tls.crt", b""))
        write_private(folder / f"{name}.key", known.get("tls.key", b""))
    identity = authority.identity(name, host_names)
    files = {
        "tls.crt": identity.certificate_file.read_bytes(),
        "tls.key": identity.key_file.read_bytes(),
        "ca.crt": identity.authority_file.read_bytes(),
    }
    if files == known:
        return False
    if known is None:
        api.create_secret(f"{name}-tls", files, TLS_KIND)
    else:
        api.replace_secret(f"{name}-tls", files, TLS_KIND)
    return True


def main() -> int:
    """Run the job; returns the exit code."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            written = prepare(Api.of_this_pod(), Path(folder))
    except ClusterError as error:
        print(error, file=sys.stderr)
        return 1
    print("Written: " + (", ".join(written) or "nothing; everything is there"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
