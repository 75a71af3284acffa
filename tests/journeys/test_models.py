"""An operator's afternoon: a model is tried in shadow, promoted and rolled back, by `hudhud-ml`."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hudhud.clearance.v1 import clearance_pb2
from hudhud.edge.v1.edge_service_pb2 import AppealMessageRequest, GetAppealRequest
from hudhud.policy.v1.appeal_pb2 import Appeal
from hudhud.policy.v1.policy_service_pb2 import ReportMessageRequest
from ml.cli import main
from ml.corpus.expand import Shares
from ml.data.journal import append_entries, read_entries
from ml.data.labels import Entry
from ml.fleet.models import shadowed, stub_of, uploaded
from ml.fleet.retrain import _leave_alone
from ml.keys import read_public_key
from ml.places import RELEASED, TRAINED_HERE
from ml.release import read_verified_manifest
from ml.train import Recipe
from services.local.parties import text_message
from tests.fixtures.waiting import eventually
from tests.journeys.parties import ADVERTISEMENT, Parties, receipt
from tests.policy.releases import EVERYTHING_IS_STOPPED, Press

# The platform trusts what was trained on this machine.
SIGNING_KEY = TRAINED_HERE.public_key.with_suffix(".key")
# Models are loaded again and again, on a machine that tests keep busy.
pytestmark = pytest.mark.timeout(240)

# Of no other journey on the same platform.
ORDER_REPORTED = "90417"
NOTICE = "Your parcel 4471 is at our Aleppo branch. Please bring the receipt."


class Terminal:
    """Where the operator types."""

    def __init__(self, state: Path) -> None:
        self._environment = {"HUDHUD_STATE_DIR": str(state), "COLUMNS": "200"}

    async def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """The exit code, and what came on both outputs."""
        # In a thread, because the platform's parties live on this event loop.
        result = await asyncio.to_thread(
            CliRunner().invoke, main, list(arguments), env=self._environment
        )
        return result.exit_code, result.stdout, result.stderr

    async def json(self, *arguments: str) -> Any:
        """What a command says to machines."""
        code, printed, told = await self(*arguments, "--json")
        assert code == 0, told
        return json.loads(printed)


@pytest.fixture
def terminal(parties: Parties) -> Terminal:
    return Terminal(parties.doors.state)


async def test_a_model_is_tried_promoted_and_rolled_back(
    parties: Parties, terminal: Terminal, tmp_path: Path
) -> None:
    release = Press(tmp_path, SIGNING_KEY).release(EVERYTHING_IS_STOPPED)
    business, person = await parties.business(), await parties.person(attached=False)

    async def send() -> str:
        outcome = await business.send(
            text_message(
                person.phone_number,
                NOTICE,
                kind=clearance_pb2.KIND_DIRECT,
                category=clearance_pb2.CATEGORY_UTILITY,
            )
        )
        return str(outcome.WhichOneof("outcome"))

    code, printed, told = await terminal("shadow", str(release.folder), "--note", "a trial")
    assert code == 0, told
    assert f"{release.version} was uploaded" in told
    assert f"{release.version} is in shadow" in printed
    assert await send() == "accepted"

    async def reported() -> bool:
        report = await terminal.json("shadow-report")
        return bool(report["judged_count"])

    await eventually(reported)
    report = await terminal.json("shadow-report")
    assert report["version"] == release.version
    assert sum(each["shadow_blocked_count"] for each in report["decisions"]) == 1
    assert [each["live_blocked"] for each in report["disagreements"]] == [False]
    code, printed, _ = await terminal("shadow-report", release.version)
    assert "direct.utility" in printed
    assert "Decided otherwise" in printed

    code, printed, told = await terminal("promote", release.version)
    assert code == 0, told
    assert release.version in printed
    assert await send() == "blocked"
    code, printed, told = await terminal("rollback")
    assert code == 0, told
    assert await send() == "accepted"

    kinds = [change["kind"] for change in await terminal.json("history", "--limit", "5")]
    assert kinds == ["rolled_back", "shadow_ended", "promoted", "shadow_began", "uploaded"]
    assert "a trial" in (await terminal("history"))[1]
    fleet = await terminal.json("fleet")
    assert [model["state"] for model in fleet["models"]] == ["stored"]
    assert [replica["refusals"] for replica in fleet["replicas"]] == [[]]


@pytest.fixture
def small_trainings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings that take seconds."""
    small = partial(
        Recipe, shares=Shares(from_pattern=1, hard_pairs=0), languages=("hi-Latn", "sw"),
        bucket_bits=10, language_bits=10, iterations_max=3, second_look=False,
    )  # fmt: skip
    monkeypatch.setattr("ml.train.Recipe", small)


@pytest.mark.usefixtures("small_trainings")
async def test_a_retraining_ends_in_shadow_and_goes_further_only_through_the_gate(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begins_meanwhile(channel: Any, version: str = "") -> None:
        """A trial that begins while the training does."""
        if version:
            _leave_alone(channel, version)
        else:
            stub = stub_of(channel)
            shadowed(stub, uploaded(stub, str(RELEASED.model), ""), 100, "")

    async def retrain(*options: str, code: int = 0) -> tuple[str, dict[str, str]]:
        """What it told, and the state of every model of such a training."""
        told = await terminal(
            "retrain", "--signing-key", str(SIGNING_KEY), "--store", str(tmp_path / "store"),
            "--work", str(tmp_path / "work"), *options,
        )  # fmt: skip
        assert told[0] == code, told
        models = (await terminal.json("fleet"))["models"]
        states = {each["version"]: each["state"] for each in models}
        return told[1] + told[2], states

    told, states = await retrain("--promote")
    assert "The release gate refuses" in told
    (tried,) = [version for version, state in states.items() if state == "shadow"]
    assert f"{tried} is in shadow" in told
    assert "[0/10] expanding the corpus" in told.splitlines()
    assert "trained from just this" in (await retrain())[0]
    told, unchanged = await retrain("--seed", "2", code=1)
    assert f"Nothing was trained: {tried} is in shadow" in told
    assert unchanged == states

    await terminal("shadow", "--end")  # as if it had been cut short behind the upload
    monkeypatch.setattr("ml.fleet.retrain._refused", lambda *_: False)
    told, states = await retrain("--promote")
    assert f"{tried} is live" in told
    assert states == {**states, tried: "live"}

    before = read_verified_manifest(RELEASED.model, read_public_key(RELEASED.public_key))
    monkeypatch.setattr("ml.fleet.retrain._live_and_trainings", lambda _: (before, set()))
    other = before.version
    monkeypatch.setattr("ml.fleet.retrain._leave_alone", begins_meanwhile)
    told, states = await retrain("--seed", "2", "--promote", code=1)
    assert f"was uploaded and is not tried: {other} is in shadow" in told
    assert states[other] == "shadow"
    told, states = await retrain("--seed", "2", "--promote", "--replace-shadow")
    assert f"{tried} is live meanwhile" in told
    assert (states[tried], states[other]) == ("live", "stored")
    assert (await terminal("rollback"))[0] == 0


async def test_what_people_say_goes_to_reviewers_and_back(
    parties: Parties, terminal: Terminal, tmp_path: Path
) -> None:
    business, person = await parties.business(), await parties.person()
    await business.send(receipt(person.phone_number, order=ORDER_REPORTED))
    message = await person.next_message()
    await person.device.report(message.message_id, ReportMessageRequest.REASON_SCAM)
    file = tmp_path / "said.jsonl"
    file.touch(mode=0o644)
    code, _, told = await terminal("export-labels", "--out", str(file))
    assert code == 0, told
    assert file.stat().st_mode & 0o777 == 0o600
    said, bad = read_entries(file)
    assert not bad
    [reported] = [each for each in said if ORDER_REPORTED in each.text]
    assert (reported.kind, reported.label, reported.previous) == ("report", "scam", "allow")
    assert person.phone_number not in file.read_text()
    time = datetime.now(UTC).isoformat()
    decided = Entry(
        "review 1", "review", time, "ann", text=reported.text, label="transactional", of=reported.id
    )
    elsewhere = Entry("review 2", "review", time, "ann", of="uci:7", label="scam", text="Win!")
    append_entries(file, [decided, elsewhere])
    for new in (1, 0):
        code, printed, told = await terminal("send-labels", str(file))
        assert (code, f"{new} reviews" in printed) == (0, True), told
    with file.open("a") as lines:
        lines.write("{bent\n")
    append_entries(file, [Entry("w 1", "withdrawal", time, "ann", of=reported.id)])
    code, printed, told = await terminal("send-labels", str(file))
    assert (code, "1 withdrawals" in printed, "said.jsonl:" in told) == (3, True, True), told
    code, printed, _ = await terminal("export-labels")
    assert reported.text not in printed
    assert [line for line in printed.splitlines() if reported.id in line and "withdrawal" in line]


async def test_an_appeal_is_heard(parties: Parties, terminal: Terminal, tmp_path: Path) -> None:
    business, person = await parties.business(), await parties.person(attached=False)
    message = text_message(
        person.phone_number,
        ADVERTISEMENT,
        kind=clearance_pb2.KIND_DIRECT,
        category=clearance_pb2.CATEGORY_UTILITY,
    )
    assert (await business.send(message)).HasField("blocked")
    answer = await business.edge.AppealMessage(
        AppealMessageRequest(message=message, statement="They are members of the club.")
    )
    assert answer.appeal.state == Appeal.STATE_WAITING
    file = tmp_path / "said.jsonl"
    await terminal("export-labels", "--out", str(file))
    [appeal] = [each for each in read_entries(file)[0] if each.by == f"b-{business.business_id}"]
    assert (appeal.kind, appeal.text, appeal.previous) == ("appeal", ADVERTISEMENT, "block")
    time = datetime.now(UTC).isoformat()
    decided = Entry(
        "review 3",
        "review",
        time,
        "ann",
        label="transactional",
        of=appeal.id,
        reason="They are.",
    )
    append_entries(file, [decided])
    assert (await terminal("send-labels", str(file)))[0] == 0
    told = await business.edge.GetAppeal(GetAppealRequest(message_id=message.message_id))
    assert (told.appeal.state, told.appeal.reason) == (Appeal.STATE_GRANTED, "They are.")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("promote", "0123456789ab"), 1, "MODEL_NOT_FOUND"),
        (("promote", "no-such-folder"), 2, "neither a folder nor a version"),
        (("promote", "services"), 1, "No such file"),
        (("rollback",), 1, "nothing to roll back to"),
        (("shadow",), 2, "Name a model, or --end"),
        (("shadow-report",), 1, "No model is in shadow"),
        (("history", "--credential", "nowhere"), 4, "the operator's credential"),
        (("history", "--authority", "README.md"), 4, "UNAVAILABLE"),
        (("send-labels", "nowhere.jsonl"), 2, "does not exist"),
        (("export-labels", "--out", "nowhere/said.jsonl"), 1, "nowhere"),
        (("fleet", "--policy", "127.0.0.1:1"), 4, "UNAVAILABLE"),
        (("retrain", "--signing-key", "nowhere.key"), 1, "nowhere.key: no private key"),
        (("retrain", "--signing-key", "README.md"), 1, "README.md: no private key"),
    ],
)
async def test_what_cannot_be_done_is_said(
    terminal: Terminal, arguments: tuple[str, ...], code: int, said: str
) -> None:
    exit_code, _, told = await terminal(*arguments)
    assert (exit_code, said in told) == (code, True), told


async def test_somebody_who_is_no_operator_is_refused(terminal: Terminal, tmp_path: Path) -> None:
    credential = tmp_path / "credential"
    credential.write_text("guessed")
    code, _, told = await terminal("fleet", "--credential", str(credential))
    assert (code, "API_KEY_INVALID" in told) == (1, True), told


async def test_where_nothing_ever_ran_it_says_how_to_start(tmp_path: Path) -> None:
    code, _, told = await Terminal(tmp_path)("fleet")
    assert (code, "hudhud run" in told) == (4, True), told
