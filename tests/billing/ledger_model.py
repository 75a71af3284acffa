"""A plain model of the ledger: dictionaries and arithmetic, to compare the real one with."""

import copy
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

UTILITY_PRICE, MARKETING_PRICE, REPLY_PRICE = 3, 10, 1
PRICES = {"utility": UTILITY_PRICE, "marketing": MARKETING_PRICE, "service": REPLY_PRICE}

Business: TypeAlias = int
Message: TypeAlias = tuple[Business, int]


@dataclass(frozen=True)
class Ask:
    """One item of CreateReservations."""

    message: Message
    category: Literal["utility", "marketing", "service", "authentication"]
    country: Literal["SY", "QA"]
    window_open: bool
    seconds: int


@dataclass(frozen=True)
class Reserve:
    """CreateReservations."""

    asks: tuple[Ask, ...]


@dataclass(frozen=True)
class TopUp:
    """TopUpAccount."""

    business: Business
    number: int
    amount: int


@dataclass(frozen=True)
class Receipts:
    """A batch of events."""

    changes: tuple[tuple[Literal["delivered", "read", "refused", "expired"], Message], ...]


@dataclass(frozen=True)
class Expire:
    """What ran out is expired, after this time."""

    seconds: int


Step: TypeAlias = Reserve | TopUp | Receipts | Expire


@dataclass
class Held:
    """A reservation and what became of it."""

    ask: Ask
    price: int
    ends: int
    state: Literal["open", "capture", "release", "expiry", "late_capture"] = "open"


@dataclass
class Ledger:
    """What the real one should come to. Business 0 and 1 have accounts, 2 has none."""

    now: int = 0
    available: dict[Business, int] = field(default_factory=lambda: {0: 0, 1: 0})
    owed: dict[Business, int] = field(default_factory=lambda: {0: 0, 1: 0})
    held: dict[Message, Held] = field(default_factory=dict)
    top_ups: dict[int, tuple[Business, int]] = field(default_factory=dict)
    unsettled: set[tuple[Message, str]] = field(default_factory=set)

    def after(self, step: Step) -> tuple["Ledger", list[str | int]]:
        """The ledger after a step, and what whoever took it was told."""
        ledger = copy.deepcopy(self)
        match step:
            case Reserve(asks):
                return ledger, [ledger._reserve(ask) for ask in asks]
            case TopUp(business, number, amount):
                return ledger, [ledger._top_up(business, number, amount)]
            case Receipts(changes):
                ledger._settle("capture", {m for c, m in changes if c in ("delivered", "read")})
                ledger._settle("release", {m for c, m in changes if c in ("refused", "expired")})
            case Expire(seconds):
                ledger.now += seconds
                for held in ledger.held.values():
                    if held.state == "open" and held.ends <= ledger.now:
                        ledger._resolve(held, "expiry")
        return ledger, []

    def sums(self) -> dict[Business, tuple[int, int, int, int]]:
        """Of each business what is available, reserved, earned and owed."""
        return {
            business: (
                available,
                self._sum(business, "open"),
                self._sum(business, "capture") + self._sum(business, "late_capture"),
                self.owed[business],
            )
            for business, available in self.available.items()
        }

    def states(self) -> dict[Message, str]:
        """What became of each reservation."""
        return {message: held.state for message, held in self.held.items()}

    def _reserve(self, ask: Ask) -> str | int:
        business = ask.message[0]
        held = self.held.get(ask.message)
        if held is not None:
            same = (held.ask.category, held.ask.country) == (ask.category, ask.country)
            if not same:
                return "MESSAGE_ID_REUSED"
            covered = self.now < held.ends and self.now + ask.seconds <= held.ends + 12 * 3600
            return held.price if covered else "RESERVATION_ENDED"
        if business not in self.available:
            return "ACCOUNT_NOT_FOUND"
        if ask.category == "authentication":
            return "NO_RATE"
        price = PRICES[ask.category] * (2 if ask.country == "QA" else 1)
        if ask.category == "service" and ask.window_open:
            price = 0
        if price > self.available[business]:
            return "INSUFFICIENT_CREDIT"
        self.available[business] -= price
        self.held[ask.message] = Held(ask, price, self.now + ask.seconds)
        return price

    def _top_up(self, business: Business, number: int, amount: int) -> str | int:
        if business not in self.available:
            return "ACCOUNT_NOT_FOUND"
        if number not in self.top_ups:
            self.top_ups[number] = business, amount
            self.available[business] += amount
            repaid = min(self.owed[business], self.available[business])
            self.available[business] -= repaid
            self.owed[business] -= repaid
        if self.top_ups[number] != (business, amount):
            return "TOP_UP_ID_REUSED"
        return self.available[business]

    def _settle(self, wanted: Literal["capture", "release"], messages: set[Message]) -> None:
        # In the order of their reservations: what came late is paid in that order.
        order = {message: place for place, message in enumerate(self.held)}
        for message in sorted(messages, key=lambda message: order.get(message, -1)):
            held = self.held.get(message)
            if held is not None and held.state == "open":
                self._resolve(held, wanted)
            elif held is not None and held.state == "expiry" and wanted == "capture":
                self._charge_late(held)
            elif held is None or held.state.endswith("capture") != (wanted == "capture"):
                self.unsettled.add((message, wanted))

    def _charge_late(self, held: Held) -> None:
        held.state = "late_capture"
        business = held.ask.message[0]
        if held.price <= self.available[business]:
            self.available[business] -= held.price
        else:
            self.owed[business] += held.price

    def _resolve(self, held: Held, state: Literal["capture", "release", "expiry"]) -> None:
        held.state = state
        if state != "capture":
            self.available[held.ask.message[0]] += held.price

    def _sum(self, business: Business, state: str) -> int:
        return sum(
            held.price
            for message, held in self.held.items()
            if message[0] == business and held.state == state
        )
