"""Pairwise ids: they open for their scope alone, and tell nothing to anybody else."""

import re
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.pairwise import PairwiseIds

ids = PairwiseIds(b"s" * 32)
tags = st.text(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), min_size=2, max_size=2)


@given(st.uuids(), st.uuids(), tags)
def test_what_was_sealed_opens(scope: UUID, subject: UUID, tag: str) -> None:
    sealed = ids.seal(scope, subject, tag)
    assert ids.open(scope, sealed) == (subject, tag)
    assert re.fullmatch("c_[a-z2-7]{55}", sealed)


@given(st.uuids(), st.uuids(), tags)
def test_the_same_subject_always_has_the_same_id(scope: UUID, subject: UUID, tag: str) -> None:
    assert ids.seal(scope, subject, tag) == PairwiseIds(b"s" * 32).seal(scope, subject, tag)


@given(st.uuids(), st.uuids(), st.uuids(), tags)
def test_another_scope_has_another_id_and_does_not_open_it(
    scope: UUID, other: UUID, subject: UUID, tag: str
) -> None:
    if scope != other:
        sealed = ids.seal(scope, subject, tag)
        assert ids.seal(other, subject, tag) != sealed
        assert ids.open(other, sealed) is None


@given(st.uuids(), st.uuids(), tags)
def test_another_secret_does_not_open_it(scope: UUID, subject: UUID, tag: str) -> None:
    assert PairwiseIds(b"t" * 32).open(scope, ids.seal(scope, subject, tag)) is None


@given(st.uuids(), st.uuids(), tags, st.integers(0, 56), st.characters(codec="utf-8"))
def test_one_changed_character_closes_it(
    scope: UUID, subject: UUID, tag: str, place: int, character: str
) -> None:
    sealed = ids.seal(scope, subject, tag)
    changed = sealed[:place] + character + sealed[place + 1 :]
    if changed != sealed:
        assert ids.open(scope, changed) is None


@given(st.uuids(), st.text(max_size=80))
def test_anything_else_does_not_open(scope: UUID, text: str) -> None:
    assert ids.open(scope, text) is None
    assert ids.open(scope, "c_" + text) is None


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        PairwiseIds(b"s" * 31)


def test_a_tag_has_two_characters() -> None:
    with pytest.raises(ValueError, match="two ASCII characters"):
        ids.seal(UUID(int=1), UUID(int=2), "SYR")


def test_an_id_has_one_spelling() -> None:
    scope = UUID(int=1)
    sealed = ids.seal(scope, UUID(int=2), "SY")
    # The last character carries two bits; those that Base 32 leaves over must be zero.
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    others = [sealed[:-1] + letter for letter in alphabet if letter != sealed[-1]]
    for other in (sealed.upper(), "c_" + sealed[2:].upper(), sealed + "=", sealed[2:], *others):
        assert ids.open(scope, other) is None
