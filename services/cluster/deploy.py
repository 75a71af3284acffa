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
        _follow_demonstration()
    _explain(overlay)


@cluster.command()
@click.argument("overlay")
@click.option("--data", "with_data", is_flag=True, help="And all data, keys and secrets, for ever.")
def down(overlay: str, *, with_data: bool) -> None:
    """Remove what an overlay put up; what it stored stays, unless told otherwise."""
    manifests = _without_namespace(_manifests(f"overlays/{overlay}", ""))
    _remove_jobs()
    kubectl("delete", "--ignore-not-found", "--wait=true", "--filename=-", given=manifests)
    if with_data:
        kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=true")
        console.print(f"Everything is gone, with the namespace {NAMESPACE}.")
        return
    console.print(
        "Everything is stopped. What was stored is still there: the volumes of PostgreSQL and"
        f" NATS, and the Secrets in the namespace {NAMESPACE}. To remove them too, for ever:"
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


def _without_namespace(manifests: str) -> str:
    """The manifests without the Namespace, whose end would be the end of everything in it."""
    documents = manifests.split("\n---\n")
    kept = [each for each in documents if not re.search(r"^kind: Namespace$", each, re.MULTILINE)]
    return "\n---\n".join(kept)


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


def _follow_demonstration() -> None:
    """Print the demonstration's log as it comes. Raises ClusterError if it fails."""
    job = f"job/{DEMONSTRATION}"
    # The log can be followed once there is a pod that has started.
    command = ["logs", "--follow", "--pod-running-timeout=2m", "--namespace", NAMESPACE, job]
    subprocess.run([program(), *command], check=False)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        (state,) = [
            progress_of(each)
            for each in listed(["jobs"])
            if each["metadata"]["name"] == DEMONSTRATION
        ]
        if state.is_complete:
            return
        if state.failed:
            break
        time.sleep(POLL_SECONDS)
    raise ClusterError(
        "The demonstration did not turn out as expected.\n" + "\n".join(troubles(listed(["pods"])))
    )


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
