"""Owns the sharing of a hop: what arrives while one batch is in flight forms the next.

Idle, an item waits for nobody: its batch leaves in the same turn of the event loop. Busy, the
price of a round trip or of a commit is shared by all that waited. One bad item never fails its
batch: the handler returns an outcome for each.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from prometheus_client import Histogram

BATCHES = Histogram(
    "hudhud_batch_items",
    "Items that shared a batch",
    ["batch"],
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
)

T = TypeVar("T")
R = TypeVar("R")


class Overloaded(Exception):
    """More is waiting than may wait. The caller should come back later."""


class Coalescer(Generic[T, R]):
    """Turns many single submissions into few batches.

    `handler` gets a non-empty list and returns as many outcomes in the same order; an outcome that
    is an `Exception` is raised to the one who submitted that item. If the handler itself raises,
    everybody in the batch gets that exception.

    A batch ends at `items_max` items, or before the item with which the sum of `weight` would pass
    `weight_max`; an item heavier than that travels alone. `in_flight_max` batches run at once.
    With `waiting_max` items waiting, the next is refused with `Overloaded`. `name` is under which
    the sizes of its batches are counted.
    """

    def __init__(
        self,
        handler: Callable[[list[T]], Awaitable[Sequence[R | Exception]]],
        *,
        items_max: int = 256,
        in_flight_max: int = 1,
        weight: Callable[[T], int] | None = None,
        weight_max: int = 0,
        waiting_max: int = 16_384,
        name: str = "other",
    ) -> None:
        if items_max < 1 or in_flight_max < 1 or waiting_max < 1:
            raise ValueError("items_max, in_flight_max and waiting_max are at least 1")
        if (weight is None) != (weight_max == 0):
            raise ValueError("weight and weight_max come together")
        self._handler = handler
        self._sizes = BATCHES.labels(name)
        self._items_max = items_max
        self._in_flight_max = in_flight_max
        self._weight = weight
        self._weight_max = weight_max
        self._waiting_max = waiting_max
        self._waiting: deque[tuple[T, asyncio.Future[R]]] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        self._running = 0
        self._starting = False
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many items wait for a batch; those in flight do not count."""
        return len(self._waiting)

    async def submit(self, item: T) -> R:
        """Return the item's own outcome, or raise it.

        Cancelling the wait withdraws an item that has not left yet; one that has runs its course.
        """
        return await self._enqueue(item, 1)

    async def submit_many(self, items: Sequence[T]) -> list[R | Exception]:
        """Return the outcomes of items that arrive together, in their order, raising none of them.

        Raises `Overloaded`, for all of them, if they do not all fit.
        """
        outcomes: list[R | Exception] = []
        futures = [
            self._enqueue(item, len(items) - position) for position, item in enumerate(items)
        ]
        try:
            for future in futures:
                try:
                    outcomes.append(await future)
                except Exception as error:
                    outcomes.append(error)
        except asyncio.CancelledError:
            for future in futures:
                future.cancel()
            raise
        return outcomes

    async def close(self) -> None:
        """Refuse what comes from now on and return when everything accepted has its outcome."""
        self._closed = True
        while self._workers:
            await asyncio.wait(self._workers)

    def _enqueue(self, item: T, count: int) -> asyncio.Future[R]:
        if self._closed:
            raise Overloaded("shutting down")
        if len(self._waiting) + count > self._waiting_max:
            raise Overloaded(f"{len(self._waiting)} items are waiting already")
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if not self._starting and self._running < self._in_flight_max:
            self._start_worker()
        return future

    def _start_worker(self) -> None:
        """Begin a batch on the event loop's next turn, when the rest of this turn has joined it.

        The worker has a context of its own: a batch belongs to all of its submitters, and must not
        log or trace under the name of whoever came first.
        """
        self._starting = True
        self._running += 1
        worker = asyncio.get_running_loop().create_task(
            self._work(), name="coalescer", context=contextvars.Context()
        )
        self._workers.add(worker)
        worker.add_done_callback(self._workers.discard)

    async def _work(self) -> None:
        self._starting = False
        try:
            while batch := self._take_batch():
                if self._waiting and not self._starting and self._running < self._in_flight_max:
                    self._start_worker()
                await self._run_batch(batch)
        finally:
            self._running -= 1

    def _take_batch(self) -> list[tuple[T, asyncio.Future[R]]]:
        batch: list[tuple[T, asyncio.Future[R]]] = []
        weight = 0
        while self._waiting and len(batch) < self._items_max:
            item, future = self._waiting[0]
            if future.done():  # Cancelled while it waited.
                self._waiting.popleft()
                continue
            if self._weight is not None:
                weight += self._weight(item)
                if batch and weight > self._weight_max:
                    break
            batch.append(self._waiting.popleft())
        return batch

    async def _run_batch(self, batch: list[tuple[T, asyncio.Future[R]]]) -> None:
        outcomes: Sequence[R | Exception]
        self._sizes.observe(len(batch))
        try:
            outcomes = await self._handler([item for item, _ in batch])
            if len(outcomes) != len(batch):
                raise RuntimeError(f"{len(outcomes)} outcomes for a batch of {len(batch)}")
        except asyncio.CancelledError:
            for _, future in batch:
                future.cancel()
            raise
        except Exception as error:
            outcomes = [error] * len(batch)
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            if future.done():  # Its waiter was cancelled.
                continue
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)
