"""`hudhud phone`: the terminal phone, registered by itself with this machine's platform."""

from __future__ import annotations

from rich.console import Console

from services.ends.device.phone import Phone
from services.local.demonstration.story import PHONE_NUMBER
from services.local.parties import Doors, open_phone


async def phone(doors: Doors, number: str, language_code: str) -> None:
    """Shows a phone until its person puts it away; without a number, the demonstration's."""
    number = number or PHONE_NUMBER
    async with await open_phone(doors, number) as device:
        # A console of its own: it writes around the line that is being typed.
        await Phone(device, Console(), language_code=language_code).run()
