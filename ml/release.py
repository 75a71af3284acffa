"""A release: the model file, and a manifest that says what it is and is signed.

`manifest.json` holds the digest of `model.joblib`, and an Ed25519 signature over everything else
in it, written as JSON with sorted keys and no white space. Both are verified on the very bytes that
are then loaded, before joblib sees them: unpickling runs code.
"""

import base64
import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ml.cascade import Cascade
from ml.errors import (
    DigestMismatch,
    FeaturesDiffer,
    LibrariesDiffer,
    ManifestMalformed,
    ModelMissing,
    ModelRefused,
    SignatureInvalid,
    SignedByAnotherKey,
)
from ml.keys import key_id
from ml.models import Models
from ml.places import MANIFEST_FILE
from ml.report import Report
from ml.thresholds import Thresholds
from ml.unpacking import unpacked
from ml.versions import features_digest, libraries

FORMAT = 2
MODEL_FILE = "model.joblib"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a release says about itself."""

    version: str  # the first twelve digits of the digest
    digest: str
    created: str  # RFC 3339, UTC
    languages: tuple[str, ...]
    thresholds: Thresholds
    features: str
    libraries: dict[str, str]
    training: dict[str, Any]  # seed, recipe, digests and sizes of the corpus and of further data
    cascade: Cascade
    unseen: Report  # measured in training, on messages of sections and sources that were left out
    card: str


def write_release(folder: Path, models: Models, described: dict[str, Any],
                  key: Ed25519PrivateKey) -> Manifest:  # fmt: skip
    """Writes the model and its signed manifest; the manifest last, so that one half is refused.

    `described` gives `created`, `languages`, `thresholds`, `training`, `unseen` and `card`.
    """
    packed = io.BytesIO()
    joblib.dump(models.pipelines(), packed, compress=("lzma", 6))
    digest = hashlib.sha256(packed.getvalue()).hexdigest()
    content: dict[str, Any] = {
        "format": FORMAT,
        "version": digest[:12],
        "digest": digest,
        "features": features_digest(),
        "libraries": libraries(),
        "key": key_id(key.public_key()),
        "cascade": models.cascade.as_data(),
        **described,
    }
    signature = base64.b64encode(key.sign(_canonical(content))).decode()
    folder.mkdir(parents=True, exist_ok=True)
    _write_whole(folder / MODEL_FILE, packed.getvalue())
    _write_whole(folder / MANIFEST_FILE, _readable({**content, "signature": signature}))
    return _manifest(content)


def read_verified_manifest(folder: Path, public_key: Ed25519PublicKey) -> Manifest:
    """The manifest of a release, once its signature is verified. Raises ModelRefused."""
    path = folder / MANIFEST_FILE
    try:
        content = json.loads(_read(path))
        signature = base64.b64decode(content.pop("signature"), validate=True)
        signer = content["key"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ManifestMalformed(f"{path} is not a manifest: {error!r}") from error
    if signer != key_id(public_key):
        raise SignedByAnotherKey(
            f"{path} was signed by key {signer}; the key trusted here is {key_id(public_key)}"
        )
    try:
        public_key.verify(signature, _canonical(content))
    except InvalidSignature as error:
        raise SignatureInvalid(f"{path} was changed after it was signed") from error
    if content.get("format") != FORMAT:
        raise ManifestMalformed(f"{path} has format {content.get('format')}; known is {FORMAT}")
    try:
        return _manifest(content)
    except (KeyError, TypeError, ValueError) as error:
        raise ManifestMalformed(f"{path} is not a manifest: {error!r}") from error


def read_manifest(content: bytes) -> Manifest:
    """A manifest from somebody who has verified it, and whose word is good. Raises ModelRefused."""
    try:
        return _manifest(json.loads(content))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ManifestMalformed(f"this is not a manifest: {error!r}") from error


def load_verified(folder: Path, public_key: Ed25519PublicKey) -> tuple[Manifest, Models]:
    """The manifest and the fitted pipelines of a release, verified. Raises ModelRefused."""
    manifest = read_verified_manifest(folder, public_key)
    packed = _read(folder / MODEL_FILE)
    digest = hashlib.sha256(packed).hexdigest()
    if digest != manifest.digest:
        raise DigestMismatch(
            f"{folder / MODEL_FILE} has digest {digest[:12]}, "
            f"but its manifest says {manifest.digest[:12]}"
        )
    if manifest.libraries != libraries():
        differing = [
            f"{name} {manifest.libraries.get(name)}, here {here}"
            for name, here in libraries().items()
            if manifest.libraries.get(name) != here
        ]
        raise LibrariesDiffer(f"{folder} was trained with {'; '.join(differing)}. Train it again.")
    if manifest.features != features_digest():
        raise FeaturesDiffer(
            f"{folder} was trained with another version of the features. Train it again."
        )
    return manifest, Models(**unpacked(packed), cascade=manifest.cascade)


def stale(folder: Path, public_key: Ed25519PublicKey, training_digest: str) -> bool:
    """Whether a training would give another model than the one in the folder, or there is none."""
    try:
        manifest = read_verified_manifest(folder, public_key)
        digest = hashlib.sha256(_read(folder / MODEL_FILE)).hexdigest()
    except ModelRefused:
        return True
    return (
        manifest.training.get("digest") != training_digest
        or manifest.digest != digest
        or manifest.libraries != libraries()
        or manifest.features != features_digest()
    )


def _manifest(content: dict[str, Any]) -> Manifest:
    return Manifest(
        version=content["version"],
        digest=content["digest"],
        created=content["created"],
        languages=tuple(content["languages"]),
        thresholds=Thresholds.from_data(content["thresholds"]),
        features=content["features"],
        libraries=dict(content["libraries"]),
        training=dict(content["training"]),
        cascade=Cascade.from_data(content["cascade"]),
        unseen=Report.from_data(content["unseen"]),
        card=content["card"],
    )


def _readable(content: dict[str, Any]) -> bytes:
    """A line for each entry: the report is long, and the rest should be found beside it."""
    lines = (
        f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}"
        for name, value in content.items()
    )
    return "{\n{}\n}\n".replace("{}", ",\n".join(lines)).encode()


def _canonical(content: dict[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelMissing(
            f"{path} cannot be read: {error.strerror}. `make model` trains one."
        ) from error


def _write_whole(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.draft")
    draft.write_bytes(content)
    draft.replace(path)
