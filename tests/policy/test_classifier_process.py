"""The classifier beside policy: it dies, it hangs, it is not what was released."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from ml.keys import read_or_make_signing_key
from services.kit.clock import SystemClock
from services.kit.errors import Refusal
from services.local.leash import Leash
from services.policy.judge import Judge, ModelRefused
from tests.fixtures.waiting import eventually, is_alive
from tests.policy.house import MODEL, MODEL_KEY, House, Replica
from tests.policy.parties import OFFER, RECEIPT, Business, Person, codes


@pytest.fixture
async def judge(leash: Leash) -> AsyncIterator[Judge]:
    """A classifier of the test's own."""
    judge = Judge(MODEL, MODEL_KEY.read_bytes(), SystemClock(), timeout_seconds=10)
    await judge.open()
    yield judge
    await judge.close()


async def test_nothing_leaves_unscreened_while_the_classifier_is_away(
    house: House, policy: Replica
) -> None:
    async with house.replica() as replica:
        business, person = Business(replica), Person(replica)
        judge: Judge = replica.servicer._parts.models.live
        item = business.item(person, RECEIPT)
        await business.allowed(item)
        assert judge.process_id is not None
        os.kill(judge.process_id, signal.SIGKILL)
        fresh = [business.item(person, f"{RECEIPT} {word}") for word in ("Thanks", "Regards")]
        known, unknown = await business.screen(item, fresh[0])
        # What was decided before is answered all the same.
        assert known.WhichOneof("outcome") == "allowed"
        assert unknown.refusal.reason == "DEPENDENCY_UNAVAILABLE"
        assert unknown.refusal.retry_delay.seconds
        assert await business.refused(fresh[1]) == "DEPENDENCY_UNAVAILABLE"
        await eventually(lambda: judge.process_id is not None)
        for one in fresh:
            await business.allowed(one)
        assert codes(await business.blocked(business.item(person, OFFER)))


async def test_its_process_is_small(judge: Judge) -> None:
    """So it has not loaded scikit-learn (60 MB), nor the encoder's table of pieces (65 MB)."""
    await judge.read([f"{RECEIPT} {OFFER} {number:b}" for number in range(256)])
    assert psutil.Process(judge.process_id).memory_info().rss < 180e6


async def test_a_classifier_that_hangs_is_started_anew(leash: Leash) -> None:
    judge = Judge(MODEL, MODEL_KEY.read_bytes(), SystemClock(), timeout_seconds=0.2)
    await judge.open()
    try:
        assert judge.process_id is not None
        hanging = psutil.Process(judge.process_id)
        hanging.suspend()
        with pytest.raises(Refusal, match="DEPENDENCY_UNAVAILABLE"):
            await judge.read([RECEIPT])
        await eventually(lambda: not is_alive(hanging))
        await eventually(lambda: judge.process_id is not None)
        [opinion] = await judge.read([RECEIPT])
        assert opinion is not None
    finally:
        await judge.close()


async def test_the_classifier_ends_with_policy(judge: Judge) -> None:
    assert judge.process_id is not None
    process = psutil.Process(judge.process_id)
    process.send_signal(signal.SIGINT)  # the terminal's Ctrl-C
    assert await judge.read([RECEIPT])
    await judge.close()
    await eventually(lambda: not is_alive(process))
    with pytest.raises(Refusal, match="DEPENDENCY_UNAVAILABLE"):
        await judge.read([OFFER])


async def test_the_classifier_ends_even_if_policy_is_killed(leash: Leash) -> None:
    program = f"""
import asyncio, pathlib, sys
from services.kit.clock import SystemClock
from services.policy.judge import Judge

async def main():
    judge = Judge(pathlib.Path({str(MODEL)!r}), sys.stdin.buffer.read(), SystemClock(), 10)
    await judge.open()
    sys.stdout.write(f"{{judge.process_id}}\\n")
    sys.stdout.flush()
    await asyncio.Event().wait()

asyncio.run(main())
"""
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert parent.stdin is not None
    assert parent.stdout is not None
    parent.stdin.write(MODEL_KEY.read_bytes())
    parent.stdin.write_eof()
    process = psutil.Process(int(await parent.stdout.readline()))
    assert is_alive(process)
    parent.kill()
    await parent.wait()
    await eventually(lambda: not is_alive(process))


async def test_other_numbers_are_not_read_again_and_other_words_are(judge: Judge) -> None:
    [first] = await judge.read(["Your order 90213 arrives on Tuesday."])
    assert judge.process_id is not None
    os.kill(judge.process_id, signal.SIGKILL)
    assert await judge.read(["Your order 77120 arrives on Tuesday."]) == [first]
    with pytest.raises(Refusal, match="DEPENDENCY_UNAVAILABLE"):
        await judge.read(["Your order 77120 arrives on Sunday."])


async def test_too_little_to_read_is_no_opinion(judge: Judge) -> None:
    assert await judge.read(["7", "!!", "안녕하세요 주문하신 상품"]) == [None, None, None]


async def test_spans_and_disguises_are_explained(judge: Judge) -> None:
    offer, receipt = await judge.explain([OFFER.replace("SALE", "S\u200bALE"), RECEIPT])
    assert offer.spans
    assert "invisible" in offer.disguises
    assert receipt.disguises == ()


# --- A model that is not as it was released ---------------------------------------------------


def copied(folder: Path) -> Path:
    return Path(shutil.copytree(MODEL, folder / "model"))


def with_another_byte(folder: Path) -> None:
    path = folder / "model.joblib"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def with_other_thresholds(folder: Path) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["thresholds"]["direct"] = 1.0
    path.write_text(json.dumps(manifest))


def without_a_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (with_another_byte, "DigestMismatch"),
        (with_other_thresholds, "SignatureInvalid"),
        (without_a_manifest, "ModelMissing"),
    ],
)
async def test_a_model_that_was_changed_is_refused(
    house: House, tmp_path: Path, tamper: Any, said: str
) -> None:
    folder = copied(tmp_path)
    tamper(folder)
    with pytest.raises(ModelRefused, match=said):
        async with house.replica(model_directory=folder):
            pass


async def test_a_model_that_somebody_else_released_is_refused(leash: Leash, tmp_path: Path) -> None:
    read_or_make_signing_key(tmp_path / "other.key")
    key = (tmp_path / "other.pub").read_bytes()
    judge = Judge(MODEL, key, SystemClock(), timeout_seconds=10)
    with pytest.raises(ModelRefused, match="SignedByAnotherKey"):
        await judge.open()


def test_policys_own_process_never_loads_the_classifier() -> None:
    """It would cost a hundred megabytes in each replica."""
    program = (
        "import sys, services.policy.app; print({'sklearn', 'numpy', 'scipy'} & {*sys.modules})"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert printed.stdout.strip() == b"set()"
