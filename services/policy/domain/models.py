"""Owns what models of the classifier are to policy: kept, tried in shadow, live, and replaced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Final
from uuid import UUID

# The model that each replica's configuration gives. It decides until one is promoted.
CONFIGURED: Final = ""


@dataclass(frozen=True, slots=True)
class Release:
    """What a release says about itself, once it is verified and loaded."""

    version: str  # the first twelve digits of the digest
    digest: str  # SHA-256 of the artifact, in hexadecimal
    train_time: datetime
    language_codes: tuple[str, ...]
    card: str


class State(IntEnum):
    """What a model does now; numbered as in hudhud.policy.v1.Model."""

    STORED = 1
    SHADOW = 2
    LIVE = 3
    SWEPT = 4


@dataclass(frozen=True, slots=True)
class KeptModel:
    """A release that was uploaded."""

    release: Release
    size_bytes: int
    operator: str
    create_time: datetime
    swept: bool = False  # only its description is left


class ChangeKind(IntEnum):
    """What was done to models; numbered as in hudhud.policy.v1.ModelChange."""

    UPLOADED = 1
    SHADOW_BEGAN = 2
    SHADOW_ENDED = 3
    PROMOTED = 4
    ROLLED_BACK = 5
    CALLED_OFF = 6


@dataclass(frozen=True, slots=True)
class Act:
    """Who does something to the models, when, and what they say about it."""

    operator: str
    note: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """Something that was done to the models."""

    change_id: int
    kind: ChangeKind
    version: str
    previous_version: str
    previous_change_id: int | None
    share_percent: int
    detail: str
    act: Act


@dataclass(frozen=True, slots=True)
class Roles:
    """What every replica should do."""

    live_version: str = CONFIGURED
    live_change_id: int | None = None
    shadow_version: str = ""
    shadow_change_id: int | None = None
    shadow_share_percent: int = 100
    candidate_id: UUID | None = None  # None: no model is about to take the live one's place
    candidate_version: str = ""

    def state_of(self, model: KeptModel) -> State:
        """What a model that was uploaded does."""
        if model.swept:
            return State.SWEPT
        if model.release.version == self.live_version:
            return State.LIVE
        return State.SHADOW if model.release.version == self.shadow_version else State.STORED


@dataclass(frozen=True, slots=True)
class ReplicaState:
    """What one process runs. Its times are the database's."""

    replica_id: UUID
    host: str
    configured_version: str
    live_version: str
    shadow_version: str
    ready_versions: tuple[str, ...]
    refusals: Mapping[str, str]  # why others were not loaded
    start_time: datetime
    seen_time: datetime

    @property
    def live_version_shown(self) -> str:
        """The same with the name of the model that the configuration gives."""
        return self.live_version or self.configured_version
