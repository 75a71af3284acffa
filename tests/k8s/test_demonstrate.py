"""The demonstration's doors in a cluster: where services answer, and how a person gets a code."""

import io
from pathlib import Path

import pytest

from services.cluster import demonstrate
from services.cluster.api import Api
from services.cluster.demonstrate import PUBLIC_PORT, ClusterDoors, newest_code
from services.identity.codes import ConsoleCodeSender
from services.identity.domain.phone_numbers import parse_phone_number
from services.local.errors import LocalError
from services.local.parties import Doors
from tests.k8s.fake_api import Asked, FakeApi
from tests.k8s.rendered import of_kind
from tests.k8s.test_prepare import allowed

NUMBER = "+963944123456"


async def printed(code: str, number: str = NUMBER) -> str:
    """What identity prints for a code."""
    stream = io.StringIO()
    await ConsoleCodeSender(stream).send(parse_phone_number(number), code)
    return stream.getvalue().rstrip("\n")


async def test_a_code_is_read_from_the_replica_that_sent_it(
    api: Api, fake_api: FakeApi, tmp_path: Path
) -> None:
    fake_api.labels = {"identity-1": "identity", "identity-2": "identity", "edge-0": "edge"}
    fake_api.logs = {
        "identity-1": [
            "2026-11-22T10:00:00.1Z {'message': 'serving'}",
            f"2026-11-22T10:00:02.0Z {await printed('111111')}",
        ],
        # This one is just being made, and has no log.
        "edge-0": [f"2026-11-22T10:00:09.0Z {await printed('999999')}"],
    }
    doors = ClusterDoors(tmp_path, api)
    assert await doors.read_code(NUMBER) == "111111"
    fake_api.logs["identity-2"] = [f"2026-11-22T10:00:03.0Z {await printed('222222')}"]
    assert await doors.read_code(NUMBER) == "222222"
    assert set(fake_api.asked) == {
        Asked("list", "pods", ""),
        Asked("get", "pods/log", "identity-1"),
        Asked("get", "pods/log", "identity-2"),
    }


async def test_the_role_is_as_wide_as_that(api: Api, fake_api: FakeApi, tmp_path: Path) -> None:
    fake_api.labels = {"identity-1": "identity"}
    fake_api.logs = {"identity-1": [f"2026-11-22T10:00:03.0Z {await printed('222222')}"]}
    await ClusterDoors(tmp_path, api).read_code(NUMBER)
    # Pods come and go, so a Role cannot name them.
    assert {asked._replace(name="") for asked in fake_api.asked} == allowed(
        "demonstration", "demonstration"
    )


async def test_another_numbers_code_is_nobodys(api: Api, fake_api: FakeApi, tmp_path: Path) -> None:
    fake_api.labels = {"identity-1": "identity"}
    fake_api.logs = {"identity-1": [f"T {await printed('111111', '+4930123456')}"]}
    with pytest.raises(LocalError, match="HUDHUD_CODE_SENDER must be console"):
        await ClusterDoors(tmp_path, api).read_code(NUMBER, wait_seconds=0)


def test_every_run_is_somebody_elses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whose phone is gone with the pod: ten of them, and a person may have no other."""
    numbers = []

    async def played(_: Doors, phone_number: str) -> bool:
        numbers.append(parse_phone_number(phone_number))
        return True

    monkeypatch.setattr(demonstrate, "play", played)
    monkeypatch.setattr(demonstrate, "FOLDER", tmp_path)
    monkeypatch.setattr(Api, "of_this_pod", lambda: None)
    for drawn in (0, 999_999):
        monkeypatch.setattr(demonstrate, "randbelow", lambda _, drawn=drawn: drawn)
        assert demonstrate.main() == 0
    assert len(set(numbers)) == 2


def test_what_only_looks_like_a_code_is_none() -> None:
    assert newest_code([f"T ☎ {NUMBER}: no digits here", "T 123456", ""], NUMBER) is None


def test_services_answer_under_their_names(api: Api, tmp_path: Path) -> None:
    doors = ClusterDoors(tmp_path, api)
    assert doors.address("edge") == f"edge:{PUBLIC_PORT}"
    (ports,) = {
        tuple(port["port"] for port in service["spec"]["ports"] if port["name"] == "public")
        for service in of_kind("overlays/local", "Service")
        if service["metadata"]["labels"]["app.kubernetes.io/component"] == "service"
    }
    assert ports == (PUBLIC_PORT,)
