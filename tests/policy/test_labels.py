"""What people say about messages: reports, appeals, reviews and withdrawals, capped, exported."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from hudhud.policy.v1 import appeal_pb2, label_pb2
from hudhud.policy.v1 import label_service_pb2 as pb
from hudhud.policy.v1 import policy_service_pb2 as policy_pb
from services.kit.clock import new_id
from services.kit.errors import Refusal
from services.policy.domain import labels
from services.policy.housekeeping import sweep
from tests.policy.house import House, Replica
from tests.policy.parties import OFFER, RECEIPT, Business, Person

PROMOTIONAL = label_pb2.LABEL_PROMOTIONAL
SCAM = label_pb2.LABEL_SCAM
TRANSACTIONAL = label_pb2.LABEL_TRANSACTIONAL
REPORT = pb.LabelEntry.KIND_REPORT
APPEAL = pb.LabelEntry.KIND_APPEAL
Appeal = appeal_pb2.Appeal
Reason = policy_pb.ReportMessageRequest


@pytest.fixture(scope="module")
async def policy(house_for_models: House) -> AsyncIterator[Replica]:
    """A policy of this file's own: an export is of everything."""
    async with house_for_models.replica() as replica:
        yield replica


@pytest.fixture
async def desk(policy: Replica) -> Any:
    """Where reviewers call; empty at first."""
    await policy.house.rows("TRUNCATE label_entries")
    policy.house.clock.advance(2 * 24 * 3600)
    return await policy.labels()


async def report(
    business: Business, person: Person, text: str, reason: Any = Reason.REASON_PROMOTION
) -> policy_pb.ScreenItem:
    """A message that the person gets and does not want."""
    item = business.item(person, text)
    allowed = await business.allowed(item)
    device = await person.device()
    await device.ReportMessage(
        policy_pb.ReportMessageRequest(
            clearance=allowed.clearance,
            content=item.content,
            franking_key=item.franking_key,
            reason=reason,
        )
    )
    return item


async def appeal(business: Business, item: policy_pb.ScreenItem, statement: str = "") -> Any:
    stub = await business.stub()
    answer = await stub.AppealRefusal(
        policy_pb.AppealRefusalRequest(item=item, statement=statement)
    )
    return answer.appeal


async def appealed(business: Business, item: policy_pb.ScreenItem) -> Any:
    stub = await business.stub()
    answer = await stub.GetAppeal(
        policy_pb.GetAppealRequest(
            business_id=str(business.business_id), message_id=item.message_id
        )
    )
    return answer.appeal


async def waiting(desk: Any, **asked: Any) -> list[pb.WaitingLabel]:
    return list((await desk.ListWaiting(pb.ListWaitingRequest(**asked))).waiting)


async def exported(desk: Any) -> list[pb.LabelEntry]:
    return [
        entry
        async for answer in desk.ExportLabels(pb.ExportLabelsRequest())
        for entry in answer.entries
    ]


def review(of: pb.LabelEntry, label: Any, **said: Any) -> pb.Review:
    given = {"entry_id": str(new_id()), "of_entry_id": of.entry_id, "reviewer": "ann"}
    return pb.Review(**{**given, "label": label, **said})


async def test_a_report_waits_for_a_reviewer_whose_word_is_exported(
    desk: Any, business: Business, person: Person
) -> None:
    item = await report(business, person, RECEIPT, Reason.REASON_SCAM)
    other = Person(business.replica)
    await report(business, other, RECEIPT.replace("4471", "9902"))
    [found] = await waiting(desk)
    assert found.said_by_count == 2
    entry = found.entry
    assert (entry.kind, entry.label, entry.text, entry.blocked) == (REPORT, SCAM, RECEIPT, False)
    assert entry.business == f"b-{business.business_id}"
    assert str(person.person_id) not in entry.said_by
    assert entry.model_version == business.replica.servicer._parts.models.live.model.version
    decided = review(entry, TRANSACTIONAL, reason="a receipt")
    request = pb.ReviewLabelsRequest(reviews=[decided])
    assert (await desk.ReviewLabels(request)).created_count == 1
    assert (await desk.ReviewLabels(request)).created_count == 0
    assert await waiting(desk) == []
    # The same wording, reported again, waits no more; it is kept all the same.
    await report(business, Person(business.replica), RECEIPT.replace("4471", "1177"))
    assert await waiting(desk) == []
    said = await exported(desk)
    assert [each.kind for each in said] == [REPORT, REPORT, pb.LabelEntry.KIND_REVIEW, REPORT]
    assert len({each.said_by for each in said}) == 4
    assert said[2].of_entry_id == entry.entry_id
    assert (said[2].said_by, said[2].label, said[2].text) == ("ann", TRANSACTIONAL, RECEIPT)
    assert item.message_id not in str(said)


async def test_other_reasons_teach_nothing(desk: Any, business: Business, person: Person) -> None:
    await report(business, person, RECEIPT, Reason.REASON_OTHER)
    assert await exported(desk) == []
    stub = await business.stub()
    quality = await stub.GetQuality(
        policy_pb.GetQualityRequest(business_id=str(business.business_id))
    )
    assert quality.reported_count == 1


async def test_an_appeal_is_heard_once_and_answered(
    desk: Any, business: Business, person: Person
) -> None:
    item = business.item(person, OFFER)
    await business.blocked(item)
    assert (await appeal(business, item, "They asked for it.")).state == Appeal.STATE_WAITING
    assert (await appeal(business, item, "They asked for it!")).state == Appeal.STATE_WAITING
    [found] = await waiting(desk, kind=APPEAL)
    assert await waiting(desk, kind=REPORT) == []
    assert found.entry.reason == "They asked for it."
    assert (found.entry.text, found.entry.blocked) == (OFFER, True)
    await desk.ReviewLabels(
        pb.ReviewLabelsRequest(reviews=[review(found.entry, PROMOTIONAL, reason="An offer.")])
    )
    told = await appealed(business, item)
    assert (told.state, told.label, told.reason) == (
        Appeal.STATE_DENIED, PROMOTIONAL, "An offer."
    )  # fmt: skip
    # The next one about the same wording is answered already; a later word replaces it.
    second = business.item(person, OFFER)
    await business.blocked(second)
    assert (await appeal(business, second)).state == Appeal.STATE_DENIED
    await desk.ReviewLabels(pb.ReviewLabelsRequest(reviews=[review(found.entry, TRANSACTIONAL)]))
    assert (await appealed(business, item)).state == Appeal.STATE_GRANTED


async def test_only_what_was_blocked_can_be_appealed(business: Business, person: Person) -> None:
    allowed = business.item(person, RECEIPT)
    await business.allowed(allowed)
    blocked = business.item(person, OFFER)
    await business.blocked(blocked)
    unknown = business.item(person, OFFER)
    another = business.item(person, OFFER + " Hurry!", message_id=blocked.message_id)
    bent = policy_pb.ScreenItem()
    bent.CopyFrom(blocked)
    bent.content = RECEIPT.encode()
    for item, reason in (
        (allowed, "NOT_BLOCKED"),
        (unknown, "NOT_BLOCKED"),
        (another, "MESSAGE_ID_REUSED"),
        (bent, "COMMITMENT_MISMATCH"),
        (policy_pb.ScreenItem(), "CALLER_NOT_ALLOWED|INVALID_FIELD"),
    ):
        with pytest.raises(Refusal, match=reason):
            await appeal(business, item)
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await appeal(Business(business.replica), blocked)
    with pytest.raises(Refusal, match="APPEAL_NOT_FOUND"):
        await appealed(business, blocked)


async def test_a_business_that_appeals_without_end_is_stopped(
    desk: Any, business: Business, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.policy.actions.appeal_refusal.APPEALS_OF_A_BUSINESS_MAX", 3)
    items = [business.item(person, OFFER) for _ in range(4)]
    await business.screen(*items)
    for item in items[:3]:
        await appeal(business, item)
    with pytest.raises(Refusal, match="APPEAL_RATE_LIMITED") as refused:
        await appeal(business, items[3])
    assert refused.value.retry_after_seconds
    # Others are heard, and so is this one a day later.
    other = Business(business.replica)
    its_own = other.item(person, OFFER)
    await other.blocked(its_own)
    await appeal(other, its_own)
    business.replica.house.clock.advance(labels.PERIOD.total_seconds() + 1)
    await appeal(business, items[3])
    assert len(await waiting(desk)) == 1  # all say the same


async def test_a_flood_of_reports_is_kept_out(
    desk: Any, policy: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "services.policy.actions.report_message"
    monkeypatch.setattr(f"{module}.REPORTS_OF_A_PERSON_MAX", 3)
    monkeypatch.setattr(f"{module}.REPORTS_ABOUT_A_BUSINESS_MAX", 5)
    flooder = Person(policy)
    for word in ("one", "two", "three", "four", "five"):
        await report(Business(policy), flooder, f"{RECEIPT} Thanks, {word}.")
    assert len(await exported(desk)) == 3
    unloved = Business(policy)
    for word in ("one", "two", "three", "four", "five", "six", "seven"):
        await report(unloved, Person(policy), f"{RECEIPT} Regards, {word}.")
    said = await exported(desk)
    assert len([each for each in said if each.business == f"b-{unloved.business_id}"]) == 5
    # For its quality every one counts.
    stub = await unloved.stub()
    quality = await stub.GetQuality(
        policy_pb.GetQualityRequest(business_id=str(unloved.business_id))
    )
    assert quality.reported_count == 7


async def test_what_is_withdrawn_is_gone_and_the_export_says_so(
    desk: Any, business: Business, person: Person
) -> None:
    await report(business, person, f"{RECEIPT} Zanzibar")
    await report(business, person, RECEIPT)
    await report(business, Person(business.replica), RECEIPT)
    first, second, third = await exported(desk)
    await desk.ReviewLabels(pb.ReviewLabelsRequest(reviews=[review(second, TRANSACTIONAL)]))
    [decision] = [each for each in await exported(desk) if each.said_by == "ann"]
    one = pb.WithdrawLabelsRequest(entry_id=first.entry_id, reviewer="ann", reason="asked to")
    assert (await desk.WithdrawLabels(one)).withdrawn_count == 1
    assert (await desk.WithdrawLabels(one)).withdrawn_count == 0
    said = await exported(desk)
    assert first.entry_id not in [each.entry_id for each in said]
    assert (said[-1].kind, said[-1].of_entry_id, said[-1].reason) == (
        pb.LabelEntry.KIND_WITHDRAWAL, first.entry_id, "asked to"
    )  # fmt: skip
    rows = await business.replica.house.rows(
        "SELECT label_entries::text FROM label_entries UNION ALL SELECT reports::text FROM reports"
    )
    assert not [row for row in rows if "Zanzibar" in row[0]]
    # A decision that is taken back leaves its wording waiting again.
    assert await waiting(desk) == []
    await desk.WithdrawLabels(pb.WithdrawLabelsRequest(entry_id=decision.entry_id, reviewer="bob"))
    assert len(await waiting(desk)) == 1
    # All that one person said.
    everything = pb.WithdrawLabelsRequest(said_by=second.said_by, reviewer="ann")
    assert (await desk.WithdrawLabels(everything)).withdrawn_count == 1
    standing = [each for each in await exported(desk) if each.kind == REPORT]
    assert [each.entry_id for each in standing] == [third.entry_id]
    # What was withdrawn is not reviewed.
    late = review(first, SCAM)
    answer = await desk.ReviewLabels(pb.ReviewLabelsRequest(reviews=[late]))
    assert (answer.created_count, list(answer.unknown_entry_ids)) == (0, [late.entry_id])


async def test_what_waits_is_listed_by_pages(desk: Any, policy: Replica) -> None:
    for word in ("one", "two", "three"):
        await report(Business(policy), Person(policy), f"{RECEIPT} Yours, {word}.")
    first = await desk.ListWaiting(pb.ListWaitingRequest(page_size=2))
    rest = await desk.ListWaiting(
        pb.ListWaitingRequest(page_size=2, page_token=first.next_page_token)
    )
    texts = [found.entry.text for page in (first, rest) for found in page.waiting]
    assert [text.split()[-1] for text in texts] == ["one.", "two.", "three."]
    assert rest.next_page_token == ""


async def test_nothing_is_kept_for_ever(desk: Any, business: Business, person: Person) -> None:
    await report(business, person, RECEIPT)
    business.replica.house.clock.advance((labels.KEPT + timedelta(days=1)).total_seconds())
    await sweep(business.replica.servicer._database, business.replica.house.clock)
    assert await exported(desk) == []
    for table in ("label_entries", "reports"):
        assert not await business.replica.house.rows(f"SELECT FROM {table}")


UNKNOWN = str(uuid4())


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("ListWaiting", pb.ListWaitingRequest(kind=9)),
        ("ListWaiting", pb.ListWaitingRequest(page_size=1001)),
        ("ListWaiting", pb.ListWaitingRequest(page_token="x")),
        ("ReviewLabels", pb.ReviewLabelsRequest()),
        ("ReviewLabels", pb.ReviewLabelsRequest(reviews=[pb.Review()])),
        (
            "ReviewLabels",
            pb.ReviewLabelsRequest(
                reviews=[pb.Review(entry_id=UNKNOWN, of_entry_id=UNKNOWN, label=1)]
            ),
        ),
        ("WithdrawLabels", pb.WithdrawLabelsRequest(reviewer="ann")),
        ("WithdrawLabels", pb.WithdrawLabelsRequest(entry_id="first", reviewer="ann")),
        ("WithdrawLabels", pb.WithdrawLabelsRequest(entry_id=UNKNOWN)),
    ],
)
async def test_what_makes_no_sense_is_refused(desk: Any, method: str, request_: Any) -> None:
    with pytest.raises(Refusal, match="INVALID_FIELD"):
        await getattr(desk, method)(request_)


async def test_only_operators_may(policy: Replica) -> None:
    for kind in ("business", "device"):
        stub = await policy.labels_as(kind)
        for method, request in (
            ("ListWaiting", pb.ListWaitingRequest()),
            ("ReviewLabels", pb.ReviewLabelsRequest(reviews=[pb.Review()])),
            ("WithdrawLabels", pb.WithdrawLabelsRequest()),
        ):
            with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
                await getattr(stub, method)(request)
        with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
            await exported(stub)
