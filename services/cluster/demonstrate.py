"""Plays the demonstration inside a cluster: `python -m services.cluster.demonstrate`, as a Job."""

from __future__ import annotations

import asyncio
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from secrets import randbelow
from typing import Final

from services.cluster.api import Api
from services.cluster.errors import ClusterError
from services.local.demonstration.play import play
from services.local.errors import LocalError
from services.local.parties import Doors

PUBLIC_PORT: Final = 8440
FOLDER: Final = Path("/tmp/demonstration")  # noqa: S108 - an empty folder of this pod alone
AUTHORITY_FILE: Final = Path("/etc/hudhud/tls/ca.crt")
OPERATOR_CREDENTIAL_FILE: Final = Path("/etc/hudhud/secrets/credential")

# What identity prints where codes go to its terminal (ConsoleCodeSender).
_CODE = re.compile(r"☎ (?P<phone_number>\+\d+): .*?\b(?P<code>\d{6})\b")
_LOG_SECONDS = 60
_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class ClusterDoors(Doors):
    """Where Hudhud answers in this namespace, and the secrets that this pod was given."""

    api: Api

    def address(self, service: str) -> str:
        """The service's name is its address."""
        return f"{service}:{PUBLIC_PORT}"

    @property
    def authority_file(self) -> Path:
        """The certificate of the authority that signed the services' certificates."""
        return AUTHORITY_FILE

    def operator_credential(self) -> str:
        """What makes an operator."""
        return OPERATOR_CREDENTIAL_FILE.read_text().strip()

    async def read_code(self, phone_number: str, wait_seconds: float = 10.0) -> str:
        """The newest code that identity has printed for this phone number."""
        deadline = asyncio.get_running_loop().time() + wait_seconds
        while True:
            code = newest_code(await asyncio.to_thread(self._lines), phone_number)
            if code is not None:
                return code
            if asyncio.get_running_loop().time() > deadline:
                raise LocalError(
                    "Identity printed no code. HUDHUD_CODE_SENDER must be console, and this pod's"
                    " service account must be allowed to read identity's log."
                )
            await asyncio.sleep(_POLL_SECONDS)

    def _lines(self) -> list[str]:
        return [
            line
            for pod in self.api.pods("identity")
            for line in self.api.pod_log(pod, _LOG_SECONDS)
        ]


def newest_code(lines: list[str], phone_number: str) -> str | None:
    """The code for a phone number in log lines that start with their times, in any order."""
    for line in sorted(lines, reverse=True):
        found = _CODE.search(line)
        if found and found["phone_number"] == phone_number:
            return found["code"]
    return None


def somebodys_number() -> str:
    """The number of somebody who was never here: the phone goes with this pod, and a person of whom
    every run left a phone behind could soon have no other.
    """
    return f"+963944{randbelow(1_000_000):06}"


def main() -> int:
    """Run the job; returns the exit code."""
    FOLDER.mkdir(exist_ok=True)
    try:
        doors = ClusterDoors(FOLDER, Api.of_this_pod())
        as_expected = asyncio.run(play(doors, somebodys_number()))
    except (ClusterError, LocalError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0 if as_expected else 1


if __name__ == "__main__":
    sys.exit(main())
