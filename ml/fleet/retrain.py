"""`hudhud-ml retrain`: learns anew from the corpus and from what people said, and tries the model
in shadow beside the live one; on this machine, or as a Job of a cluster.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from ml.command import (
    REFUSED,
    SIGNING_KEY,
    Told,
    any_path,
    errors,
    output,
    refusals_told,
    seed_option,
    steps_told,
)
from ml.data.cli import learned_from, store_option
from ml.data.store import Store
from ml.fleet.command import Connect, connecting_command, tell
from ml.fleet.labels import exported
from ml.fleet.models import SWITCH_SECONDS, shadowed, stub_of, uploaded
from ml.keys import read_public_key, read_signing_key, write_public_key
from ml.places import model_in_use
from ml.release import Manifest, read_manifest, read_verified_manifest

WORK = Path("build/training")
NOTE = "retrained"
PROMOTE_VARIABLE = "HUDHUD_RETRAINING_PROMOTES"
REPLACE_VARIABLE = "HUDHUD_RETRAINING_REPLACES_SHADOW"


@click.command()
@click.option("--on-cluster", is_flag=True,
              help="As a Job of the cluster that kubectl knows, made from its CronJob; it is told "
                   "--promote and --replace-shadow and nothing else.")  # fmt: skip
@click.option("--context", help="On a cluster: kubectl's; if not given, the current one.")
@click.option("--namespace", default="hudhud", show_default=True, help="On a cluster.")
@click.option("--promote/--no-promote", default=None, envvar=PROMOTE_VARIABLE,
              help="Whether the model is promoted if the release gate lets it through; if not "
                   "said, it stays in shadow.")  # fmt: skip
@click.option("--replace-shadow/--keep-shadow", default=None, envvar=REPLACE_VARIABLE,
              help="Whether another model that is in shadow makes room; if not said, it stays "
                   "there and nothing is retrained.")  # fmt: skip
@click.option("--signing-key", type=any_path, default=SIGNING_KEY, show_default=True,
              envvar="HUDHUD_MODEL_SIGNING_KEY_FILE",
              help="PEM of the Ed25519 key to sign with; policy trusts it.")  # fmt: skip
@seed_option
@store_option
@click.option("--work", type=any_path, default=WORK, show_default=True,
              help="Folder of finished steps, from which a training that was cut short goes on.",
)  # fmt: skip
@connecting_command
@refusals_told
def retrain(
    connect: Connect, on_cluster: bool, context: str | None, namespace: str, promote: bool | None,
    replace_shadow: bool | None, signing_key: Path, seed: int, store: Path, work: Path,
) -> None:  # fmt: skip
    """Train anew, hold the model to the release gate, and try it in shadow beside the live one.

    It learns from the corpus, from the store, and from what people said about messages since, which
    goes into the store. The gate's verdict is told and, unless promotion is allowed, decides
    nothing: `hudhud-ml promote` does.
    """
    if on_cluster:
        from ml.fleet.on_cluster import retrain_on_cluster

        variables = {PROMOTE_VARIABLE: promote, REPLACE_VARIABLE: replace_shadow}
        retrain_on_cluster(context, namespace, variables)
        return
    key = read_signing_key(signing_key)
    with connect() as channel:
        live, trainings = _live_and_trainings(channel)
        said = Store(store).take_in(exported(channel))
    errors.print(f"People said {len(said):,} things about messages since.")

    from ml.train import Recipe, training_digest

    recipe = Recipe(seed=seed)
    rows, digests = learned_from(Store(store)), Store(store).digests()
    if training_digest(recipe, digests) in trainings:
        output.print("The model that is live or in shadow was trained from just this.")
        return
    if not replace_shadow:
        with connect() as channel:
            _leave_alone(channel)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        with steps_told() as progress:
            from ml.make_release import make_release

            candidate = make_release(recipe, rows, digests, work, out, key, progress)
            refused = _refused(out, key, live, progress)
        # From here on policy has it, and signed: whoever looks for it finds it.
        with connect() as channel:
            told = _try_it(channel, candidate.version, out, replace_shadow)
            if refused:
                tell(f"The release gate refuses {candidate.version}: it stays in shadow.")
            elif promote and told.live_version not in ("", live.version):
                tell(f"{told.live_version} is live meanwhile, which {candidate.version} was not "
                     "held against: it stays in shadow.")  # fmt: skip
            elif promote:
                _promote(channel, candidate.version)


def _live_and_trainings(channel: Any) -> tuple[Manifest, set[str]]:
    """The manifest of the model that decides, and the digests of the trainings that it and the one
    in shadow came from.
    """
    from hudhud.policy.v1 import model_service_pb2 as pb

    models = stub_of(channel)
    told = models.ListReplicas(pb.ListReplicasRequest(), timeout=20)
    kept = [_manifest(models, each) for each in (told.live_version, told.shadow_version) if each]
    if told.live_version:
        live = kept[0]
    else:
        # Policy runs what it is configured with, which is what is here.
        place = model_in_use()
        live = read_verified_manifest(place.model, read_public_key(place.public_key))
    return live, {manifest.training["digest"] for manifest in (live, *kept)}


def _manifest(models: Any, version: str) -> Manifest:
    from hudhud.policy.v1 import model_service_pb2 as pb

    # Policy verified it before it kept it.
    return read_manifest(models.GetModel(pb.GetModelRequest(version=version), timeout=20).manifest)


def _refused(folder: Path, key: Any, live: Manifest, progress: Told) -> bool:
    """Whether the release gate refuses a model; says on what it fails."""
    from ml.classifier import Classifier
    from ml.evaluation import show
    from ml.evaluation.costs import costs_of
    from ml.evaluation.gate import Live, traffic, verdict

    public_key = folder / "release.pub"
    write_public_key(public_key, key)
    progress("measuring what judging costs", 0, 1)
    costs = costs_of(folder, public_key, traffic())
    found = verdict(
        Classifier.load(folder, key.public_key()), Live(live, None), [], costs, progress
    )
    if found.broken:
        errors.print(show.broken(found.broken, "Beyond a limit"))
    if found.known:
        errors.print(show.broken(found.known, "Not reached yet, and known"))
    if found.worse:
        title = f"Worse than the live model {found.live} (A), beyond the interval"
        errors.print(show.differences(found.worse, title))
    return found.refused


def _leave_alone(channel: Any, version: str = "") -> None:
    """Exits with 1 where another model than this is in shadow: somebody is looking at what it does,
    and a trial that is ended is not taken up again.
    """
    from hudhud.policy.v1 import model_service_pb2 as pb

    tried = stub_of(channel).ListReplicas(pb.ListReplicasRequest(), timeout=20).shadow_version
    if tried in ("", version):
        return
    made = f"{version} was uploaded and is not tried" if version else "Nothing was trained"
    tell(f"{made}: {tried} is in shadow. End that (hudhud-ml promote {tried}, or hudhud-ml shadow "
         "--end) and retrain again, or have it make room: --replace-shadow, on a cluster "
         f"{REPLACE_VARIABLE} in the CronJob.")  # fmt: skip
    sys.exit(REFUSED)


def _try_it(channel: Any, version: str, folder: Path, replace_shadow: bool | None) -> Any:
    """Uploads a release and has it judge in shadow; what replicas run then. Exits with 1 where some
    replica does not run it, and where another model is tried that need not make room.
    """
    from hudhud.policy.v1 import model_pb2
    from hudhud.policy.v1 import model_service_pb2 as pb

    models = stub_of(channel)
    listed = models.ListModels(pb.ListModelsRequest(page_size=1000), timeout=20).models
    kept = {model.version for model in listed if model.state != model_pb2.Model.STATE_SWEPT}
    # One that was cut short behind the upload made the same model, and another manifest.
    if version not in kept:
        uploaded(models, str(folder), NOTE)
    if not replace_shadow:
        # Somebody may have begun a trial while this one learned.
        _leave_alone(channel, version)
    told = shadowed(models, version, 100, NOTE)
    behind = [each.host for each in told.replicas if each.shadow_version != version]
    if behind:
        tell(f"{', '.join(behind)}: {version} is not in shadow there; `hudhud-ml fleet` says why.")
        sys.exit(REFUSED)
    output.print(f"{version} is in shadow. To see what it makes of the traffic: "
                 "hudhud-ml shadow-report")  # fmt: skip
    return told


def _promote(channel: Any, version: str) -> None:
    from hudhud.policy.v1 import model_service_pb2 as pb

    request = pb.PromoteModelRequest(version=version, note=NOTE)
    stub_of(channel).PromoteModel(request, timeout=SWITCH_SECONDS)
    output.print(f"{version} is live. To go back: hudhud-ml rollback")
