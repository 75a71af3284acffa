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


@dataclass(frozen=True)
class Credit:
    """SetAccountTerms: up to how much a business may owe."""

    business: Business
    limit: int


@dataclass(frozen=True)
class Note:
    """CreateCreditNote, of what charged a message."""

    message: Message
    amount: int


@dataclass(frozen=True)
class Crash:
    """The process stops before the step is committed."""

    step: "Reserve | TopUp | Receipts | Credit | Note"


Step: TypeAlias = Reserve | TopUp | Receipts | Expire | Credit | Note | Crash


@dataclass
class Held:
    """A reservation and what became of it."""

    ask: Ask
    price: int
    ends: int
    on_credit: bool
    state: Literal["open", "capture", "release", "expiry", "late_capture"] = "open"
    given_back: int = 0


@dataclass
class Ledger:
    """What the real one should come to. Business 0 and 1 have accounts, 2 has none."""

    now: int = 0
    available: dict[Business, int] = field(default_factory=lambda: {0: 0, 1: 0})
    owed: dict[Business, int] = field(default_factory=lambda: {0: 0, 1: 0})
    limit: dict[Business, int] = field(default_factory=lambda: {0: 0, 1: 0})
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
            case Credit(business, limit):
                return ledger, [ledger._set_limit(business, limit)]
            case Note(message, amount):
                return ledger, [ledger._give_back(message, amount)]
            case Crash():
                return ledger, ["CRASHED"]
            case Receipts(changes):
                ledger._settle("capture", {m for c, m in changes if c in ("delivered", "read")})
                ledger._settle("release", {m for c, m in changes if c in ("refused", "expired")})
            case Expire(seconds):
                ledger.now += seconds
                for held in ledger.held.values():
                    if held.state == "open" and held.ends <= ledger.now:
                        ledger._resolve(held, "expiry")
        return ledger, []

    def sums(self) -> dict[Business, tuple[int, int, int, int, int]]:
        """Of each business what is available, reserved, earned, owed and given back."""
        return {
            business: (
                available,
                self._sum(business, "open"),
                self._sum(business, "capture") + self._sum(business, "late_capture"),
                self.owed[business],
                sum(h.given_back for message, h in self.held.items() if message[0] == business),
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
        on_credit = price > self.available[business]
        if on_credit and price > self.limit[business] - self.owed[business]:
            return "INSUFFICIENT_CREDIT"
        self.held[ask.message] = Held(ask, price, self.now + ask.seconds, on_credit)
        self._pay(business, price, on_credit)
        return price

    def _pay(self, business: Business, price: int, on_credit: bool) -> None:
        if on_credit:
            self.owed[business] += price
        else:
            self.available[business] -= price

    def _set_limit(self, business: Business, limit: int) -> str | int:
        if business not in self.limit:
            return "ACCOUNT_NOT_FOUND"
        self.limit[business] = limit
        return limit

    def _give_back(self, message: Message, amount: int) -> str | int:
        business, held = message[0], self.held.get(message)
        if business not in self.available:
            return "ACCOUNT_NOT_FOUND"
        if held is None or not held.state.endswith("capture"):
            return "ENTRY_NOT_CHARGED"
        if amount > held.price - held.given_back:
            return "CREDIT_EXCEEDS_CHARGE"
        held.given_back += amount
        self._pay(business, -amount, amount <= self.owed[business])
        return self.available[business]

    def _top_up(self, business: Business, number: int, amount: int) -> str | int:
        if business not in self.available:
            return "ACCOUNT_NOT_FOUND"
        if number not in self.top_ups:
            self.top_ups[number] = business, amount
            self.available[business] += amount
            repaid = max(0, min(self.owed[business], self.available[business]))
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
        self._pay(business, held.price, held.price > self.available[business])

    def _resolve(self, held: Held, state: Literal["capture", "release", "expiry"]) -> None:
        held.state = state
        if state != "capture":
            self._pay(held.ask.message[0], -held.price, held.on_credit)

    def _sum(self, business: Business, state: str) -> int:
        return sum(
            held.price
            for message, held in self.held.items()
            if message[0] == business and held.state == state
        )
