"""Owns the asking of the classifier, which runs in a process of its own beside the event loop.

Opinions are remembered by what the classifier reads of a text, so that the same wording with other
numbers is read once. The process is started with policy and again whenever it dies or hangs. While
there is none, whoever asks gets the refusal DEPENDENCY_UNAVAILABLE: nothing leaves unscreened.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import signal
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from ml.normalise import normalised_key
from services.kit.clock import Clock
from services.policy import classifier_process as worker
from services.policy.domain.verdicts import Model, Opinion
from services.policy.errors import model_unavailable

R = TypeVar("R")

log = logging.getLogger(__name__)

# About 250 bytes each.
OPINIONS_REMEMBERED_MAX = 50_000
LOAD_SECONDS_MAX = 60.0
RESTART_SECONDS_MIN = 0.2
RESTART_SECONDS_MAX = 10.0


class Judge:
    """The classifier, for the event loop. `open`, then ask, then `close`."""

    def __init__(
        self, directory: Path, verification_key: bytes, clock: Clock, timeout_seconds: float
    ) -> None:
        """`verification_key` is PEM; without its signature no model is loaded."""
        self._directory = directory
        self._verification_key = verification_key
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._pool: ProcessPoolExecutor | None = None
        self._restart: asyncio.Task[None] | None = None
        self._model = Model("", {})
        # An opinion is the model's: they are forgotten with it.
        self._opinions: dict[bytes, Opinion | None] = {}
        self.process_id = 0

    async def open(self) -> None:
        """Start the process and load the model. Raises worker.ModelRefused for one that was not
        released under our key, or that was changed since.
        """
        # A fresh interpreter: a fork of this one would carry gRPC's threads and sockets along.
        pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=worker.begin)
        try:
            loaded = await asyncio.wait_for(
                asyncio.get_running_loop().run_in_executor(
                    pool, worker.load, str(self._directory), self._verification_key
                ),
                LOAD_SECONDS_MAX,
            )
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        if loaded.model != self._model:
            self._opinions = {}
            self._model = loaded.model
        self._pool = pool
        self.process_id = loaded.process_id
        log.info(
            "classifier loaded",
            extra={"model": self._model.model_id, "process_id": self.process_id},
        )

    async def close(self) -> None:
        """End the process."""
        if self._restart is not None:
            self._restart.cancel()
        if self._pool is not None:
            pool, self._pool = self._pool, None
            pool.shutdown(wait=False, cancel_futures=True)

    @property
    def model(self) -> Model:
        """The model that is loaded, or was last."""
        return self._model

    async def read(self, texts: Sequence[str]) -> list[Opinion | None]:
        """An opinion of each text, None where the classifier abstains.

        Raises the refusal DEPENDENCY_UNAVAILABLE.
        """
        keys = [normalised_key(text) for text in texts]
        remembered = self._opinions
        unread = {key: text for key, text in zip(keys, texts, strict=True) if key not in remembered}
        # What this batch needs stays at hand, whatever others forget meanwhile.
        opinions = {key: remembered[key] for key in keys if key in remembered}
        if unread:
            model = self._model
            read = await self._ask(worker.read, list(unread.values()))
            opinions |= dict(zip(unread, read, strict=True))
            if model is self._model:
                self._remember(zip(unread, read, strict=True))
        return [opinions[key] for key in keys]

    def _remember(self, opinions: Iterable[tuple[bytes, Opinion | None]]) -> None:
        self._opinions.update(opinions)
        while len(self._opinions) > OPINIONS_REMEMBERED_MAX:
            # The oldest goes; what is still in use is read again once.
            del self._opinions[next(iter(self._opinions))]

    async def explain(self, text: str) -> worker.Explanation:
        """What an opinion of this text rests on. Raises as `read` does."""
        return await self._ask(worker.explain, text)

    async def _ask(self, function: Callable[..., R], *arguments: Any) -> R:
        pool = self._pool
        if pool is None:
            raise model_unavailable()
        try:
            return await asyncio.wait_for(
                asyncio.get_running_loop().run_in_executor(pool, function, *arguments),
                self._timeout_seconds,
            )
        except BrokenExecutor:
            log.error("the classifier's process died", extra={"process_id": self.process_id})
        except TimeoutError:
            log.error("the classifier hangs", extra={"process_id": self.process_id})
        except RuntimeError:
            # The pool was shut down while this call was on its way in.
            if pool is self._pool:
                raise
        self._start_again(pool)
        raise model_unavailable()

    def _start_again(self, broken: ProcessPoolExecutor) -> None:
        if self._pool is not broken:
            return  # Somebody else noticed before.
        self._pool = None
        try:
            os.kill(self.process_id, signal.SIGKILL)
        except ProcessLookupError:
            pass
        broken.shutdown(wait=False, cancel_futures=True)
        # In a context of its own: the restart is nobody's call.
        self._restart = asyncio.get_running_loop().create_task(
            self._reopen(), context=contextvars.Context()
        )

    async def _reopen(self) -> None:
        pause_seconds = RESTART_SECONDS_MIN
        while True:
            try:
                await self.open()
                return
            except (BrokenExecutor, TimeoutError, OSError, worker.ModelRefused) as error:
                log.error(
                    "the classifier cannot be started",
                    extra={"error": error, "again_in_seconds": pause_seconds},
                )
            await self._clock.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, RESTART_SECONDS_MAX)
