"""The terminal phone: shows messages as they arrive and does what its person types."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Awaitable, Callable
from typing import Final

from prompt_toolkit import PromptSession
from prompt_toolkit.patch_stdout import patch_stdout
from rich.console import Console
from rich.markup import escape

from hudhud.clearance.v1 import clearance_pb2
from hudhud.content.v1 import content_pb2
from hudhud.policy.v1 import policy_service_pb2
from services.ends.device.device import Device
from services.ends.device.inbox import category_of
from services.ends.device.profiles import display_name
from services.ends.device.store import Message
from services.kit.errors import Refusal

HELP: Final = """\
Type a text to answer whoever wrote last. Or:
  /to NUMBER     answer the business of that number from now on (/businesses lists them)
  /link LINK     write to the business whose link this is, such as hudhud:ITS-BUSINESS-ID
  /consent       want this business's marketing       /withdraw   do not want it any more
  /block         want nothing from this business      /unblock    end that
  /report        report its last message: /report promotion, /report scam, /report other
  /history       everything with this business        /businesses whom there are messages from
  /help          this                                 /quit       put the phone away"""

# A business puts its link where people find it: an advertisement, a page, a code on its door.
LINK_SCHEME: Final = "hudhud"

_REASONS: Final = {
    "promotion": policy_service_pb2.ReportMessageRequest.REASON_PROMOTION,
    "scam": policy_service_pb2.ReportMessageRequest.REASON_SCAM,
    "other": policy_service_pb2.ReportMessageRequest.REASON_OTHER,
}


# Control characters, surrogates; and U+202D and U+202E, which order letters against their script.
_NOT_SHOWN: Final = ("Cc", "Cs")
_WITHOUT_OVERRIDES: Final = dict.fromkeys((0x202D, 0x202E), "\N{REPLACEMENT CHARACTER}")


class Phone:
    """One device at a terminal."""

    def __init__(self, device: Device, console: Console, *, language_code: str = "en") -> None:
        """`language_code` is the language in which the person reads businesses' names."""
        self._device = device
        self._console = console
        self._language_code = language_code
        self._business_id = ""
        # Whose link the person came by and has not written to since.
        self._came_to = ""
        self._commands: dict[str, Callable[[str], Awaitable[None]]] = {
            "to": self._talk_to,
            "link": self._follow,
            "consent": lambda _: self._decide(device.grant_consent, "You get its marketing."),
            "withdraw": lambda _: self._decide(device.withdraw_consent, "No marketing any more."),
            "block": lambda _: self._decide(device.block, "Nothing more comes from it."),
            "unblock": lambda _: self._decide(device.unblock, "It may write to you again."),
            "report": self._report,
            "history": self._history,
            "businesses": self._list_businesses,
            "help": self._help,
        }

    async def run(self) -> None:
        """Shows and obeys until /quit, Ctrl-D or Ctrl-C."""
        history = self._device.history()
        if history:
            self._business_id = history[-1].business_id
        self._console.print("The phone is on. /help says what you can do.")
        showing = asyncio.get_running_loop().create_task(self._show_arrivals())
        prompt: PromptSession[str] = PromptSession()
        try:
            with patch_stdout(raw=True):
                while True:
                    line = (await prompt.prompt_async(await self._prompt())).strip()
                    if line == "/quit":
                        return
                    if line:
                        await self.obey(line)
        except (EOFError, KeyboardInterrupt):
            return
        finally:
            showing.cancel()
            await asyncio.gather(showing, return_exceptions=True)

    async def obey(self, line: str) -> None:
        """Does what one line says; what goes wrong is shown."""
        try:
            if not line.startswith("/"):
                await self._answer(line)
                return
            name, _, argument = line[1:].partition(" ")
            command = self._commands.get(name)
            if command is None:
                self._say(f"There is no /{name}. /help says what there is.")
            else:
                await command(argument.strip())
        except Refusal as refusal:
            self._say(f"Not done: {refusal.message}")

    async def show(self, message: Message) -> None:
        """Prints one message as the person reads it."""
        content = content_pb2.Content.FromString(message.content)
        name = await self._name(message.business_id)
        time = message.time.astimezone().strftime("%H:%M")
        if message.incoming:
            category = clearance_pb2.Category.Name(category_of(message))
            about = category.removeprefix("CATEGORY_").lower()
            heading = f"[bold green]{escape(name)}[/] [dim]{time} · {about}[/]"
        else:
            heading = f"[bold]You → {escape(name)}[/] [dim]{time}[/]"
        self._console.print(heading)
        self._console.print("  " + escape(printable(readable(content))), soft_wrap=True)

    async def _show_arrivals(self) -> None:
        async for message in self._device.messages():
            self._business_id = self._business_id or message.business_id
            await self.show(message)
            self._device.mark_read(message)

    async def _prompt(self) -> str:
        return f"{await self._name(self._business_id)} › " if self._business_id else "› "

    async def _name(self, business_id: str) -> str:
        try:
            profile = await self._device.profiles.get(business_id)
        except Refusal:
            return business_id
        return printable(display_name(profile, self._language_code))

    async def _answer(self, text: str) -> None:
        if self._has_business():
            came_by_link = self._came_to == self._business_id
            await self._device.reply(self._business_id, text, came_by_link=came_by_link)
            if came_by_link:
                self._came_to = ""

    async def _decide(self, decide: Callable[[str], Awaitable[None]], result: str) -> None:
        if self._has_business():
            await decide(self._business_id)
            self._say(result)

    async def _talk_to(self, argument: str) -> None:
        businesses = self._businesses()
        if not argument.isdecimal() or not 1 <= int(argument) <= len(businesses):
            self._say("Name one by its number; /businesses lists them.")
            return
        self._business_id = businesses[int(argument) - 1]

    async def _follow(self, argument: str) -> None:
        scheme, _, business_id = argument.partition(":")
        if scheme != LINK_SCHEME or not business_id:
            self._say(f"A link is {LINK_SCHEME}: and a business's id.")
            return
        await self._device.profiles.get(business_id)  # It is refused if there is none.
        self._business_id = self._came_to = business_id
        self._say(f"Write to {await self._name(self._business_id)}: it answers here.")

    async def _report(self, argument: str) -> None:
        if not self._has_business():
            return
        reason = _REASONS.get(argument or "promotion")
        if reason is None:
            self._say(f"Report as one of: {', '.join(_REASONS)}.")
            return
        incoming = [one for one in self._device.history(self._business_id) if one.incoming]
        if not incoming:
            self._say("It has sent you nothing.")
            return
        await self._device.report(incoming[-1].message_id, reason)
        self._say("Reported, with the proof of what it said. Thank you.")

    async def _history(self, _: str) -> None:
        for message in self._device.history(self._business_id):
            await self.show(message)

    async def _list_businesses(self, _: str) -> None:
        for number, business_id in enumerate(self._businesses(), 1):
            self._say(f"{number}  {await self._name(business_id)}")

    async def _help(self, _: str) -> None:
        self._say(HELP)

    def _businesses(self) -> list[str]:
        return list(dict.fromkeys(message.business_id for message in self._device.history()))

    def _has_business(self) -> bool:
        if not self._business_id:
            self._say("Nobody has written to you yet.")
        return bool(self._business_id)

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False)


def printable(text: str) -> str:
    """A text that a terminal shows and does not obey: control characters and the overrides of
    direction are marked, as they could draw over other lines or turn words around.
    """
    return "".join(
        character
        if character in "\n\t" or unicodedata.category(character) not in _NOT_SHOWN
        else "\N{REPLACEMENT CHARACTER}"
        for character in text.translate(_WITHOUT_OVERRIDES)
    )


def readable(content: content_pb2.Content) -> str:
    """What a content says, as text."""
    match content.WhichOneof("body"):
        case "text":
            return content.text.body
        case "template":
            return content.template.rendered
        case "media":
            return f"[{content.media.media_type}] {content.media.caption}".strip()
        case "interactive":
            return content.interactive.body
        case "choice":
            return content.choice.label or content.choice.choice_id
    return ""
