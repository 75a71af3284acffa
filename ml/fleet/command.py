"""What the commands for running services share: where these are, and what their refusals end with.

What the services refuse ends with 1, services that cannot be asked with 4.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from pathlib import Path
from typing import Any

import click

from ml.command import REFUSED, any_path, errors
from ml.errors import FileUnusable

UNREACHABLE = 4
Connect = Callable[[], AbstractContextManager[Any]]

# Commands import what speaks to services when they are called: training should not wait for gRPC.


def fleet_command(command: Callable[..., None]) -> Callable[..., None]:
    """A command that is given `channel`, to policy as an operator, in place of where to find it."""

    @wraps(command)
    def called(*, connect: Connect, **options: Any) -> None:
        with connect() as channel:
            command(channel=channel, **options)

    return connecting_command(called)


def connecting_command(command: Callable[..., None]) -> Callable[..., None]:
    """A command that is given `connect`, which opens such a channel each time: an operator's token
    does not last for hours.
    """

    @click.option("--identity", envvar="HUDHUD_IDENTITY_PUBLIC_ADDRESS", metavar="HOST:PORT",
                  help="Where identity answers; else as `hudhud run` left it.")  # fmt: skip
    @click.option("--policy", envvar="HUDHUD_POLICY_PUBLIC_ADDRESS", metavar="HOST:PORT",
                  help="Where policy answers; else as `hudhud run` left it.")  # fmt: skip
    @click.option("--authority", envvar="HUDHUD_AUTHORITY_FILE", type=any_path,
                  help="PEM of the authority of their certificates.")  # fmt: skip
    @click.option("--credential", envvar="HUDHUD_OPERATOR_CREDENTIAL_FILE", type=any_path,
                  help="File with the operator's credential.")  # fmt: skip
    @wraps(command)
    def called(
        *,
        identity: str | None,
        policy: str | None,
        authority: Path | None,
        credential: Path | None,
        **options: Any,
    ) -> None:
        from ml.fleet.client import Doors, Refused, Unreachable, operator

        def connect() -> AbstractContextManager[Any]:
            return operator(Doors.find(identity, policy, authority, credential))

        try:
            command(connect=connect, **options)
        except Refused as refusal:
            tell(f"{refusal.reason}: {refusal}")
            sys.exit(REFUSED)
        except Unreachable as error:
            tell(str(error))
            sys.exit(UNREACHABLE)
        except (OSError, FileUnusable) as error:
            tell(f"{type(error).__name__}: {error}")
            sys.exit(REFUSED)

    return called


def tell(what: str) -> None:
    """Says what is wrong."""
    errors.print(what, style="red", markup=False, soft_wrap=True)
