"""Owns the forms on the wire of models, their changes, replicas and shadows."""

from __future__ import annotations

from collections import defaultdict

from hudhud.policy.v1 import label_pb2, model_pb2
from services.policy.actions.get_shadow_report import ShadowReport
from services.policy.domain.models import Change, KeptModel, ReplicaState, State
from services.policy.domain.shadows import BINS, LABELS, Decisions, Disagreement, Tally
from services.policy.wire import timestamp


def model(kept: KeptModel, state: State) -> model_pb2.Model:
    """A release that was uploaded, and what it does."""
    release = kept.release
    return model_pb2.Model(
        version=release.version,
        digest=release.digest,
        size_bytes=kept.size_bytes,
        train_time=timestamp(release.train_time),
        language_codes=release.language_codes,
        card=release.card,
        operator=kept.operator,
        create_time=timestamp(kept.create_time),
        state=int(state),
    )


def change(value: Change) -> model_pb2.ModelChange:
    """Something that was done."""
    return model_pb2.ModelChange(
        change_id=value.change_id,
        kind=int(value.kind),
        version=value.version,
        previous_version=value.previous_version,
        operator=value.act.operator,
        note=value.act.note,
        detail=value.detail,
        create_time=timestamp(value.act.time),
    )


def replica(value: ReplicaState) -> model_pb2.Replica:
    """What one process runs."""
    return model_pb2.Replica(
        replica_id=str(value.replica_id),
        host=value.host,
        live_version=value.live_version or value.configured_version,
        shadow_version=value.shadow_version,
        configured_version=value.configured_version,
        refusals=[
            model_pb2.ModelRefusal(version=version, message=message)
            for version, message in value.refusals.items()
        ],
        start_time=timestamp(value.start_time),
        seen_time=timestamp(value.seen_time),
    )


def shadow_report(report: ShadowReport) -> model_pb2.ShadowReport:
    """Counts."""
    tally = report.tally
    proto = model_pb2.ShadowReport(
        version=report.began.version,
        live_version=report.began.previous_version,
        begin_time=timestamp(report.began.act.time),
        share_percent=report.share_percent,
        judged_count=tally.judged,
        dropped_count=tally.dropped,
        decisions=_decisions(tally),
        scores=_scores(tally),
    )
    if report.end_time is not None:
        proto.end_time.CopyFrom(timestamp(report.end_time))
    return proto


def _decisions(tally: Tally) -> list[model_pb2.ShadowDecisions]:
    groups = sorted({(each.language_code, each.use) for each in tally.decisions})
    return [
        model_pb2.ShadowDecisions(
            language_code=language_code,
            use=use,
            both_allowed_count=tally.decisions[Decisions(language_code, use, False, False)],
            both_blocked_count=tally.decisions[Decisions(language_code, use, True, True)],
            live_blocked_count=tally.decisions[Decisions(language_code, use, True, False)],
            shadow_blocked_count=tally.decisions[Decisions(language_code, use, False, True)],
        )
        for language_code, use in groups
    ]


def _scores(tally: Tally) -> list[model_pb2.ShadowScores]:
    counts: defaultdict[tuple[str, str, bool], list[int]] = defaultdict(lambda: [0] * BINS)
    for score, count in tally.scores.items():
        counts[score.language_code, score.label, score.by_shadow][score.bin] += count
    groups = sorted({(language_code, LABELS.index(label)) for language_code, label, _ in counts})
    return [
        model_pb2.ShadowScores(
            language_code=language_code,
            # The labels are in the order of the proto's, which begins with "not said".
            label=label_pb2.Label.Name(index + 1),
            live_counts=counts[language_code, LABELS[index], False],
            shadow_counts=counts[language_code, LABELS[index], True],
        )
        for language_code, index in groups
    ]


def disagreement(value: Disagreement) -> model_pb2.ShadowDisagreement:
    """A message that the two models decided otherwise about."""
    return model_pb2.ShadowDisagreement(
        business_id=str(value.key.business_id),
        message_id=str(value.key.message_id),
        language_code=value.language_code,
        use=value.use,
        live_blocked=value.live_blocked,
        shadow_blocked=not value.live_blocked,
        screen_time=timestamp(value.screen_time),
    )
