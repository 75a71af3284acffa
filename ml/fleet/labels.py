"""`hudhud-ml export-labels` and `send-labels`: what people said about messages, in both directions.

The file is the one that `hudhud-ml label` reads and writes (ml/data/README.md).
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import islice
from pathlib import Path
from typing import IO, Any
from uuid import NAMESPACE_URL, UUID, uuid5

import click

from ml.command import SOME_LINES_UNUSABLE, any_path, errors, existing, output
from ml.data.journal import read_entries
from ml.data.labels import Entry
from ml.data.store import STORE
from ml.fleet.command import fleet_command, tell

EXPORT_SECONDS = 600.0
SENT_AT_A_TIME = 200
LABELS = ("promotional", "scam", "transactional", "personal")


@click.command("export-labels")
@click.option("--out", type=any_path, help="Where to write; standard output if not given.")
@fleet_command
def export_labels(channel: Any, out: Path | None) -> None:
    """Write all that people said about messages: reports, appeals, reviews, withdrawals.

    `hudhud-ml label --add FILE` takes it in; once more changes nothing.
    """
    count = 0
    with _private(out) if out else nullcontext(sys.stdout) as sink:
        for entry in exported(channel):
            print(json.dumps(entry.as_data(), ensure_ascii=False), file=sink)
            count += 1
    errors.print(f"{count:,} entries.")


@contextmanager
def _private(path: Path) -> Iterator[IO[str]]:
    """A file that is there once it is whole, and its owner's alone from the first byte, whatever
    was there before: what people handed over is for reviewers.
    """
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:  # mkstemp has made it 0600
            yield file
        Path(draft).replace(path)
    finally:
        Path(draft).unlink(missing_ok=True)


def exported(channel: Any) -> Iterator[Entry]:
    """All that people said about messages, as policy keeps it."""
    from hudhud.policy.v1 import label_service_pb2 as pb

    answers = _labels(channel).ExportLabels(pb.ExportLabelsRequest(), timeout=EXPORT_SECONDS)
    return (_entry(said) for answer in answers for said in answer.entries)


@click.command("send-labels")
@click.argument("file", type=existing, default=STORE / "labels.jsonl")
@fleet_command
def send_labels(channel: Any, file: Path) -> None:
    """Send the reviews and withdrawals in FILE back to where the messages were reported.

    Those about messages that nobody reported or appealed stay where they are. Sent again, nothing
    changes.
    """
    labels = _labels(channel)
    entries, bad = read_entries(file)
    for line in bad:
        errors.print(f"{file.name}:{line.number}: {line.reason}", style="yellow", markup=False)
    created, unknown = _send_reviews(labels, [each for each in entries if each.kind == "review"])
    withdrawn = _send_withdrawals(labels, [each for each in entries if each.kind == "withdrawal"])
    output.print(f"{created:,} reviews and {withdrawn:,} withdrawals are new.")
    if unknown:
        tell(f"{unknown:,} reviews are about messages that are not there any more.")
    sys.exit(SOME_LINES_UNUSABLE if bad or unknown else 0)


def _labels(channel: Any) -> Any:
    from hudhud.policy.v1 import label_service_pb2_grpc

    stub: Any = label_service_pb2_grpc.LabelServiceStub
    return stub(channel)


def _entry(said: Any) -> Entry:
    """In the words of the file."""
    from ml.fleet.data import name_of

    kind = name_of(said, "kind")
    is_withdrawal = kind == "withdrawal"
    return Entry(
        id=said.entry_id,
        kind=kind,
        time=said.create_time.ToJsonString(),
        by=said.said_by,
        business=said.business,
        text=said.text,
        label="" if is_withdrawal else name_of(said, "label"),
        model=said.model_version,
        previous="" if is_withdrawal else "block" if said.blocked else "allow",
        of=said.of_entry_id,
        reason=said.reason,
    )


def _send_reviews(labels: Any, reviews: Sequence[Entry]) -> tuple[int, int]:
    """How many are new, and how many are about what is not there."""
    from hudhud.policy.v1 import label_pb2
    from hudhud.policy.v1 import label_service_pb2 as pb

    ours = (
        pb.Review(
            entry_id=str(_own_id(each)),
            of_entry_id=each.of,
            label=label_pb2.Label.Value(f"LABEL_{each.label.upper()}"),
            reviewer=each.by[:100],
            reason=each.reason[:500],
        )
        for each in reviews
        if _is_uuid(each.of) and each.label in LABELS
    )
    created = unknown = 0
    for some in _batches(ours):
        answer = labels.ReviewLabels(pb.ReviewLabelsRequest(reviews=some), timeout=30)
        created += answer.created_count
        unknown += len(answer.unknown_entry_ids)
    return created, unknown


def _send_withdrawals(labels: Any, withdrawals: Sequence[Entry]) -> int:
    """How many are new."""
    from hudhud.policy.v1 import label_service_pb2 as pb

    count: int = sum(
        labels.WithdrawLabels(
            pb.WithdrawLabelsRequest(
                entry_id=each.of, reviewer=each.by[:100], reason=each.reason[:500]
            ),
            timeout=30,
        ).withdrawn_count
        for each in withdrawals
        if _is_uuid(each.of)
    )
    return count


def _own_id(entry: Entry) -> UUID:
    """The entry's id; where it is in another form, one that is made of it."""
    return UUID(entry.id) if _is_uuid(entry.id) else uuid5(NAMESPACE_URL, f"hudhud:{entry.id}")


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _batches(reviews: Iterable[Any]) -> Iterator[list[Any]]:
    rest = iter(reviews)
    while some := list(islice(rest, SENT_AT_A_TIME)):
        yield some
