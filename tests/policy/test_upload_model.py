"""UploadModel: what is not as it was released is refused, and nothing of it is kept."""

import json
from collections.abc import AsyncIterator
from typing import Any

import joblib
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hudhud.policy.v1 import model_pb2
from hudhud.policy.v1 import model_service_pb2 as pb
from ml import release as releases
from ml.models import Models
from services.kit.errors import Refusal
from services.policy.artifacts import KEPT
from tests.fixtures.waiting import eventually
from tests.policy.house import House, Replica
from tests.policy.operators import history, states, upload
from tests.policy.releases import Press, Release

Change = model_pb2.ModelChange


@pytest.fixture(scope="module")
async def replica(house_for_models: House, press: Press) -> AsyncIterator[Replica]:
    async with house_for_models.replica(**press.settings) as replica:
        yield replica


@pytest.fixture(scope="module")
async def kept(replica: Replica, press: Press) -> Release:
    """A release that was uploaded."""
    release = press.release()
    assert (await upload(replica, release)).created
    return release


async def test_a_release_is_kept_once_and_told_as_it_is(replica: Replica, kept: Release) -> None:
    before = await history(replica)
    again = await upload(replica, kept)
    assert not again.created
    assert again.model.version == kept.version
    assert again.model.size_bytes == len(kept.artifact)
    assert again.model.operator == "ops"
    assert again.model.state == model_pb2.Model.STATE_STORED
    assert again.model.card.startswith("Model ")
    assert (await states(replica))[kept.version] == model_pb2.Model.STATE_STORED
    assert await history(replica) == before
    assert (Change.KIND_UPLOADED, kept.version) in before
    got = await (await replica.models()).GetModel(pb.GetModelRequest(version=kept.version))
    assert (got.model, got.manifest) == (again.model, kept.manifest)
    [stored] = await replica.house.rows(
        "SELECT string_agg(data, '' ORDER BY number) AS data FROM model_pieces WHERE version = $1",
        kept.version,
    )
    assert stored["data"] == kept.artifact


def bent(release: Release) -> bytes:
    artifact = bytearray(release.artifact)
    artifact[len(artifact) // 2] ^= 1
    return bytes(artifact)


def saying(release: Release, **changed: Any) -> bytes:
    return json.dumps({**json.loads(release.manifest), **changed}).encode()


@pytest.mark.parametrize(
    ("changed", "check"),
    [
        (lambda release: {"artifact": bent(release)}, "DigestMismatch"),
        (lambda release: {"artifact": release.artifact[:-1]}, "DigestMismatch"),
        (lambda release: {"artifact": b""}, "DigestMismatch"),
        (lambda release: {"manifest": b"{}"}, "ManifestMalformed"),
        (lambda release: {"manifest": b"\xff\xfe"}, "ManifestMalformed"),
        (lambda release: {"manifest": saying(release, card="Better.")}, "SignatureInvalid"),
        (lambda release: {"manifest": saying(release, signature="")}, "SignatureInvalid"),
    ],
)
async def test_what_was_changed_is_refused(
    replica: Replica, press: Press, changed: Any, check: str
) -> None:
    release = press.release()
    await refused(replica, release, check, **changed(release))


async def test_what_somebody_else_released_is_refused(replica: Replica, press: Press) -> None:
    release = press.release(key=Ed25519PrivateKey.generate())
    await refused(replica, release, "SignedByAnotherKey")


async def test_what_the_installation_signed_itself_is_trusted_beside_the_released_model(
    house_for_models: House, press: Press
) -> None:
    own = press.settings["model_verification_key_file"]
    async with house_for_models.replica(
        installation_model_key_file=own, model_timeout_seconds=20.0
    ) as replica:
        assert (await upload(replica, press.release())).created
        await refused(
            replica, press.release(key=Ed25519PrivateKey.generate()), "SignedByAnotherKey"
        )


async def test_what_was_made_with_other_libraries_is_refused(
    replica: Replica, press: Press, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(releases, "libraries", lambda: {"numpy": "0.1"})
    await refused(replica, press.release(), "LibrariesDiffer")


async def refused(replica: Replica, release: Release, check: str, **changed: Any) -> None:
    before = await states(replica)
    with pytest.raises(Refusal, match="MODEL_REFUSED") as told:
        await upload(replica, release, **changed)
    assert told.value.metadata["check"] == check
    assert "hudhud-upload" not in told.value.message
    assert await states(replica) == before


async def test_the_same_artifact_with_another_manifest_is_refused(
    replica: Replica, press: Press, kept: Release
) -> None:
    told = json.loads(kept.manifest)
    names = ("created", "languages", "thresholds", "training", "unseen")
    described = {name: told[name] for name in names}
    models = Models(**joblib.load(kept.folder / releases.MODEL_FILE))
    twin = Release(kept.folder.with_name("twin"), kept.version)
    releases.write_release(twin.folder, models, {**described, "card": "Better."}, press.key)
    with pytest.raises(Refusal, match="MODEL_VERSION_REUSED"):
        await upload(replica, twin)


async def frames_of(*frames: pb.UploadModelRequest) -> AsyncIterator[pb.UploadModelRequest]:
    for frame in frames:
        yield frame


MANIFEST = pb.UploadModelRequest(manifest=b"{}")


@pytest.mark.parametrize(
    "frames",
    [
        (),
        (pb.UploadModelRequest(artifact=b"x"),),
        (MANIFEST, MANIFEST),
        (pb.UploadModelRequest(),),
        (pb.UploadModelRequest(manifest=b""),),
        (pb.UploadModelRequest(manifest=b"{}", note="n" * 501),),
        (MANIFEST, pb.UploadModelRequest(artifact=bytes(1024 * 1024 + 1))),
    ],
)
async def test_frames_that_make_no_sense_are_refused(
    replica: Replica, frames: tuple[pb.UploadModelRequest, ...]
) -> None:
    with pytest.raises(Refusal, match="INVALID_FIELD"):
        await (await replica.models()).UploadModel(frames_of(*frames))


async def test_more_than_is_kept_is_refused(
    replica: Replica, press: Press, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.policy.actions.upload_model.ARTIFACT_BYTES_MAX", 1000)
    with pytest.raises(Refusal, match="MODEL_TOO_LARGE"):
        await upload(replica, press.release())


async def test_an_upload_that_is_cut_off_leaves_nothing(replica: Replica, press: Press) -> None:
    release = press.release()
    before = await history(replica)
    models = await replica.models()
    async with models.UploadModel() as stream:
        frames = release.frames()
        await stream.write(await anext(frames))
        await stream.write(await anext(frames))
    assert await history(replica) == before
    assert (await upload(replica, release)).created


async def test_models_and_changes_are_listed_by_pages(
    replica: Replica, press: Press, kept: Release
) -> None:
    newest = press.release()
    await upload(replica, newest)
    models = await replica.models()
    first = await models.ListModels(pb.ListModelsRequest(page_size=1))
    assert [model.version for model in first.models] == [newest.version]
    rest = await models.ListModels(pb.ListModelsRequest(page_token=first.next_page_token))
    assert kept.version in [model.version for model in rest.models]
    assert rest.next_page_token == ""
    one = await models.ListModelChanges(pb.ListModelChangesRequest(page_size=1))
    others = await models.ListModelChanges(
        pb.ListModelChangesRequest(page_token=one.next_page_token)
    )
    assert one.changes[0].version == newest.version
    assert one.changes[0].note == "for a test"
    assert one.changes[0].change_id > others.changes[0].change_id


async def test_what_was_done_is_only_ever_added(replica: Replica, kept: Release) -> None:
    for statement in (
        "UPDATE model_changes SET operator = 'nobody'",
        "DELETE FROM model_changes",
        "TRUNCATE model_changes CASCADE",
        "UPDATE models SET card = ''",
    ):
        with pytest.raises(Exception, match="only ever added"):
            await replica.house.rows(statement)


async def test_a_model_that_was_swept_is_told_refused_and_kept_anew_when_it_comes_again(
    replica: Replica, press: Press
) -> None:
    release = press.release()
    await upload(replica, release)
    models = await replica.models()
    replica.house.clock.advance(KEPT.total_seconds() + 1)

    async def swept() -> bool:
        return (await states(replica))[release.version] == model_pb2.Model.STATE_SWEPT

    await eventually(swept)
    for call in (
        models.ShadowModel(pb.ShadowModelRequest(version=release.version)),
        models.PromoteModel(pb.PromoteModelRequest(version=release.version)),
    ):
        with pytest.raises(Refusal, match="MODEL_SWEPT") as refused:
            await call
        assert refused.value.metadata["version"] == release.version
    again = await upload(replica, release)
    assert again.created
    assert again.model.state == (await states(replica))[release.version]
    assert again.model.state == model_pb2.Model.STATE_STORED
    assert (await history(replica))[:2] == [(Change.KIND_UPLOADED, release.version)] * 2
    assert not (await upload(replica, release)).created
