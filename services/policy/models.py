"""Owns the models that this replica has loaded, and brings them in line with what all should run.

What all should run stands in the database; a replica looks there every two seconds, and at once
when it is woken. It loads a model beside the one that decides, warms it, and only then says that it
is ready. Once the model is to decide, it does from the next batch on; the old one finishes what it
has begun and goes. What cannot be loaded is said, and the old one goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from services.kit.clock import Clock, new_id
from services.kit.database import Database
from services.kit.wakeups import Wakeups
from services.policy.config import PolicySettings
from services.policy.domain.models import CONFIGURED, Release, Roles
from services.policy.domain.verdicts import Bench, Weights
from services.policy.figures import tell_model
from services.policy.judge import Judge, ModelRefused
from services.policy.shadow import Shadow
from services.policy.store import models, replicas

log = logging.getLogger(__name__)

# What replicas are woken by when something was decided.
WAKEUP: Final = "policy.models"
POLL_SECONDS: Final = 2.0
SHADOW_NICENESS: Final = 19
MANIFEST_FILE: Final = "manifest.json"
ARTIFACT_FILE: Final = "model.joblib"


class _Slot(NamedTuple):
    """A model, for deciding or for watching: the two run at different priorities."""

    version: str
    niceness: int = 0


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A model that is ready, and where its files lie; None: where the configuration says."""

    judge: Judge
    folder: tempfile.TemporaryDirectory[str] | None

    async def retire(self) -> None:
        """End it once nobody asks it any more."""
        await self.judge.retire()
        if self.folder is not None:
            self.folder.cleanup()


class Models:
    """The models of this replica. `open`, then `run` beside the service, then `close`."""

    def __init__(
        self,
        database: Database,
        wakeups: Wakeups,
        settings: PolicySettings,
        weights: Weights,
        clock: Clock,
    ) -> None:
        self.replica_id = new_id()
        self.shadow = Shadow(database, weights, clock, self.replica_id)
        self._database = database
        self._wakeups = wakeups
        self._settings = settings
        self._weights = weights
        self._clock = clock
        self._configured_version = _version_in(settings.model_directory)
        self._live = _Slot(CONFIGURED)
        self._ready: dict[_Slot, _Loaded] = {}
        self._loading: dict[_Slot, asyncio.Task[_Loaded]] = {}
        self._refusals: dict[_Slot, str] = {}
        self._retiring: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()

    async def open(self) -> None:
        """Load the model that decides; where it cannot be, the one that the configuration gives.
        Raises ModelRefused if neither can.
        """
        live = _Slot((await self._roles()).live_version)
        try:
            self._ready[live] = await self._load(live)
            self._live = live
        except ModelRefused as error:
            if live == self._live:
                raise
            self._refuse(live, error)
            self._ready[self._live] = await self._load(self._live)
        await self._report()

    async def run(self) -> None:
        """Follow what is decided for all, until cancelled."""
        async with self._wakeups.listen(WAKEUP) as woken:
            self._woken = woken
            while True:
                woken.clear()
                await self._follow()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_SECONDS):
                        await woken.wait()

    async def close(self) -> None:
        """End every model, and say that this replica is gone."""
        for task in self._loading.values():
            task.cancel()
        await asyncio.gather(*self._loading.values(), *self._retiring, return_exceptions=True)
        await asyncio.gather(*(loaded.retire() for loaded in self._ready.values()))
        self._ready = {}
        # Without a database nobody is told, and this replica is forgotten in time.
        await asyncio.gather(self._forget(), return_exceptions=True)

    async def _forget(self) -> None:
        async with self._database.connection("forget_replica") as connection:
            await replicas.delete(connection, self.replica_id)

    @property
    def live(self) -> Judge:
        """The judge that decides now. Ask for it anew for every batch, and `lend` it meanwhile."""
        return self._ready[self._live].judge

    async def try_release(self, folder: Path) -> Release:
        """What a release says about itself, once it is sure that it can be loaded here.

        Raises ModelRefused.
        """
        judge = await self._open(folder, niceness=0)
        await judge.close()
        return judge.release

    async def _follow(self) -> None:
        """Bring what is loaded in line with what is decided for all."""
        roles = await self._roles()
        shadow = _Slot(roles.shadow_version, SHADOW_NICENESS)
        wanted = {_Slot(roles.live_version)}
        if roles.candidate_id is not None:
            wanted.add(_Slot(roles.candidate_version))
        if roles.shadow_change_id is not None:
            wanted.add(shadow)
        self._load_all(wanted)
        live = _Slot(roles.live_version)
        if live != self._live and live in self._ready:
            # From here on every batch is judged by it.
            self._live = live
            log.info("another model decides", extra={"model": self.live.model.model_id})
        if roles.shadow_change_id is not None and shadow in self._ready:
            if self.shadow.change_id not in (None, roles.shadow_change_id):
                await self.shadow.end()
            self.shadow.begin(
                roles.shadow_change_id, self._ready[shadow].judge, roles.shadow_share_percent
            )
        else:
            await self.shadow.end()
        self._drop_all_but(wanted | {self._live})
        await self._report()

    def _load_all(self, wanted: set[_Slot]) -> None:
        """Take what was loaded meanwhile, and begin with what lacks."""
        for slot, task in list(self._loading.items()):
            if task.done():
                del self._loading[slot]
                self._take(slot, task)
        known = self._ready.keys() | self._loading.keys() | self._refusals.keys()
        for slot in wanted - known:
            task = asyncio.get_running_loop().create_task(self._load(slot))
            task.add_done_callback(lambda _: self._woken.set())
            self._loading[slot] = task

    def _take(self, slot: _Slot, task: asyncio.Task[_Loaded]) -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, ModelRefused):
            self._refuse(slot, error)
        elif error is not None:  # Nothing is wrong with the model: it is tried again.
            log.error("a model was not loaded", extra={"version": slot.version, "error": error})
        elif not task.cancelled():
            self._ready[slot] = task.result()

    def _refuse(self, slot: _Slot, error: ModelRefused) -> None:
        log.error("a model was refused", extra={"version": slot.version, "error": error})
        self._refusals[slot] = str(error)

    def _drop_all_but(self, wanted: set[_Slot]) -> None:
        for slot in self._refusals.keys() - wanted:
            del self._refusals[slot]
        for slot in self._loading.keys() - wanted:
            self._loading[slot].cancel()
        for slot in self._ready.keys() - wanted:
            task = asyncio.get_running_loop().create_task(self._ready.pop(slot).retire())
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

    async def _load(self, slot: _Slot) -> _Loaded:
        """Raises ModelRefused, or what else keeps a process from starting."""
        if slot.version == CONFIGURED:
            judge = await self._open(self._settings.model_directory, slot.niceness)
            return _Loaded(judge, None)
        folder = tempfile.TemporaryDirectory(prefix="hudhud-model-")
        try:
            await self._fetch(slot.version, Path(folder.name))
            return _Loaded(await self._open(Path(folder.name), slot.niceness), folder)
        except BaseException:
            folder.cleanup()
            raise

    async def _fetch(self, version: str, folder: Path) -> None:
        """Write the files of a model that was uploaded."""
        async with self._database.connection("fetch_model") as connection:
            manifest = await models.get_manifest(connection, version)
            (folder / MANIFEST_FILE).write_bytes(manifest or b"")
            with (folder / ARTIFACT_FILE).open("wb") as artifact:
                async for piece in models.pieces(connection, version):
                    artifact.write(piece)

    async def _open(self, folder: Path, niceness: int) -> Judge:
        judge = Judge(
            folder,
            self._settings.trusted_model_keys,
            self._clock,
            self._settings.model_timeout_seconds,
            niceness=niceness,
        )
        try:
            await judge.open()
        except ModelRefused as error:
            # Where the files lie for the moment helps nobody.
            raise ModelRefused(
                str(error).replace(f"{folder}/", "").replace(f"{folder}", "")
            ) from None
        try:
            Bench(self._weights, judge.model)
        except KeyError as error:
            await judge.close()
            raise ModelRefused(f"ThresholdMissing: the model sets none for {error}") from None
        return judge

    async def _roles(self) -> Roles:
        async with self._database.connection("read_model_roles") as connection:
            return await models.get_roles(connection)

    async def _report(self) -> None:
        tell_model(self._ready[self._live].judge.model.version)
        async with self._database.connection("report_models") as connection:
            await replicas.put(
                connection,
                self.replica_id,
                host=f"{socket.gethostname()}/{os.getpid()}",
                configured_version=self._configured_version,
                live_version=self._live.version,
                shadow_version=self.shadow.version,
                ready_versions=[slot.version for slot in self._ready if not slot.niceness],
                refusals={slot.version: why for slot, why in self._refusals.items()},
            )


def _version_in(folder: Path) -> str:
    """What the manifest in a folder calls its model, to be shown; empty where it says nothing."""
    try:
        return str(json.loads((folder / MANIFEST_FILE).read_bytes())["version"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""
