"""Releases to upload: the released model, signed anew, no two alike."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import joblib
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hudhud.policy.v1 import model_service_pb2 as pb
from ml.keys import read_or_make_signing_key, read_public_key
from ml.models import Models
from ml.places import MANIFEST_FILE
from ml.release import MODEL_FILE, read_verified_manifest, write_release
from tests.policy.house import MODEL, MODEL_KEY

PIECE_BYTES = 1024 * 1024
EVERYTHING_IS_STOPPED = {"direct": 0.000001, "direct_unknown_language": 0.000001}


@dataclass(frozen=True)
class Release:
    """A signed release in a folder."""

    folder: Path
    version: str

    @property
    def manifest(self) -> bytes:
        return (self.folder / MANIFEST_FILE).read_bytes()

    @property
    def artifact(self) -> bytes:
        return (self.folder / MODEL_FILE).read_bytes()

    async def frames(self, **changed: Any) -> AsyncIterator[pb.UploadModelRequest]:
        """As an operator sends it; `changed` sends another manifest or artifact."""
        manifest = changed.get("manifest", self.manifest)
        artifact = changed.get("artifact", self.artifact)
        yield pb.UploadModelRequest(manifest=manifest, note="for a test")
        for start in range(0, len(artifact), PIECE_BYTES):
            yield pb.UploadModelRequest(artifact=artifact[start : start + PIECE_BYTES])


class Press:
    """Makes releases, all different, under a key of its own or the one given."""

    def __init__(self, folder: Path, key_file: Path | None = None) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        self._key_file = key_file or folder / "release.key"
        self.key = read_or_make_signing_key(self._key_file)
        self._manifest = read_verified_manifest(MODEL, read_public_key(MODEL_KEY))
        self._models = Models(**joblib.load(MODEL / MODEL_FILE), cascade=self._manifest.cascade)

    @property
    def settings(self) -> dict[str, Any]:
        """What a policy is told that trusts this press and begins with a model of it; patient with
        a machine that tests keep busy.
        """
        return {
            "model_timeout_seconds": 20.0,
            "model_directory": self.release().folder,
            "model_verification_key_file": self._key_file.with_suffix(".pub"),
        }

    def release(
        self, thresholds: dict[str, float] | None = None, key: Ed25519PrivateKey | None = None
    ) -> Release:
        """A release like no other."""
        number = next(self._numbers)
        folder = self._folder / f"model-{number}"
        told = self._manifest
        self._models.labels.number = number
        written = write_release(
            folder,
            self._models,
            {
                "created": told.created,
                "languages": list(told.languages),
                "thresholds": {**asdict(told.thresholds), **(thresholds or {})},
                "training": told.training,
                "unseen": told.unseen.as_data(),
                "card": f"Model {number} of a test.",
            },
            key or self.key,
        )
        return Release(folder, written.version)
