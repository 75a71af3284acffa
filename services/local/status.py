"""`hudhud status`: what runs in a state folder, where, and how much memory it takes."""

import asyncio
from pathlib import Path

import psutil
from rich.table import Table

from services.local import health
from services.local.certificates import Authority
from services.local.platform import LOCAL
from services.local.ports import Ports
from services.local.roster import HOST, ROSTER
from services.local.state import running_process
from services.local.terminal import console

_BYTES_IN_MEGABYTE = 1_000_000


async def print_status(state: Path) -> bool:
    """Print what runs; returns whether all of it serves."""
    holder = running_process(state)
    if holder is None:
        console.print(f"Nothing runs in {state}. Start it with: hudhud run")
        return False
    ports = Ports(state / "ports.json")
    identity = Authority(state / "certificates").identity(LOCAL)
    addresses = [f"{HOST}:{ports.current(f'{service.name}.internal')}" for service in ROSTER]
    serving = await asyncio.gather(*(health.is_serving(each, identity) for each in addresses))
    memory_bytes = _memory_bytes_by_module(holder)
    table = Table("service", "state", "public address", "memory, MB", box=None)
    for service, serves in zip(ROSTER, serving, strict=True):
        public = f"{HOST}:{ports.current(f'{service.name}.public')}"
        megabytes = memory_bytes.get(service.module, 0) // _BYTES_IN_MEGABYTE
        how = "[green]serving[/]" if serves else "[red]not serving[/]"
        table.add_row(service.name, how, public, str(megabytes or "-"))
    console.print(f"Hudhud runs in {state} (process {holder}).")
    console.print(table)
    return all(serving)


def _memory_bytes_by_module(holder: int) -> dict[str, int]:
    """The resident memory of each service process, by the module that it runs."""
    memory_bytes: dict[str, int] = {}
    for child in psutil.Process(holder).children():
        try:
            memory_bytes[child.cmdline()[-1]] = child.memory_info().rss
        except (psutil.NoSuchProcess, IndexError):
            continue
    return memory_bytes
