"""`hudhud run`: starts everything on this machine, says where it is, and stays up."""

import asyncio
from pathlib import Path

from rich.table import Table

from services.local.interrupts import interruptible
from services.local.logs import follow
from services.local.platform import LocalPlatform
from services.local.roster import ROSTER, Service
from services.local.terminal import Progress, console, print_log_line


async def run(
    state: Path, *, with_logs: bool = False, services: tuple[Service, ...] = ROSTER
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
                print_addresses(platform)
                await _stay(platform, with_logs=with_logs)
        except asyncio.CancelledError:
            console.print("Stopped. What was stored stays in", str(state))


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
