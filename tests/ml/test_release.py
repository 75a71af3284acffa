"""A model is loaded only if it is whole, ours, and fits; and nothing is unpickled before."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ml import release as releases
from ml.classifier import Classifier
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
from ml.judge import Judge
from ml.models import Models
from ml.places import MANIFEST_FILE, RELEASED
from ml.release import MODEL_FILE, stale, write_release
from ml.train import Training
from ml.versions import libraries
from tests.ml.conftest import Release


class Opened(Exception):
    """Raised by a pickle that was opened."""


class Trap:
    """What an attacker would put into a model file."""

    def __reduce__(self) -> Any:
        return _spring, ()


def _spring() -> None:
    raise Opened


def _load(release: Release) -> Classifier:
    return Classifier.load(release.folder, release.key.public_key())


def _edit(release: Release, change: Callable[[dict[str, Any]], None]) -> None:
    path = release.folder / MANIFEST_FILE
    content = json.loads(path.read_bytes())
    change(content)
    path.write_text(json.dumps(content))


def test_as_released_it_loads_and_says_what_it_is(release: Release) -> None:
    classifier = _load(release)

    assert classifier.manifest.version == classifier.manifest.digest[:12]
    assert set(classifier.manifest.languages) == {"ar", "en"}
    assert 0.5 < classifier.thresholds.direct < 1


def test_what_is_read_judges_as_what_was_trained(
    release: Release, small_training: Training
) -> None:
    texts = ["Your parcel arrives tomorrow.", "50% off everything, today only!", "طردك يصل غدًا."]

    assert _load(release).judge(texts) == Judge(small_training.models).judge(texts)


@pytest.mark.parametrize("at", [0, 100, -1])
def test_one_changed_byte_of_the_model_is_refused(release: Release, at: int) -> None:
    path = release.folder / MODEL_FILE
    packed = bytearray(path.read_bytes())
    packed[at] ^= 1
    path.write_bytes(packed)

    with pytest.raises(DigestMismatch, match="its manifest says"):
        _load(release)


def test_a_trap_in_the_model_is_never_opened(release: Release) -> None:
    trap = io.BytesIO()
    joblib.dump(Trap(), trap)
    (release.folder / MODEL_FILE).write_bytes(trap.getvalue())

    with pytest.raises(DigestMismatch):
        _load(release)
    # The trap is one: with the signature of the right key it would have sprung.
    trapped = Models(labels=Trap(), languages=None, second=None)
    write_release(release.folder, trapped, _described(release), release.key)
    with pytest.raises(Opened):
        _load(release)


def test_a_changed_manifest_is_refused(release: Release) -> None:
    _edit(release, lambda content: content["thresholds"].update(direct=1.0))

    with pytest.raises(SignatureInvalid, match="changed after it was signed"):
        _load(release)


def test_a_field_added_to_the_manifest_is_refused(release: Release) -> None:
    _edit(release, lambda content: content.update(note="trust me"))

    with pytest.raises(SignatureInvalid):
        _load(release)


def test_a_model_and_manifest_of_an_attacker_are_refused(
    release: Release, small_training: Training, described: dict[str, Any]
) -> None:
    write_release(release.folder, small_training.models, described, Ed25519PrivateKey.generate())

    with pytest.raises(SignedByAnotherKey, match="the key trusted here"):
        _load(release)


def test_an_attackers_signature_under_our_keys_name_is_refused(
    release: Release, small_training: Training, described: dict[str, Any]
) -> None:
    ours = json.loads((release.folder / MANIFEST_FILE).read_bytes())["key"]
    write_release(release.folder, small_training.models, described, Ed25519PrivateKey.generate())
    _edit(release, lambda content: content.update(key=ours))

    with pytest.raises(SignatureInvalid):
        _load(release)


def test_other_versions_of_the_libraries_are_refused(
    release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = libraries()
    monkeypatch.setattr(releases, "libraries", lambda: {**here, "scikit-learn": "0.1"})

    with pytest.raises(LibrariesDiffer, match=r"scikit-learn .* here 0\.1"):
        _load(release)


def test_other_features_are_refused(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(releases, "features_digest", lambda: "0" * 64)

    with pytest.raises(FeaturesDiffer, match="another version of the features"):
        _load(release)


@pytest.mark.parametrize("name", [MANIFEST_FILE, MODEL_FILE])
def test_a_missing_file_is_named(release: Release, name: str) -> None:
    (release.folder / name).unlink()

    with pytest.raises(ModelMissing, match=name):
        _load(release)


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"[]", b"{}", b'{"signature": "!"}', b'{"signature": 1}']
)
def test_what_is_no_manifest_is_refused(release: Release, content: bytes) -> None:
    (release.folder / MANIFEST_FILE).write_bytes(content)

    with pytest.raises(ManifestMalformed):
        _load(release)


def test_a_signed_manifest_that_lacks_a_field_is_refused(
    release: Release, small_training: Training
) -> None:
    described = _described(release)
    del described["thresholds"]["template"]
    with pytest.raises(TypeError):
        write_release(release.folder, small_training.models, described, release.key)

    with pytest.raises(ManifestMalformed):
        _load(release)


def test_every_refusal_is_a_model_refused() -> None:
    for refusal in (DigestMismatch, SignatureInvalid, LibrariesDiffer, ManifestMalformed):
        assert issubclass(refusal, ModelRefused)


def test_a_model_is_stale_when_anything_it_came_from_changed(release: Release) -> None:
    key = release.key.public_key()
    digest = _load(release).manifest.training["digest"]

    assert not stale(release.folder, key, digest)
    assert stale(release.folder, key, "another corpus")
    assert stale(release.folder, Ed25519PrivateKey.generate().public_key(), digest)
    (release.folder / MODEL_FILE).write_bytes(b"cut short")
    assert stale(release.folder, key, digest)
    assert stale(release.folder.parent / "nowhere", key, digest)


def _described(release: Release) -> dict[str, Any]:
    content = json.loads((release.folder / MANIFEST_FILE).read_bytes())
    return {name: content[name] for name in
            ("created", "languages", "thresholds", "training", "unseen", "card")}  # fmt: skip


def test_the_released_model_holds_no_text() -> None:
    """Weights only: no run of letters of what it was trained on is in the unpacked pipelines."""
    strings: list[str] = []
    _collect_strings(joblib.load(RELEASED.model / MODEL_FILE), strings, set())

    assert strings
    assert not [text for text in strings if _may_be_a_message(text)]


def test_a_model_with_a_vocabulary_would_be_found(release: Release) -> None:
    classifier = joblib.load(release.folder / MODEL_FILE)
    classifier["labels"].vocabulary_ = {"your parcel arrives tomorrow": 7}
    strings: list[str] = []
    _collect_strings(classifier, strings, set())

    assert [text for text in strings if _may_be_a_message(text)]


def _may_be_a_message(text: str) -> bool:
    return len(text) >= 40 or len(text.split()) > 3


def _collect_strings(value: Any, strings: list[str], seen: set[int]) -> None:
    """Every text that can be reached from a value."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, str):
        strings.append(value)
    elif isinstance(value, bytes):
        strings.append(value.decode("latin-1"))
    elif isinstance(value, dict):
        for name, item in value.items():
            _collect_strings(name, strings, seen)
            _collect_strings(item, strings, seen)
    elif isinstance(value, list | tuple | set):
        for item in value:
            _collect_strings(item, strings, seen)
    elif hasattr(value, "dtype") and value.dtype.kind in "USO":
        for item in value.ravel().tolist():
            _collect_strings(item, strings, seen)
    elif hasattr(value, "__dict__"):
        _collect_strings(vars(value), strings, seen)


def test_keys_are_made_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    from ml.keys import read_or_make_signing_key, read_public_key

    path = tmp_path / "keys" / "model_release.key"
    first = read_or_make_signing_key(path)
    second = read_or_make_signing_key(path)

    assert path.stat().st_mode & 0o777 == 0o600
    assert first.private_bytes_raw() == second.private_bytes_raw()
    public = read_public_key(path.with_suffix(".pub"))
    public.verify(first.sign(b"release"), b"release")
