"""Owns templates: how a wording is read, what may be wrong with it, how it is filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Any, NamedTuple
from uuid import UUID

from services.policy.domain.evidence import Evidence
from services.policy.domain.messages import Category
from services.policy.domain.texts import words_of

_PARAMETER = re.compile(r"\{\{([a-z][a-z0-9_]{0,31})\}\}")
_BRACES = re.compile(r"\{\{|\}\}")


class WordingMalformed(Exception):
    """A wording cannot be a template; the message says why, to its author."""


class Segment(NamedTuple):
    """A piece of a wording: text as it stands, or the name of a parameter."""

    literal: str
    parameter: str


class State(IntEnum):
    """Where a template stands; numbered as in hudhud.policy.v1.Template."""

    APPROVED = 1
    REJECTED = 2


@dataclass(frozen=True, slots=True)
class Wording:
    """The text of a template, read."""

    segments: tuple[Segment, ...]

    @classmethod
    def read(cls, body: str) -> Wording:
        """Cut at the parameters. Raises WordingMalformed for braces that name none."""
        segments: list[Segment] = []
        end = 0
        for match in _PARAMETER.finditer(body):
            if match.start() > end:
                segments.append(Segment(body[end : match.start()], ""))
            segments.append(Segment("", match[1]))
            end = match.end()
        if end < len(body):
            segments.append(Segment(body[end:], ""))
        if any(_BRACES.search(segment.literal) for segment in segments):
            raise WordingMalformed(
                "Double braces stand for a parameter alone: {{name}}, where the name is a small "
                "letter and then small letters, digits and underscores, 32 at most."
            )
        return cls(tuple(segments))

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names, in order of appearance, each once."""
        return tuple(dict.fromkeys(segment.parameter for segment in self.segments if segment[1]))

    @property
    def bare(self) -> str:
        """What it says without its parameters."""
        return "".join(segment.literal or "…" for segment in self.segments)

    def render(self, parameters: Mapping[str, str]) -> str:
        """What a person reads. Raises KeyError where a parameter lacks."""
        return "".join(
            parameters[segment.parameter] if segment.parameter else segment.literal
            for segment in self.segments
        )

    def check(self, examples: Mapping[str, str]) -> None:
        """Raise WordingMalformed unless it can be reviewed with these examples.

        A wording has to say by itself what it is about: one that leaves everything to parameters
        could say anything after its review.
        """
        named = self.parameters
        if lacking := [name for name in named if not examples.get(name, "").strip()]:
            raise WordingMalformed(f"There is no example for {', '.join(lacking)}.")
        if extra := sorted(set(examples) - set(named)):
            raise WordingMalformed(f"The wording does not name {', '.join(extra)}.")
        for before, after in zip(self.segments, self.segments[1:], strict=False):
            if before.parameter and after.parameter:
                raise WordingMalformed(
                    f"{before.parameter} and {after.parameter} stand without anything between them."
                )
        words = sum(len(words_of(segment.literal)) for segment in self.segments)
        uses = sum(1 for segment in self.segments if segment.parameter)
        if words < max(uses, 1):
            raise WordingMalformed(
                "The wording leaves too much to its parameters: it needs words of its own, at "
                "least as many as it has parameters."
            )


@dataclass(frozen=True, slots=True)
class Template:
    """A wording as submitted and reviewed. It never changes."""

    template_id: UUID
    business_id: UUID
    name: str
    language_code: str
    category: Category
    body: str
    examples: Mapping[str, str]
    buttons: tuple[bytes, ...]  # serialized hudhud.content.v1.Button
    state: State
    evidence: tuple[Evidence, ...]
    create_time: datetime
    wording: Wording = field(repr=False)
    example_text: str = field(repr=False)  # the wording with the examples in place

    @classmethod
    def make(cls, *, body: str, examples: Mapping[str, str], **fields: Any) -> Template:
        """A template of a body that was checked."""
        wording = Wording.read(body)
        return cls(
            body=body,
            examples=examples,
            wording=wording,
            example_text=wording.render(examples),
            **fields,
        )

    def says_the_same_as(self, other: Template) -> bool:
        """Whether both were submitted with the same body."""
        return (
            self.template_id == other.template_id
            and self.business_id == other.business_id
            and self.name == other.name
            and self.language_code == other.language_code
            and self.category == other.category
            and self.body == other.body
            and dict(self.examples) == dict(other.examples)
            and self.buttons == other.buttons
        )
