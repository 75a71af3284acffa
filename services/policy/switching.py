"""Owns how another model takes the live one's place: on every replica, or on none.

1. announce   every replica loads the candidate beside the live model
2. wait       until all that live say that it is ready; one that cannot load it calls everything off
3. switch     one transaction makes it live: from here on it decides
4. wait       until all run it

Whoever is killed in the middle leaves a candidate that expires in seconds; after the third step
nothing is left to be done but what replicas do by themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

from services.kit.clock import new_id
from services.kit.database import Connection, Database
from services.kit.errors import Refusal
from services.kit.wakeups import Wakeups
from services.policy.domain.models import Act, ChangeKind, ReplicaState, Roles
from services.policy.errors import PolicyReasons, model_not_loadable
from services.policy.models import WAKEUP
from services.policy.store import models, replicas

READY_SECONDS_MAX: Final = 40.0
RUNNING_SECONDS_MAX: Final = 15.0
# Renewed as long as somebody waits for it: whoever was killed holds nobody up for longer.
CANDIDATE_SECONDS: Final = 10.0
LOOK_SECONDS: Final = 0.1


class Switching:
    """Switches, one at a time over all replicas."""

    def __init__(self, database: Database, wakeups: Wakeups) -> None:
        self._database = database
        self._wakeups = wakeups

    async def announce(self, connection: Connection, roles: Roles, version: str) -> UUID:
        """Have every replica load a model; the id of this candidate. The caller holds the lock of
        the roles. Refuses with MODEL_CHANGE_UNDER_WAY.
        """
        if roles.candidate_id is not None:
            raise Refusal(PolicyReasons.MODEL_CHANGE_UNDER_WAY, retry_after_seconds=5)
        candidate_id = new_id()
        await models.put_candidate(connection, candidate_id, version, CANDIDATE_SECONDS)
        return candidate_id

    @asynccontextmanager
    async def switch(self, candidate_id: UUID, version: str, act: Act) -> AsyncIterator[Connection]:
        """A transaction in which to make the candidate live, once every replica is ready.

        Refuses with MODEL_NOT_LOADABLE and MODEL_CHANGE_UNDER_WAY; then nothing was changed.
        """
        self._wakeups.wake([WAKEUP])
        try:
            silent = await self._until_ready(candidate_id, version)
            if silent:
                hosts = ", ".join(replica.host for replica in silent)
                raise model_not_loadable(version, hosts, "it was not loaded in time")
            async with self._database.transaction("switch_model") as connection:
                roles = await models.lock_roles(connection)
                if roles.candidate_id != candidate_id:
                    raise Refusal(PolicyReasons.MODEL_CHANGE_UNDER_WAY, retry_after_seconds=5)
                yield connection
        except BaseException as error:
            await self._call_off(candidate_id, version, act, error)
            raise
        finally:
            self._wakeups.wake([WAKEUP])

    async def until_all_run(self, version: str) -> list[ReplicaState]:
        """The replicas, once all that live run this model, or after some seconds as they are."""
        deadline = _now() + RUNNING_SECONDS_MAX
        while True:
            living = await self._living()
            if all(replica.live_version == version for replica in living) or _now() > deadline:
                return living
            await asyncio.sleep(LOOK_SECONDS)

    async def _until_ready(self, candidate_id: UUID, version: str) -> list[ReplicaState]:
        """Those that have not loaded the candidate after a while: none, if all is well."""
        deadline = _now() + READY_SECONDS_MAX
        while True:
            async with self._database.connection("wait_for_candidate") as connection:
                await models.renew_candidate(connection, candidate_id, CANDIDATE_SECONDS)
                living = await replicas.list_living(connection)
            for replica in living:
                if version in replica.refusals:
                    raise model_not_loadable(version, replica.host, replica.refusals[version])
            lacking = [replica for replica in living if version not in replica.ready_versions]
            if not lacking or _now() > deadline:
                return lacking
            await asyncio.sleep(LOOK_SECONDS)

    async def _living(self) -> list[ReplicaState]:
        async with self._database.connection("list_replicas") as connection:
            return await replicas.list_living(connection)

    async def _call_off(
        self, candidate_id: UUID, version: str, act: Act, error: BaseException
    ) -> None:
        async with self._database.transaction("call_off_switch") as connection:
            await models.drop_candidate(connection, candidate_id)
            detail = error.message if isinstance(error, Refusal) else "the call was broken off"
            await models.record(connection, ChangeKind.CALLED_OFF, version, act, detail=detail)


def _now() -> float:
    return asyncio.get_running_loop().time()
