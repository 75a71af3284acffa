"""The command `hudhud`."""

import asyncio
import json
import sys
from pathlib import Path

import click
from rich.markup import escape

from services.kit.errors import Refusal
from services.local.billing import billing
from services.local.errors import LocalError
from services.local.state import state_folder
from services.local.terminal import console

# Each command imports what it needs when it is called: `hudhud logs` should not wait for gRPC.


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def hudhud() -> None:
    """Hudhud on this machine: run it, watch it, try it, measure it."""


@hudhud.command()
@click.option("--logs", "with_logs", is_flag=True, help="Print the services' logs as they come.")
@click.option("--quiet", is_flag=True, help="Do not play the demonstration.")
def run(*, with_logs: bool, quiet: bool) -> None:
    """Start everything, play the demonstration, and stay up until Ctrl-C."""
    from services.local.run import run

    asyncio.run(run(state_folder(), with_logs=with_logs, with_demonstration=not quiet))


@hudhud.command()
def demo() -> None:
    """Start everything, play the demonstration, and stop: fails if any expectation failed."""
    from services.local.run import demo

    if not asyncio.run(demo(state_folder())):
        sys.exit(1)


@hudhud.command()
@click.argument("method", required=False)
@click.argument("body", default="{}")
@click.option("--list", "service", metavar="SERVICE", help="List what a service answers to.")
@click.option("--api-key", envvar="HUDHUD_API_KEY", default="", help="Call as this business.")
def call(method: str | None, body: str, *, service: str | None, api_key: str) -> None:
    """Call an RPC by server reflection: METHOD as package.Service/Method, BODY as JSON.

    Without an API key, as the operator of this machine.
    """
    from services.local import call
    from services.local.parties import Doors

    doors = Doors(state_folder())
    if service:
        asyncio.run(call.list_methods(doors, service))
    elif method:
        asyncio.run(call.call(doors, method, body, secret=api_key))
    else:
        raise click.UsageError("Name a method, or a service with --list.")


@hudhud.command()
def status() -> None:
    """Show what runs, where, and how much memory it takes."""
    from services.local.status import print_status

    if not asyncio.run(print_status(state_folder())):
        sys.exit(1)


@hudhud.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("-f", "--follow", is_flag=True, help="Go on printing what is added, until Ctrl-C.")
@click.option("-n", "--lines", default=20, show_default=True, help="Start with the last lines.")
def logs(names: tuple[str, ...], *, follow: bool, lines: int) -> None:
    """Print the logs of all services, or of those named."""
    from services.local import logs
    from services.local.terminal import print_log_line

    folder = state_folder() / "logs"
    known = logs.logged_names(folder)
    if not known:
        raise LocalError(f"Nothing has written to {folder} yet. Start it with: hudhud run")
    for name in names:
        if name not in known:
            raise LocalError(f"{name} has no log in {folder}. There are: {', '.join(known)}")
    chosen = names or known
    if not follow:
        for name in chosen:
            for line in logs.LogReader(folder / f"{name}.log", lines=lines).read():
                print_log_line(name, line)
        return

    async def print_for_ever() -> None:
        async for name, line in logs.follow(folder, chosen, lines=lines):
            print_log_line(name, line)

    asyncio.run(print_for_ever())


@hudhud.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--as", "kind", type=click.Choice(["direct", "reply"]), default="direct")
@click.option(
    "--category",
    type=click.Choice(["utility", "authentication", "marketing"]),
    default="utility",
    help="What direct messages are declared as.",
)
@click.option("--limit", default=0, help="At most so many lines, evenly over the file; 0: all.")
@click.option("--report", "report_file", type=click.Path(dir_okay=False, path_type=Path))
def replay(file: Path, *, kind: str, category: str, limit: int, report_file: Path | None) -> None:
    """Send each line of a JSONL file through the running system, and count what becomes of it."""
    from services.local import replay
    from services.local.parties import Doors

    run = replay.Replay(Doors(state_folder()), file, kind=kind, category=category, limit=limit)
    asyncio.run(run.run())
    replay.show(run)
    if report_file:
        report_file.write_text(json.dumps(replay.report(run), indent=1, ensure_ascii=False))
    if not replay.succeeded(run):
        sys.exit(1)


@hudhud.command()
@click.option("--number", default="", help="A phone number in E.164; else the demonstration's.")
@click.option("--language", default="ar", show_default=True, help="For businesses' names.")
def phone(*, number: str, language: str) -> None:
    """A phone in this terminal: shows messages as they arrive, and answers."""
    from services.local.parties import Doors
    from services.local.phone import phone

    asyncio.run(phone(Doors(state_folder()), number, language))


@hudhud.command()
def bench() -> None:
    """Measure rates, latencies, CPU and memory of the whole road on this machine."""
    from services.local.benchmark.bench import bench

    bench(state_folder())


hudhud.add_command(billing)


def main() -> int:
    """Run the command line; returns the exit code."""
    try:
        hudhud(standalone_mode=False)
    except Refusal as refusal:
        from services.local.call import explain

        console.print(
            "[red bold]Refused:[/]", escape(explain(refusal)), markup=True, soft_wrap=True
        )
        return 1
    except LocalError as error:
        console.print("[red bold]Error:[/]", escape(str(error)), markup=True, soft_wrap=True)
        return 1
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return 130
    return 0
