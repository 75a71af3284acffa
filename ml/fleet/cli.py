"""`hudhud-ml` for running services: shadow, promote, roll back, and see what is going on."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from ml.command import REFUSED, errors, json_option, output
from ml.fleet.command import fleet_command, tell
from ml.fleet.labels import export_labels, send_labels
from ml.fleet.models import SWITCH_SECONDS, said, shadowed, stub_of, uploaded

_note_option = click.option("--note", default="", help="What to record; else who you are.")
_model_argument = click.argument("model", metavar="FOLDER|VERSION")


@click.command()
@click.argument("model", metavar="FOLDER|VERSION", required=False)
@click.option("--share", type=click.IntRange(1, 100), default=100, show_default=True,
              help="Judge so many of a hundred batches twice.")  # fmt: skip
@click.option("--end", is_flag=True, help="End the shadow that there is.")
@_note_option
@fleet_command
def shadow(channel: Any, model: str | None, share: int, end: bool, note: str) -> None:
    """Judge live traffic with a model beside the live one; a FOLDER is uploaded first."""
    models = stub_of(channel)
    from hudhud.policy.v1 import model_service_pb2 as pb

    if end == bool(model):
        raise click.UsageError("Name a model, or --end.")
    if end:
        was = models.EndShadow(pb.EndShadowRequest(note=said(note)), timeout=20).version
        output.print(f"{was} is in shadow no more." if was else "No model was in shadow.")
        return
    version = uploaded(models, model or "", note)
    told = shadowed(models, version, share, note)
    _print_replicas(told)
    if any(replica.shadow_version != version for replica in told.replicas):
        tell(f"Not every replica has {version} in shadow yet; `hudhud-ml fleet` shows it.")
        sys.exit(REFUSED)
    output.print(f"{version} is in shadow. To see what it makes of the traffic: "
                 "hudhud-ml shadow-report")  # fmt: skip


@click.command("shadow-report")
@click.argument("version", required=False)
@click.option("--disagreements", type=click.IntRange(0, 1000), default=20, show_default=True,
              help="Show so many of the messages decided otherwise.")  # fmt: skip
@json_option
@fleet_command
def shadow_report(channel: Any, version: str | None, disagreements: int, as_json: bool) -> None:
    """Show what the model in shadow, or the one named, made of live traffic."""
    models = stub_of(channel)
    from hudhud.policy.v1 import model_service_pb2 as pb
    from ml.fleet import show
    from ml.fleet.data import as_data

    if version is None:
        version = models.ListReplicas(pb.ListReplicasRequest(), timeout=20).shadow_version
        if not version:
            tell("No model is in shadow. Name one that was.")
            sys.exit(REFUSED)
    report = models.GetShadowReport(pb.GetShadowReportRequest(version=version), timeout=20).report
    found: list[Any] = []
    if disagreements:
        found = models.ListShadowDisagreements(
            pb.ListShadowDisagreementsRequest(version=version, page_size=disagreements), timeout=20
        ).disagreements
    if as_json:
        told = {**as_data(report), "disagreements": [as_data(each) for each in found]}
        print(json.dumps(told, ensure_ascii=False))
        return
    output.print(show.decisions(report), show.scores(report), sep="\n\n")
    if found:
        output.print("", show.disagreements(found), sep="\n")
    output.print(
        f"\n{report.judged_count:,} messages judged twice, {report.dropped_count:,} dropped, "
        f"{report.share_percent}% of the batches."
    )


@click.command()
@_model_argument
@_note_option
@json_option
@fleet_command
def promote(channel: Any, model: str, note: str, as_json: bool) -> None:
    """Make a model decide on every replica, or on none; a FOLDER is uploaded first."""
    models = stub_of(channel)
    from hudhud.policy.v1 import model_service_pb2 as pb

    version = uploaded(models, model, note)
    with errors.status(f"Every replica loads {version} …"):
        answer = models.PromoteModel(
            pb.PromoteModelRequest(version=version, note=said(note)), timeout=SWITCH_SECONDS
        )
    _show_switch(answer, version, as_json)


@click.command()
@_note_option
@json_option
@fleet_command
def rollback(channel: Any, note: str, as_json: bool) -> None:
    """Have the model decide again that did before the live one."""
    models = stub_of(channel)
    from hudhud.policy.v1 import model_service_pb2 as pb

    live = models.ListReplicas(pb.ListReplicasRequest(), timeout=20).live_version
    if not live:
        tell("The configured model is live: there is nothing to roll back to.")
        sys.exit(REFUSED)
    with errors.status(f"Every replica leaves {live} …"):
        answer = models.RollbackModel(
            pb.RollbackModelRequest(version=live, note=said(note)), timeout=SWITCH_SECONDS
        )
    _show_switch(answer, answer.change.version, as_json)


@click.command()
@click.option("--limit", type=click.IntRange(1, 1000), default=30, show_default=True)
@json_option
@fleet_command
def history(channel: Any, limit: int, as_json: bool) -> None:
    """List what was done to the models, by whom and when, newest first."""
    models = stub_of(channel)
    from hudhud.policy.v1 import model_service_pb2 as pb
    from ml.fleet import show
    from ml.fleet.data import as_data

    found = models.ListModelChanges(pb.ListModelChangesRequest(page_size=limit), timeout=20).changes
    if as_json:
        print(json.dumps([as_data(change) for change in found], ensure_ascii=False))
    else:
        output.print(show.changes(found))


@click.command()
@json_option
@fleet_command
def fleet(channel: Any, as_json: bool) -> None:
    """Show the models that were uploaded, and which replica runs which."""
    models = stub_of(channel)
    from hudhud.policy.v1 import model_service_pb2 as pb
    from ml.fleet import show
    from ml.fleet.data import as_data

    told = models.ListReplicas(pb.ListReplicasRequest(), timeout=20)
    kept = models.ListModels(pb.ListModelsRequest(page_size=1000), timeout=20).models
    if as_json:
        print(json.dumps({**as_data(told), "models": [as_data(model) for model in kept]}))
        return
    if kept:
        output.print(show.models(kept), "")
    _print_replicas(told)


COMMANDS = (
    shadow, shadow_report, promote, rollback, history, fleet, export_labels, send_labels
)  # fmt: skip


def _show_switch(answer: Any, version: str, as_json: bool) -> None:
    from ml.fleet import show
    from ml.fleet.data import as_data

    if as_json:
        print(json.dumps(as_data(answer), ensure_ascii=False))
    else:
        output.print(show.replicas(answer.replicas, version))
    behind = [
        replica.host
        for replica in answer.replicas
        if replica.live_version != (version or replica.configured_version)
    ]
    if behind:
        tell(f"These do not run it yet: {', '.join(behind)}. `hudhud-ml fleet` shows when they do.")
        sys.exit(REFUSED)


def _print_replicas(told: Any) -> None:
    from ml.fleet import show

    output.print(show.replicas(told.replicas, told.live_version))
