"""Owns the asking of the classifier, which runs in a process of its own beside the event loop.

Opinions are remembered by what the classifier reads of a text, so that the same wording with other
numbers is read once. The process is started with policy and again whenever it dies or hangs. While
there is none, whoever asks gets the refusal DEPENDENCY_UNAVAILABLE: nothing leaves unscreened.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from ml.normalise import normalised_key
from services.kit.clock import Clock
from services.policy.domain.evidence import Span
from services.policy.domain.models import Release
from services.policy.domain.verdicts import Model, Opinion
from services.policy.errors import model_unavailable

log = logging.getLogger(__name__)

PROGRAM: Final = "services.policy.classifier_process"
LOAD_SECONDS_MAX: Final = 60.0
RESTART_SECONDS_MIN: Final = 0.2
RESTART_SECONDS_MAX: Final = 10.0
# About 250 bytes each.
OPINIONS_REMEMBERED_MAX: Final = 50_000
_ANSWER_BYTES_MAX: Final = 16 * 1024 * 1024
# What a batch needs for a moment goes back to the system after it: glibc would keep up to 64 MB of
# it, in pieces that no other batch fits into. Others do not read these.
_RETURN_MEMORY: Final = {
    "MALLOC_MMAP_THRESHOLD_": str(4 * 1024 * 1024),
    "MALLOC_TRIM_THRESHOLD_": str(4 * 1024 * 1024),
}


class ModelRefused(Exception):
    """The model is not as it was released, not released under our key, or does not fit."""


class Explanation(NamedTuple):
    """What an opinion rests on."""

    spans: tuple[Span, ...]  # the parts that weighed most
    disguises: tuple[str, ...]  # how words were hidden


class ClassifierBroken(Exception):
    """The process died or hangs."""


class Judge:
    """One model of the classifier, for the event loop. `open`, then ask, then `close`."""

    def __init__(
        self,
        directory: Path,
        verification_key: bytes,
        clock: Clock,
        timeout_seconds: float,
        *,
        niceness: int = 0,
    ) -> None:
        """`verification_key` is PEM; without its signature no model is loaded. `niceness` (0 to 19)
        is how much the process gives way to others.
        """
        self._directory = directory
        self._niceness = niceness
        self._verification_key = verification_key
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._process: _Process | None = None
        self._restart: asyncio.Task[None] | None = None
        self._model = Model("", {})
        self._release: Release | None = None
        self._lent = 0
        self._idle = asyncio.Event()
        self._idle.set()
        # An opinion is the model's: they are forgotten with it.
        self._opinions: dict[bytes, Opinion | None] = {}

    async def open(self) -> None:
        """Start the process and load the model. Raises ModelRefused."""
        process = await _Process.start()
        try:
            loaded = await process.ask(
                {
                    "load": [str(self._directory), self._verification_key.decode()],
                    "niceness": self._niceness,
                },
                LOAD_SECONDS_MAX,
            )
            if "refused" in loaded:
                raise ModelRefused(loaded["refused"])
        except BaseException:
            await process.end()
            raise
        model = Model(loaded["model_id"], loaded["thresholds"], loaded["version"])
        self._release = Release(
            loaded["version"],
            loaded["digest"],
            datetime.fromisoformat(loaded["created"]),
            tuple(loaded["languages"]),
            loaded["card"],
        )
        if model != self._model:
            self._opinions = {}
            self._model = model
        self._process = process
        log.info(
            "classifier loaded", extra={"model": model.model_id, "process_id": process.process_id}
        )

    @contextmanager
    def lend(self) -> Iterator[Judge]:
        """The judge, for somebody who asks several questions: until then `retire` waits."""
        self._lent += 1
        self._idle.clear()
        try:
            yield self
        finally:
            self._lent -= 1
            if not self._lent:
                self._idle.set()

    async def retire(self) -> None:
        """Close, once nobody asks any more."""
        await self._idle.wait()
        await self.close()

    async def close(self) -> None:
        """End the process."""
        if self._restart is not None:
            self._restart.cancel()
            await asyncio.wait([self._restart])
        if self._process is not None:
            process, self._process = self._process, None
            await process.end()

    @property
    def model(self) -> Model:
        """The model that is loaded, or was last."""
        return self._model

    @property
    def release(self) -> Release:
        """What the model that was loaded says about itself."""
        assert self._release is not None
        return self._release

    @property
    def process_id(self) -> int | None:
        """The id of the classifier's process; None while there is none."""
        return self._process.process_id if self._process else None

    async def read(self, texts: Sequence[str]) -> list[Opinion | None]:
        """An opinion of each text, None where the classifier abstains.

        Raises the refusal DEPENDENCY_UNAVAILABLE.
        """
        keys = [normalised_key(text) for text in texts]
        remembered = self._opinions
        # What this batch needs stays at hand, whatever others forget meanwhile.
        opinions = {key: remembered[key] for key in keys if key in remembered}
        unread = {key: text for key, text in zip(keys, texts, strict=True) if key not in opinions}
        if unread:
            answer = await self._ask({"read": list(unread.values())})
            for key, said in zip(unread, answer, strict=True):
                opinions[key] = None if said is None else Opinion(*said)
            if remembered is self._opinions:
                self._remember((key, opinions[key]) for key in unread)
        return [opinions[key] for key in keys]

    async def explain(self, texts: Sequence[str]) -> list[Explanation]:
        """What the opinion of each text rests on. Raises as `read` does."""
        if not texts:
            return []
        answer = await self._ask({"explain": list(texts)})
        return [
            Explanation(tuple(Span(*span) for span in said["spans"]), tuple(said["disguises"]))
            for said in answer
        ]

    def _remember(self, opinions: Iterable[tuple[bytes, Opinion | None]]) -> None:
        self._opinions.update(opinions)
        while len(self._opinions) > OPINIONS_REMEMBERED_MAX:
            # The oldest goes; what is still in use is read again once.
            del self._opinions[next(iter(self._opinions))]

    async def _ask(self, question: Any) -> Any:
        process = self._process
        if process is None:
            raise model_unavailable()
        try:
            return await process.ask(question, self._timeout_seconds)
        except ClassifierBroken as error:
            if self._process is process:  # Nobody else noticed before.
                log.error("%s", error, extra={"process_id": process.process_id})
                self._process = None
                # In a context of its own: the restart is nobody's call.
                self._restart = asyncio.get_running_loop().create_task(
                    self._start_again(process), context=contextvars.Context()
                )
            raise model_unavailable() from None

    async def _start_again(self, broken: _Process) -> None:
        await broken.end()
        pause_seconds = RESTART_SECONDS_MIN
        while True:
            try:
                await self.open()
                return
            except (ClassifierBroken, OSError, ModelRefused) as error:
                log.error(
                    "the classifier cannot be started",
                    extra={"error": error, "again_in_seconds": pause_seconds},
                )
            await self._clock.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, RESTART_SECONDS_MAX)


class _Process:
    """A running `classifier_process`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._questions = process.stdin
        self._answers = process.stdout
        self._turn = asyncio.Lock()
        self.process_id = process.pid

    @classmethod
    async def start(cls) -> _Process:
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                PROGRAM,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=_ANSWER_BYTES_MAX,
                env={**os.environ, **_RETURN_MEMORY},
            )
        )

    async def ask(self, question: Any, timeout_seconds: float) -> Any:
        """The answer. Raises ClassifierBroken; then this process is of no more use."""
        # Whoever asks may go away; the answer is read all the same, or the next would get it.
        exchange = asyncio.ensure_future(self._exchange(question, timeout_seconds))
        exchange.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(exchange)

    async def _exchange(self, question: Any, timeout_seconds: float) -> Any:
        async with self._turn:
            try:
                async with asyncio.timeout(timeout_seconds):
                    self._questions.write(json.dumps(question).encode() + b"\n")
                    await self._questions.drain()
                    answer = await self._answers.readline()
            except TimeoutError:
                self._kill()
                raise ClassifierBroken("the classifier hangs") from None
            except OSError:
                answer = b""
            if not answer:
                raise ClassifierBroken("the classifier's process died")
            return json.loads(answer)

    async def end(self) -> None:
        """End the process, whatever it does."""
        self._kill()
        await self._process.wait()

    def _kill(self) -> None:
        try:
            self._process.kill()
        except ProcessLookupError:
            pass
