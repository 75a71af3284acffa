"""python -m services.ends.device: a phone in the terminal, for a platform anywhere."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click
from rich.console import Console

from services.ends.device.device import Device
from services.ends.device.phone import Phone
from services.ends.device.platform import Platform
from services.ends.device.registration import is_registered, register
from services.ends.device.store import FolderInUse
from services.kit.errors import Refusal


@click.command()
@click.option("--identity", required=True, help="Identity's public address, host:port.")
@click.option("--policy", required=True, help="Policy's public address, host:port.")
@click.option("--messaging", required=True, help="Messaging's public address, host:port.")
@click.option(
    "--authority",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Who signed their certificates, PEM; without it, those that this machine trusts.",
)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path.home() / ".hudhud-phone",
    show_default=True,
    help="Where the device keeps its keys and messages.",
)
@click.option("--number", default="", help="Your phone number in E.164, to register.")
@click.option("--language", default="en", show_default=True, help="For businesses' names.")
def main(
    identity: str,
    policy: str,
    messaging: str,
    authority: Path | None,
    folder: Path,
    number: str,
    language: str,
) -> None:
    """A phone in the terminal."""
    platform = Platform(identity, policy, messaging, authority.read_bytes() if authority else None)
    try:
        asyncio.run(_use(platform, folder, number, language))
    except Refusal as refusal:
        click.echo(f"Refused: {refusal.message}", err=True)
        sys.exit(1)
    except FolderInUse as error:
        click.echo(f"The phone is on already: {error}.", err=True)
        sys.exit(1)


async def _use(platform: Platform, folder: Path, number: str, language: str) -> None:
    async def read_code() -> str:
        return str(await asyncio.to_thread(click.prompt, "The code that came to your phone"))

    if not await is_registered(platform, folder):
        number = number or await asyncio.to_thread(click.prompt, "Your phone number, with a plus")
        await register(platform, folder, number, read_code, label="terminal")
    async with Device(platform, folder) as device:
        await Phone(device, Console(), language_code=language).run()


if __name__ == "__main__":
    main()
