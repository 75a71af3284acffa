"""Owns who is calling and who may call what: `services/access.toml`, read and applied."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID

from services.kit.errors import CommonReasons, Refusal

ACCESS_FILE = Path(__file__).parents[1] / "access.toml"

# What every server answers besides its own services: whether it is well, and what it serves.
OPEN_TO_ANYONE = ("grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection")


class CallerKind(StrEnum):
    """What kind of party calls."""

    SERVICE = "service"  # the common name of a certificate, on the internal listener
    BUSINESS = "business"  # a token, as are the next two
    DEVICE = "device"
    OPERATOR = "operator"
    ANYONE = "anyone"  # nobody that we know


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes the call at hand. Only what belongs to the kind is set."""

    kind: CallerKind
    service: str = ""
    business_id: UUID | None = None
    person_id: UUID | None = None
    device_id: UUID | None = None
    country: str = ""  # of a device's person, ISO 3166-1 alpha-2
    operator: str = ""
    token_expire_time: float | None = None  # seconds of Unix time; None without a token

    def __str__(self) -> str:
        """The kind and the id, for logs."""
        name = self.service or self.business_id or self.device_id or self.operator
        return f"{self.kind}:{name}" if name else str(self.kind)

    def may_act_for(self, business_id: UUID | str) -> bool:
        """Whether the caller may speak for this business. Services and operators may for any (the
        access file says in which calls); a business for itself; nobody else.
        """
        if self.kind is CallerKind.BUSINESS:
            return str(self.business_id) == str(business_id)
        return self.kind in (CallerKind.SERVICE, CallerKind.OPERATOR)

    def must_act_for(self, business_id: UUID | str) -> None:
        """Raise the refusal CALLER_NOT_ALLOWED unless `may_act_for`."""
        if not self.may_act_for(business_id):
            raise Refusal(
                CommonReasons.CALLER_NOT_ALLOWED,
                "The caller may not act for this business.",
                metadata={"business_id": str(business_id)},
            )


ANYONE = Caller(CallerKind.ANYONE)

_caller: ContextVar[Caller] = ContextVar("caller")


def current_caller() -> Caller:
    """Who makes the call that this task serves. Raises LookupError outside a call."""
    return _caller.get()


def set_current_caller(caller: Caller) -> None:
    """Say who makes the call, in the context of the task that serves it."""
    _caller.set(caller)


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may call one RPC."""

    kinds: frozenset[CallerKind] = frozenset()
    services: frozenset[str] = frozenset()

    @property
    def for_anyone(self) -> bool:
        """Whether no credential is needed."""
        return CallerKind.ANYONE in self.kinds

    @property
    def reads_tokens(self) -> bool:
        """Whether a token can make a difference."""
        return not self.kinds <= {CallerKind.ANYONE}

    def admits(self, caller: Caller) -> bool:
        """Whether this caller may."""
        return (
            caller.kind in self.kinds
            or (caller.kind is CallerKind.SERVICE and caller.service in self.services)
            or self.for_anyone
        )


class AccessList:
    """Who may call which RPC."""

    def __init__(self, rules: dict[str, Rule]) -> None:
        """`rules` by method, named "package.Service/Method"."""
        self._rules = rules

    @classmethod
    def load(cls, path: Path = ACCESS_FILE) -> AccessList:
        """Read the file. Raises ValueError that names every problem."""
        return cls.parse(tomllib.loads(path.read_text("utf-8")))

    @classmethod
    def parse(cls, tables: dict[str, Any]) -> AccessList:
        """Read `{"package.Service": {"Method": ["caller", ...]}}`, as it stands in the file."""
        rules: dict[str, Rule] = {}
        problems: list[str] = []
        for service, methods in tables.items():
            if not isinstance(methods, dict):
                problems.append(f"{service}: not a table of methods")
                continue
            for method, callers in methods.items():
                try:
                    rules[f"{service}/{method}"] = parse_rule(callers)
                except ValueError as error:
                    problems.append(f"{service}/{method}: {error}")
        if problems:
            raise ValueError("The access file has problems:\n  " + "\n  ".join(problems))
        return cls(rules)

    @property
    def methods(self) -> list[str]:
        """Every method that is listed."""
        return list(self._rules)

    def rule(self, method: str) -> Rule:
        """The rule of `package.Service/Method`. Raises KeyError where none is listed."""
        if method.partition("/")[0] in OPEN_TO_ANYONE:
            return Rule(frozenset({CallerKind.ANYONE}))
        return self._rules[method]

    def require_all(self, methods: Iterable[str]) -> None:
        """Raise ValueError naming every method of `methods` that is not listed."""
        unlisted = [
            method
            for method in methods
            if method not in self._rules and method.partition("/")[0] not in OPEN_TO_ANYONE
        ]
        if unlisted:
            raise ValueError(
                "The access file does not say who may call: " + ", ".join(sorted(unlisted))
            )


def parse_rule(callers: Any) -> Rule:
    """Read one list of callers. Raises ValueError."""
    if not isinstance(callers, list) or not callers:
        raise ValueError("must be a list of at least one caller")
    kinds: set[CallerKind] = set()
    services: set[str] = set()
    for caller in callers:
        kind, colon, name = str(caller).partition(":")
        if kind == CallerKind.SERVICE and name:
            services.add(name)
        elif kind in set(CallerKind) - {CallerKind.SERVICE} and not colon:
            kinds.add(CallerKind(kind))
        else:
            raise ValueError(
                f'{caller!r} is not one of "service:<name>", "business", "device", "operator" '
                'and "anyone"'
            )
    return Rule(frozenset(kinds), frozenset(services))
