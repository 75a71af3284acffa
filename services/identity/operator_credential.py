"""Owns the operator's credential: made at the first start, afterwards what its file says."""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Final

from services.identity.credentials import SecretHasher, new_secret
from services.identity.store import businesses
from services.kit.database import Database

log = logging.getLogger(__name__)

CREDENTIAL_LENGTH_MIN: Final = 20
CREDENTIAL_LENGTH_MAX: Final = 200  # of ExchangeApiKeyRequest.secret

_PREFIX = "op_"


class BadOperatorCredential(Exception):
    """The file holds something that cannot be the credential. Says what to do."""


async def settle_operator_credential(
    database: Database, hasher: SecretHasher, file: Path, now: datetime
) -> None:
    """Make sure that the database has the hash of the credential.

    What is in the file is the credential, and replaces another one. Without a file, one is made and
    written, unless there was a credential already: then somebody else has the file. Replicas that
    start together take turns, so they agree. Raises BadOperatorCredential, OSError.
    """
    async with database.transaction("settle_operator_credential") as connection:
        await businesses.lock_operator_credential(connection)
        known_hash = await businesses.get_operator_credential_hash(connection)
        credential = await asyncio.to_thread(_read, file)
        if credential is None:
            if known_hash is not None:
                log.info(
                    "the operator's credential was made elsewhere; there is no file of it here"
                )
                return
            credential = await asyncio.to_thread(_make, file)
            log.info("made the operator's credential", extra={"file": file})
        if known_hash is None or not await hasher.verify(known_hash, credential):
            if known_hash is not None:
                log.warning("the operator's credential was replaced", extra={"file": file})
            credential_hash = await hasher.hash(credential)
            await businesses.put_operator_credential_hash(connection, credential_hash, now)


def _read(file: Path) -> str | None:
    try:
        credential = file.read_text("utf-8").strip()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise BadOperatorCredential(f"{file} is not text; remove it to have one made") from None
    if not CREDENTIAL_LENGTH_MIN <= len(credential) <= CREDENTIAL_LENGTH_MAX:
        raise BadOperatorCredential(
            f"{file} has {len(credential)} characters; the operator's credential has from"
            f" {CREDENTIAL_LENGTH_MIN} to {CREDENTIAL_LENGTH_MAX}. Remove the file to have one made"
        )
    return credential


def _make(file: Path) -> str:
    """Write a new credential, or return the one that another process wrote first."""
    credential = _PREFIX + new_secret()
    # A whole file appears under the name at once or not at all; of two, the first one stays. The
    # temporary file is made with mode 0600.
    number, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(number, "w", encoding="utf-8") as opened:
            opened.write(credential + "\n")
            opened.flush()
            os.fsync(opened.fileno())
        os.link(temporary, file)
    except FileExistsError:
        return _read(file) or credential
    finally:
        Path(temporary).unlink()
    return credential
