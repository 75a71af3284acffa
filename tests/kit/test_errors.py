"""Refusals and faults on the wire."""

import grpc
from google.rpc import error_details_pb2
from hypothesis import given
from hypothesis import strategies as st

from services.kit.clock import new_id
from services.kit.errors import (
    CommonReasons,
    Quota,
    Reason,
    Reasons,
    Refusal,
    Violation,
    internal_refusal,
    refusal_within,
)


class ShopReasons(Reasons, domain="shop.hudhud"):
    CLOSED = Reason(grpc.StatusCode.FAILED_PRECONDITION, "The shop is closed.", "Come tomorrow.")
    EMPTY = Reason(grpc.StatusCode.NOT_FOUND, "Nothing is left.", "Ask for something else.")


def test_reasons_know_their_names_and_domain() -> None:
    assert [reason.name for reason in ShopReasons.all()] == ["CLOSED", "EMPTY"]
    assert ShopReasons.CLOSED.domain == "shop.hudhud"
    assert CommonReasons.INTERNAL.domain == "hudhud"


def test_every_common_reason_says_what_was_wrong_and_what_to_do() -> None:
    for reason in CommonReasons.all():
        assert reason.description.endswith(".")
        assert reason.advice.endswith(".")
        assert reason.status is not grpc.StatusCode.OK


words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60)
refusals = st.builds(
    Refusal,
    st.sampled_from([*ShopReasons.all(), *CommonReasons.all()]),
    words,
    metadata=st.dictionaries(words, words, max_size=3),
    violations=st.lists(st.builds(Violation, words, words), max_size=5),
    quotas=st.lists(st.builds(Quota, words, words), max_size=2),
    retry_after_seconds=st.none() | st.integers(0, 10**6).map(lambda n: n / 1000),
)


def parts(refusal: Refusal) -> tuple[object, ...]:
    reason = refusal.reason
    return (
        (reason.name, reason.domain, reason.status, refusal.message, refusal.metadata),
        (refusal.violations, refusal.quotas, refusal.retry_after_seconds),
    )


@given(refusals)
def test_a_refusal_survives_the_status_of_a_call(refusal: Refusal) -> None:
    returned = Refusal.from_status(refusal.to_status())
    assert returned is not None
    assert parts(returned) == parts(refusal)
    assert returned.has(refusal.reason)


@given(refusals)
def test_a_refusal_survives_being_an_item_of_a_batch(refusal: Refusal) -> None:
    refusal.violations = refusal.quotas = ()  # these are for whole calls
    assert parts(Refusal.from_proto(refusal.to_proto())) == parts(refusal)


def test_reasons_of_the_same_name_in_two_domains_differ() -> None:
    class OtherReasons(Reasons, domain="other.hudhud"):
        CLOSED = Reason(grpc.StatusCode.NOT_FOUND, "Closed.", "Wait.")

    refusal = Refusal(OtherReasons.CLOSED)
    assert refusal.has(OtherReasons.CLOSED)
    assert refusal.has(ShopReasons.EMPTY, OtherReasons.CLOSED)
    assert not refusal.has(ShopReasons.CLOSED)


def test_a_status_stays_small_enough_for_headers_whatever_was_wrong() -> None:
    violations = [Violation(f"messages[{n}].text", "ليس نصا" * 10) for n in range(1000)]
    refusal = Refusal(CommonReasons.INVALID_FIELD, "كل الحقول " * 1000, violations=violations)
    status = refusal.to_status()
    # Base 64 of the details and percent-encoding of the message have to stay below 8 KiB.
    assert status.ByteSize() * 4 / 3 + len(status.message.encode()) * 3 < 8000
    returned = Refusal.from_status(status)
    assert returned is not None
    shown = returned.violations[:-1]
    assert shown == tuple(violations[: len(shown)])
    assert returned.violations[-1].description == f"and {1000 - len(shown)} more"


def test_a_refusal_is_found_inside_a_group_and_a_fault_is_not_one() -> None:
    refusal = Refusal(ShopReasons.CLOSED)
    group = ExceptionGroup("tasks", [ExceptionGroup("inner", [ValueError("x"), refusal])])
    assert refusal_within(group) is refusal
    assert refusal_within(ExceptionGroup("tasks", [ValueError("x")])) is None
    assert refusal_within(ValueError("x")) is None


def test_a_fault_tells_the_incident_alone() -> None:
    incident = new_id()
    status = internal_refusal(incident).to_status()
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain) == ("INTERNAL", "hudhud")
    assert dict(info.metadata) == {"incident": str(incident)}
