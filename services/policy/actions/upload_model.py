"""Owns UploadModel: a release is received, verified by loading it, and kept."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from services.kit.database import Database
from services.kit.errors import Refusal
from services.policy.domain.models import Act, ChangeKind, KeptModel, State
from services.policy.errors import PolicyReasons, model_refused, model_unavailable
from services.policy.judge import ClassifierBroken, ModelRefused
from services.policy.models import ARTIFACT_FILE, MANIFEST_FILE, Models
from services.policy.store import models as rows

ARTIFACT_BYTES_MAX: Final = 128 * 1024 * 1024
PIECE_BYTES: Final = 1024 * 1024


async def upload_model(
    database: Database,
    models: Models,
    manifest: bytes,
    artifact: AsyncIterator[bytes],
    act: Act,
) -> tuple[KeptModel, State, bool]:
    """The model as it is kept, what it does, and whether its artifact was not there before.

    Refuses with MODEL_TOO_LARGE, MODEL_REFUSED and MODEL_VERSION_REUSED. Cut short at any moment,
    it leaves nothing.
    """
    with tempfile.TemporaryDirectory(prefix="hudhud-upload-") as name:
        folder = Path(name)
        (folder / MANIFEST_FILE).write_bytes(manifest)
        size_bytes = await _receive(artifact, folder / ARTIFACT_FILE)
        try:
            release = await models.try_release(folder)
        except ModelRefused as error:
            raise model_refused(error) from None
        except ClassifierBroken:
            raise model_unavailable() from None
        async with database.transaction("upload_model") as connection:
            # Until the end nobody else uploads, and nothing that is found here is swept.
            roles = await rows.lock_roles(connection)
            kept = await rows.get(connection, release.version)
            created = kept is None or kept.swept
            if kept is None:
                kept = KeptModel(release, size_bytes, act.operator, act.time)
                await rows.insert(connection, kept, manifest)
            elif await rows.get_manifest(connection, release.version) != manifest:
                raise Refusal(
                    PolicyReasons.MODEL_VERSION_REUSED, metadata={"version": release.version}
                )
            if created:
                pieces = _pieces(folder / ARTIFACT_FILE)
                await rows.put_artifact(connection, release.version, pieces)
                await rows.record(connection, ChangeKind.UPLOADED, release.version, act)
    kept = replace(kept, swept=False)
    return kept, roles.state_of(kept), created


async def _receive(artifact: AsyncIterator[bytes], path: Path) -> int:
    """Write what comes; how many bytes it was."""
    size_bytes = 0
    with path.open("wb") as file:
        async for piece in artifact:
            size_bytes += len(piece)
            if size_bytes > ARTIFACT_BYTES_MAX:
                raise Refusal(
                    PolicyReasons.MODEL_TOO_LARGE,
                    metadata={"bytes_max": str(ARTIFACT_BYTES_MAX)},
                )
            file.write(piece)
    return size_bytes


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece
