"""`hudhud run`: starts everything on this machine, says where it is, and stays up."""

import asyncio
import sys
from pathlib import Path

from rich.table import Table

from services.local.demonstration.play import play
from services.local.interrupts import interruptible
from services.local.logs import follow
from services.local.parties import Doors
from services.local.platform import LocalPlatform
from services.local.roster import ROSTER, Service
from services.local.terminal import Progress, console, print_log_line


async def run(
    state: Path,
    *,
    with_logs: bool = False,
    with_demonstration: bool = False,
    services: tuple[Service, ...] = ROSTER,
) -> None:
    """Run the platform until Ctrl-C.

    Raises:
        LocalError: It could not be started, or not kept running.
    """
    progress = Progress()
    platform = LocalPlatform(state, services=services, report=progress)

    def stopping() -> None:
        console.print("\nStopping; Ctrl-C again kills.")

    with interruptible(stopping, platform.kill_everything):
        try:
            async with platform:
                if with_demonstration:
                    await play(Doors(state))
                print_addresses(platform)
                print_what_to_try(state)
                await _stay(platform, with_logs=with_logs)
        except asyncio.CancelledError:
            console.print("Stopped. What was stored stays in", str(state))


async def demo(state: Path) -> bool:
    """Start everything, play the demonstration, stop; returns whether all was as expected.

    Raises:
        LocalError: It could not be started.
    """
    platform = LocalPlatform(state, report=Progress())
    with interruptible(lambda: console.print("\nStopping."), platform.kill_everything):
        try:
            async with platform:
                return await play(Doors(state))
        except asyncio.CancelledError:
            return False


def print_what_to_try(state: Path) -> None:
    """Print three commands that work as they stand."""
    folder = Path(sys.executable).parent
    command = _shown(folder / "hudhud")
    console.print("\n[bold]To try[/], in another terminal:")
    for about, line in (
        (
            "any RPC by server reflection, as the operator",
            f"{command} call hudhud.billing.v1.BillingService/ListRates '{{}}'",
        ),
        (
            "a business's program in Python: register, send, see what becomes of it",
            f"{_shown(folder / 'python')} examples/send_receipt.py",
        ),
        ("a phone in the terminal", f"{command} phone"),
    ):
        console.print(f"  [dim]# {about}[/]")
        console.print(f"  {line}", soft_wrap=True)
    console.print("\nCtrl-C stops. State stays in", str(state))


def _shown(path: Path) -> str:
    """A path as one would type it here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def print_addresses(platform: LocalPlatform) -> None:
    """Print where each service listens."""
    table = Table("service", "for businesses, devices, operators", "for services", box=None)
    for name in platform.processes:
        table.add_row(name, platform.public_address(name), platform.internal_address(name))
    console.print(table)
    console.print(f"Logs are in {platform.state / 'logs'} (hudhud logs --follow).")


async def _stay(platform: LocalPlatform, *, with_logs: bool) -> None:
    work = [platform.supervisor.failed()]
    if with_logs:
        work.append(_print_logs(platform))
    await asyncio.gather(*work)


async def _print_logs(platform: LocalPlatform) -> None:
    async for name, line in follow(platform.state / "logs", platform.processes, lines=0):
        print_log_line(name, line)
