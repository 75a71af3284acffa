"""What the commands ask of policy's models: to take one in, and to try it in shadow."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import click
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from ml.command import errors
from ml.places import MANIFEST_FILE
from ml.release import MODEL_FILE

PIECE_BYTES = 256 * 1024
UPLOAD_SECONDS = 600.0
SWITCH_SECONDS = 90.0
WATCHING_SECONDS = 60.0
_VERSION = re.compile("[0-9a-f]{12}")


def stub_of(channel: Any) -> Any:
    """Of the service that operators change models with."""
    from hudhud.policy.v1 import model_service_pb2_grpc

    stub: Any = model_service_pb2_grpc.ModelServiceStub
    return stub(channel)


def uploaded(models: Any, model: str, note: str) -> str:
    """The version that is meant; a folder is uploaded, if it was not before."""
    if _VERSION.fullmatch(model) and not Path(model).is_dir():
        return model
    folder = Path(model)
    if not folder.is_dir():
        raise click.UsageError(f"{model} is neither a folder nor a version (12 hexadecimal digits)")
    manifest = (folder / MANIFEST_FILE).read_bytes()
    columns = TextColumn("uploading"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with (
        (folder / MODEL_FILE).open("rb") as artifact,
        Progress(*columns, console=errors, transient=True) as bar,
    ):
        task = bar.add_task("", total=(folder / MODEL_FILE).stat().st_size)
        frames = _frames(manifest, artifact, said(note), lambda sent: bar.advance(task, sent))
        answer = models.UploadModel(frames, timeout=UPLOAD_SECONDS)
    version: str = answer.model.version
    errors.print(f"{version} {'was uploaded' if answer.created else 'is there already'}.")
    return version


def _frames(
    manifest: bytes, artifact: BinaryIO, note: str, sent: Callable[[int], None]
) -> Iterator[Any]:
    from hudhud.policy.v1 import model_service_pb2 as pb

    yield pb.UploadModelRequest(manifest=manifest, note=note)
    while piece := artifact.read(PIECE_BYTES):
        yield pb.UploadModelRequest(artifact=piece)
        sent(len(piece))


def shadowed(models: Any, version: str, share: int, note: str) -> Any:
    """What replicas run, once all judge with this model in shadow or say why they cannot."""
    from hudhud.policy.v1 import model_service_pb2 as pb

    models.ShadowModel(
        pb.ShadowModelRequest(version=version, share_percent=share, note=said(note)), timeout=20
    )
    deadline = time.monotonic() + WATCHING_SECONDS
    with errors.status(f"Every replica loads {version} …"):
        while True:
            told = models.ListReplicas(pb.ListReplicasRequest(), timeout=20)
            waiting = [
                replica
                for replica in told.replicas
                if replica.shadow_version != version
                and version not in [refusal.version for refusal in replica.refusals]
            ]
            if not waiting or time.monotonic() > deadline:
                return told
            time.sleep(0.3)


def said(note: str) -> str:
    """What goes on record: the note, or else who sits here."""
    from ml.fleet.client import signature_of_caller

    return note or signature_of_caller()
