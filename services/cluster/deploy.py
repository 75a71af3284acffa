"""Puts an overlay up on the cluster that kubectl knows, or takes it down: `make deploy`.

python -m services.cluster.deploy up local --image hudhud:dev
python -m services.cluster.deploy down local --data
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from services.cluster.errors import ClusterError
from services.cluster.kubectl import NAMESPACE, kubectl, listed, program
from services.cluster.progress import WORKLOADS, is_of_a_cron_job, progress_of, troubles
from services.local.terminal import console

MANIFESTS = Path(__file__).resolve().parents[2] / "k8s"
DEMONSTRATION = "demonstration"
# The overlay that is for trying things out: the others have real businesses in them.
TRIAL_OVERLAY = "local"
# With a Namespace goes everything in it, with a Cluster of CloudNativePG its volumes.
KEEPS_DATA = ("Namespace", "Cluster", "Database")
POLL_SECONDS = 1.0
_OUR_IMAGE = re.compile(r"^(?P<before>\s*(?:- )?image: )(?:\S+/)?hudhud(?::\S+)?$", re.MULTILINE)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cluster() -> None:
    """Put Hudhud up on the cluster that kubectl knows, or take it down."""


@cluster.command()
@click.argument("overlay")
@click.option("--image", default="", help="Instead of the image that the overlay names.")
@click.option("--wait", "wait_seconds", default=600, show_default=True, help="In seconds.")
def up(overlay: str, *, image: str, wait_seconds: int) -> None:
    """Apply an overlay, wait until all of it is up, and play the demonstration (local)."""
    manifests = _manifests(f"overlays/{overlay}", image)
    console.print(f"Deploying [bold]{overlay}[/] to {kubectl('config', 'current-context').strip()}")
    # A Job cannot be changed, only made again; both are safe to run again.
    _remove_jobs()
    kubectl("apply", "--filename=-", given=manifests)
    _wait(wait_seconds)
    if overlay == TRIAL_OVERLAY:
        kubectl("apply", "--filename=-", given=_manifests(DEMONSTRATION, image))
        _follow_demonstration(wait_seconds)
    _explain(overlay)


@cluster.command()
@click.argument("overlay")
@click.option("--data", "with_data", is_flag=True, help="And all data, keys and secrets, for ever.")
def down(overlay: str, *, with_data: bool) -> None:
    """Remove what an overlay put up; what it stored stays, unless told otherwise."""
    manifests = _without(KEEPS_DATA, _manifests(f"overlays/{overlay}", ""))
    _remove_jobs()
    for each in (_manifests(DEMONSTRATION, ""), manifests):
        kubectl("delete", "--ignore-not-found", "--wait=true", "--filename=-", given=each)
    # Each change of a setting has left a config map of another name behind.
    ours = ("--selector=app.kubernetes.io/part-of=hudhud", "--namespace", NAMESPACE)
    kubectl("delete", "configmap", *ours, "--ignore-not-found", "--wait=true")
    if with_data:
        kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=true")
        console.print(f"Everything is gone, with the namespace {NAMESPACE}.")
        return
    console.print(
        "Every service is stopped. What was stored is still there: PostgreSQL's data (a cluster of"
        " CloudNativePG runs on, for its volumes would go with it), the volumes of NATS, and the"
        f" Secrets in the namespace {NAMESPACE}. To remove them too, for ever:"
        f" make undeploy OVERLAY={overlay} DATA=1"
    )


def _manifests(folder: str, image: str) -> str:
    """What `kubectl apply -k` would apply, with another image of ours if one is named."""
    place = MANIFESTS / folder
    if not (place / "kustomization.yaml").is_file():
        known = sorted(path.name for path in (MANIFESTS / "overlays").iterdir())
        raise ClusterError(f"There is no {folder}. There are the overlays {', '.join(known)}.")
    manifests = kubectl("kustomize", str(place))
    return _OUR_IMAGE.sub(rf"\g<before>{image}", manifests) if image else manifests


def _without(kinds: tuple[str, ...], manifests: str) -> str:
    """The manifests that are of none of these kinds."""
    documents = manifests.split("\n---\n")
    unwanted = re.compile(rf"^kind: ({'|'.join(kinds)})$", re.MULTILINE)
    return "\n---\n".join(each for each in documents if not unwanted.search(each))


def _remove_jobs() -> None:
    jobs = ("prepare", DEMONSTRATION)
    kubectl("delete", "job", *jobs, "--namespace", NAMESPACE, "--ignore-not-found", "--wait=true")


def _wait(wait_seconds: int) -> None:
    """Show how far everything is until it is up. Raises ClusterError when the time is over."""
    end = time.monotonic() + wait_seconds
    with Progress(
        TextColumn("  {task.description:14}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    ) as display:
        rows: dict[str, object] = {}
        while True:
            workloads = [
                progress_of(each) for each in listed(WORKLOADS) if not is_of_a_cron_job(each)
            ]
            for each in workloads:
                if each.name not in rows:
                    rows[each.name] = display.add_task(each.name, total=each.wanted)
                display.update(rows[each.name], completed=each.done, total=each.wanted)  # type: ignore[arg-type]
            if workloads and all(each.is_complete for each in workloads):
                return
            failed = [each.name for each in workloads if each.failed]
            if failed or time.monotonic() > end:
                break
            time.sleep(POLL_SECONDS)
    late = failed or [each.name for each in workloads if not each.is_complete]
    raise ClusterError(
        f"Not up: {', '.join(late)}.\n"
        + "\n".join(f"  {line}" for line in troubles(listed(["pods"])))
        + f"\nLook closer with: kubectl -n {NAMESPACE} describe pods, or logs deployment/NAME"
    )


def _follow_demonstration(wait_seconds: int) -> None:
    """Print the demonstration's log as it comes. Raises ClusterError if it fails."""
    end = time.monotonic() + wait_seconds
    was_shown = False
    while True:
        # Asked first: what it printed before it ended is there to be read then.
        (state,) = [
            progress_of(each)
            for each in listed(["jobs"])
            if each["metadata"]["name"] == DEMONSTRATION
        ]
        has_ended = state.is_complete or state.failed
        # A container that is still being made has no log, and kubectl does not wait for it.
        if not was_shown and (has_ended or _demonstration_runs()):
            command = ["logs", "--follow", "--namespace", NAMESPACE, f"job/{DEMONSTRATION}"]
            subprocess.run([program(), *command], check=False)
            was_shown = True
            continue
        if state.is_complete:
            return
        if state.failed or time.monotonic() > end:
            break
        time.sleep(POLL_SECONDS)
    raise ClusterError(
        "The demonstration did not turn out as expected.\n" + "\n".join(troubles(listed(["pods"])))
    )


def _demonstration_runs() -> bool:
    pods = listed(["pods"], f"--selector=app.kubernetes.io/name={DEMONSTRATION}")
    return any(pod["status"].get("phase") != "Pending" for pod in pods)


def _explain(overlay: str) -> None:
    console.print(f"\n[green]Hudhud is up[/] in the namespace {NAMESPACE}.")
    if overlay != TRIAL_OVERLAY:
        return
    ours = f"kubectl -n {NAMESPACE}"
    console.print(
        f"""
To reach a service from here, for example the edge on port 8445:

  {ours} port-forward statefulset/edge 8445:8440
  {ours} port-forward deployment/identity 8441:8440
  {ours} port-forward deployment/policy 8442:8440

The certificates name localhost too. The authority to trust, and the operator's credential:

  {ours} get secret demonstration-tls -o 'jsonpath={{.data.ca\\.crt}}' | base64 -d > authority.pem
  {ours} get secret operator -o 'jsonpath={{.data.credential}}' | base64 -d""",
        markup=False,
        soft_wrap=True,
    )


def main() -> int:
    """Run the command line; returns the exit code."""
    try:
        cluster(standalone_mode=False)
    except ClusterError as error:
        console.print("[red bold]Error:[/]", str(error).replace("[", "\\["), soft_wrap=True)
        return 1
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
